"""One run at a time on a port: a file in the user's cache folder is locked while a board is used.

The system releases the lock when the process ends, however it ends.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from tinyanime.codegen.errors import LinkError


def lock_folder() -> Path:
    """Where the lock files lie."""
    return platformdirs.user_cache_path("tinyanime") / "locks"


@contextmanager
def port_locked(port: str, timeout_s: float, folder: Path | None = None) -> Iterator[None]:
    """Hold the lock of `port`, by whatever name it is called. LinkError where it is not free within `timeout_s`."""
    folder = lock_folder() if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "_", port if "://" in port else os.path.realpath(port)).strip("_")
    lock, holder = FileLock(folder / f"{name}.lock"), folder / f"{name}.holder"
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise LinkError(
            f"Port {port} is still used by another run{_described(holder)} after {timeout_s:.0f} s.",
            hint="Wait for that run, end it, or raise lock_timeout_s in the farm file.",
        ) from error
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "since": time.strftime("%H:%M:%S")}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _described(holder: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        data = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {data['pid']}, since {data['since']})"
    return ""
