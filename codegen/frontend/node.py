"""One ONNX node with typed access to its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import helper

from tinyanime.codegen.errors import ModelError


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """`name` is never empty: unnamed nodes are called after their operator and first output."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, object]
    opset: int

    def input_name(self, index: int) -> str:
        """Name of an input, empty where the optional input is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    @property
    def output(self) -> str:
        return self.outputs[0]

    def refusal(self, reason: str, hint: str = "") -> ModelError:
        """The error for this node; `reason` completes the sentence "Node 'x' (Conv) ..."."""
        return ModelError(f"Node '{self.name}' ({self.operator}) {reason}.", hint=hint)

    def integer(self, name: str, default: int) -> int:
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.refusal(f"has an attribute {name} that is not an integer")
        return value

    def real(self, name: str, default: float) -> float:
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise self.refusal(f"has an attribute {name} that is not a number")
        return float(value)

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A list attribute; must have as many elements as `default` where that is not empty."""
        value = self.attributes.get(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, int) for item in value):
            raise self.refusal(f"has an attribute {name} that is not a list of integers")
        if default and len(value) != len(default):
            raise self.refusal(f"has {len(value)} values in attribute {name}, {len(default)} are supported")
        return tuple(value)

    def text(self, name: str, default: str) -> str:
        value = self.attributes.get(name, default)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def node_from(proto: onnx.NodeProto, opset: int) -> Node:
    """Read a node; raises ModelError for an attribute of a kind that cannot be read."""
    label = next((output for output in proto.output if output), "")
    name = proto.name or f"{proto.op_type}:{label}"
    try:
        attributes = {item.name: helper.get_attribute_value(item) for item in proto.attribute}
    except ValueError as error:
        raise ModelError(f"Node '{name}' ({proto.op_type}) has an attribute that cannot be read: {error}.") from error
    return Node(name, proto.op_type, tuple(proto.input), tuple(proto.output), attributes, opset)
