"""Reads UF2 files: blocks of 512 bytes, each with the address of its payload (github.com/microsoft/uf2, README)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import InputError
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.flash.capacity import check_fits

BLOCK_BYTES = 512
LARGEST_PAYLOAD = 476

_MAGIC = (0x0A32_4655, 0x9E5D_5157)
_MAGIC_END = 0x0AB1_6F30
_HEADER = struct.Struct("<8I")
_FLAG_NOT_MAIN_FLASH = 0x0000_0001
_FLAG_FAMILY = 0x0000_2000


@dataclass(frozen=True, slots=True)
class Uf2Image:
    """What a UF2 file puts where: `payload_bytes` in all, from `begin` to below `end`."""

    path: Path
    content: bytes
    begin: int
    end: int
    payload_bytes: int


def uf2_of(job: FlashJob) -> Uf2Image:
    """The UF2 file of a job: sound, not too large, and with the bytes of the flash image that was built beside it."""
    image = read_uf2(job.uf2, job.board)
    check_fits(job.uf2, image.payload_bytes, job.board)
    try:
        flat = job.flat.read_bytes()
    except OSError as error:
        raise InputError(
            f"The flash image {job.flat} cannot be read: {error.strerror or error}.", hint=_rebuild(job.uf2)
        ) from error
    held = bytearray(image.end - image.begin)
    for offset in range(0, len(image.content), BLOCK_BYTES):
        address, size = struct.unpack_from("<2I", image.content, offset + 12)
        held[address - image.begin : address - image.begin + size] = image.content[offset + 32 : offset + 32 + size]
    if image.begin != job.board.regions(MemoryUse.CODE)[0].base or held[: len(flat)] != flat:
        raise _damaged(job.uf2, f"it does not hold the bytes of {job.flat.name}")
    return image


def read_uf2(path: Path, board: Board) -> Uf2Image:
    """Read and check a UF2 file for `board`.

    InputError where it cannot be read, is damaged or incomplete, is for another chip family, or writes outside the
    board's flash.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The UF2 file {path} cannot be read: {error.strerror or error}.",
            hint=_rebuild(path),
        ) from error
    count, rest = divmod(len(content), BLOCK_BYTES)
    if not count or rest:
        raise _damaged(path, f"its {len(content)} bytes are not whole blocks of {BLOCK_BYTES}")
    ranges = [_payload(path, board, content, index, count) for index in range(count)]
    flash = board.regions(MemoryUse.CODE)[0]
    for index, (begin, end) in enumerate(ranges):
        if begin < flash.base or end > flash.end:
            raise InputError(
                f"Block {index} of {path} goes to 0x{begin:08x}, outside the flash of {board.name} "
                f"(0x{flash.base:08x}-0x{flash.end - 1:08x}).",
                hint="Compile a smaller model, or name the board that the file was made for.",
            )
    begins, ends = zip(*ranges, strict=True)
    return Uf2Image(path, content, min(begins), max(ends), sum(end - begin for begin, end in ranges))


def _payload(path: Path, board: Board, content: bytes, index: int, count: int) -> tuple[int, int]:
    """Addresses [begin, end) of the payload of a block."""
    block = content[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
    *magic, flags, address, size, number, total, family = _HEADER.unpack_from(block)
    if tuple(magic) != _MAGIC or int.from_bytes(block[-4:], "little") != _MAGIC_END:
        raise _damaged(path, f"block {index} does not have the marks of UF2")
    if (number, total) != (index, count):
        raise _damaged(path, f"block {index} of {count} says that it is block {number} of {total}")
    if not 0 < size <= LARGEST_PAYLOAD or flags & _FLAG_NOT_MAIN_FLASH:
        raise _damaged(path, f"block {index} carries nothing for the flash")
    given = family if flags & _FLAG_FAMILY else 0
    if given != board.flash_tool.uf2_family:
        raise InputError(
            f"{path} is for the UF2 family 0x{given:08x}, not for that of {board.name} "
            f"(0x{board.flash_tool.uf2_family:08x}).",
            hint=f"Build it for this board: make build BOARD={board.name}",
        )
    return address, address + size


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is not a sound UF2 file: {reason}.", hint=_rebuild(path))


def _rebuild(path: Path) -> str:
    """Its folder is `build` of the project; a file that is there would be taken for up to date."""
    return f"Build it again: make -C {path.parent.parent} clean all"
