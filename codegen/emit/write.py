"""Writes a project folder without touching what did not change and without ever leaving half a file."""

from __future__ import annotations

import os
from pathlib import Path

from tinyanime.codegen.bundle import MANIFEST_NAME, load_bundle
from tinyanime.codegen.emit.project import Files
from tinyanime.codegen.errors import InputError, UserError


def write_project(directory: Path, content: Files) -> None:
    """Bring `directory` to `content`: unchanged files keep their times, files of an older build are removed.

    Raises InputError where the folder holds something else than a project of ours, and UserError where it cannot be
    written. The manifest is written last, so that an interrupted run is seen as incomplete.
    """
    _refuse_foreign_folder(directory)
    try:
        stale = _listed_files(directory) - content.keys()
        (directory / MANIFEST_NAME).unlink(missing_ok=True)
        for path in sorted(content, key=lambda p: p == MANIFEST_NAME):
            _write_if_changed(directory / path, content[path])
        for path in stale:
            (directory / path).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"The project cannot be written to {directory}: {error.strerror or error}.",
            hint="Choose another folder with -o, or make room and write permission there.",
        ) from error


def _refuse_foreign_folder(directory: Path) -> None:
    if directory.is_file():
        raise InputError(f"{directory} is a file, not a folder.", hint="Choose a folder with -o.")
    if not directory.is_dir() or not any(directory.iterdir()):
        return
    marks = (MANIFEST_NAME, "network")
    if not any((directory / mark).exists() for mark in marks):
        raise InputError(
            f"{directory} is not empty and not a project of tinyanime.",
            hint="Choose a new or empty folder with -o.",
        )


def _listed_files(directory: Path) -> set[str]:
    """Files that the folder's present manifest lists; empty where there is none that can be read."""
    try:
        return {path for path, _ in load_bundle(directory).manifest.sources}
    except InputError:
        return set()


def _write_if_changed(path: Path, data: bytes) -> None:
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
