"""The bench's compiled unicorn hooks."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs

from tinyanime.codegen.errors import ToolError

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("block_recorder.c", "line_fills.c"))


def load_hooks() -> ctypes.CDLL:
    """The hooks, built once per version of their sources; ToolError without a C compiler."""
    library = ctypes.CDLL(str(_built()))
    library.ta_recorder_slots.restype = ctypes.c_uint32
    library.ta_line_fills_bytes.restype = ctypes.c_uint64
    return library


def _built() -> Path:
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:16]
    target = platformdirs.user_cache_path("tinyanime") / "kernel_bench" / f"hooks-{digest}.so"
    if target.exists():
        return target
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise ToolError(
            "Counting executed code needs a C compiler for this PC, and there is none.",
            hint="Install one: sudo apt-get install gcc libc6-dev",
        )
    try:
        _compile(compiler, target)
    except OSError as error:
        raise ToolError(
            f"The bench's hooks cannot be stored in {target.parent}: {error.strerror or error}.",
            hint="Make that folder writable and free some space, or set XDG_CACHE_HOME to a folder of yours.",
        ) from error
    return target


def _compile(compiler: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        output = Path(scratch) / target.name
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(output), *map(str, _SOURCES)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolError(
                f"{compiler} cannot build the bench's hooks: {(done.stderr.strip() or 'no reason given')[-300:]}",
                hint="Install a working C compiler: sudo apt-get install gcc libc6-dev",
            )
        os.replace(output, target)  # noqa: PTH105 (atomic where another process builds it too)
