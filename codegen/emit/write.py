"""Writes a project folder without touching what did not change and without ever leaving half a file."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from tinyanime.codegen.bundle import MANIFEST_NAME, load_bundle
from tinyanime.codegen.emit.project import ProjectFile
from tinyanime.codegen.errors import InputError, OutputError


def write_project(directory: Path, files: tuple[ProjectFile, ...]) -> None:
    """Bring `directory` to `files`: unchanged files keep their times, files of an older build are removed.

    Raises InputError where the folder holds something else than a project of ours, and OutputError where it cannot be
    written. The manifest is written last, so that an interrupted run is seen as incomplete.
    """
    try:
        _refuse_foreign_folder(directory)
        stale = _listed_files(directory) - {file.path for file in files}
        (directory / MANIFEST_NAME).unlink(missing_ok=True)
        for file in sorted(files, key=lambda f: f.path == MANIFEST_NAME):
            _write_if_changed(directory / file.path, file.data)
        for path in stale:
            (directory / path).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
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
    """Files inside the folder that its present manifest lists; empty where there is none that can be read.

    The manifest may have been edited: what it says must never get a file outside the folder removed.
    """
    try:
        listed = {path for path, _ in load_bundle(directory).manifest.sources}
    except InputError:
        return set()
    return {path for path in listed if not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts}


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
