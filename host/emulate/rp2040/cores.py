"""Which core runs when: discrete time, so that runs are repeatable and no core sees the other's future.

Each core counts its own cycles of the common clock. The one that is behind runs, until it is a quantum ahead of the
other, or looks for a word of the other one, which catches up first then. A core that waits for the other (it looks at
its empty mailbox in a loop, or sleeps in WFE) does not run until there is something for it, and goes on at that moment.
One that sleeps needs an event for that (SEV) besides: a word alone wakes nobody.
So the turns make no difference to cores that meet by words; those that meet by memory or spinlocks see each other up to
a quantum late.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.processor import Processor
from tinyanime.host.emulate.rp2040.sio import Mailbox

QUANTUM_CYCLES = 50_000
_RANDOM_DECADES = (1.0, 4.5)
"""With a seed a quantum is 10 to a power from this range."""
_SHORTEST_WAIT, _LONGEST_WAIT = 2_000, 128_000
"""Cycles that the other core goes on before a waiting core looks again; each look that finds nothing doubles them."""


@dataclass(slots=True)
class CoreState:
    """One core. `wait_until` is when a waiting core looks again although nothing came for it."""

    processor: Processor
    inbox: Mailbox
    running: bool = False
    waiting: bool = False
    asleep: bool = False
    """It waits in WFE."""
    has_slept: bool = False
    """It did since its last look: a loop that sleeps is none that only looks."""
    event_taken: int = 0
    """When the other core sent the last event that has woken this one."""
    wait_until: int = 0
    patience: int = field(default=_SHORTEST_WAIT)
    looks_at: int | None = None
    """It was stopped before a look at its mailbox at this moment, so that the other one catches up."""
    look_ends: bool = False
    """The next look at the empty mailbox is answered."""

    @property
    def cycles(self) -> int:
        return self.processor.counter.cycles

    @property
    def acts_at(self) -> int:
        """Before this moment the other core has nothing to expect from it."""
        return max(self.cycles, self.looks_at or 0)

    def skip_to(self, cycles: int) -> None:
        """Lets the core sleep until `cycles`."""
        self.processor.counter.pass_cycles(max(0, cycles - self.cycles))


class Schedule:
    """Chooses the core that runs next. `seed` None: always the same quantum."""

    def __init__(self, cores: tuple[CoreState, CoreState], seed: int | None) -> None:
        self.cores = cores
        self._random = None if seed is None else random.Random(f"interleave {seed}")

    def next_turn(self) -> tuple[int, int | None]:
        """(core, cycles at which its turn ends); None: there is nobody else."""
        first, second = self.cores
        if not second.running:
            return 0, None
        while True:
            behind, ahead = (0, 1) if first.acts_at <= second.acts_at else (1, 0)
            for index in (behind, ahead):
                self._wake(index)
            waiting = [core.waiting for core in self.cores]
            if all(waiting):
                self._stop_waiting(self._awake(behind, ahead), answered=True)
                continue
            if any(waiting):
                sleeper, runner = self.cores[waiting.index(True)], waiting.index(False)
                self.cores[runner].looks_at = None
                return runner, max(sleeper.wait_until, self.cores[runner].cycles + 1)
            self.cores[behind].looks_at = None
            if (look := self.cores[ahead].looks_at) is not None:
                return behind, max(look, self.cores[behind].cycles + 1)
            return behind, self.cores[ahead].cycles + self._quantum()

    def _quantum(self) -> int:
        return QUANTUM_CYCLES if self._random is None else int(10 ** self._random.uniform(*_RANDOM_DECADES))

    def _wake(self, index: int) -> None:
        """Ends the waiting of a core for which a word came, or whose patience is over."""
        core, other = self.cores[index], self.cores[1 - index]
        if not core.waiting:
            return
        word_at = core.inbox.next_at
        if core.asleep:
            self._wake_by_event(index, word_at)
        elif word_at is not None:
            core.skip_to(word_at)
            core.patience = _SHORTEST_WAIT
            self._stop_waiting(index, answered=False)
        elif not other.waiting and other.cycles >= core.wait_until:
            core.skip_to(other.cycles)
            core.patience = min(2 * core.patience, _LONGEST_WAIT)
            self._stop_waiting(index, answered=True)

    def _wake_by_event(self, index: int, word_at: int | None) -> None:
        """2.4.2.8: an event behind the word, or, without a word, one that has woken nobody yet."""
        core, event = self.cores[index], self.cores[1 - index].processor.counter.event_cycles
        if event > core.event_taken if word_at is None else event >= word_at:
            core.skip_to(event if word_at is None else word_at)
            core.event_taken = event
            core.patience = _SHORTEST_WAIT
            self._stop_waiting(index, answered=False)
        elif self.cores[1 - index].cycles >= core.wait_until:
            core.wait_until = self.cores[1 - index].cycles + core.patience

    def _awake(self, *indices: int) -> int:
        """The first core of those that does not sleep."""
        for index in indices:
            if not self.cores[index].asleep:
                return index
        raise BusError("sleeps (WFE) on both cores, and none can wake the other")

    def _stop_waiting(self, index: int, *, answered: bool) -> None:
        self.cores[index].waiting = False
        self.cores[index].asleep = False
        self.cores[index].look_ends = answered

    def lets_catch_up(self, index: int) -> bool:
        """Core `index`, which runs, looks at its mailbox: True where it stops, because the other one is behind and may
        send a word before this moment."""
        core, other = self.cores[index], self.cores[1 - index]
        if not other.running or other.waiting or other.acts_at >= core.cycles:
            return False
        core.looks_at = core.cycles
        core.processor.stop()
        return True

    def wait(self, index: int) -> bool:
        """Core `index`, which runs, has nothing to do until the other one sends a word: True where it stops for that.

        Where the other does not run, what is on its way comes at once.
        """
        core, other = self.cores[index], self.cores[1 - index]
        if core.inbox.next_at is not None:
            core.skip_to(core.inbox.next_at)
            return False
        if core.look_ends or core.has_slept or not other.running:
            core.look_ends = core.has_slept = False
            return False
        self._wait(index)
        core.processor.stop()
        return True

    def stopped(self, index: int) -> bool:
        """Whether core `index` was stopped by `lets_catch_up` or `wait`."""
        return self.cores[index].waiting or self.cores[index].looks_at is not None

    def sleep(self, index: int) -> None:
        """Core `index` has executed WFE."""
        self._wait(index)
        self.cores[index].asleep = self.cores[index].has_slept = True

    def _wait(self, index: int) -> None:
        core, other = self.cores[index], self.cores[1 - index]
        core.waiting, core.asleep = True, False
        core.wait_until = max(core.cycles, other.cycles) + core.patience

    def sent(self, index: int) -> None:
        """Core `index` has sent a word: its turn ends if the other one waits for it."""
        if self.cores[1 - index].waiting:
            self.cores[index].processor.counter.end_turn()
