"""The families of kernels that a person can choose from."""

from __future__ import annotations

from enum import Enum


class KernelFamily(Enum):
    """`--kernels`."""

    AUTO = "auto"
    """The cheapest legal kernel of each layer."""
    CMSIS_NN = "cmsis-nn"
    """Plain CMSIS-NN calls everywhere they exist, ours elsewhere."""
    ESP_NN = "esp-nn"
    """Plain ESP-NN calls where they exist, are exact and find working memory, ours in portable C elsewhere."""
    REFERENCE = "reference"
    """Portable C only: ours, the plain ones."""
