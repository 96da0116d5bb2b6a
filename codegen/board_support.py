"""Whether the firmware sources have what a board asks for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from tinyanime.boards.schema import Board, ProjectKind
from tinyanime.codegen.errors import BoardError
from tinyanime.codegen.kernels.family import KernelFamily

HOST_CORE = "host"
HOST_FAMILY = "posix"
"""The PC: it starts programs by itself, whatever core they are planned for."""


VIRTUAL_PORTS = {"esp_idf": "port/xtensa_sim"}
"""Port of the program of a virtual board that has one of its own (the project's folder `virtual/`), by family."""

_ESP_NN_CORES = ("rv32", "xtensa")

KINDS_WITH_STARTUP = (ProjectKind.ESP_IDF, ProjectKind.NUTTX)
"""Projects whose operating system brings the start-up code."""


def port_folders(board: Board) -> tuple[str, ...]:
    """Folders of the port, relative to the firmware, that of the virtual board included."""
    shared = () if _drives_dma(board.family) else ("port_shared",)
    virtual = (VIRTUAL_PORTS[board.family],) if board.family in VIRTUAL_PORTS else ()
    return (f"port/{board.family}", *virtual, *shared)


@cache
def _drives_dma(family: str) -> bool:
    """Whether the port defines the tile DMA and the cache maintenance itself; others share `port_shared`."""
    port = files("tinyanime.firmware").joinpath("port", family)
    sources = (entry for entry in port.iterdir() if entry.name.endswith(".c")) if port.is_dir() else ()
    return any("ta_port_dma_start(" in source.read_text() for source in sources)


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
            hint=f"There is that of {_folders(root.joinpath('startup')).replace('_', '-')}; or add firmware/{startup} "
            "(CONTRIBUTING.md).",
        )


def check_kernel_family(board: Board, family: KernelFamily) -> None:
    """Raises BoardError where the library of `family` is not for the board's chip: ESP-NN is for Espressif's."""
    if family is not KernelFamily.ESP_NN:
        return
    if board.project is not ProjectKind.ESP_IDF and not board.core.startswith(_ESP_NN_CORES):
        raise BoardError(
            f"ESP-NN has no kernels for {board.name}, whose core is '{board.core}': it is for Espressif's chips.",
            hint="Leave --kernels out, or choose a board like esp32s3 or esp32c3 (tinyanime boards).",
        )


def _folders(parent: Traversable) -> str:
    names = (entry.name for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("_"))
    return ", ".join(sorted(names))
