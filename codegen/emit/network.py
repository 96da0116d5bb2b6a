"""Schedule and memory plan to the context of `templates/network/network.c.j2`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyanime.codegen.emit.arrays import ConstantArray, constant_arrays
from tinyanime.codegen.emit.calls import Call
from tinyanime.codegen.emit.lower import lower_call
from tinyanime.codegen.ir.macs import op_macs
from tinyanime.codegen.ir.ops import Add, Op
from tinyanime.codegen.ir.tensor import Tensor
from tinyanime.codegen.memory.problem import MemoryPlan, Placement
from tinyanime.codegen.passes.lower_to_cmsis_nn import Kernel, KernelSource
from tinyanime.codegen.schedule.plan import RowView, Schedule, Step


@dataclass(frozen=True, slots=True)
class BandContext:
    """One row of a layer's band table; pointers are C expressions."""

    input: str
    second: str
    output: str
    in_row_begin: int
    in_rows: int
    out_row_begin: int
    out_row_end: int
    padding_top: int


@dataclass(frozen=True, eq=False, slots=True)
class LayerContext:
    """One generated function."""

    index: int
    symbol: str
    title: str
    details: tuple[str, ...]
    bands: tuple[BandContext, ...]
    scratch: str
    scratch_bytes: int
    asks_scratch: bool
    """Whether the generated function compares the library's scratch size with the plan's."""
    call: Call


@dataclass(frozen=True, slots=True)
class LayerRow:
    name: str
    height: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class StepRow:
    function: str
    output: str
    bytes: int
    layer: int
    band: int
    row_begin: int
    row_end: int


@dataclass(frozen=True, slots=True)
class EndpointContext:
    """Network input or output; `role` is the field of ta_network."""

    role: str
    data: str
    bytes: int
    height: int
    width: int
    channels: int
    zero_point: int
    scale: float


@dataclass(frozen=True, eq=False, slots=True)
class NetworkContext:
    layers: tuple[LayerContext, ...]
    layer_table: tuple[LayerRow, ...]
    steps: tuple[StepRow, ...]
    input: EndpointContext
    output: EndpointContext
    arrays: tuple[ConstantArray, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Addresses:
    """C expressions of planned bytes."""

    places: Mapping[str, Placement]
    sizes: Mapping[str, int]
    homes: Mapping[str, str]
    """Stored tensor to buffer."""

    @classmethod
    def planned(cls, schedule: Schedule, plan: MemoryPlan) -> _Addresses:
        places = {place.buffer: place for place in plan.placements}
        sizes = {buffer.name: buffer.size_bytes for buffer in schedule.buffers}
        return cls(places, sizes, dict(schedule.tensor_buffers))

    def of(self, buffer: str, offset_bytes: int = 0) -> str:
        place = self.places[buffer]
        offset = place.offset_bytes + offset_bytes
        return f"ta_arena_{place.bank} + {offset}" if offset else f"ta_arena_{place.bank}"

    def view(self, view: RowView) -> str:
        return self.of(view.buffer, view.offset_bytes)

    def tensor(self, name: str) -> str:
        return self.of(self.homes[name])


def network_context(schedule: Schedule, plan: MemoryPlan, kernels: tuple[Kernel, ...]) -> NetworkContext:
    """Everything the network templates need; `kernels` has one entry per operator."""
    graph = schedule.graph
    addresses = _Addresses.planned(schedule, plan)
    by_op: dict[int, list[Step]] = {}
    for step in schedule.steps:
        by_op.setdefault(step.op, []).append(step)
    layers: list[LayerContext] = []
    arrays: list[ConstantArray] = []
    for index, op in enumerate(graph.ops):
        if index not in by_op:
            continue
        layers.append(_layer(schedule, index, kernels[index], by_op[index], addresses))
        arrays.extend(constant_arrays(graph, index, op, kernels[index]))
    return NetworkContext(
        layers=tuple(layers),
        layer_table=tuple(_layer_row(op, graph.output_tensor(op)) for op in graph.ops),
        steps=tuple(_step_row(schedule, step, addresses) for step in schedule.steps),
        input=_endpoint("input", graph.tensors[graph.inputs[0]], addresses),
        output=_endpoint("output", graph.tensors[graph.outputs[0]], addresses),
        arrays=tuple(arrays),
    )


def layer_symbol(index: int) -> str:
    return f"layer_{index:02d}"


def _layer(schedule: Schedule, index: int, kernel: Kernel, steps: list[Step], addresses: _Addresses) -> LayerContext:
    graph = schedule.graph
    op = graph.ops[index]
    scratch = steps[0].scratch
    inputs = tuple(tuple(addresses.view(view) for view in step.inputs) for step in steps)
    return LayerContext(
        index=index,
        symbol=layer_symbol(index),
        title=f"{op.name} ({type(op).__name__}) by {kernel.function}",
        details=_details(schedule, index, steps),
        bands=tuple(_band(op, step, pointers, addresses) for step, pointers in zip(steps, inputs, strict=True)),
        scratch=addresses.of(scratch) if scratch else "NULL",
        scratch_bytes=addresses.sizes[scratch] if scratch else 0,
        asks_scratch=kernel.source is KernelSource.CMSIS_NN and kernel.function != "arm_max_pool_s8",
        call=lower_call(graph, index, op, kernel, inputs),
    )


def _details(schedule: Schedule, index: int, steps: list[Step]) -> tuple[str, ...]:
    graph = schedule.graph
    op = graph.ops[index]
    sources = ", ".join(f"{t.name} {list(t.shape)}" for t in graph.input_tensors(op))
    target = graph.output_tensor(op)
    lines = [f"{sources} to {target.name} {list(target.shape)}"]
    macs = op_macs(graph, op)
    if macs:
        lines.append(f"{macs:,} multiply-accumulates")
    stage = schedule.stages[steps[0].stage]
    if len(stage.ops) > 1:
        names = ", ".join(graph.ops[i].name for i in stage.ops)
        bands = "1 band" if stage.bands == 1 else f"{stage.bands} bands"
        lines.append(f"one stage in {bands}: {names}")
    return tuple(lines)


def _band(op: Op, step: Step, pointers: tuple[str, ...], addresses: _Addresses) -> BandContext:
    first = step.inputs[0]
    return BandContext(
        input=pointers[0],
        second=pointers[1] if isinstance(op, Add) else "NULL",
        output=addresses.view(step.output),
        in_row_begin=first.rows.begin,
        in_rows=first.rows.count,
        out_row_begin=step.output.rows.begin,
        out_row_end=step.output.rows.end,
        padding_top=step.padding_top,
    )


def _layer_row(op: Op, tensor: Tensor) -> LayerRow:
    return LayerRow(op.name, tensor.height, tensor.row_bytes)


def _step_row(schedule: Schedule, step: Step, addresses: _Addresses) -> StepRow:
    rows = step.output.rows
    row_bytes = schedule.graph.tensors[step.output.tensor].row_bytes
    return StepRow(
        function=layer_symbol(step.op),
        output=addresses.view(step.output),
        bytes=rows.count * row_bytes,
        layer=step.op,
        band=step.band,
        row_begin=rows.begin,
        row_end=rows.end,
    )


def _endpoint(role: str, tensor: Tensor, addresses: _Addresses) -> EndpointContext:
    return EndpointContext(
        role=role,
        data=addresses.tensor(tensor.name),
        bytes=tensor.size_bytes,
        height=tensor.height,
        width=tensor.width,
        channels=tensor.channels,
        zero_point=tensor.quantization.zero_point,
        scale=tensor.quantization.scale,
    )
