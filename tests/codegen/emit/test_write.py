"""A project folder is written without touching what is the same, and never over somebody else's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.codegen.emit.write import write_project
from tinyanime.codegen.errors import InputError, UserError


def test_unchanged_files_keep_their_times(tmp_path: Path) -> None:
    write_project(tmp_path / "p", {"network/a.c": b"1", "network/b.c": b"2", "manifest.json": b"{}"})
    before = (tmp_path / "p/network/a.c").stat().st_mtime_ns
    write_project(tmp_path / "p", {"network/a.c": b"1", "network/b.c": b"3", "manifest.json": b"{}"})
    assert (tmp_path / "p/network/a.c").stat().st_mtime_ns == before
    assert (tmp_path / "p/network/b.c").read_bytes() == b"3"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and not a project"):
        write_project(tmp_path, {"manifest.json": b"{}"})
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "p"
    target.write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_project(target, {"manifest.json": b"{}"})
    assert target.read_text() == "mine"


def test_a_full_disk_is_one_sentence_and_leaves_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_project(tmp_path / "p", {"network/a.c": b"1", "manifest.json": b"{}"})
    assert not (tmp_path / "p/manifest.json").exists()
    assert not list(tmp_path.rglob("*.tmp"))
