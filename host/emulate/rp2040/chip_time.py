"""Virtual time of the RP2040: cycles of clk_sys, which both cores count, and nanoseconds."""

from __future__ import annotations

from tinyanime.host.emulate.block_counter import BlockCounter

_NS_PER_S = 1_000_000_000
ROUNDING = 1e-4
"""Of a tick: what floating point may lack when it is over."""


class ChipTime:
    """Both cores run by one clock; each is at a moment of its own, and `active` is the one that runs now.

    Moments are known to a block of instructions.
    """

    def __init__(self, counters: list[BlockCounter], hz: int) -> None:
        self.counters = counters
        self.active = 0
        self._hz = hz
        self._anchor_cycles = 0
        self._anchor_ns = 0.0

    @property
    def cycles(self) -> int:
        """Of clk_sys since the reset."""
        return self.counters[self.active].cycles

    @property
    def instructions(self) -> int:
        """Executed by the core that runs now."""
        return self.counters[self.active].instructions

    @property
    def hz(self) -> int:
        """clk_sys."""
        return self._hz

    def set_hz(self, hz: int) -> None:
        """clk_sys changes now."""
        now = self.cycles
        self._anchor_ns = self.ns
        self._anchor_cycles = now
        self._hz = hz

    @property
    def ns(self) -> float:
        """Since the reset."""
        return self.ns_at(self.cycles)

    def ns_at(self, cycles: int) -> float:
        return self._anchor_ns + (cycles - self._anchor_cycles) * _NS_PER_S / self._hz

    def cycles_at(self, ns: float) -> int:
        """The first cycle that begins at or behind `ns`, if the clock stays as it is."""
        return self._anchor_cycles + max(0, int(-(-(ns - self._anchor_ns) * self._hz // _NS_PER_S)))

    def idle(self, seconds: float) -> None:
        """Lets time pass for both cores, without instructions."""
        for counter in self.counters:
            counter.pass_cycles(int(seconds * self._hz))
