"""Checks that a board tells each of its flash tools what that tool needs."""

from __future__ import annotations

import re

from tinyanime.boards.schema import Board, FlashToolKind, MemoryUse, ProjectKind
from tinyanime.codegen.errors import BoardError

_NEEDS = {
    FlashToolKind.PYOCD: (("target", "pyOCD's name of the chip (pyocd list --targets)"),),
    FlashToolKind.DRIVE: (("volume", "the drive's label"), ("uf2_family", "the family id of its UF2 blocks")),
    FlashToolKind.PICOTOOL: (("uf2_family", "the family id of its UF2 blocks"),),
    FlashToolKind.ESPTOOL: (("chip", "esptool's name of the chip"),),
    FlashToolKind.IDF: (("chip", "ESP-IDF's name of the target"),),
}


def check_flash_tool(board: Board) -> None:
    """Raises BoardError where a key that a tool needs is missing, or a partition is larger than the flash."""
    tool = board.flash_tool
    for kind in tool.tools:
        for key, meaning in _NEEDS[kind]:
            if not getattr(tool, key):
                raise BoardError(
                    f"{board.source}: flash tool '{kind.value}' needs key 'flash_tool.{key}'.",
                    hint=f"Add it: {meaning}.",
                )
    for key, value in (("chip", tool.chip), ("volume", tool.volume)):
        # They become words of a command line and names of folders.
        if not re.fullmatch(r"(\w[\w .-]*)?", value):
            raise BoardError(
                f"{board.source}: key 'flash_tool.{key}' has the unusable value '{value}'.",
                hint="Allowed: letters, digits, '_', '-', '.', ' '.",
            )
    if tool.uf2_family >= 1 << 32:
        raise BoardError(
            f"{board.source}: key 'flash_tool.uf2_family' is {tool.uf2_family:#x}, more than 32 bits.",
            hint="Take the family id from the UF2 project's list, such as 0xE48B_FF56.",
        )
    if FlashToolKind.IDF in tool.tools and board.project is not ProjectKind.ESP_IDF:
        raise BoardError(
            f"{board.source}: flash tool 'idf' does not go with project kind '{board.project.value}'.",
            hint='Write project = "esp-idf", or use another tool.',
        )
    flash = sum(region.size_bytes for region in board.regions(MemoryUse.CODE))
    if tool.partition_bytes > flash:
        raise BoardError(
            f"{board.source}: key 'flash_tool.partition_bytes' is {tool.partition_bytes}, more than the flash of "
            f"{flash} bytes.",
            hint="Lower it to what the partition table gives the application.",
        )
