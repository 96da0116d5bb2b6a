"""The firmware as a process behind a pty that a symbolic link names, as a board behind /dev/ttyACM0."""

from __future__ import annotations

import os
import subprocess
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.link_programs import stdio_firmware


class PcDevice:
    """`port` is a path that stays the same over unplugging and plugging in again."""

    def __init__(self, directory: Path, program: Path | None = None) -> None:
        self.port = directory / "port"
        self._program = program or stdio_firmware()
        self._process: subprocess.Popen[bytes] | None = None
        self._slave = -1

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def plug_in(self) -> None:
        master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._process = subprocess.Popen([self._program], stdin=master, stdout=master)
        os.close(master)
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        """The process ends and takes the port with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            os.close(self._slave)
            self.port.unlink()
