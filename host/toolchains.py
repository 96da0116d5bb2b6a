"""The programs that a board needs on this computer: compiler and emulator, and the packages that bring them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from tinyanime.boards.schema import Board, EmulatorKind


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what it is for; `apt` are the Debian packages that bring it."""

    name: str
    purpose: str
    apt: str

    @property
    def path(self) -> str | None:
        """Where it is; None: not installed."""
        return shutil.which(self.name)

    @property
    def remedy(self) -> str:
        return f"sudo apt install {self.apt}"


_COMPILERS = {
    "arm-none-eabi-": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv64-unknown-elf-": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "xtensa-lx106-elf-": "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf",
    "": "gcc libc6-dev",
}
_EMULATORS = (
    ("xtensa-", "qemu-system-xtensa", "qemu-system-misc"),
    ("rv32", "qemu-system-riscv32", "qemu-system-misc"),
    ("", "qemu-system-arm", "qemu-system-arm"),
)


def compiler_of(board: Board) -> Program:
    """The C compiler of a board."""
    prefix = board.toolchain.prefix
    return Program(f"{prefix}gcc", f"firmware for {board.name}", _COMPILERS.get(prefix, f"gcc-{prefix.rstrip('-')}"))


def emulator_of(board: Board) -> Program | None:
    """The program that is the virtual board; None where it comes with tinyanime."""
    if board.emulator.kind is not EmulatorKind.QEMU:
        return None
    name, apt = next((name, apt) for core, name, apt in _EMULATORS if board.core.startswith(core))
    return Program(name, f"virtual {board.name}", apt)


def missing_programs(board: Board) -> tuple[Program, ...]:
    """What is not installed of what building and emulating `board` takes."""
    needed = (compiler_of(board), emulator_of(board))
    return tuple(program for program in needed if program is not None and program.path is None)
