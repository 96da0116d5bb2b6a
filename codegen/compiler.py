"""The whole compilation: ONNX file and board in, project folder out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.cmsis_nn.sources import find_cmsis_nn
from tinyanime.codegen.emit.arrays import filter_of, weights_bytes
from tinyanime.codegen.emit.project import ProjectInput, assemble_project
from tinyanime.codegen.emit.write import write_project
from tinyanime.codegen.errors import DoesNotFitError, ModelError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.passes.kernel_scratch import scratch_rule
from tinyanime.codegen.passes.lower_to_cmsis_nn import select_kernel
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.choose import choose_schedule

Progress = Callable[[str, int, int], None]
"""Called with (what happens now, steps done, steps in all)."""

_STEPS = 5

LARGEST_EXTENT = 65535
"""Most rows, columns or channels of a tensor: the firmware's headers hold them in 16 bits."""


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """`cmsis_nn`: folder with CMSIS-NN sources to use instead of an installed pack or the wheel's."""

    cmsis_nn: Path | None = None


def _no_progress(what: str, done: int, total: int) -> None:
    del what, done, total


def compile_model(
    model: Path,
    board: Board,
    directory: Path,
    *,
    options: CompileOptions | None = None,
    progress: Progress = _no_progress,
) -> Bundle:
    """Compile `model` for `board` into `directory`.

    Raises ModelError, DoesNotFitError or ToolError; on any error the folder is left as it was, or without a manifest.
    """
    options = options or CompileOptions()
    progress("reading the model", 0, _STEPS)
    graph = load_and_prepare(model)
    progress("finding kernels", 1, _STEPS)
    library = find_cmsis_nn(options.cmsis_nn)
    kernels = tuple(select_kernel(graph, op) for op in graph.ops)
    progress("planning memory", 2, _STEPS)
    _check_extents(graph)
    _check_flash(graph, board)
    planned = choose_schedule(graph, board, scratch_rule(board, pinned=library.is_pinned))
    progress("generating C", 3, _STEPS)
    content, manifest = assemble_project(ProjectInput(board, planned, kernels, library, model.read_bytes()))
    progress("writing the project", 4, _STEPS)
    write_project(directory, content)
    progress("done", _STEPS, _STEPS)
    return Bundle(directory, manifest)


def _check_extents(graph: Graph) -> None:
    """Refuse maps whose height, width or channels the firmware's 16-bit fields cannot hold."""
    for tensor in graph.tensors.values():
        if max(tensor.shape) > LARGEST_EXTENT:
            raise ModelError(
                f"Tensor '{tensor.name}' has shape {list(tensor.shape)}; no dimension may exceed {LARGEST_EXTENT:,}.",
                hint="Use a smaller picture, or reshape the tensor so that its elements spread over more dimensions.",
            )


def _check_flash(graph: Graph, board: Board) -> None:
    """Refuse weights that alone exceed the code memory (the linker checks the sum with the code)."""
    sizes = {op.name: weights_bytes(f) for op in graph.ops if (f := filter_of(op)) is not None}
    room = sum(region.size_bytes for region in board.regions(MemoryUse.CODE))
    needed = sum(sizes.values())
    if needed > room:
        largest = max(sizes, key=lambda name: sizes[name])
        raise DoesNotFitError(
            f"The model does not fit {board.name}: its weights need {needed:,} bytes of flash and the board has "
            f"{room:,}; the largest layer is '{largest}' with {sizes[largest]:,}.",
            hint="Prune or narrow the largest layers, or choose a board with more flash (tinyanime boards).",
        )
