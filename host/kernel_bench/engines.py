"""What is compared: our compiler with its own choice of kernels, the same with plain CMSIS-NN calls, and bakenn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyanime.boards.schema import Board, MemoryKind
from tinyanime.codegen.cmsis_nn.sources import find_cmsis_nn
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.emit.project import ArenaBank
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.macs import op_macs
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.schedule.choose import PlannedSchedule
from tinyanime.host.kernel_bench.bakenn_graph import ENGINE as BAKENN
from tinyanime.host.kernel_bench.bakenn_graph import NotTakenError, bakenn_graph, is_installed
from tinyanime.host.kernel_bench.cores import BenchCore, widened
from tinyanime.host.kernel_bench.image import PROGRAMS, Builder, Image, SourceGroup
from tinyanime.host.kernel_bench.return_addresses import call_returns

OURS = "ours"
CMSIS_NN = "cmsis-nn"
ENGINES = (OURS, CMSIS_NN, BAKENN)


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """An operator by name, and the kernel that the engine chose for it."""

    name: str
    kernel: str
    macs: int


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """A program that runs a network: its sections are `layers`, in order. Where an engine's code does not show where
    layers begin, there is one layer without a name. `ram_bytes`: feature maps, input, output and kernel scratch.
    `stall_cycles`: the plan's modelled waits for the DMA."""

    image: Image
    board: Board
    layers: tuple[BuiltLayer, ...]
    marks: tuple[int, ...]
    ram_bytes: int
    stall_cycles: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """One network for one engine on one core; `folder` is the job's own."""

    model: Path
    graph: Graph
    core: BenchCore
    folder: Path
    builder: Builder


Engine = Callable[[Job], BuiltNetwork]
"""Raises DoesNotFitError or NotTakenError."""


def engine(name: str) -> Engine:
    """The engine of that name in ENGINES."""
    return {OURS: _ours, CMSIS_NN: _cmsis_nn, BAKENN: _bakenn}[name]


def engines_for(core: BenchCore) -> tuple[str, ...]:
    """bakenn is compared on the core that others publish figures of."""
    return ENGINES if core.name == "cortex-m7" and is_installed() else (OURS, CMSIS_NN)


def _ours(job: Job) -> BuiltNetwork:
    return _compiled(job, KernelFamily.AUTO)


def _cmsis_nn(job: Job) -> BuiltNetwork:
    return _compiled(job, KernelFamily.CMSIS_NN)


def _compiled(job: Job, kernels: KernelFamily) -> BuiltNetwork:
    board = job.core.board()
    plans: list[PlannedSchedule] = []
    options = CompileOptions(kernels=kernels, inspect_plan=plans.append)
    shutil.rmtree(job.folder, ignore_errors=True)
    try:
        manifest = compile_model(job.model, board, job.folder, options=options).manifest
    except DoesNotFitError:
        board = widened(board)
        manifest = compile_model(job.model, board, job.folder, options=options).manifest
    banks = tuple(ArenaBank(bank.name, bank.peak_bytes) for bank in manifest.banks)
    image = job.builder.link(_project_sources(job), board, banks, job.folder / "bench.elf")
    layers = tuple(BuiltLayer(layer.name, layer.kernel, layer.macs) for layer in manifest.layers)
    ram_bytes = sum(bank.peak_bytes for bank in manifest.banks)
    return BuiltNetwork(image, board, layers, (), ram_bytes, plans[-1].timeline.stall_cycles)


