"""Projects that hold no image of themselves: not built, compiled anew since, built elsewhere, no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.picture_project import assert_one_clear_error, picture_model, picture_project, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.boards.rtos import Rtos, board_under
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.errors import InputError
from tinyanime.host.project import built_image, open_project

COMMANDS = ("flash", "emulate", "size")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_application_of_nuttx_is_called_so_by_every_command(tmp_path: Path, command: str) -> None:
    application = tmp_path / "app"
    compile_model(picture_model(tmp_path / "tiny.onnx"), board_under(load_board("mps2-an500"), Rtos.NUTTX), application)
    done = tinyanime(command, "--board", "mps2-an500", "--project", application, cwd=tmp_path)
    assert_one_clear_error(done, 3, f"{application} is an application of NuttX")
    assert f"{application / 'README.md'}" in done.stderr


@pytest.mark.parametrize("board", ["stm32h743", "rp2040", "esp32c3"])
def test_flash_asks_for_the_build_before_it_looks_for_a_board(tmp_path: Path, board: str) -> None:
    project = tmp_path / "project"
    compile_model(picture_model(tmp_path / "tiny.onnx"), load_board(board), project)
    done = tinyanime("flash", "--board", board, "--project", project, cwd=tmp_path)
    assert_one_clear_error(done, 3, "has no firmware image yet")
    assert f"hint: Build it: make -C {project}" in done.stderr


def test_an_image_of_an_earlier_compilation_is_not_used(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(picture_project(), project)
    assert built_image(open_project(project, "posix")).is_file()
    compile_model(picture_model(tmp_path / "other.onnx", seed=1), load_board("posix"), project)
    with pytest.raises(InputError, match="is not of the project as it is now") as caught:
        built_image(open_project(project, "posix"))
    assert caught.value.hint == f"Build it again: make -C {project}"


@pytest.mark.parametrize(
    ("board", "compiler"),
    [
        ("rp2040", "arm-none-eabi-gcc"),
        ("esp32c3", "riscv64-unknown-elf-gcc"),
        ("esp32s3", "xtensa-lx106-elf-gcc"),
        ("posix", "gcc"),
    ],
)
def test_a_project_says_which_compiler_is_missing_and_who_knows_its_package(
    tmp_path: Path, board: str, compiler: str
) -> None:
    project, programs = tmp_path / "project", tmp_path / "bin"
    compile_model(picture_model(tmp_path / "tiny.onnx"), load_board(board), project)
    programs.mkdir()
    for name in ("make", "sh", "rm"):
        (programs / name).symlink_to(shutil.which(name) or "")
    bare = {**os.environ, "PATH": str(programs)}
    done = subprocess.run(["make", "-C", project], capture_output=True, text=True, check=False, env=bare)
    assert done.returncode != 0
    assert f"{compiler} is not installed: 'tinyanime boards {board}' says what brings it" in done.stderr
    subprocess.run(["make", "-s", "-C", project, "clean"], check=True, env=bare)
