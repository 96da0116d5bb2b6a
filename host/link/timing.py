"""How long the host waits, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Time-outs of one connection; the time that the bytes themselves need comes on top (`line_seconds`)."""

    reply_s: float = 0.5
    """First time-out of a request that the device answers at once."""
    step_s: float = 5.0
    """First time-out of a request that executes a step."""
    backoff: float = 1.6
    """Each further time-out is longer by this factor."""
    attempts: int = 6
    """Tries of one request, and of moving a transfer forward."""
    poll_s: float = 2.0
    """Silence during a run after which STATUS is asked."""
    streamed_poll_s: float = 1.0
    """The same where the network is streamed: the device may be waiting for rows."""
    silence_s: float = 30.0
    """Silence during a run, or a device busy with an old run, after which the host gives up."""
    restarts: int = 4
    """Times `infer` starts over after a reset or a lost port."""
    reopen_s: float = 10.0
    """How long `infer` waits for a port that went away."""

    def time_out(self, first_s: float, attempt: int) -> float:
        """Time-out of try number `attempt` (from 0) of a request whose first time-out is `first_s`."""
        return first_s * self.backoff**attempt


ASSUMED_BAUD = 115_200
"""Speed assumed where a transport has none of its own (pty, socket)."""


def line_seconds(size_bytes: int, baud: int) -> float:
    """Time `size_bytes` take on the line: ten bit times each (8N1)."""
    return size_bytes * 10 / (baud or ASSUMED_BAUD)
