"""Builds the bring-up firmware tests/firmware/port_stm32h7/hello.c with the project templates."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jinja2

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.board_support import port_folders

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates" / "project" / "baremetal"
HELLO = ROOT / "tests" / "firmware" / "port_stm32h7" / "hello.c"


@dataclass(frozen=True)
class ArenaBank:
    """An arena as the templates see it."""

    name: str
    bytes: int


def write_project(directory: Path, board: Board, main: Path = HELLO, banks: tuple[ArenaBank, ...] = ()) -> None:
    """A project folder with `main` in place of the network and link."""
    for part in ("include", *port_folders(board), "startup"):
        shutil.copytree(ROOT / "firmware" / part, directory / "firmware" / part)
    (directory / "network").mkdir()
    shutil.copy(main, directory / "network" / "main.c")
    (directory / "board").mkdir()
    sources = sorted(str(path.relative_to(directory)) for path in directory.rglob("*.c"))
    context = {
        "board": board,
        "MemoryUse": MemoryUse,
        "stack_bytes": board.stack_bytes,
        "banks": banks or (ArenaBank("d2", 1024),),
        "sources": sources,
        "cmsis_sources": [],
        "include_dirs": ["board", "firmware/include", "firmware/startup/cortex_m7", "network"],
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for template, target in (
        ("linker.ld.j2", "board/linker.ld"),
        ("board_config.h.j2", "board/board_config.h"),
        ("Makefile.j2", "Makefile"),
    ):
        (directory / target).write_text(environment.get_template(template).render(context), encoding="utf-8")


def make(directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the project's own Makefile."""
    return subprocess.run(["make", "-j2"], cwd=directory, capture_output=True, text=True, check=False)


def build_hello(directory: Path) -> Path:
    """The bring-up image for stm32h743."""
    write_project(directory, load_board("stm32h743"))
    result = make(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory / "build" / "firmware.elf"
