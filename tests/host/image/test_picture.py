"""Loading photos of every kind, and refusing what is none."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tinyanime.codegen.errors import InputError
from tinyanime.host.image.picture import check_picture, load_picture


def gradient(height: int = 12, width: int = 20) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 3]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises this size and whose pixels are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp", "a.tiff", "a.ppm"])
def test_lossless_formats_give_the_pixels_themselves(tmp_path: Path, name: str) -> None:
    gradient().save(tmp_path / name, lossless=True)
    np.testing.assert_array_equal(load_picture(tmp_path / name), np.asarray(gradient()))


def test_a_jpeg_is_read_within_its_loss(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.jpg", quality=98, subsampling=0)
    assert np.abs(load_picture(tmp_path / "a.jpg").astype(int) - np.asarray(gradient())).max() < 12


def test_every_exif_orientation_is_turned_upright(tmp_path: Path) -> None:
    upright = np.asarray(gradient())
    stored_for = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    for orientation, stored in stored_for.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
        np.testing.assert_array_equal(load_picture(path), upright, err_msg=str(orientation))


def test_grey_pictures_of_8_and_16_bits_look_the_same(tmp_path: Path) -> None:
    grey = np.arange(240, dtype=np.uint8).reshape(12, 20)
    Image.fromarray(grey).save(tmp_path / "8.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "16.png")
    expected = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(load_picture(tmp_path / "8.png"), expected)
    np.testing.assert_array_equal(load_picture(tmp_path / "16.png"), expected)


def test_a_floating_point_tiff_counts_from_black_to_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).save(tmp_path / "f.tiff")
    np.testing.assert_array_equal(load_picture(tmp_path / "f.tiff")[0, :, 0], [0, 128, 255])


def test_transparent_parts_lie_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[0, 0] = (200, 100, 50, 255)
    rgba[0, 1] = (0, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    pixels = load_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels[0, 0], (200, 100, 50))
    np.testing.assert_array_equal(pixels[0, 1], (127, 127, 127))
    np.testing.assert_array_equal(pixels[1, 1], (255, 255, 255))


def test_a_palette_with_a_transparent_colour_lies_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.gif", transparency=1)
    np.testing.assert_array_equal(load_picture(tmp_path / "p.gif")[0], [(255, 0, 0), (255, 255, 255)])


def test_grey_with_alpha_lies_on_white(tmp_path: Path) -> None:
    Image.new("LA", (1, 1), (0, 0)).save(tmp_path / "la.png")
    np.testing.assert_array_equal(load_picture(tmp_path / "la.png")[0, 0], (255, 255, 255))


def test_a_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    red, green, blue = load_picture(tmp_path / "c.jpg")[8, 8]
    assert red > 200
    assert max(green, blue) < 60


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    for name in ("a.gif", "a.webp"):
        first.save(tmp_path / name, save_all=True, append_images=[second], lossless=True)
        np.testing.assert_array_equal(load_picture(tmp_path / name)[0, 0], (255, 0, 0))


def test_a_colour_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gradient().save(tmp_path / "s.png", icc_profile=profile)
    assert np.abs(load_picture(tmp_path / "s.png").astype(int) - np.asarray(gradient())).max() <= 1
    gradient().save(tmp_path / "broken.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(load_picture(tmp_path / "broken.png"), np.asarray(gradient()))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg does not exist"):
        load_picture(tmp_path / "gone.jpg")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "zero.jpg").touch()
    with pytest.raises(InputError, match=r"zero\.jpg is empty"):
        check_picture(tmp_path / "zero.jpg")


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png is not a file"):
        load_picture(tmp_path / "pipe.png")


def test_the_size_of_a_far_too_large_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(png_of_size(20_000, 20_000))
    with pytest.raises(InputError, match=r"too large: 400 megapixels, the limit is 100 megapixels\."):
        load_picture(tmp_path / "huge.png")


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        load_picture(tmp_path)


@pytest.mark.parametrize("content", [b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", bytes(100), b"<svg></svg>"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png is (not|a damaged) "):
        load_picture(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, kind)
    (tmp_path / "cut").write_bytes(encoded.getvalue()[: len(encoded.getvalue()) // 2])
    with pytest.raises(InputError, match="damaged"):
        load_picture(tmp_path / "cut")


@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000)])
def test_a_picture_of_100_megapixels_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "big.png").write_bytes(png_of_size(*size))
    with pytest.raises(InputError, match="too large"):
        check_picture(tmp_path / "big.png")
    # One pixel row less passes the header check: the limit is what refuses, not the missing pixels.
    (tmp_path / "less.png").write_bytes(png_of_size(10_000, 9_999))
    check_picture(tmp_path / "less.png")
