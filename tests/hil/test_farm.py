"""The farm's machinery: farm files, locks, retries, the table, and a whole run over a real and a virtual board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hil import flashing
from tests.hil.farm import FarmBoard, FarmError, load_farm, virtual_farm
from tests.hil.flashing import flash_board, with_retries
from tests.hil.port_lock import port_locked
from tests.hil.table import HEADER, Table
from tests.support.picture_project import ROOT, picture_project
from tinyanime.boards.loader import list_boards, load_board
from tinyanime.codegen.errors import InputError, LinkError, ToolError
from tinyanime.host.emulate.launch import launch
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.choose import Choice
from tinyanime.host.project import open_project

DONE = FlashResult(10, 10, "there")


def farm_file(folder: Path, text: str) -> Path:
    path = folder / "farm.toml"
    path.write_text(text)
    return path


def test_the_example_farm_is_sound_and_shows_every_key(tmp_path: Path) -> None:
    farm = load_farm(ROOT / "tests" / "hil" / "farm.example.toml")
    real, _, by_hand, *virtual = farm.boards
    assert (real.board.name, real.flash, real.probe, real.virtual) == ("stm32h743", True, "066AFF", False)
    assert by_hand.project == ROOT / "tests" / "hil" / "build" / "rp2040"
    assert [entry.place for entry in virtual] == ["virtual", "virtual"]
    assert farm.lock_timeout_s == 120


def test_without_a_farm_file_every_shipped_board_is_tested_virtually() -> None:
    assert sorted(entry.board.name for entry in virtual_farm().boards) == [board.name for board in list_boards()]
    assert [entry.board.name for entry in virtual_farm(["posix", "rp2040"]).boards] == ["posix", "rp2040"]
    assert all(entry.virtual and not entry.flash for entry in virtual_farm().boards)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[[board]\n", "is not valid TOML", "Correct that line"),
        ("", "there is no board", "[[board]]"),
        ("board = 3\n", "there is no board", "[[board]]"),
        ("[[boards]]\nname = 'posix'\n", "unknown key 'boards'", "board, lock_timeout_s"),
        ("[[board]]\nport = '/dev/ttyACM0'\n", "board[0] has no name", "name ="),
        ("[[board]]\nname = 'stm32h750'\n", "no board called 'stm32h750'", "stm32h743"),
        ("[[board]]\nname = 'posix'\nserial = 'x'\n", "unknown key 'serial'", "port"),
        ("[[board]]\nname = 'posix'\nport = 3\n", "key 'port' is not a text", "farm.example"),
        ("[[board]]\nname = 'posix'\nport = ''\n", "key 'port' is not a text", "farm.example"),
        ("[[board]]\nname = 'stm32h743'\nflash = 1\n", "key 'flash' is not true or false", "farm.example"),
        ("[[board]]\nname = 'stm32h743'\nflash = true\n", "is virtual, there is nothing to flash", "port"),
        ("[[board]]\nname = 'posix'\nport = 'p'\nflash = true\n", "posix has no flash to write", "Leave flash out"),
        ("[[board]]\nname = 'posix'\nport = 'p'\nprobe = 'x'\n", "names a probe but is not flashed", "flash = true"),
        ("[[board]]\nname = 'posix'\n" * 2, "board[0] and board[1] are the same", "Remove one"),
        (
            "[[board]]\nname = 'posix'\nport = '/dev/null'\n[[board]]\nname = 'rp2040'\nport = '/dev/../dev/null'\n",
            "board[0] and board[1] are the same",
            "port of its own",
        ),
        ("lock_timeout_s = '1 minute'\n[[board]]\nname = 'posix'\n", "'lock_timeout_s' is no time", "seconds"),
        ("lock_timeout_s = nan\n[[board]]\nname = 'posix'\n", "'lock_timeout_s' is no time", "seconds"),
        (
            "".join(f"[[board]]\nname = 'rp2040'\nport = 'p{n}'\nflash = true\nprobe = 'E66'\n" for n in (0, 1)),
            "board[0] and board[1] are flashed through the same probe E66",
            "its own probe",
        ),
    ],
)
def test_a_wrong_farm_file_is_one_sentence_and_a_next_step(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = farm_file(tmp_path, text)
    with pytest.raises(FarmError) as caught:
        load_farm(path)
    assert caught.value.message.startswith((f"{path}: ", f"{path} is"))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_farm_file_ends_the_run_with_one_line(tmp_path: Path) -> None:
    done = run_hil(tmp_path, "--farm", str(tmp_path / "none.toml"))
    assert done.returncode == 4
    assert f"The farm file {tmp_path / 'none.toml'} cannot be read" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


HOLD = """
import sys, time
from pathlib import Path
from tests.hil.port_lock import port_locked
with port_locked(sys.argv[1], 1, Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_port_that_another_run_holds_is_waited_for_and_then_named(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    port.touch()
    link = tmp_path / "by-id"
    link.symlink_to(port)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(link), str(tmp_path / "locks")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LinkError, match=rf"still used by another run \(process {holder.pid}, since") as caught,
            port_locked(str(port), 0.2, tmp_path / "locks"),
        ):
            pytest.fail("the lock was given twice")
        assert "lock_timeout_s" in caught.value.hint
        # A run that is killed leaves no lock behind.
        holder.kill()
        holder.wait()
    with port_locked(str(port), 5, tmp_path / "locks"):
        pass


