"""What is installed on this computer, what is missing, and what to do about it."""

from __future__ import annotations

import grp
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tinyanime.boards.loader import list_boards
from tinyanime.boards.schema import Board, FlashToolKind
from tinyanime.codegen.errors import UserError
from tinyanime.host.flash.installed import installed_version
from tinyanime.host.toolchains import Program, compiler_of, emulator_of

MINIMUM_PYTHON = (3, 11)
_TOOL_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; `essential` is needed for `make demo`, `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    essential: bool
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Package:
    """A distribution: `purpose` says what it is for, `extra` of tinyanime brings it ("" is always installed)."""

    name: str
    purpose: str
    extra: str
    essential: bool


_PACKAGES = (
    *(
        _Package(name, "always needed", "", True)
        for name in (
            "click",
            "cobs",
            "jinja2",
            "numpy",
            "onnx",
            "pillow",
            "platformdirs",
            "pyelftools",
            "pyserial",
            "rich",
        )
    ),
    _Package("unicorn", "virtual stm32h743", "emulate", True),
    _Package("capstone", "modelled cycles", "cycles", False),
    _Package("bakenn", "CMSIS-NN sources", "kernels", False),
    _Package("cmsis-pack-manager", "CMSIS packs", "packs", False),
    _Package("pyocd", "flashing through a debug probe", "flash", False),
    _Package("esptool", "flashing Espressif chips", "flash", False),
    _Package("torch", "training", "train", False),
)

_PROGRAMS = (
    Program("make", "building firmware", "make"),
    Program("cc", "firmware for the board `posix`, fast virtual boards", "gcc"),
)

_DEMO_BOARD = "stm32h743"
"""The virtual board that the demo cannot do without; the second one is left out where QEMU is missing."""


def diagnose() -> Iterator[Finding]:
    """Look at everything, most basic first; each finding as soon as it is known."""
    yield _python()
    for package in _PACKAGES:
        yield _package(package)
    for program in _PROGRAMS:
        yield _program(program, essential=True)
    yield from _board_programs()
    yield _cmsis_nn()
    yield from _flash_programs()
    yield _probes()
    yield from _serial_access()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= MINIMUM_PYTHON
    return Finding("Python", ok, version, True, "" if ok else "Install Python 3.11 or newer.")


def _package(package: _Package) -> Finding:
    name = f"package {package.name}"
    try:
        version = importlib.metadata.version(package.name)
    except importlib.metadata.PackageNotFoundError:
        wanted = f"tinyanime[{package.extra}]" if package.extra else package.name
        return Finding(name, False, f"missing ({package.purpose})", package.essential, f"pip install '{wanted}'")
    return Finding(name, True, version, package.essential)


def _board_programs() -> Iterator[Finding]:
    """Compilers and emulators, each once, with all boards that it serves."""
    served: dict[str, list[Board]] = {}
    programs: dict[str, Program] = {}
    for board in list_boards():
        for program in (compiler_of(board), emulator_of(board)):
            if program is not None and board.toolchain.prefix:
                programs.setdefault(program.name, program)
                served.setdefault(program.name, []).append(board)
    for name, program in programs.items():
        names = [board.name for board in served[name]]
        purpose = f"{program.purpose.rpartition(' ')[0]} {', '.join(names)}"
        yield _program(replace(program, purpose=purpose), essential=_DEMO_BOARD in names)


def _program(program: Program, *, essential: bool) -> Finding:
    path = program.path
    if path is None:
        return Finding(program.name, False, f"missing ({program.purpose})", essential, program.remedy)
    return Finding(program.name, True, _first_line(path) or path, essential)


def _flash_programs() -> Iterator[Finding]:
    """Flashing tools that are programs of their own."""
    for kind in (FlashToolKind.PICOTOOL, FlashToolKind.IDF):
        names = ", ".join(board.name for board in list_boards() if kind in board.flash_tool.tools)
        if not names:
            continue
        try:
            yield Finding(kind.value, True, installed_version(kind), False)
        except UserError as error:
            yield Finding(kind.value, False, f"{error.message.rstrip('.')} (flashing {names})", False, error.hint)


def _first_line(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.partition("\n")[0].strip()


def _cmsis_nn() -> Finding:
    from tinyanime.codegen.cmsis_nn.sources import find_cmsis_nn

    try:
        library = find_cmsis_nn(None)
    except UserError as error:
        return Finding("CMSIS-NN", False, error.message, True, error.hint)
    return Finding("CMSIS-NN", True, f"{library.name}, {library.origin.value}", True)


def _probes() -> Finding:
    from tinyanime.host.flash.pyocd import list_probes

    try:
        probes = list_probes()
    except UserError as error:
        return Finding("debug probes", False, error.message, False, error.hint)
    if not probes:
        return Finding(
            "debug probes", False, "none connected", False, "Plug the board's debug USB port in to flash it."
        )
    return Finding("debug probes", True, ", ".join(probe.description for probe in probes), False)


def _serial_access() -> Iterator[Finding]:
    """Whether the user may open the serial ports there are, or would be by his groups."""
    devices = sorted(str(path) for pattern in ("ttyACM*", "ttyUSB*") for path in Path("/dev").glob(pattern))
    if not devices:
        yield _serial_group()
    for device in devices:
        ok = os.access(device, os.R_OK | os.W_OK)
        remedy = "" if ok else "sudo usermod -aG dialout $USER, then log out and in again."
        yield Finding(f"port {device}", ok, "may be opened" if ok else "not allowed for this user", False, remedy)


def _serial_group() -> Finding:
    name = "serial ports"
    if os.geteuid() == 0:
        return Finding(name, True, "none plugged in; this user may open any", False)
    try:
        member = grp.getgrnam("dialout").gr_gid in os.getgroups()
    except KeyError:
        return Finding(name, True, "none plugged in; this system has no group dialout", False)
    remedy = "" if member else "sudo usermod -aG dialout $USER, then log out and in again."
    return Finding(name, member, f"none plugged in; {'' if member else 'not '}in group dialout", False, remedy)
