"""The kernels that a schedule calls."""

from __future__ import annotations

from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.plain import plain_kernel
from tinyanime.codegen.schedule.plan import Schedule


def schedule_kernels(schedule: Schedule) -> tuple[Kernel, ...]:
    """One per operator of the schedule's graph; the plain one of operators that are never called."""
    called = {call.op: call.kernel for step in schedule.steps for call in step.calls}
    return tuple(called.get(index) or plain_kernel(schedule.graph, op) for index, op in enumerate(schedule.graph.ops))
