"""Compiled networks whose weights and maps go by DMA, on the virtual stm32h743: right in every order in which the
hardware may act, and wrong in at least one as soon as any single wait, clean or invalidate is missing."""

from __future__ import annotations

import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.models.random_networks import random_network
from tests.support.assembled import assembled
from tests.support.board_run import Patches, Settings, board_device
from tests.support.firmware_mutations import blanked_commands
from tests.support.forced_schedules import Force, ForcedSchedule, forced_schedule, whole_line_network
from tests.support.picture_project import build
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import LinkError
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference
from tinyanime.codegen.schedule.check.check import check_schedule
from tinyanime.codegen.schedule.plan import Clean, Invalidate, Move, Start, Wait
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.stm32h7.board import Stm32h7Board

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")

BOARD = load_board("stm32h743")
COHERENCE = ("coherence", "on")
ORDERS: tuple[Settings, ...] = tuple((("dma", order), COHERENCE) for order in ("late", "early", "random:1", "random:2"))
NETWORKS = {
    "tiles": (whole_line_network(), Force(stage_ops=3, strip_rows=4, fast_bytes=4096, slot_bytes=1024)),
    "narrow": (whole_line_network(2), Force(3, 2, fast_bytes=3328, slot_bytes=768, tile_bytes=1024)),
    "pairs": (whole_line_network(3), Force(2, 2, fast_bytes=3328, slot_bytes=768, tile_bytes=1024)),
    "layers": (whole_line_network(), Force(1, 1, fast_bytes=2560, slot_bytes=768, tile_bytes=1024)),
    "streamed": (whole_line_network(4), Force(99, 2, fast_bytes=8192, slot_bytes=1024, stream=True)),
    "random": (random_network(7), Force(stage_ops=4, strip_rows=2)),
    "ranges": (whole_line_network(5), Force(3, 4, 4096, slot_bytes=704, function="ta_convolve_direct_s8")),
    "upsampled": (whole_line_network(5), Force(2, 2, 4096, slot_bytes=704, function="ta_upsample_convolve_s8")),
}


@dataclass(frozen=True, eq=False)
class Built:
    """A firmware image with the schedule it was made from, inputs and the reference's outputs for them."""

    image: Path
    case: ForcedSchedule
    sources: tuple[bytes, ...]
    expected: tuple[bytes, ...]

    def run(self, settings: Settings, patches: Patches = ()) -> tuple[bytes, ...]:
        """The outputs of one inference after the other: the later ones find in the cache what the earlier ones left,
        the first one all lines dirty. EmulationError or LinkError where the board or the firmware objects."""
        with board_device(self.image, BOARD, settings, patches) as (device, board):
            device.hello()
            assert isinstance(board, Stm32h7Board)
            assert board.chip.cache is not None
            board.chip.cache.make_dirty()
            outputs = tuple(device.infer(source).output for source in self.sources)
            if board.unawaited:
                raise EmulationError("A transfer that nobody waited for is left.")
        return outputs

    def goes_wrong(self, settings: Settings, patches: Patches) -> bool:
        """Whether a run ends in an error or with other bytes than the reference's."""
        try:
            return self.run(settings, patches) != self.expected
        except (EmulationError, LinkError):
            return True


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyanime-dma-orders-")


@functools.cache
def built(name: str) -> Built:
    model, force = NETWORKS[name]
    directory = Path(_folder().name) / name
    path = directory.with_suffix(".onnx")
    onnx.save(model, path)
    graph = load_and_prepare(path)
    case = forced_schedule(graph, BOARD, force)
    check_schedule(case.schedule, case.plan, case.banks)
    assembled(case.schedule, case.plan, BOARD, directory)
    build(directory)
    shape = graph.tensors[graph.inputs[0]].shape
    sources = [np.random.default_rng(seed).integers(-128, 128, shape, np.int8) for seed in (5, 6)]
    expected = [run_reference(graph, {graph.inputs[0]: values})[graph.outputs[0]] for values in sources]
    image = directory / "build" / "firmware.elf"
    return Built(image, case, tuple(v.tobytes() for v in sources), tuple(v.tobytes() for v in expected))


def assert_each_is_missed(name: str, kinds: tuple[type, ...]) -> None:
    """Blanks out every command of `kinds`, one at a time; each image must go wrong in some order."""
    network = built(name)
    blanked = tuple(blanked_commands(network.image, network.case.schedule, kinds))
    assert {type(mutant.command) for mutant in blanked} >= {Wait, Clean, Invalidate}
    unnoticed = [
        f"step {mutant.step}, command {mutant.position}: {mutant.command}"
        for mutant in blanked
        if not any(network.goes_wrong(order, mutant.patches) for order in ORDERS)
    ]
    assert unnoticed == []


@pytest.mark.parametrize("order", ORDERS, ids=lambda settings: settings[0][1])
@pytest.mark.parametrize("name", ["tiles", "layers", "streamed"])
def test_a_network_gives_the_references_bytes_in_every_order_of_its_transfers(name: str, order: Settings) -> None:
    network = built(name)
    commands = [command for step in network.case.schedule.steps for command in step.commands]
    assert sum(isinstance(command, Start) for command in commands) >= 10
    assert network.run(order) == network.expected


@pytest.mark.parametrize("order", ORDERS, ids=lambda settings: settings[0][1])
@pytest.mark.parametrize("name", ["ranges", "upsampled"])
def test_weights_in_ranges_of_channels_give_the_references_bytes_in_every_order(name: str, order: Settings) -> None:
    network = built(name)
    assert any(call.packed for step in network.case.schedule.steps for call in step.calls)
    assert network.run(order) == network.expected


@pytest.mark.parametrize("name", ["tiles", "streamed"])
def test_a_run_given_up_with_transfers_under_way_leaves_the_next_one_right(name: str) -> None:
    network, under_way = built(name), 0
    with board_device(network.image, BOARD, ORDERS[0]) as (device, board):
        for steps in range(1, device.hello().step_count, 3):
            device.upload(network.sources[0])
            device.begin_steps()
            for _ in range(steps):
                device.step()
            under_way += len(board.unawaited)
            assert device.infer(network.sources[1]).output == network.expected[1]
    assert under_way > 0


def test_no_wait_clean_or_invalidate_of_a_network_can_be_left_out_on_the_board() -> None:
    assert_each_is_missed("tiles", (Wait, Clean, Invalidate))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["narrow", "pairs", "layers", "ranges"])
def test_no_command_but_calls_can_be_left_out_on_the_board(name: str) -> None:
    assert_each_is_missed(name, (Wait, Clean, Invalidate, Start, Move))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 23))
@pytest.mark.parametrize("name", ["narrow", "pairs", "layers", "random"])
def test_a_network_gives_the_references_bytes_in_many_random_orders(name: str, seed: int) -> None:
    network = built(name)
    assert network.run((("dma", f"random:{seed}"), COHERENCE)) == network.expected
