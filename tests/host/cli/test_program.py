"""The program itself: help, exit status, errors, crash log."""

from __future__ import annotations

import errno
import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.support.picture_project import tinyanime
from tinyanime.codegen.errors import DoesNotFitError, LinkError
from tinyanime.host import cli

COMMANDS = [entry for section in cli.SECTIONS for entry in section.entries]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[BaseException]:
    """`tinyanime boards` raises whatever is put into the list; logs go to the temporary folder."""
    raised: list[BaseException] = []

    @click.command()
    def boards() -> None:
        raise raised[0]

    monkeypatch.setattr("tinyanime.host.commands.boards.boards", boards)
    monkeypatch.setattr("platformdirs.user_log_dir", lambda *_: str(tmp_path / "logs"))
    return raised


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_has_help_with_examples(entry: cli.CommandEntry) -> None:
    command = cli.LazyGroup(name="tinyanime").get_command(click.Context(cli.tinyanime), entry.name)
    assert command is not None
    with click.Context(command, info_name=entry.name) as context:
        text = command.get_help(context)
    assert f"tinyanime {entry.name}" in text, "no example command line"


def test_help_imports_no_command(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom tinyanime.host import cli\ncli.run(['--help'])\n"
        "heavy = {'numpy', 'PIL', 'rich', 'serial', 'onnx', 'unicorn', 'tinyanime.host.commands'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for entry in COMMANDS:
        assert entry.name in done.stdout


def test_help_documents_every_exit_status() -> None:
    errors = importlib.import_module("tinyanime.codegen.errors")
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and hasattr(value, "exit_code")]
    statuses = {kind.exit_code for kind in kinds} | {cli.EXIT_USAGE, cli.EXIT_INTERNAL, cli.EXIT_INTERRUPTED}
    for status in statuses:
        assert f" {status}  " in cli.EPILOG, status


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = tinyanime("sned", cwd=tmp_path)
    assert done.returncode == 2
    assert "sned" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    done = tinyanime("boards", "--colour", cwd=tmp_path)
    assert done.returncode == 2
    assert "--colour" in done.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = tinyanime("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("tinyanime 0.")


def test_a_user_error_gives_sentence_hint_and_its_status(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(LinkError("Port X is busy.", hint="Close the terminal."))
    assert cli.run(["boards"]) == 6
    assert capsys.readouterr().err == "error: Port X is busy.\nhint: Close the terminal.\n"
    failing[0] = DoesNotFitError("Too large.")
    assert cli.run(["boards"]) == 4
    assert capsys.readouterr().err == "error: Too large.\n"


def test_a_defect_gives_one_sentence_and_a_log(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failing.append(RuntimeError("boom"))
    assert cli.run(["boards"]) == 70
    shown = capsys.readouterr().err
    (log,) = (tmp_path / "logs").iterdir()
    assert "Traceback" not in shown
    assert str(log) in shown
    assert "RuntimeError: boom" in log.read_text()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_anywhere_is_no_defect(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], code: int
) -> None:
    failing.append(OSError(code, "text", "out/network.c"))
    assert cli.run(["boards"]) == 9
    assert "error: Writing out/network.c failed" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(failing: list[BaseException]) -> None:
    failing.append(KeyboardInterrupt())
    assert cli.run(["boards"]) == 130
