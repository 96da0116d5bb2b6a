"""The networks that memory is compared on: the shipped model, and random weights in shapes that people train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from tinyanime.codegen.models.generators import small_generator, student_32_64_128

SHIPPED = "anime128"


@dataclass(frozen=True, slots=True)
class BenchNetwork:
    """`onnx` gives the model file's bytes. `long_run`: an emulator takes a minute or more for one picture."""

    name: str
    title: str
    onnx: Callable[[], bytes]
    long_run: bool = False


def _shipped() -> bytes:
    return resources.files("tinyanime.codegen.models").joinpath(SHIPPED, "model.onnx").read_bytes()


NETWORKS = (
    BenchNetwork(SHIPPED, "the shipped model, 128 x 128", _shipped),
    BenchNetwork(
        "student128",
        "32-64-128 channels, two residual blocks, 128 x 128",
        lambda: student_32_64_128().SerializeToString(),
    ),
    BenchNetwork(
        "student128-skip",
        "the same with a long skip at full resolution",
        lambda: student_32_64_128(long_skip=True).SerializeToString(),
    ),
    BenchNetwork(
        "student256",
        "32-64-128 channels at 256 x 256",
        lambda: student_32_64_128(side=256).SerializeToString(),
        long_run=True,
    ),
    BenchNetwork("small512", "8-16-24 channels at 512 x 512, streamed", lambda: small_generator().SerializeToString()),
)
