"""Loads any photo as upright 8-bit RGB."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from tinyanime.codegen.errors import InputError

Pixels = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""

MAX_MEGAPIXELS = 100
"""Pictures of this size or more are refused before they are decoded."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".avif"})
"""File names that count as pictures when a folder is given."""

_PICTURE_HINT = "Give a JPEG, PNG or WebP file."
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def check_picture(path: Path) -> None:
    """Look at the file and its header only; raises InputError like `load_picture`, except for damaged contents."""
    with _opened(path):
        pass


def load_picture(path: Path) -> Pixels:
    """The picture as RGB [H, W, 3], turned upright by its EXIF orientation, transparent parts on white.

    Reads what Pillow reads: grey, 16-bit, palette, CMYK, colour profiles (converted to sRGB), the first frame of
    animations. Raises InputError where the file is missing, empty, no picture, damaged, or of 100 megapixels or more.
    """
    with _opened(path) as image:
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            return np.asarray(_as_rgb(upright), dtype=np.uint8)
        # Decoders raise whatever their bugs make of damaged data; all of it means the same to the user.
        except Exception as error:
            raise InputError(
                f"{path} is damaged or cut off: {_reason(error)}.",
                hint="Copy or download the file again, or save it anew from a picture viewer.",
            ) from error


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture with its header read, within the size limit."""
    content = _read(path)
    with warnings.catch_warnings():
        # Pillow warns of large pictures; the limit here is our own.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(content))
        except Image.DecompressionBombError as error:
            raise _too_large(path, _pixels_in(str(error))) from error
        except UnidentifiedImageError as error:
            raise InputError(f"{path} is not a picture.", hint=_PICTURE_HINT) from error
        except Exception as error:
            raise InputError(f"{path} is a damaged picture: {_reason(error)}.", hint=_PICTURE_HINT) from error
        with image:
            width, height = image.size
            if width * height >= MAX_MEGAPIXELS * 1_000_000:
                raise _too_large(path, f"{width} x {height} pixels")
            if width < 1 or height < 1:
                raise InputError(f"{path} has no pixels ({width} x {height}).", hint=_PICTURE_HINT)
            yield image


def _too_large(path: Path, size: str) -> InputError:
    return InputError(
        f"{path} is too large: {size}, the limit is {MAX_MEGAPIXELS} megapixels.",
        hint="Make it smaller first; the network sees a small square of it anyway.",
    )


def _pixels_in(message: str) -> str:
    """The size that Pillow names as it refuses a very large picture."""
    number = re.search(r"(\d+) pixels", message)
    return f"{int(number[1]) / 1e6:,.0f} megapixels" if number else "it has too many pixels"


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file() and not path.is_dir():
        # Reading a pipe or a device may wait for ever.
        raise InputError(f"{path} is not a file but a pipe or device.", hint=_PICTURE_HINT)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", hint="Check the name.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not a picture.", hint=_PICTURE_HINT) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.", hint="Check its permissions.") from error
    if not content:
        raise InputError(f"{path} is empty (0 bytes).", hint="Copy or download the file again.")
    return content


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image)
    return _to_srgb(image) or image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, picture).convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floating point as 8 bits; floats count from 0 to 1 unless they exceed it."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    peak = float(values.max())
    if image.mode == "F":
        white = 1.0 if peak <= 1.0 else 255.0
    elif image.mode.startswith("I;16") or peak > 255.0:
        white = max(65535.0, peak)
    else:
        white = 255.0
    return Image.fromarray(np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image) -> Image.Image | None:
    """The picture converted by its own colour profile; None where it has none that can be used."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
