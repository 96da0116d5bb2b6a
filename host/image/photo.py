"""From a photo file to a network's input tensor, and from its output bytes back to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyanime.codegen.errors import InputError
from tinyanime.host.image.framing import FramedPhoto, FrameMode, frame_photo, unframe
from tinyanime.host.image.picture import Pixels, load_picture
from tinyanime.host.image.quantize import NetworkPictures, to_pixels, to_tensor


@dataclass(frozen=True, eq=False, slots=True)
class PreparedPhoto:
    """A photo as the network takes it: `tensor` is int8 [1, H, W, C]."""

    source: Path
    framed: FramedPhoto
    tensor: NDArray[np.int8]


def prepare_photo(path: Path, pictures: NetworkPictures, mode: FrameMode) -> PreparedPhoto:
    """Load, frame and quantize a photo.

    Raises InputError where the photo cannot be used or the network does not take pictures (1 or 3 channels).
    """
    height, width, channels = pictures.input_shape
    framed = frame_photo(load_picture(path), width, height, mode)
    return PreparedPhoto(path, framed, to_tensor(_with_channels(framed.pixels, channels), pictures.input))


def anime_picture(output: bytes, pictures: NetworkPictures, prepared: PreparedPhoto) -> Pixels:
    """The network's output bytes as a picture, without the bars that framing added."""
    height, width, channels = pictures.output_shape
    if channels not in (1, 3):
        raise InputError(
            f"The network's output has {channels} channels, a picture has 1 or 3.", hint="Use an image-to-image model."
        )
    tensor = np.frombuffer(output, dtype=np.int8).reshape(1, height, width, channels)
    return unframe(to_pixels(tensor, pictures.output), prepared.framed)


def _with_channels(pixels: Pixels, channels: int) -> Pixels:
    if channels == 3:
        return pixels
    if channels == 1:
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., np.newaxis]
    raise InputError(
        f"The network takes {channels} channels, a picture has 1 or 3.", hint="Use an image-to-image model."
    )
