"""A compiled network on the virtual board in this process: same bytes in every order, other bytes from other flash."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.support.board_run import run_image
from tests.support.picture_project import SIZE, picture_project
from tinyanime.boards.loader import load_board
from tinyanime.host.emulate.image import load_image
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.stm32h7.mdma import Mdma
from tinyanime.host.emulate.stm32h7.mdma_settings import TransferSettings

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")

BOARD = load_board("stm32h743")
FLASH = 0x0800_0000
PHOTO = random.Random(3).randbytes(SIZE * SIZE * 3)


@pytest.fixture(scope="module")
def image() -> Path:
    return picture_project("stm32h743") / "build" / "firmware.elf"


def test_a_picture_is_the_same_whenever_the_bytes_of_transfers_arrive(image: Path) -> None:
    outputs = {run_image(image, BOARD, PHOTO, (("dma", order),)) for order in ("early", "late", "random:1", "random:2")}
    (output,) = outputs
    assert len(output) == SIZE * SIZE * 3
    assert output != run_image(image, BOARD, bytes(len(PHOTO)))


def test_a_run_is_quick_enough_for_hundreds_of_them(image: Path) -> None:
    run_image(image, BOARD, PHOTO)
    begin = time.process_time()
    run_image(image, BOARD, PHOTO)
    assert time.process_time() - begin < 1.0  # 0.1 s on an idle machine.


def test_bytes_of_the_flash_are_changed_for_one_run(image: Path) -> None:
    (vectors, *_) = load_image(image).segments
    assert vectors.address == FLASH
    before = run_image(image, BOARD, PHOTO)
    with pytest.raises(EmulationError, match="has no reset vector"):
        run_image(image, BOARD, PHOTO, patches=((FLASH + 4, bytes(4)),))
    assert run_image(image, BOARD, PHOTO) == before


def test_a_transfer_that_is_left_at_the_end_is_an_error(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = TransferSettings(0x0800_1000, 0x2001_0000, 96, 8, 4, False, True)
    monkeypatch.setattr(Mdma, "unawaited", property(lambda mdma: (left,)))
    with pytest.raises(EmulationError, match="96 bytes from 0x08001000 to 0x20010000"):
        run_image(image, BOARD, PHOTO)
