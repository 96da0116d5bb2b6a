"""A quantized network: tensors and operators in execution order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.ir.tensor import Tensor


@dataclass(frozen=True, slots=True)
class PictureRange:
    """Real values of black (0) and white (255) at the network's input and output."""

    black: float = -1.0
    white: float = 1.0


@dataclass(frozen=True, eq=False, slots=True)
class Graph:
    """A network with static shapes. Invariants are checked by `verify.py`.

    `ops` are in topological order, each tensor is written once, `inputs` and `outputs` are tensor names.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    picture_range: PictureRange = PictureRange()

    def input_tensors(self, op: Op) -> tuple[Tensor, ...]:
        return tuple(self.tensors[name] for name in op.inputs)

    def output_tensor(self, op: Op) -> Tensor:
        return self.tensors[op.output]

    def consumers(self, tensor: str) -> tuple[Op, ...]:
        """Operators that read `tensor`, in execution order."""
        return tuple(op for op in self.ops if tensor in op.inputs)
