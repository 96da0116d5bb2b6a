"""Brings a photo of any size to the network's input size, and the result back to the photo's shape."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from PIL import Image

from tinyanime.host.image.picture import Pixels


class FrameMode(Enum):
    """How a photo of another aspect ratio becomes the network's input."""

    CROP = "crop"
    """The largest centred part of the right aspect ratio."""
    FIT = "fit"
    """All of it; the bars are filled with its edges and cut off the result again."""
    STRETCH = "stretch"
    """All of it, distorted."""


@dataclass(frozen=True, slots=True)
class Box:
    """Rows [top, bottom) and columns [left, right) of a picture."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, eq=False, slots=True)
class FramedPhoto:
    """`pixels` is uint8 [height, width, 3] of the network's size; the photo itself lies in `content`."""

    pixels: Pixels
    content: Box

    @property
    def visible(self) -> Pixels:
        """The photo without the bars."""
        return cut(self.pixels, self.content)


def frame_photo(photo: Pixels, width: int, height: int, mode: FrameMode) -> FramedPhoto:
    """Scale `photo` (uint8 [H, W, 3], any size) to `width` x `height` with a Lanczos filter."""
    whole = Box(0, 0, width, height)
    if mode is FrameMode.STRETCH:
        return FramedPhoto(_resize(photo, width, height), whole)
    if mode is FrameMode.CROP:
        return FramedPhoto(_resize(cut(photo, _central_box(photo, width, height)), width, height), whole)
    return _letterbox(photo, width, height)


def unframe(picture: Pixels, framed: FramedPhoto) -> Pixels:
    """The part of the network's output `picture` (any whole or fractional scale of its input) that is photo."""
    height, width = framed.pixels.shape[:2]
    across, down = picture.shape[1] / width, picture.shape[0] / height
    box = framed.content
    scaled = Box(round(box.left * across), round(box.top * down), round(box.right * across), round(box.bottom * down))
    return cut(picture, scaled)


def cut(picture: Pixels, box: Box) -> Pixels:
    """The pixels inside `box`."""
    return picture[box.top : box.bottom, box.left : box.right]


def _central_box(photo: Pixels, width: int, height: int) -> Box:
    """The largest centred box of the aspect ratio `width` : `height`, at least one pixel wide and high."""
    have_height, have_width = photo.shape[:2]
    box_width = max(1, min(have_width, round(have_height * width / height)))
    box_height = max(1, min(have_height, round(have_width * height / width)))
    left, top = (have_width - box_width) // 2, (have_height - box_height) // 2
    return Box(left, top, left + box_width, top + box_height)


def _letterbox(photo: Pixels, width: int, height: int) -> FramedPhoto:
    have_height, have_width = photo.shape[:2]
    scale = min(width / have_width, height / have_height)
    inner_width = min(width, max(1, round(have_width * scale)))
    inner_height = min(height, max(1, round(have_height * scale)))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    box = Box(left, top, left + inner_width, top + inner_height)
    margins = ((top, height - box.bottom), (left, width - box.right), (0, 0))
    # Repeated edges disturb the convolutions beside them least: bars of one colour would bleed into the picture.
    return FramedPhoto(np.pad(_resize(photo, inner_width, inner_height), margins, mode="edge"), box)


def _resize(photo: Pixels, width: int, height: int) -> Pixels:
    if photo.shape[:2] == (height, width):
        return photo
    image = Image.fromarray(np.ascontiguousarray(photo))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), dtype=np.uint8)
