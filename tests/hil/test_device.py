"""What every board must do, virtual or on the desk, over the same serial endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hil.conftest import DeviceUnderTest, Ledger
from tests.support.picture_project import assert_one_clear_error, picture_model, tinyanime
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.errors import LinkError
from tinyanime.host.commands.photo_files import sample_photos
from tinyanime.host.discovery import Connection, connect
from tinyanime.host.image.framing import FrameMode
from tinyanime.host.image.photo import prepare_photo
from tinyanime.host.image.quantize import pictures_of_device, pictures_of_manifest
from tinyanime.host.link.client import Device
from tinyanime.host.link.faults import FaultPlan, FaultyTransport
from tinyanime.host.link.results import Phase
from tinyanime.host.link.transport import open_transport
from tinyanime.host.project import check_same_build
from tinyanime.host.verification import LayerCheck, compare_network


@pytest.fixture
def connection(dut: DeviceUnderTest) -> Iterator[Connection]:
    with connect(dut.port, baud=dut.board.uart.baud or None) as opened:
        yield opened


@pytest.mark.every_network
def test_the_device_runs_the_project(dut: DeviceUnderTest, connection: Connection) -> None:
    check_same_build(dut.project, connection.info, dut.port)
    manifest, info = dut.project.manifest, connection.info
    assert info.board == dut.board.name
    assert info.model_sha256 == manifest.model_sha256
    assert (info.layer_count, info.step_count) == (len(manifest.layers), len(manifest.steps))
    assert info.self_check == 0
    assert pictures_of_device(info).input_shape == pictures_of_manifest(manifest).input_shape
    assert info.clock_hz > 1_000_000


@pytest.mark.every_network
def test_a_photo_is_bit_exact_in_every_layer(dut: DeviceUnderTest, connection: Connection, ledger: Ledger) -> None:
    photo = prepare_photo(sample_photos()[0], pictures_of_manifest(dut.project.manifest), FrameMode.CROP)
    result = compare_network(
        connection.device, dut.project, dut.given(photo.tensor), LayerCheck.CRC, lambda done, total: None
    )
    ledger.count(result.compared_bytes, result.differing_bytes)
    assert result.first is None, str(result.first)
    assert result.layers_equal == len(dut.project.manifest.layers)
    assert result.compared_bytes > dut.project.manifest.output.size_bytes


def test_repeated_runs_give_the_same_bytes_and_cycles_for_every_layer(
    dut: DeviceUnderTest, connection: Connection, ledger: Ledger
) -> None:
    tensor = dut.random_input(1)
    first = connection.device.infer(tensor.tobytes())
    cycles = connection.device.layer_cycles()
    # The second run starts from the state that the first one left behind.
    connection.device.upload(tensor.tobytes())
    connection.device.run()
    for output in (first.output, connection.device.download_output()):
        ledger.equal(output, dut.expected(tensor))
    assert len(cycles) == len(dut.project.manifest.layers)
    assert all(count > 0 for count in cycles)


@pytest.mark.parametrize("value", [-128, 127])
def test_extreme_inputs_are_bit_exact(dut: DeviceUnderTest, connection: Connection, ledger: Ledger, value: int) -> None:
    tensor = np.full(dut.project.manifest.input.shape, value, dtype=np.int8)
    ledger.equal(connection.device.infer(tensor.tobytes()).output, dut.expected(tensor))


def test_a_reset_in_the_middle_is_noticed_and_recovered_from(
    dut: DeviceUnderTest, connection: Connection, ledger: Ledger
) -> None:
    device = connection.device
    tensor = dut.random_input(2)
    device.upload(tensor.tobytes())
    device.begin_steps()
    device.step()
    device.reset()
    # Nothing of the picture survived: the device must not go on with whatever lies in its memory.
    device.begin_steps()
    with pytest.raises(LinkError):
        device.step()
    ledger.equal(device.infer(tensor.tobytes()).output, dut.expected(tensor))


def test_a_bad_line_never_gives_a_wrong_picture(dut: DeviceUnderTest, ledger: Ledger) -> None:
    plan = FaultPlan(loss=0.02, duplication=0.02, reordering=0.02, truncation=0.01, corruption=0.02, noise=0.02)
    tensor = dut.random_input(3)
    line = FaultyTransport(open_transport(dut.port, dut.board.uart.baud), plan, seed=7)
    with Device(line) as device:
        inference = device.infer(tensor.tobytes())
    assert line.faults > 0
    ledger.equal(inference.output, dut.expected(tensor))


def test_a_host_that_gives_up_half_way_leaves_a_usable_device(dut: DeviceUnderTest, ledger: Ledger) -> None:
    tensor = dut.random_input(4)

    class GaveUpError(Exception):
        pass

    def give_up(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.UPLOAD and done > total // 2:
            raise GaveUpError

    baud = dut.board.uart.baud or None
    with connect(dut.port, baud=baud) as connection, pytest.raises(GaveUpError):
        connection.device.infer(tensor.tobytes(), give_up)
    with connect(dut.port, baud=baud) as connection:
        ledger.equal(connection.device.infer(tensor.tobytes()).output, dut.expected(tensor))


def test_another_build_is_refused_by_the_program(dut: DeviceUnderTest, tmp_path: Path) -> None:
    compile_model(picture_model(tmp_path / "other.onnx", seed=9), dut.board, tmp_path / "other")
    done = tinyanime("verify", sample_photos()[0], "--port", dut.port, "--project", tmp_path / "other", cwd=tmp_path)
    assert_one_clear_error(done, 7, "another build")


def test_the_program_sends_a_photo_and_verifies_it(dut: DeviceUnderTest, tmp_path: Path) -> None:
    arguments = ["--port", dut.port, "--verify", "--project", dut.project.directory.resolve(), "-o", "anime.png"]
    done = tinyanime("send", sample_photos()[1], *arguments, cwd=tmp_path, timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert f"bit-exact on {dut.board.name}: " in done.stdout
    assert (tmp_path / "anime.png").is_file()
