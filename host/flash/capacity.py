"""Whether an image fits the flash of a board: asked before anything is written."""

from __future__ import annotations

from pathlib import Path

from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import DoesNotFitError, InputError


def image_bytes(image: Path, board: Board) -> int:
    """Size of an image file; InputError where it is missing or empty."""
    try:
        size = image.stat().st_size
    except OSError as error:
        raise InputError(
            f"The firmware image {image} cannot be read: {error.strerror or error}.",
            hint=f"Build it first: make -C {image.parent.parent}",
        ) from error
    if not size:
        raise InputError(
            f"The firmware image {image} is empty.", hint=f"Build it again: make -C {image.parent.parent} clean all"
        )
    return size


def check_fits(image: Path, size_bytes: int, board: Board) -> None:
    """DoesNotFitError where `size_bytes` of program are more than the board's flash, or partition, takes."""
    flash = sum(region.size_bytes for region in board.regions(MemoryUse.CODE))
    partition = board.flash_tool.partition_bytes
    room, place = (partition, "partition") if partition and partition <= flash else (flash, "flash")
    if size_bytes > room:
        raise DoesNotFitError(
            f"{image} takes {size_bytes:,} bytes, the {place} of {board.name} has {room:,}: nothing was written.",
            hint="Compile a smaller model, or name the board that the image was made for.",
        )
