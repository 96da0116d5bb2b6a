"""The same image in another emulator of the chip, whose peripherals and core were written by others."""

from __future__ import annotations

import pytest

from tests.support.board_run import run_image
from tests.support.esp32c3_firmware import BOARD, needs_toolchain
from tests.support.picture_project import SIZE, picture_project

pytest.importorskip("labwired", reason="needs labwired: pip install labwired")

from tests.support.labwired_c3 import LabwiredLine
from tinyanime.host.link.client import Device

pytestmark = [needs_toolchain, pytest.mark.slow]


def test_a_small_network_boots_in_labwired_and_computes_the_same_picture() -> None:
    image = picture_project("esp32c3") / "build" / "firmware.elf"
    photo = bytes(range(256)) * (SIZE * SIZE * 3 // 256) + bytes(SIZE * SIZE * 3 % 256)
    with Device(LabwiredLine(image)) as device:
        info = device.hello()
        assert info.board == "esp32c3"
        assert info.unique_id == "0" * 24 or info.unique_id.endswith("0" * 12)
        assert device.infer(photo).output == run_image(image, BOARD, photo)
