"""Compiles our own C sources for every board with more warnings than a generated project asks for, all errors.

Writes no object files. Exit status: 0 without a warning, 1 with one (shown by the compiler).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tinyanime.boards.loader import list_boards
from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.board_support import port_folders
from tinyanime.codegen.emit.render import environment

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = ROOT / "firmware"
ESP_IDF = ROOT / "tests" / "support" / "esp_idf"
"""Headers in the place of ESP-IDF's."""
BOARD_CONFIG = "project/baremetal/board_config.h.j2"
WARNINGS = (
    *("-std=gnu11", "-fsyntax-only", "-O2"),
    *("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wvla"),
    *("-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wcast-align"),
)


def main() -> int:
    """Check every source for every board that has a Makefile template of ours and its compilers here."""
    failures = 0
    for board in list_boards():
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder, "board_config.h")
            config.write_text(
                environment()
                .get_template(BOARD_CONFIG)
                .render(board=board, MemoryUse=MemoryUse, stack_bytes=board.stack_bytes)
            )
            for compiler in _compilers(board):
                failures += sum(not _clean(compiler, board, config.parent, source) for source in _sources(board))
    return 1 if failures else 0


def _compilers(board: Board) -> tuple[str, ...]:
    return (f"{board.toolchain.prefix}gcc",) if board.toolchain.prefix else ("gcc", "clang")


def _sources(board: Board) -> list[Path]:
    folders = ["kernels", "link", "runtime", *port_folders(board), f"startup/{board.core.replace('-', '_')}"]
    return [source for folder in folders for source in sorted((FIRMWARE / folder).glob("*.c"))]


def _clean(compiler: str, board: Board, config: Path, source: Path) -> bool:
    startup = FIRMWARE / "startup" / board.core.replace("-", "_")
    idf = ESP_IDF if source.parent.name == "esp_idf" else config
    includes = [f"-I{folder}" for folder in (config, FIRMWARE / "include", startup, idf) if folder.is_dir()]
    # Those headers use the PC's threads.
    flags = ("gcc",) if idf is ESP_IDF else (compiler, *board.toolchain.cpu_flags)
    command = [*flags, *WARNINGS, f"-DTA_CORES={board.cores}", *includes, str(source)]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
