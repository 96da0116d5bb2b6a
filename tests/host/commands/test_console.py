"""What goes to stdout and what to stderr."""

from __future__ import annotations

import json

import pytest

from tinyanime.host.console import Console


def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=True)
    console.say("for people")
    console.table(("a",), [("1",)])
    console.note("beside")
    console.result({"a": 1})
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"a": 1}
    assert shown.err == "beside\n"


def test_without_json_the_value_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.say("for people")
    console.result({"a": 1})
    assert capsys.readouterr().out == "for people\n"


def test_tables_align_numbers_right_and_words_left(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table(("name", "bytes"), [("a", "1,000"), ("long name", "5")])
    assert capsys.readouterr().out == "name       bytes\na          1,000\nlong name      5\n"


def test_progress_without_a_terminal_names_each_stage_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress() as report:
        for done in range(4):
            report("uploading", done, 3)
        report("running", 0, 0)
    assert capsys.readouterr().err == "uploading ...\nrunning ...\n"


def test_stages_that_go_on_together_are_named_once_each_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress() as report:
        for done in range(100):
            report("upload", done, 99)
            report("run", done // 2, 99)
            report("download", done, 99)
    assert capsys.readouterr().err == "upload ...\nrun ...\ndownload ...\n"


def test_stages_that_go_on_together_have_a_bar_each_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Console().progress() as report:
        report("reference", 0, 0)
        for done in (10, 50):
            report("upload", done, 200)
            report("download", done, 100)
        report("download", 100, 100)
        report("check", 1, 4)
    last = [frame for frame in capsys.readouterr().err.split("\x1b[2K") if "check" in frame][-1]
    assert last.count("25 %") == 2
    assert "upload" in last
    assert "download" not in last
    assert "reference" not in last


def test_quiet_says_nothing_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.note("beside")
    with console.progress() as report:
        report("uploading", 0, 1)
    assert capsys.readouterr().err == ""


def test_progress_on_a_terminal_draws_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Console().progress() as report:
        report("uploading", 1, 2)
        report("running", 0, 0)
    shown = capsys.readouterr()
    assert "uploading" in shown.err
    assert "running" in shown.err
    assert shown.out == ""
