"""Kernels as a program on the PC, with or without sanitizers."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import IO

from tests.support.kernel_case import KernelCase, KernelResult, result_of


class HostProgram:
    """Talks to one running `kernel_driver.c`; started again after it died."""

    has_dsp = False

    def __init__(self, name: str, program: Path) -> None:
        self.name = name
        self._program = program
        self.environment: dict[str, str] | None = None
        """Of the program; None: this one's."""
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, case: KernelCase) -> KernelResult:
        before = case.buffers()
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(struct.pack("=3I", case.kernel, len(case.scalars), len(before)))
        process.stdin.write(struct.pack(f"={len(case.scalars)}i", *case.scalars))
        for content in before:
            process.stdin.write(struct.pack("=I", len(content)) + content)
        try:
            process.stdin.flush()
            (status,) = struct.unpack("=i", self._read(process.stdout, 4, case))
            after = tuple(self._read(process.stdout, len(content), case) for content in before)
        except BrokenPipeError:
            raise AssertionError(self._obituary(case)) from None
        return result_of(case, status, before, after)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
        return self._process

    def _read(self, stream: IO[bytes], size: int, case: KernelCase) -> bytes:
        data = stream.read(size)
        if len(data) != size:
            raise AssertionError(self._obituary(case))
        return data

    def _obituary(self, case: KernelCase) -> str:
        """Why the program ended; forgets it, so that the next case starts another."""
        process = self._process
        self._process = None
        assert process is not None
        _, errors = process.communicate()
        return f"{case.kernel.name} on {self.name} ended the program:\n{errors.decode(errors='replace')[-3000:]}"