def test_ports_do_not_lock_each_other(tmp_path: Path) -> None:
    with port_locked("socket://127.0.0.1:1", 1, tmp_path), port_locked("socket://127.0.0.1:2", 0, tmp_path):
        pass


def failing(times: int, error: Exception) -> tuple[Callable[[], FlashResult], list[int]]:
    """An attempt that fails so often; the list grows with each."""
    attempts: list[int] = []

    def attempt() -> FlashResult:
        attempts.append(len(attempts))
        if len(attempts) <= times:
            raise error
        return DONE

    return attempt, attempts


@pytest.mark.parametrize("times", [0, 1, 2])
def test_flashing_that_fails_for_a_while_is_tried_again_after_longer_and_longer_pauses(times: int) -> None:
    attempt, attempts = failing(times, ToolError("busy", hint="wait"))
    pauses: list[float] = []
    assert with_retries(attempt, pauses.append) is DONE
    assert len(attempts) == times + 1
    assert pauses == [1.0, 2.0][:times]


def test_flashing_that_fails_three_times_gives_the_reason_and_the_count() -> None:
    attempt, attempts = failing(9, LinkError("No boot loader answered.", hint="Hold BOOT."))
    with pytest.raises(LinkError, match="Flashing failed 3 times: No boot loader answered") as caught:
        with_retries(attempt, lambda seconds: None)
    assert (len(attempts), caught.value.hint) == (3, "Hold BOOT.")


def test_an_unusable_image_is_not_tried_again() -> None:
    attempt, attempts = failing(9, InputError("The image is damaged."))
    with pytest.raises(InputError):
        with_retries(attempt, lambda seconds: None)
    assert len(attempts) == 1


def test_a_board_is_flashed_through_its_probe_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[FlashJob] = []

    class Adapter:
        def flash(self, job: FlashJob, progress: object) -> FlashResult:
            jobs.append(job)
            return DONE

    monkeypatch.setattr(flashing, "choose_adapter", lambda job: Choice(Adapter(), ()))  # type: ignore[arg-type]
    project = open_project(picture_project(), "")
    entry = FarmBoard(load_board("stm32h743"), "/dev/ttyACM0", "066A", True)
    assert flash_board(entry, project) is DONE
    assert jobs == [FlashJob(entry.board, project, "066A", "/dev/ttyACM0")]


def report(when: str, outcome: str, reason: str = "", **properties: object) -> pytest.TestReport:
    named = {"board": "b", "network": "n", "place": "virtual", **properties}
    longrepr: Any = ("file", 1, reason) if reason else None
    items = [(key, value) for key, value in named.items() if value is not None]
    return pytest.TestReport("id", ("f", 1, "t"), {}, outcome, longrepr, when, user_properties=items, duration=0.5)  # type: ignore[arg-type]


