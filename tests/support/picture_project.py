"""A tiny picture-to-picture network, compiled and built for a board, once per test session."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.models.builders import QdqBuilder, save
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import compile_model

SIZE = 24
"""Height and width of the network's input and output."""

ROOT = Path(__file__).resolve().parents[2]


def picture_model(path: Path, seed: int = 0) -> Path:
    """A model of three convolutions from 3 to 3 channels; another seed gives other weights."""
    builder = QdqBuilder(seed, name="tiny")
    photo = builder.input((1, 3, SIZE, SIZE))
    hidden = builder.conv(builder.conv(photo, 6, relu=True), 5, relu=True)
    return save(builder.finish(builder.conv(hidden, 3)), path)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyanime-project-")


@functools.cache
def picture_project(board: str = "posix", seed: int = 0) -> Path:
    """The built project folder; its network maps SIZE x SIZE pictures to the same size."""
    directory = Path(_folder().name) / f"{board}-{seed}"
    model = picture_model(directory.with_suffix(".onnx"), seed)
    compile_model(model, load_board(board), directory)
    build(directory)
    return directory


def build(directory: Path) -> None:
    """Run the project's own Makefile."""
    done = subprocess.run(["make", "-j2", "-C", str(directory)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def tinyanime(
    *arguments: object, cwd: Path, environment: dict[str, str] | None = None, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the real command line program as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tinyanime.host.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )


def assert_one_clear_error(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """One sentence and a next step on stderr, the documented status, nothing that only a programmer understands."""
    assert done.returncode == status, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    hints = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert len(errors) == 1, done.stderr
    assert len(hints) == 1, done.stderr
    assert len(hints[0]) > len("hint: "), done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in errors[0], errors[0]