def _project_sources(job: Job) -> tuple[SourceGroup, ...]:
    """A project's network and kernels, with the bench's program in place of link, port and start-up."""
    root = job.folder
    firmware = root / "firmware"
    # Without Arm's compiler the library is built as on a PC: plain C.
    defines = () if job.core.is_arm else tuple(f"-D{macro}" for macro in find_cmsis_nn().host_defines)
    public = (firmware / "include", firmware / "kernels", root / "cmsis_nn" / "Include")
    copying = sorted((firmware / "port_shared").glob("*.c"))
    runtime = (firmware / "runtime" / "executor.c", PROGRAMS / "bench_network.c")
    dma = tuple(copying) or (PROGRAMS / "bench_dma.c",)
    return (
        SourceGroup(tuple(sorted(root.glob("network/*.c"))), (*public, root / "network"), defines),
        SourceGroup(tuple(sorted(root.glob("firmware/kernels/*.c"))), public, defines, kernels=True),
        SourceGroup(tuple(sorted(root.glob("cmsis_nn/Source/*.c"))), public[2:], defines, kernels=True),
        SourceGroup((*runtime, *dma), (public[0], PROGRAMS)),
    )


def _bakenn(job: Job) -> BuiltNetwork:
    import bakenn

    # The profile for the DSP extension; there is none for the Cortex-M7, and no other difference.
    options = bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=bakenn.CORTEX_M4
    )
    shutil.rmtree(job.folder, ignore_errors=True)
    try:
        report = bakenn.compile(bakenn_graph(job.graph), job.folder, model_name="network", backend_options=options)
    except (bakenn.BakeNNError, ValueError) as error:
        raise NotTakenError(str(error)) from error
    memory = report.memory_report
    ram_bytes = int(memory.arena_bytes + memory.input_bytes + memory.output_bytes)
    board, bank = _bank_for(job.core.board(), ram_bytes)
    groups = _bakenn_sources(job.folder, bank)
    image = job.builder.link(groups, board, (ArenaBank(bank, ram_bytes),), job.folder / "bench.elf")
    layers = _bakenn_layers(job.graph, job.folder)
    begin, returns = call_returns(image.path, "bknn_network_infer")
    if len(returns) != len(layers):
        whole = BuiltLayer("", "", sum(layer.macs for layer in layers))
        return BuiltNetwork(image, board, (whole,), (), ram_bytes)
    return BuiltNetwork(image, board, layers, (begin, *returns[:-1]), ram_bytes)


def _bank_for(board: Board, size_bytes: int) -> tuple[Board, str]:
    """The fastest bank that holds everything in one piece; a bank wider than the chip's where none does."""
    for bank in sorted(activation_banks(board), key=lambda bank: bank.access_cost):
        if size_bytes + 1024 <= bank.size_bytes:
            return board, bank.name
    wide = widened(board)
    return wide, max(wide.memory, key=lambda r: 0 if r.kind is MemoryKind.FLASH else r.size_bytes).name


def _bakenn_sources(root: Path, bank: str) -> tuple[SourceGroup, ...]:
    vendor = root / "third_party"
    includes = (root, vendor / "cmsis_nn" / "Include", vendor / "cmsis_core" / "Include")
    library = tuple(sorted(vendor.glob("cmsis_nn/Source/**/*.c")))
    builtin_memory = ("-DBAKENN_CMSIS_NN_BUILTIN_MEMORY",)
    # Without jumps into the last kernel every layer has an instruction to return to.
    visible = ("-fno-optimize-sibling-calls", *builtin_memory)
    return (
        SourceGroup((root / "bknn_network.c", root / "bknn_network_weights.c"), includes, visible),
        SourceGroup((root / "bknn_network_kernels.c",), includes, builtin_memory, kernels=True),
        SourceGroup(library, includes, builtin_memory, kernels=True),
        SourceGroup((PROGRAMS / "bench_bakenn.c",), (root, PROGRAMS), (f'-DBENCH_BANK="{bank}"',)),
    )


def _bakenn_layers(graph: Graph, folder: Path) -> tuple[BuiltLayer, ...]:
    """The steps that call a kernel, in order; views only give a tensor another name."""
    manifest = json.loads((folder / "bknn_network_manifest.json").read_text())
    macs = {op.name: op_macs(graph, op) for op in graph.ops}
    steps = [(step["step_name"], step["implementation"]) for step in manifest["backend"]["selections"]]
    return tuple(BuiltLayer(name, kernel, macs[name]) for name, kernel in steps if "flatten_view" not in kernel)
