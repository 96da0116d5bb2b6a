"""Writing pictures whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tinyanime.codegen.errors import OutputError
from tinyanime.host.image.output import check_output, save_picture, side_by_side, write_whole


def pixels(height: int = 5, width: int = 7) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".PNG"])
def test_pictures_are_written_without_loss(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    save_picture(path, pixels())
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), pixels())


def test_missing_folders_are_made(tmp_path: Path) -> None:
    save_picture(tmp_path / "new" / "folder" / "a.png", pixels())
    assert (tmp_path / "new" / "folder" / "a.png").is_file()


def test_a_grey_picture_is_written_as_grey(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png", pixels()[..., :1])
    assert Image.open(tmp_path / "a.png").mode == "L"


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(OutputError, match=r"out\.txt cannot be written"):
        check_output(Path("out.txt"))


def test_an_output_inside_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is not a folder"):
        check_output(tmp_path / "file" / "out.png")


def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match=f"the folder {tmp_path} is not writable"):
        check_output(tmp_path / "new" / "out.png")


def test_an_output_in_a_folder_that_does_not_exist_yet_is_accepted(tmp_path: Path) -> None:
    check_output(tmp_path / "a" / "b" / "out.png")
    check_output(Path("out.png"))


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_whole(path, b"before")

    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(part: Path, mode: str = "r") -> Full:
        part.touch()
        return Full()

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_whole(path, b"after")
    monkeypatch.undo()
    assert caught.value.hint
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_place_of_the_file_is_an_error_without_leftovers(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match=r"a\.png cannot be written"):
        write_whole(tmp_path / "a.png", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_side_by_side_shows_both_enlarged() -> None:
    left, right = pixels(), pixels()[::-1]
    both = side_by_side(left, right, 3)
    assert both.shape == (15, 2 * 21 + 12, 3)
    np.testing.assert_array_equal(both[::3, :21:3], left)
    np.testing.assert_array_equal(both[::3, -21::3], right)


def test_side_by_side_brings_a_smaller_photo_to_the_same_height() -> None:
    large = pixels(10, 14)
    assert side_by_side(pixels(5, 7), large, 2).shape == (20, 28 + 8 + 28, 3)
    assert side_by_side(pixels(5, 7), large[..., :1], 2).shape == (20, 28 + 8 + 28, 3)