def test_the_table_counts_tests_bytes_and_time_per_board_and_network(tmp_path: Path) -> None:
    table = Table()
    table.add(report("setup", "passed"))
    table.add(report("call", "passed", compared_bytes=1000, differing_bytes=0))
    table.add(report("teardown", "passed", compared_bytes=1000, differing_bytes=0))
    table.add(report("call", "failed", compared_bytes=500, differing_bytes=7))
    table.add(report("setup", "failed", network="other"))
    table.add(report("setup", "skipped", "qemu is not installed", network="third"))
    table.add(report("call", "passed", board=None))
    first, other, third = table.rows
    assert (first.passed, first.failed, first.compared_bytes, first.differing_bytes) == (1, 1, 1500, 7)
    assert first.seconds == 2.0
    assert (other.failed, other.passed, third.skipped) == (1, 0, 1)
    lines = table.lines()
    assert len(lines) == 5
    assert all(len(line) == len(lines[0]) for line in lines[:4])
    assert lines[1].split() == ["b", "n", "virtual", "1", "1", "0", "1,500", "7", "2.0"]
    assert lines[-1] == "b, third: qemu is not installed"
    written = json.loads(table.write(tmp_path / "hil").read_text())
    assert [row["network"] for row in written] == ["n", "other", "third"]
    assert len(HEADER) == len(lines[1].split())


def run_hil(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The hardware suite as a run of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/hil/test_device.py", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--hil-output", str(folder / "hil"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )


def test_a_farm_of_a_board_behind_a_port_and_a_virtual_one_runs_in_parallel_and_prints_its_table(
    tmp_path: Path,
) -> None:
    project = picture_project()
    with launch(load_board("posix"), project / "build" / "firmware.elf") as running:
        text = f"[[board]]\nname = 'posix'\nport = '{running.port}'\nproject = '{project}'\n"
        path = farm_file(tmp_path, f"{text}[[board]]\nname = 'posix'\nproject = '{project}'\n")
        junit = tmp_path / "junit.xml"
        done = run_hil(
            tmp_path,
            *("--farm", str(path), "-vv", "-n", "2", "--junitxml", str(junit)),
            *("-k", "photo_is_bit_exact or extreme or runs_the_project"),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "hil" / "table.json").read_text())
    assert {(row["place"], row["passed"], row["failed"], row["differing_bytes"]) for row in rows} == {
        (running.port, 4, 0, 0),
        ("virtual", 4, 0, 0),
    }
    assert all(row["compared_bytes"] > 2 * 24 * 24 * 3 for row in rows)
    assert f"posix  project  {running.port}" in done.stdout
    cases = ET.parse(junit).getroot().findall(".//testcase")
    assert len(cases) == 8
    assert {item.get("value") for case in cases for item in case.iter("property") if item.get("name") == "place"} == {
        running.port,
        "virtual",
    }
    # "[gw0] [ 12%] PASSED tests/...[label/network]": each board has a worker of its own.
    lines = [line for line in done.stdout.splitlines() if line.startswith("[gw") and "PASSED" in line]
    workers = {(line[: line.index("]")], line.rpartition("[")[2].partition("/")[0]) for line in lines}
    assert len(lines) == 8
    assert len(workers) == len({worker for worker, _ in workers}) == len({label for _, label in workers}) == 2
    assert len(list((tmp_path / "cache" / "tinyanime" / "locks").glob("*.lock"))) == 1


def test_a_farm_whose_port_does_not_exist_fails_with_the_reason(tmp_path: Path) -> None:
    text = f"[[board]]\nname = 'posix'\nport = '/dev/ttyNONE'\nproject = '{picture_project()}'\n"
    done = run_hil(tmp_path, "--farm", str(farm_file(tmp_path, text)), "-k", "runs_the_project")
    assert done.returncode == 1
    assert "Port /dev/ttyNONE does not exist" in done.stdout
    (row,) = json.loads((tmp_path / "hil" / "table.json").read_text())
    assert (row["passed"], row["failed"]) == (0, 1)
