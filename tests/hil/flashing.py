"""Gets a network's firmware into a board of the farm: flashed with retries where it is real."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.hil.farm import FarmBoard
from tinyanime.codegen.errors import LinkError, ToolError
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.choose import choose_adapter
from tinyanime.host.project import Project

ATTEMPTS = 3
BACKOFF_S = 1.0
"""Pause before the second attempt; doubled before each further one."""


def flash_board(entry: FarmBoard, project: Project) -> FlashResult:
    """Write `project` to the real board `entry`, with retries."""
    job = FlashJob(entry.board, project, entry.probe, entry.port)
    return with_retries(lambda: choose_adapter(job).adapter.flash(job, lambda stage, done, total: None))


def with_retries(attempt: Callable[[], FlashResult], sleep: Callable[[float], None] = time.sleep) -> FlashResult:
    """The first success of up to ATTEMPTS attempts.

    Tools and links that fail may come right at the next attempt; an unusable image does not. Raises the last error,
    with the number of attempts in its message.
    """
    for number in range(1, ATTEMPTS):
        try:
            return attempt()
        except (ToolError, LinkError):
            sleep(BACKOFF_S * 2 ** (number - 1))
    try:
        return attempt()
    except (ToolError, LinkError) as error:
        raise type(error)(f"Flashing failed {ATTEMPTS} times: {error.message}", hint=error.hint) from error
