"""Small programs for the kernel bench's bare cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.boards.schema import Board
from tinyanime.codegen.emit.project import ArenaBank
from tinyanime.host.kernel_bench.cores import BenchCore
from tinyanime.host.kernel_bench.emulation import Execution, execute
from tinyanime.host.kernel_bench.image import PROGRAMS, Builder, Image, SourceGroup
from tinyanime.host.toolchains import compiler_of

HEAD = '#include "bench.h"\n'


def linked(folder: Path, core: BenchCore, text: str, *, banks: tuple[ArenaBank, ...] = ()) -> tuple[Image, Board]:
    """The C program `text` (it defines bench_run) for `core`; skips where the compiler is missing."""
    board = core.board()
    if compiler_of(board).path is None:
        pytest.skip(f"{compiler_of(board).name} is not installed")
    source = folder / "program.c"
    source.write_text(HEAD + text)
    group = SourceGroup((source,), (PROGRAMS,), ("-O1",), kernels=True)
    return Builder(folder).link((group,), board, banks, folder / "program.elf"), board


def executed(
    folder: Path,
    core: BenchCore,
    text: str,
    *,
    sections: int = 2,
    photo: bytes = b"",
    output_bytes: int = 4,
    banks: tuple[ArenaBank, ...] = (),
    data_cache: bool = False,
) -> Execution:
    """What running the program does."""
    image, board = linked(folder, core, text, banks=banks)
    return execute(image.path, core, board, photo or b"\0", output_bytes, sections, data_cache=data_cache)
