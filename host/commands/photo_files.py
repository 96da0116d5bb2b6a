"""Photo arguments: files and folders, the shipped samples, names of outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from tinyanime.codegen.errors import InputError, OutputError
from tinyanime.host.image.picture import SUFFIXES


def expand_photos(arguments: Iterable[Path]) -> tuple[Path, ...]:
    """The files named, and the pictures inside the folders named (not in their sub-folders), by name."""
    photos: list[Path] = []
    for argument in arguments:
        photos += _pictures_in(argument) if argument.is_dir() else [argument]
    return tuple(dict.fromkeys(photos))


def _pictures_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise InputError(f"The folder {folder} holds no pictures.", hint="Name a folder with JPEG, PNG or WebP files.")
    return found


def sample_photos() -> tuple[Path, ...]:
    """The photos that come with tinyanime, by name."""
    folder = Path(str(resources.files("tinyanime.host.samples")))
    photos = tuple(sorted(folder.glob("*.jpg")))
    if not photos:
        raise InputError(
            f"The sample photos are missing from {folder}.", hint="Install tinyanime again, or name photos yourself."
        )
    return photos


def output_names(photos: Sequence[Path], output: Path | None) -> tuple[Path, ...]:
    """Where each picture goes: the file `output` for one photo, `output` as a folder for several.

    A photo `a.jpg` becomes `a_anime.png` in the folder, or in the current one. What does not exist yet is a file
    where its name has an ending. Raises OutputError where an input would be overwritten or `output` is a file although
    there are several photos.
    """
    is_file = output is not None and (not output.is_dir() if output.exists() else output.suffix != "")
    if output is not None and is_file:
        if len(photos) != 1:
            raise OutputError(
                f"{output} is one file, but {len(photos)} pictures are to be written.", hint="Name a folder with -o."
            )
        names = [output]
    else:
        names = _names_in(output or Path(), photos)
    _protect_inputs(photos, names)
    return tuple(names)


def side_by_side_name(picture: Path) -> Path:
    """The photo|anime picture that belongs to an anime picture."""
    return picture.with_name(f"{picture.stem}_side_by_side.png")


def _names_in(folder: Path, photos: Sequence[Path]) -> list[Path]:
    names: list[Path] = []
    for photo in photos:
        name, number = folder / f"{photo.stem}_anime.png", 2
        while name in names:
            name, number = folder / f"{photo.stem}_{number}_anime.png", number + 1
        names.append(name)
    return names


def _protect_inputs(photos: Sequence[Path], names: Sequence[Path]) -> None:
    inputs = {photo.resolve() for photo in photos}
    for name in names:
        for candidate in (name, side_by_side_name(name)):
            if candidate.resolve() in inputs:
                raise OutputError(f"{candidate} is an input photo and is not overwritten.", hint="Choose another -o.")
