"""Which photos are meant and where their pictures go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.codegen.errors import InputError, OutputError
from tinyanime.host.commands.photo_files import expand_photos, output_names, sample_photos, side_by_side_name


def test_a_folder_gives_its_pictures_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "sub.png").mkdir()
    assert [path.name for path in expand_photos([tmp_path])] == ["a.png", "b.JPG"]


def test_a_photo_named_twice_is_sent_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert expand_photos([tmp_path / "a.png", tmp_path]) == (tmp_path / "a.png",)


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        expand_photos([tmp_path])


def test_a_photo_gets_a_name_of_its_own_in_the_current_folder() -> None:
    assert output_names([Path("in/a.jpg")], None) == (Path("a_anime.png"),)


def test_one_photo_goes_into_the_file_or_the_folder_named(tmp_path: Path) -> None:
    assert output_names([Path("a.jpg")], Path("x.png")) == (Path("x.png"),)
    assert output_names([Path("a.jpg")], tmp_path) == (tmp_path / "a_anime.png",)


def test_several_photos_go_into_a_folder_that_need_not_exist() -> None:
    photos = [Path("1/a.jpg"), Path("2/a.png"), Path("b.jpg")]
    assert output_names(photos, Path("out")) == tuple(
        Path("out") / name for name in ("a_anime.png", "a_2_anime.png", "b_anime.png")
    )


def test_one_photo_goes_into_a_folder_that_does_not_exist_yet() -> None:
    assert output_names([Path("holiday/a.jpg")], Path("anime")) == (Path("anime/a_anime.png"),)


def test_several_photos_do_not_go_into_a_folder_named_like_a_picture() -> None:
    with pytest.raises(OutputError, match=r"out\.png is one file, but 2 pictures"):
        output_names([Path("a.jpg"), Path("b.jpg")], Path("out.png"))


def test_an_input_is_protected_even_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(OutputError, match="is an input photo"):
        output_names([tmp_path / "a.png"], tmp_path / "link.png")


def test_the_side_by_side_picture_does_not_overwrite_an_input_either(tmp_path: Path) -> None:
    photo = tmp_path / "x_side_by_side.png"
    with pytest.raises(OutputError, match="is an input photo"):
        output_names([photo], tmp_path / "x.png")
    assert side_by_side_name(tmp_path / "x.png") == photo


def test_ten_sample_photos_are_shipped() -> None:
    assert len(sample_photos()) == 10
