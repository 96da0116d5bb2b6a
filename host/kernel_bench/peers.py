"""What others published for the same networks on a Cortex-M7 or an M4, as cycles: time in ms times clock in MHz."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One measured figure; `cycles` are those of the chip, caches and flash included."""

    network: str
    system: str
    chip: str
    milliseconds: float
    megahertz: int
    source: str

    @property
    def cycles(self) -> int:
        return round(self.milliseconds * self.megahertz * 1000)


_ROUND = "MLPerf Tiny v1.2, results, closed division"

PUBLISHED = (
    Published("resnet8", "X-CUBE-AI 9.0", "STM32H7A3", 40.84, 280, _ROUND),
    Published("resnet8", "Bosch HALE", "STM32H7A3", 45.85, 280, _ROUND),
    Published("resnet8", "Plumerai", "STM32H7A3", 50.93, 280, "MLPerf Tiny v1.1, results, closed division"),
)

BEST_PUBLISHED_CYCLES = (("resnet8", 11_400_000), ("mobilenet_v1_025", 6_700_000))
"""The best figure known for a Cortex-M7, by network."""


def best_published_cycles(network: str) -> int | None:
    """Cycles of the best published Cortex-M7 result for `network`, or None where none is known."""
    return dict(BEST_PUBLISHED_CYCLES).get(network)
