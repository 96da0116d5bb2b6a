"""What the compiler in the `bakenn` wheel needs for a network: its arena, and the caller's input and output."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.host.kernel_bench.bakenn_graph import ENGINE, NotTakenError, bakenn_graph, is_installed

__all__ = ["ENGINE", "Arena", "NotTakenError", "bakenn_arena", "is_installed"]


@dataclass(frozen=True, slots=True)
class Arena:
    """bakenn's arena (activations between input and output, and kernel scratch), and the caller's buffers, in bytes."""

    arena_bytes: int
    caller_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.arena_bytes + self.caller_bytes


def bakenn_arena(graph: Graph) -> Arena:
    """Compile `graph` with bakenn and its CMSIS-NN kernels. Raises NotTakenError."""
    import bakenn

    options = bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=bakenn.CORTEX_M4
    )
    with tempfile.TemporaryDirectory(prefix="tinyanime-bakenn-") as folder:
        try:
            report = bakenn.compile(bakenn_graph(graph), folder, model_name="network", backend_options=options)
        except (bakenn.BakeNNError, ValueError) as error:
            raise NotTakenError(str(error)) from error
    memory = report.memory_report
    return Arena(memory.arena_bytes, memory.input_bytes + memory.output_bytes)
