"""Checks that the emulator a board asks for has a model of that board."""

from __future__ import annotations

from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.codegen.errors import BoardError

UNICORN_MACHINES = {"stm32h7": "cortex-m7", "rp2040": "cortex-m0", "esp32c3": "rv32"}
"""Families whose peripherals are modelled around unicorn (host/emulate/<family>), and the core that it emulates."""


def check_emulator(board: Board) -> None:
    """Raises BoardError where kind, machine and family do not go together.

    Which machines QEMU knows is QEMU's to say: its own answer becomes an error when the board is started.
    """
    kind, machine = board.emulator.kind, board.emulator.machine
    if kind is EmulatorKind.UNICORN and UNICORN_MACHINES.get(board.family) != machine:
        known = ", ".join(f"'{core}' in family '{family}'" for family, core in UNICORN_MACHINES.items())
        raise BoardError(
            f"{board.source}: emulator kind 'unicorn' has no model of machine '{machine}' in family '{board.family}'.",
            hint=f"It models machine {known}; QEMU may know others.",
        )
    if kind is EmulatorKind.QEMU and not machine:
        raise BoardError(
            f"{board.source}: key 'emulator.machine' is empty.",
            hint="Name the machine as `qemu-system-arm -machine help` lists it.",
        )
    if kind is EmulatorKind.PROCESS and machine:
        raise BoardError(
            f"{board.source}: emulator kind 'process' has no machine, key 'emulator.machine' is '{machine}'.",
            hint='Write machine = "".',
        )
