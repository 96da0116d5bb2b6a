"""What every kind of virtual board has in common: how it is served, how it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.codegen.errors import ToolError, UserError


class EmulationError(ToolError):
    """The firmware did something that the virtual board does not model or that the chip forbids."""


class SettingError(UserError):
    """A setting that the virtual board does not have; the command line is wrong then."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """`tcp_port` None asks for a pty, 0 for any free loopback port.

    `stop` is set when the board shall be switched off: `serve` returns within about a second.
    `announce` is called once, with a port name that pyserial's `serial_for_url` opens, when the board can be reached.
    """

    tcp_port: int | None
    stop: threading.Event
    announce: Callable[[str], None]
    settings: tuple[tuple[str, str], ...] = ()
    """What the emulator kind lets one choose, as (name, value), e.g. ("revision", "Y")."""


class Serve(Protocol):
    """Runs the image on the virtual board until `options.stop` is set; raises UserError."""

    def __call__(self, board: Board, image: Path, options: ServeOptions) -> None: ...


_MODULES = {
    EmulatorKind.QEMU: "tinyanime.host.emulate.qemu",
    EmulatorKind.PROCESS: "tinyanime.host.emulate.process",
}
FAMILY_MODULES = {
    (EmulatorKind.UNICORN, "stm32h7"): "tinyanime.host.emulate.stm32h7.board",
    (EmulatorKind.UNICORN, "rp2040"): "tinyanime.host.emulate.rp2040.board",
    (EmulatorKind.UNICORN, "esp32c3"): "tinyanime.host.emulate.esp32c3.board",
    (EmulatorKind.QEMU, "esp_idf"): "tinyanime.host.emulate.qemu_xtensa",
}
"""Emulators that serve one chip family; they come before those that serve any."""


def serve_function(board: Board) -> Serve:
    """The `serve` of the board's emulator; ToolError where a Python package that it needs is missing."""
    kind = board.emulator.kind
    try:
        return cast(Serve, import_module(FAMILY_MODULES.get((kind, board.family)) or _MODULES[kind]).serve)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tinyanime"):
            raise
        raise ToolError(
            f"The virtual {board.name} needs the Python package {error.name}, which is not installed.",
            hint="Install it: pip install 'tinyanime[emulate]'",
        ) from error
