"""The virtual esp32s3: what its project has besides ESP-IDF, in QEMU's machine `sim` on an Xtensa core.

The program is the one in the project's folder `virtual/` (call0 ABI, base instructions), at the machine's addresses.
QEMU's descriptors 0 and 1 are its serial port, by simulator calls; QEMU counts instructions (-icount), from which the
program makes its cycles. What the core cannot do (an access to no memory, an illegal instruction) ends the board.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.emulate.child import ChildBoard, serve_child, start_child
from tinyanime.host.emulate.image import FirmwareImage, load_image
from tinyanime.host.emulate.machine import EmulationError, ServeOptions

PROGRAM = "qemu-system-xtensa"
CPU = "lx106"
NANOSECONDS_PER_INSTRUCTION_LOG2 = 5
"""firmware/port/xtensa_sim/port_sim.c reckons with it."""

_PROGRAM_BASE = 0x50000000
"""xtensa.sysrom0 of the machine (`info mtree`), as large as QEMU's option -m says."""
_DATA_BASE, _DATA_END = 0x3FF40000, 0x40000000
"""xtensa.datarom0, dataram1 and dataram0: one behind the other."""

_FAULT = re.compile(r"firmware fault: cause 0x([0-9a-f]{8}) at 0x([0-9a-f]{8}), address 0x([0-9a-f]{8})")
_CAUSES = {
    0: "an illegal instruction",
    2: "an instruction fetch that failed",
    3: "a load or store that failed",
    9: "an unaligned access",
    12: "an instruction fetch where there is no memory",
    13: "a load or store where there is no memory",
    14: "an instruction fetch where there is no memory",
    15: "a load or store where there is no memory",
    20: "an instruction fetch from memory that holds no code",
    28: "a load from memory that cannot be read",
    29: "a store to memory that cannot be written",
}
"""Xtensa ISA Reference Manual, table "Exception Causes"."""


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs `image` (ELF, the project's virtual/build/firmware.elf) until `options.stop` is set.

    Raises ToolError where QEMU is missing, InputError where there is no image or it is none for this machine,
    EmulationError where the program faults (with function and address) or QEMU ends by itself.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ToolError(
            f"{PROGRAM} is not installed; the virtual board '{board.name}' needs it.",
            hint="Install it (apt-get install qemu-system-misc) or run `make setup`.",
        )
    if not image.is_file():
        raise InputError(f"The firmware image '{image}' does not exist.", hint="Build it first (make build).")
    loaded = load_image(image, "EM_XTENSA")
    _check_addresses(loaded, board)
    try:
        process = start_child(qemu_command(program, board, image), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise ToolError(
            f"{program} cannot be started: {error.strerror or error}.", hint="Install QEMU again."
        ) from None
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as uart_in, process.stdout as uart_out:
        try:
            serve_child(ChildBoard(PROGRAM, process, uart_in.fileno(), uart_out.fileno()), options)
        except EmulationError as error:
            raise _explained(error, loaded) from None


def qemu_command(program: str, board: Board, image: Path) -> tuple[str, ...]:
    """QEMU's command line. Virtual time follows the instructions alone (sleep=off)."""
    code_bytes = sum(region.size_bytes for region in board.regions(MemoryUse.CODE))
    return (
        program,
        *("-machine", board.emulator.machine, "-cpu", CPU, "-m", f"{code_bytes}B"),
        *("-nodefaults", "-display", "none", "-monitor", "none", "-serial", "none", "-semihosting"),
        *("-icount", f"shift={NANOSECONDS_PER_INSTRUCTION_LOG2},align=off,sleep=off"),
        *("-d", "guest_errors,unimp"),
        *("-kernel", os.fspath(image)),
    )


def _check_addresses(image: FirmwareImage, board: Board) -> None:
    """The image for the chip itself has other addresses."""
    code_end = _PROGRAM_BASE + sum(region.size_bytes for region in board.regions(MemoryUse.CODE))
    for segment in image.segments:
        if not _PROGRAM_BASE <= segment.address <= segment.address + len(segment.data) <= code_end:
            raise InputError(
                f"{image.path} has {len(segment.data)} bytes for 0x{segment.address:08x}, where the virtual "
                f"{board.name} has no memory for a program.",
                hint="Give it the project's virtual/build/firmware.elf.",
            )


def _explained(error: EmulationError, image: FirmwareImage) -> EmulationError:
    """What the program's fault handler said, in words."""
    fault = _FAULT.search(error.message)
    if fault is None:
        return error
    cause, place, address = (int(text, 16) for text in fault.groups())
    function = image.place(place)
    at = f"{function} (0x{place:08x})" if function else f"0x{place:08x}"
    what = _CAUSES.get(cause, f"exception {cause}")
    on = f" to 0x{address:08x}" if "load" in what or "access" in what or "store" in what else ""
    return EmulationError(f"The firmware faulted in {at}: {what}{on}.", hint=error.hint)
