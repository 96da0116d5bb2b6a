"""Schedules in which a kernel of convolve.h gets its weights in several ranges of output channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from tests.support.forced_schedules import Force, ForcedSchedule, forced_schedule, whole_line_network
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.catalogue import CATALOGUE, computes_channel_ranges
from tinyanime.codegen.kernels.kernel import own
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.plan import Call, Schedule

RANGE_KERNELS = tuple(kernel.function for kernel in CATALOGUE if computes_channel_ranges(own(kernel.function)))
"""All kernels that compute a range of channels straight into the output."""

SLOT_BYTES = 704
"""Room for 4 output channels of the network's widest convolutions: their 16 come in 4 ranges."""


@dataclass(frozen=True, eq=False)
class RangeCase:
    """`graph` is the network before operators were joined for the kernel."""

    graph: Graph
    forced: ForcedSchedule

    @property
    def schedule(self) -> Schedule:
        return self.forced.schedule

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(call for step in self.schedule.steps for call in step.calls)


def range_case(function: str, folder: Path, *, stage_ops: int = 3, strip_rows: int = 4) -> RangeCase:
    """A generator in small on the stm32h743, whatever `function` can compute by it."""
    path = folder / "network.onnx"
    onnx.save(whole_line_network(5), path)
    graph = load_and_prepare(path)
    force = Force(stage_ops, strip_rows, fast_bytes=4096, slot_bytes=SLOT_BYTES, function=function)
    return RangeCase(graph, forced_schedule(graph, load_board("stm32h743"), force))
