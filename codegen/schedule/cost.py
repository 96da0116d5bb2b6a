"""What calls and moves cost on the core: estimated instructions, and modelled cycles with the memory's share.

Instructions were fitted to counts of CMSIS-NN 4.0.0 and our kernels on an emulated Cortex-M7 (GCC 12, -O3). A cycle
per instruction and the memory costs below are assumptions: a comparison of schedules, not a promise of speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, AveragePool, Conv2D, FullyConnected, MaxPool, Requantize, TransposeConv2D
from tinyanime.codegen.schedule.plan import Call

AccessCost = Callable[[str], int]
"""Access cost (`Bank.access_cost`) of the bank that holds a buffer; 1 for tightly coupled memory."""

CACHED_WEIGHT_BYTES = 8 * 1024
"""Weights up to this size stay in half of the Cortex-M7's 16 KB data cache between pixels."""

_CALL_INSTRUCTIONS = 400
_WORD_BYTES = 4


def _tightly_coupled(buffer: str) -> int:
    del buffer
    return 1


@dataclass(frozen=True, slots=True)
class CostModel:
    """`flash_cycles_per_kib`: core cycles to read 1024 bytes of weights that no cache holds."""

    flash_cycles_per_kib: int = 1024

    def call_instructions(self, graph: Graph, call: Call) -> int:
        """Instructions of one kernel call, estimated."""
        op = graph.ops[call.op]
        target = graph.output_tensor(op)
        pixels = call.output.rows.count * target.width
        per_pixel: float
        match op:
            case Conv2D() | TransposeConv2D():
                channels = call.channels.count if call.channels else target.channels
                depth = op.filter.values[0].size
                if isinstance(op, TransposeConv2D):
                    per_pixel = 4.0 * channels * depth / (op.stride.height * op.stride.width) + 20 * channels
                elif op.groups == 1:
                    per_pixel = 1.805 * channels * depth + 2.8 * depth + 50 * channels + 350
                else:
                    per_pixel = 6.0 * channels * depth + 30 * channels
                if call.tile:
                    per_pixel += channels
            case FullyConnected():
                per_pixel = 2.0 * float(op.filter.values.size)
            case MaxPool() | AveragePool():
                per_pixel = 4.0 * op.kernel.height * op.kernel.width * target.channels
            case Add():
                per_pixel = 73.0 * target.channels
            case Requantize():
                per_pixel = 5.0 * target.channels
            case _:
                per_pixel = 5.0 * target.channels + 20
        return _CALL_INSTRUCTIONS + ceil(pixels * per_pixel)

    def call_cycles(self, graph: Graph, call: Call, access_cost: AccessCost = _tightly_coupled) -> int:
        """Modelled core cycles: instructions, slower banks of operands and scratch, weights read from flash."""
        rows = ((view.buffer, view.rows.count * graph.tensors[view.tensor].row_bytes) for view in call.inputs)
        output = (call.output.buffer, call.output.rows.count * graph.tensors[call.output.tensor].row_bytes)
        waits = sum(ceil(size / _WORD_BYTES) * (access_cost(buffer) - 1) for buffer, size in (*rows, output))
        return self.call_instructions(graph, call) + waits + self.weight_cycles(graph, call)

    def weight_cycles(self, graph: Graph, call: Call) -> int:
        """Cycles lost by reading weights from flash: once per call, or per pair of pixels where no cache holds them.

        CMSIS-NN reads all weights of a call again for every two output pixels.
        """
        op = graph.ops[call.op]
        if call.weights is not None or not isinstance(op, Conv2D | TransposeConv2D | FullyConnected):
            return 0
        size = int(op.filter.values.size)
        passes = 1
        if size > CACHED_WEIGHT_BYTES:
            passes = ceil(call.output.rows.count * graph.output_tensor(op).width / 2)
        return ceil(size * passes * self.flash_cycles_per_kib / 1024)

    def move_cycles(self, size_bytes: int) -> int:
        """Cycles of a `Move` or of a copy by the core."""
        return 60 + size_bytes
