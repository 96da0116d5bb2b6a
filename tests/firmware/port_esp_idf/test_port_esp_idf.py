"""The port for ESP-IDF, with tests/support/esp_idf in the place of ESP-IDF: serial ports, clocks, reset, two cores."""

from __future__ import annotations

import random
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.port_probe import PROBE, ROOT, Probe, inverted
from tinyanime.boards.loader import load_board
from tinyanime.codegen.emit.render import environment

FIRMWARE = ROOT / "firmware"
IDF = ROOT / "tests" / "support" / "esp_idf"
PORT = sorted((FIRMWARE / "port" / "esp_idf").glob("*.c"))
BOARD = load_board("esp32s3")
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wvla")


def _build(directory: Path, sources: tuple[Path, ...], *flags: str) -> subprocess.CompletedProcess[str]:
    """Links `sources` and the port into directory/firmware; their main is the firmware's."""
    config = environment().get_template("project/esp-idf/board/board_config.h.j2")
    (directory / "board_config.h").write_text(config.render(board=BOARD, stack_bytes=BOARD.stack_bytes))
    includes = (f"-I{directory}", f"-I{IDF}", f"-I{FIRMWARE / 'include'}", f"-I{FIRMWARE / 'port' / 'esp_idf'}")
    common = ("gcc", "-std=gnu11", "-O1", "-g", "-pthread", *includes, *flags)
    idf = subprocess.run([*common, "-c", IDF / "esp_idf_on_pc.c", "-o", directory / "idf.o"], check=False)
    assert idf.returncode == 0
    linked = [*map(str, (*sources, *PORT, directory / "idf.o")), "-o", str(directory / "firmware")]
    return subprocess.run(
        [*common, *WARNINGS, "-Dmain=firmware_main", *linked],
        capture_output=True,
        text=True,
        check=False,
    )


def _built(directory: Path, sources: tuple[Path, ...], *flags: str) -> Path:
    result = _build(directory, sources, *flags)
    assert result.returncode == 0, result.stderr
    return directory / "firmware"


@pytest.fixture(scope="module", params=[1, 0], ids=["uart", "usb"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    flag = f"-DCONFIG_TINYANIME_LINK_UART={request.param}"
    directory = tmp_path_factory.mktemp("probe")
    return _built(directory, (PROBE,), flag, "-DTA_CORES=1", "-fsanitize=address,undefined")


@pytest.fixture
def probe(program: Path) -> Iterator[Probe]:
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def read(count: int) -> bytes:
            data = b""
            while len(data) < count:
                part = stdout.read(count - len(data))
                assert part, "the program ended"
                data += part
            return data

        def write(data: bytes) -> None:
            while data:
                data = data[stdin.write(data) or 0 :]

        running = Probe(read, write)
        running.expect_start()
        yield running
        stdin.close()
        assert process.wait(10) == 0


def test_bytes_come_and_go_whole_in_chunks_of_any_size(probe: Probe) -> None:
    for count in (1, 511, 512, 513, 30_000):
        data = random.Random(count).randbytes(count)
        assert probe.echo(data) == inverted(data)


def test_the_port_names_the_chip_and_its_clocks(probe: Probe) -> None:
    first = probe.info()
    time.sleep(0.1)
    second = probe.info()
    assert first.clock_hz == BOARD.clock_hz
    assert 90 <= second.milliseconds - first.milliseconds < 2000
    assert (second.cycles - first.cycles) % 2**32 >= 90_000_000
    assert first.unique_id == bytes.fromhex("240ac4010203") + bytes(6)
    assert first.stack_free_bytes == 4321


def test_cycles_start_elsewhere_after_each_reset(probe: Probe) -> None:
    starts = set()
    for _ in range(3):
        starts.add(probe.info().cycles >> 28)
        probe.write(b"r")
        probe.expect_start()
    values = {struct.pack("<I", probe.info().cycles)}
    assert len(starts | values) > 1
    assert probe.echo(b"after") == inverted(b"after")


def test_two_tasks_compute_as_a_team_and_see_each_others_words(tmp_path: Path) -> None:
    sources = (Path(__file__).with_name("team_on_tasks.c"), FIRMWARE / "runtime" / "team.c")
    program = _built(tmp_path, sources, "-DTA_CORES=2", "-fsanitize=thread")
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ok 150\n"), done.stdout + done.stderr


def test_a_console_on_the_links_uart_does_not_compile(tmp_path: Path) -> None:
    result = _build(tmp_path, (PROBE,), "-DCONFIG_ESP_CONSOLE_UART=1", "-DTA_CORES=1")
    assert result.returncode != 0
    assert "Logs would mix with the link's frames" in result.stderr
