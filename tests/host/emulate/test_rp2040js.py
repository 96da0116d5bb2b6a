"""The unmodified rp2040 image in another emulator: rp2040js, from the image's reset vector, on one core."""

from __future__ import annotations

import os
import random
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from tests.support.board_run import run_image
from tests.support.picture_project import SIZE, picture_project
from tinyanime.boards.loader import load_board
from tinyanime.host.link.client import Device
from tinyanime.host.link.transport import Transport
from tinyanime.host.project import load_reference, open_project

VERSION = "1.4.1"
DRIVER = Path(__file__).with_name("rp2040js_driver.mjs")
BOARD = load_board("rp2040")
PHOTO = random.Random(5).randbytes(SIZE * SIZE * 3)

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")


@pytest.fixture(scope="module")
def package() -> Path:
    """The folder of the npm package, installed once per machine, outside of the tree."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node.js and npm")
    prefix = platformdirs.user_cache_path("tinyanime") / f"rp2040js-{VERSION}"
    folder = prefix / "node_modules" / "rp2040js"
    if not (folder / "package.json").is_file():
        prefix.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(prefix), f"rp2040js@{VERSION}"]
        done = subprocess.run(command, cwd=prefix, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install rp2040js {VERSION}: {done.stderr.strip()[-200:]}")
    return folder


class _Pipes(Transport):
    """The UART of the emulated chip."""

    def __init__(self, package: Path, image: Path) -> None:
        self.name = "rp2040js"
        self.baud = 0
        self._process = subprocess.Popen(
            ["node", str(DRIVER), str(package), str(image)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        if not ready:
            return b""
        data = os.read(self._process.stdout.fileno(), 4096)
        assert data, f"rp2040js ended with {self._process.wait()}"
        return data

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def reopen(self) -> None:
        """The line never goes away."""

    def now(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.fixture
def line(package: Path) -> Iterator[_Pipes]:
    pipes = _Pipes(package, picture_project("rp2040") / "build" / "firmware.bin")
    yield pipes
    pipes.close()


def test_rp2040js_computes_the_bytes_of_the_reference_and_of_the_virtual_board(line: _Pipes) -> None:
    image = picture_project("rp2040") / "build" / "firmware.elf"
    reference = load_reference(open_project(picture_project("rp2040"), "rp2040"))
    expected = reference.output(reference.run(np.frombuffer(PHOTO, np.int8).reshape(1, SIZE, SIZE, 3))).tobytes()
    assert Device(line).infer(PHOTO).output == expected
    assert run_image(image, BOARD, PHOTO) == expected
    assert len(set(expected)) > 10
