"""A kernel as the generated code calls it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class KernelSource(Enum):
    """Where a kernel's C text comes from."""

    CMSIS_NN = "cmsis-nn"
    ESP_NN = "esp-nn"
    TINYANIME = "tinyanime"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C function: its name, and which library has it.

    `block` is the number of columns that a kernel of `tinyanime/convolve.h` computes at a time; 0 for all others.
    """

    function: str
    source: KernelSource
    block: int = 0


def cmsis_nn(function: str) -> Kernel:
    return Kernel(function, KernelSource.CMSIS_NN)


def esp_nn(function: str) -> Kernel:
    return Kernel(function, KernelSource.ESP_NN)


def own(function: str, block: int = 0) -> Kernel:
    return Kernel(function, KernelSource.TINYANIME, block)
