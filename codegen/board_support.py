"""Whether the firmware sources have what a board asks for."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from tinyanime.boards.schema import Board, ProjectKind
from tinyanime.codegen.errors import BoardError

HOST_CORE = "host"
HOST_FAMILY = "posix"
"""The PC: it starts programs by itself, whatever core they are planned for."""


FAMILIES_WITH_DMA = ("stm32h7", "rp2040")
"""Ports that drive a DMA and a data cache of their own; the others share `port_shared/dma_by_copy.c`."""


VIRTUAL_PORTS = {"esp_idf": "port/xtensa_sim"}
"""Port of the program of a virtual board that has one of its own (the project's folder `virtual/`), by family."""

KINDS_WITH_STARTUP = (ProjectKind.ESP_IDF, ProjectKind.NUTTX)
"""Projects whose operating system brings the start-up code."""


def port_folders(board: Board) -> tuple[str, ...]:
    """Folders of the port, relative to the firmware, that of the virtual board included."""
    shared = () if board.family in FAMILIES_WITH_DMA else ("port_shared",)
    virtual = (VIRTUAL_PORTS[board.family],) if board.family in VIRTUAL_PORTS else ()
    return (f"port/{board.family}", *virtual, *shared)


def startup_folder(board: Board) -> str:
    """Folder of the core's vectors and reset code, relative to the firmware; empty where the core needs none."""
    if board.core == HOST_CORE or board.family == HOST_FAMILY or board.project in KINDS_WITH_STARTUP:
        return ""
    return f"startup/{board.core.replace('-', '_')}"


def check_board_support(board: Board) -> None:
    """Raises BoardError, naming file, key and what exists, where port or start-up code of the board is missing."""
    root = files("tinyanime.firmware")
    if not root.joinpath("port", board.family).is_dir():
        raise BoardError(
            f"{board.source}: there is no port for family '{board.family}'.",
            hint=f"There are {_folders(root.joinpath('port'))}; or add firmware/port/{board.family} (CONTRIBUTING.md).",
        )
    startup = startup_folder(board)
    if startup and not root.joinpath(*startup.split("/")).is_dir():
        raise BoardError(
            f"{board.source}: there is no start-up code for core '{board.core}'.",
            hint=f"There is that of {_folders(root.joinpath('startup')).replace('_', '-')}; or add firmware/{startup} (CONTRIBUTING.md).",
        )


def _folders(parent: Traversable) -> str:
    names = (entry.name for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("_"))
    return ", ".join(sorted(names))
