"""The order in which CMSIS-NN is looked for, and what is refused."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from tinyanime.codegen.cmsis_nn import sources
from tinyanime.codegen.cmsis_nn.library import WRAPPERS, Origin
from tinyanime.codegen.cmsis_nn.sources import (
    bakenn_library,
    check_hashes,
    find_cmsis_nn,
    installed_pack_library,
    library_at,
)
from tinyanime.codegen.errors import InputError, ToolError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No path in the environment and no packs of the person who runs the tests."""
    monkeypatch.delenv(sources.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(sources, "pack_data_dir", lambda: tmp_path / "no packs")


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A CMSIS-NN folder as a user would have it, with the core headers beside it."""
    pinned = bakenn_library()
    assert pinned is not None
    root = tmp_path / "user" / "CMSIS-NN"
    shutil.copytree(pinned.root, root)
    shutil.copytree(pinned.include_dirs[1], tmp_path / "user" / "CMSIS" / "Core" / "Include")
    (root / "ARM.CMSIS-NN.pdsc").write_text(
        '<package><releases><release version="9.8.7"></release></releases></package>'
    )
    return root


def _make_pack(data_dir: Path, name: str, version: str, folder: Path, prefix: str = "") -> None:
    pack = data_dir / "ARM" / name / f"{version}.pack"
    pack.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(pack, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, f"{prefix}{path.relative_to(folder).as_posix()}")


def test_the_pinned_wheel_is_used_where_nothing_else_is_given() -> None:
    library = find_cmsis_nn()
    assert (library.name, library.origin) == ("CMSIS-NN 4.0.0 (bakenn 1.0.0)", Origin.BAKENN)
    assert library.is_pinned


def test_a_path_given_by_the_user_comes_first(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, "/nowhere")
    library = find_cmsis_nn(tree)
    assert (library.name, library.origin) == ("CMSIS-NN 9.8.7 (user path)", Origin.USER)
    assert library.root == tree
    assert not library.is_pinned


def test_the_environment_variable_comes_before_packs(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tree))
    assert find_cmsis_nn().origin is Origin.USER


def test_a_user_library_takes_the_core_headers_beside_it(tree: Path, tmp_path: Path) -> None:
    library = library_at(tree)
    assert library.include_dirs == (tree / "Include", tmp_path / "user" / "CMSIS" / "Core" / "Include")
    copied = {path.name for path in library.copy_into(tmp_path, WRAPPERS)}
    assert {"cmsis_compiler.h", "arm_convolve_s8.c", "LICENSE.txt"} <= copied


def test_a_cmsis_5_repository_is_a_valid_path(tree: Path, tmp_path: Path) -> None:
    repository = tmp_path / "CMSIS_5"
    shutil.copytree(tree, repository / "CMSIS" / "NN")
    assert library_at(repository).root == repository / "CMSIS" / "NN"


def test_a_version_is_read_from_the_header_where_there_is_no_description(tree: Path) -> None:
    (tree / "ARM.CMSIS-NN.pdsc").unlink()
    assert library_at(tree).name.startswith("CMSIS-NN interface ")


@pytest.mark.parametrize("missing", ["Include/arm_nnfunctions.h", "Source"])
def test_a_folder_that_is_not_cmsis_nn_is_named(tree: Path, missing: str) -> None:
    path = tree / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(InputError, match="is not a CMSIS-NN folder") as caught:
        find_cmsis_nn(tree)
    assert str(tree) in caught.value.message
    assert caught.value.hint


def test_the_newest_installed_pack_comes_before_the_wheel(tree: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "packs"
    _make_pack(data_dir, "CMSIS-NN", "4.1.0", tree)
    _make_pack(data_dir, "CMSIS-NN", "10.0.0-rc1", tree)
    _make_pack(data_dir, "CMSIS-NN", "10.0.0", tree)
    _make_pack(data_dir, "CMSIS", "6.1.0", tree.parent / "CMSIS", "CMSIS/")
    library = installed_pack_library(data_dir, tmp_path / "cache")
    assert library is not None
    assert (library.name, library.origin) == ("CMSIS-NN 10.0.0 (pack ARM::CMSIS-NN 10.0.0)", Origin.PACK)
    assert library.include_dirs[1].is_relative_to(tmp_path / "cache" / "ARM.CMSIS.6.1.0")
    assert "arm_convolve_s8.c" in {path.name for path in library.sources_for(WRAPPERS)}


def test_an_installed_pack_is_found_by_the_search(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = tmp_path / "packs"
    _make_pack(data_dir, "CMSIS-NN", "5.0.0", tree)
    monkeypatch.setattr(sources, "pack_data_dir", lambda: data_dir)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert find_cmsis_nn().name == "CMSIS-NN 5.0.0 (pack ARM::CMSIS-NN 5.0.0)"


def test_a_damaged_pack_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "ARM" / "CMSIS-NN" / "4.1.0.pack"
    pack.parent.mkdir(parents=True)
    pack.write_bytes(b"not a zip file")
    with pytest.raises(ToolError, match=r"4\.1\.0\.pack cannot be unpacked"):
        installed_pack_library(tmp_path / "packs", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_packs_and_wheel_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ToolError, match=r"No CMSIS-NN sources were found\.") as caught:
        find_cmsis_nn()
    assert "pip install bakenn==1.0.0" in caught.value.hint


def test_another_version_of_the_wheel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "1.1.0")
    with pytest.raises(ToolError, match=r"bakenn 1\.1\.0 is installed"):
        bakenn_library()


def test_every_file_that_a_build_uses_is_in_the_hash_list(tmp_path: Path) -> None:
    library = bakenn_library()
    assert library is not None
    listed = sources._BAKENN_HASHES.read_text()
    for path in library.copy_into(tmp_path, WRAPPERS):
        assert f"/{path.name}\n" in listed, path.name


@pytest.mark.parametrize(
    ("change", "message"),
    [("edit", "is not the file that bakenn"), ("remove", "is missing"), ("add", "is not the file that bakenn")],
)
def test_a_changed_file_of_the_wheel_is_named(change: str, message: str, tmp_path: Path) -> None:
    library = bakenn_library()
    assert library is not None
    vendor = tmp_path / "vendor"
    shutil.copytree(library.root.parent, vendor)
    victim = vendor / "cmsis_nn" / "Source" / "PoolingFunctions" / "arm_avgpool_s8.c"
    if change == "edit":
        victim.write_text(victim.read_text().replace("half_count", "half_counts", 1))
    elif change == "remove":
        victim.unlink()
    else:
        victim = victim.with_name("arm_extra.c")
        victim.write_text("int extra;\n")
    with pytest.raises(ToolError, match=message) as caught:
        check_hashes(vendor, sources._BAKENN_HASHES)
    assert str(victim) in caught.value.message
    assert "pip install" in caught.value.hint
