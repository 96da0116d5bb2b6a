"""An application for NuttX, configured and built on the PC: its own Kconfig and Makefile, glibc, a pty as UART.

What stands in for NuttX's apps tree is written here: `Make.defs` and `Application.mk` with the variables and rules that
NuttX documents for applications.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path

import kconfiglib

from tinyanime.boards.loader import load_board
from tinyanime.boards.rtos import Rtos, board_under
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.cmsis_nn.sources import HOST_DEFINES
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.host.link.transport import Transport

# Symbols of NuttX to which the application's refer.
_SYSTEM_KCONFIG = """
config SERIAL_TERMIOS
	bool
config BOARDCTL_RESET
	bool "reset"
config WATCHDOG
	bool "watchdog"
source "{application}/Kconfig"
"""

_APPLICATION_MK = """
objects = $(patsubst %.c,$(BUILD)/%.o,$(CSRCS) $(MAINSRC))
$(BUILD)/$(PROGNAME): $(objects)
	$(CC) $(CFLAGS) $(LAST_CFLAGS) $^ -o $@
$(objects): $(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $($<_CFLAGS) $(LAST_CFLAGS) -c $< -o $@
clean::
show:
	@echo $(PROGNAME)
	@echo $(MAINSRC)
	@echo $(CSRCS)
"""

STRICT = "-Wall -Wextra -Werror -Wconversion -Wshadow -Wundef -Wstrict-prototypes -Wvla"


def compile_application(model: Path, directory: Path, board: str = "stm32h743") -> Bundle:
    """The application directory of `model`, with calls of CMSIS-NN."""
    options = CompileOptions(kernels=KernelFamily.CMSIS_NN)
    return compile_model(model, board_under(load_board(board), Rtos.NUTTX), directory, options=options)


def configure(application: Path, work: Path, choices: Mapping[str, str]) -> kconfiglib.Kconfig:
    """Reads the application's Kconfig within a system's, sets `choices`; writes work/.config and work/config.h."""
    work.mkdir(parents=True, exist_ok=True)
    top = work / "Kconfig"
    top.write_text(_SYSTEM_KCONFIG.format(application=application))
    configuration = kconfiglib.Kconfig(str(top), warn_to_stderr=False)
    for name, value in choices.items():
        assert configuration.syms[name].set_value(value), name
    assert configuration.warnings == []
    configuration.write_config(str(work / ".config"))
    configuration.write_autoconf(str(work / "config.h"))
    return configuration


def make(application: Path, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the application's Makefile as NuttX does, with the configuration in `work`."""
    apps = work / "apps"
    apps.mkdir(exist_ok=True)
    (apps / "Application.mk").write_text(_APPLICATION_MK)
    defines = " ".join(f"-D{define}" for define in HOST_DEFINES)
    (apps / "Make.defs").write_text(
        f"include {work}/.config\nCC := gcc\nCFLAGS := -std=gnu11 -g -include {work}/config.h {defines} {STRICT}\n"
    )
    last = "LAST_CFLAGS=-O0 -fsanitize=address,undefined -fno-sanitize-recover=all"
    return subprocess.run(
        ["make", "-s", "-j2", "-C", str(application), f"APPDIR={apps}", f"BUILD={work}/build", last, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def build_program(application: Path, work: Path) -> Path:
    """The application as a program of the PC, with sanitizers, and warnings in our sources as errors."""
    program = work / "build" / "tinyanime"
    done = make(application, work, str(program))
    assert done.returncode == 0, done.stderr
    return program


class PtyLine(Transport):
    """A pty: this process has the master; `path` names the other end, as cooked and echoing as a shell's console."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.baud = 0
        self._path = path
        self._master = -1
        self.reopen()

    def read(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self._master], [], [], max(timeout_s, 0.0))
        try:
            return os.read(self._master, 65536) if ready else b""
        except OSError:  # Nobody has the other end open.
            self.pause(min(timeout_s, 0.05))
            return b""

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]

    def close(self) -> None:
        """The line goes away, as a USB adapter that is pulled out."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
            self._path.unlink()

    def reopen(self) -> None:
        """A new pty behind the same path."""
        self._master, slave = os.openpty()
        self._path.symlink_to(os.ttyname(slave))
        os.close(slave)
