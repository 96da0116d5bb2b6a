"""Writes pictures whole or not at all."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from tinyanime.codegen.errors import OutputError
from tinyanime.host.image.picture import Pixels

_FORMATS: dict[str, tuple[str, dict[str, object]]] = {
    ".png": ("PNG", {}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}
_GAP_PIXELS = 4


def check_output(path: Path) -> None:
    """OutputError where it is clear beforehand that `save_picture` cannot write `path`: its ending or its folder."""
    _check_ending(path)
    folder = next(parent for parent in (path.parent, *path.parent.parents, Path()) if parent.exists())
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: {folder} is not a folder.", hint="Choose another place with -o.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path} cannot be written: the folder {folder} is not writable for this user.",
            hint="Choose another place with -o.",
        )


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in _FORMATS:
        raise OutputError(
            f"{path} cannot be written: '{path.suffix}' is no picture format.",
            hint=f"Use a name that ends in {', '.join(sorted(_FORMATS))}.",
        )


def save_picture(path: Path, pixels: Pixels) -> None:
    """Write uint8 [H, W, 3] (or [H, W, 1]) to `path` in the format of its ending; lossless except for JPEG."""
    _check_ending(path)
    name, options = _FORMATS[path.suffix.lower()]
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
    encoded = io.BytesIO()
    image.save(encoded, name, **options)
    write_whole(path, encoded.getvalue())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either complete or as it was before.

    Raises OutputError where the disk is full, the folder missing or not writable.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(content)
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Free some space, or choose another place with -o.",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def side_by_side(photo: Pixels, anime: Pixels, scale: int = 1) -> Pixels:
    """Photo and anime next to each other, each pixel `scale` times as large, with a white gap between.

    The smaller picture is enlarged to the height of the larger one where they differ by a whole factor.
    """
    left, right = _enlarge(photo, scale), _enlarge(anime, scale)
    height = max(left.shape[0], right.shape[0])
    left, right = (_enlarge(side, max(1, height // side.shape[0])) for side in (left, right))
    left, right = (_pad_to(side, height) for side in (left, right))
    gap = np.full((height, _GAP_PIXELS * scale, 3), 255, dtype=np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _enlarge(pixels: Pixels, factor: int) -> Pixels:
    colour = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    return colour.repeat(factor, axis=0).repeat(factor, axis=1)


def _pad_to(pixels: Pixels, height: int) -> Pixels:
    missing = height - pixels.shape[0]
    return np.pad(pixels, ((0, missing), (0, 0), (0, 0)), constant_values=255)
