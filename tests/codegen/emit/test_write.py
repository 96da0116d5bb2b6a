"""A project folder is written without touching what is the same, and never over somebody else's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models.builders import save
from tests.models.random_networks import random_network
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.emit.project import ProjectFile
from tinyanime.codegen.emit.write import write_project
from tinyanime.codegen.errors import InputError, OutputError


def test_unchanged_files_keep_their_times(tmp_path: Path) -> None:
    write_project(
        tmp_path / "p",
        (
            ProjectFile("network/a.c", b"1"),
            ProjectFile("network/b.c", b"2"),
            ProjectFile("manifest.json", b"{}"),
        ),
    )
    before = (tmp_path / "p/network/a.c").stat().st_mtime_ns
    write_project(
        tmp_path / "p",
        (
            ProjectFile("network/a.c", b"1"),
            ProjectFile("network/b.c", b"3"),
            ProjectFile("manifest.json", b"{}"),
        ),
    )
    assert (tmp_path / "p/network/a.c").stat().st_mtime_ns == before
    assert (tmp_path / "p/network/b.c").read_bytes() == b"3"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and not a project"):
        write_project(tmp_path, (ProjectFile("manifest.json", b"{}"),))
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "p"
    target.write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_project(target, (ProjectFile("manifest.json", b"{}"),))
    assert target.read_text() == "mine"


def test_a_full_disk_is_one_sentence_and_leaves_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_project(
            tmp_path / "p",
            (
                ProjectFile("network/a.c", b"1"),
                ProjectFile("manifest.json", b"{}"),
            ),
        )
    assert not (tmp_path / "p/manifest.json").exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_manifest_that_lists_files_elsewhere_gets_none_of_them_removed(tmp_path: Path) -> None:
    model = save(random_network(1, depth=1), tmp_path / "m.onnx")
    project = compile_model(model, load_board("posix"), tmp_path / "p").directory
    manifest = project / "manifest.json"
    outside = tmp_path / "holiday.txt"
    outside.write_text("mine")
    (project / "network/old.c").write_text("stale")
    data = json.loads(manifest.read_text())
    data["sources"] += [["../holiday.txt", ""], [str(outside), ""], ["network/old.c", ""]]
    manifest.write_text(json.dumps(data))
    write_project(project, (ProjectFile("manifest.json", b"{}"),))
    assert outside.read_text() == "mine"
    assert not (project / "network/old.c").exists()
