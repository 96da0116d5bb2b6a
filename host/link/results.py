"""What the client hands back, and how it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What `infer` is doing; where the network is streamed, all of it at the same time."""

    UPLOAD = "upload"
    RUN = "run"
    DOWNLOAD = "download"


PhaseProgress = Callable[[Phase, int, int], None]
"""Called with the phase and (done, total): bytes, or steps of the run."""


MOST_CYCLES = 2**32 - 1
"""Where each counter of the device stops."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """`total_cycles` of all commands (right as long as no layer takes `MOST_CYCLES`) and `stall_cycles` of these spent
    waiting for a DMA (at most `MOST_CYCLES`), CRC-32 of the output, steps executed."""

    total_cycles: int
    output_crc32: int
    steps: int
    stall_cycles: int = 0


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step wrote: its CRC-32 and size, and the cycles it took (saturates at 2**32 - 1)."""

    index: int
    crc32: int
    size_bytes: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Inference:
    """Output bytes (int8, NHWC), the run that made them, and how often the device had to start over."""

    output: bytes
    result: RunResult
    restarts: int
