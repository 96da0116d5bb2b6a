"""Builds the bring-up firmware tests/firmware/port_stm32h7/hello.c, or another main, with the project templates."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.board_support import port_folders, startup_folder
from tinyanime.codegen.emit.project import project_templates
from tinyanime.codegen.emit.render import environment

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "tests" / "firmware" / "port_stm32h7" / "hello.c"


@dataclass(frozen=True)
class ArenaBank:
    """An arena as the templates see it."""

    name: str
    bytes: int


def write_project(directory: Path, board: Board, main: Path = HELLO, banks: tuple[ArenaBank, ...] = ()) -> None:
    """A project folder with `main` in place of the network and link."""
    startup = startup_folder(board)
    for part in ("include", *port_folders(board), startup):
        shutil.copytree(ROOT / "firmware" / part, directory / "firmware" / part)
    (directory / "network").mkdir()
    shutil.copy(main, directory / "network" / "main.c")
    sources = sorted(str(path.relative_to(directory)) for end in ("c", "S") for path in directory.rglob(f"*.{end}"))
    context = {
        "board": board,
        "MemoryUse": MemoryUse,
        "stack_bytes": board.stack_bytes,
        "banks": banks or (ArenaBank("d2", 1024),),
        "sources": sources,
        "cmsis_sources": [],
        "esp_nn_sources": [],
        "include_dirs": ["board", "firmware/include", f"firmware/{startup}", "network"],
    }
    for target, template in project_templates(board).items():
        (directory / target).parent.mkdir(exist_ok=True)
        (directory / target).write_text(environment().get_template(template).render(context), encoding="utf-8")


def make(directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the project's own Makefile."""
    return subprocess.run(["make", "-j2"], cwd=directory, capture_output=True, text=True, check=False)


def build_hello(directory: Path) -> Path:
    """The bring-up image for stm32h743."""
    write_project(directory, load_board("stm32h743"))
    result = make(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory / "build" / "firmware.elf"
