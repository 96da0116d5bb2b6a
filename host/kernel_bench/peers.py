"""What others published for the same networks on Cortex-M7 chips, as cycles: time times clock, flash and caches
included."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One measured figure; `cycles` are those of the chip."""

    network: str
    system: str
    chip: str
    milliseconds: float
    megahertz: int
    source: str

    @property
    def cycles(self) -> int:
        return round(self.milliseconds * self.megahertz * 1000)


_H7A3 = "STM32H7A3"
_V12 = "MLPerf Tiny v1.2, closed division"

PUBLISHED = (
    Published("resnet8", "X-CUBE-AI 9.0", _H7A3, 1000 / 24.483, 280, _V12),
    Published("resnet8", "Bosch HALE 1.2", _H7A3, 45.85, 280, _V12),
    Published("resnet8", "Plumerai 1.1", _H7A3, 50.93, 280, "MLPerf Tiny v1.1, closed division"),
    Published("mobilenet_v1_025", "X-CUBE-AI 9.0", _H7A3, 1000 / 42.009, 280, _V12),
    Published("ds_cnn", "X-CUBE-AI 9.0", _H7A3, 1000 / 88.356, 280, _V12),
)


def published(network: str) -> tuple[Published, ...]:
    """What is known for `network`, fewest cycles first."""
    return tuple(sorted((p for p in PUBLISHED if p.network == network), key=lambda p: p.cycles))
