"""`tinyanime packs`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tinyanime.codegen.cmsis_nn import packs as cmsis_packs
from tinyanime.codegen.cmsis_nn import sources
from tinyanime.codegen.errors import ToolError
from tinyanime.host.commands.packs import packs


class _Manager:
    """Stands in for cmsis-pack-manager's cache: downloads what is in `offered`, nothing where it is offline."""

    def __init__(self, data_path: Path, offered: dict[str, list[str]], *, packs_arrive: bool = True) -> None:
        self.data_path = str(data_path)
        self._offered = offered
        self._packs_arrive = packs_arrive

    def cache_descriptors(self) -> None:
        for name, versions in self._offered.items():
            for version in versions:
                (Path(self.data_path) / f"ARM.{name}.{version}.pdsc").write_text("")

    def download_pack_list(self, references: list[tuple[str, str, str]]) -> None:
        for vendor, name, version in references if self._packs_arrive else []:
            pack = Path(self.data_path) / vendor / name / f"{version}.pack"
            pack.parent.mkdir(parents=True)
            pack.write_bytes(b"")


def _use(monkeypatch: pytest.MonkeyPatch, manager: _Manager) -> None:
    pytest.importorskip("cmsis_pack_manager")
    monkeypatch.setattr(cmsis_packs, "_open_cache", lambda: manager)


def test_install_downloads_the_newest_version_of_both_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {"CMSIS-NN": ["4.1.0", "10.0.0", "9.0.0"], "CMSIS": ["6.1.0"], "CMSIS-DSP": ["99.0.0"]}
    _use(monkeypatch, _Manager(tmp_path, offered))
    result = CliRunner().invoke(packs, ["install"])
    assert result.exit_code == 0
    assert "ARM::CMSIS-NN 10.0.0 in" in result.output
    assert "ARM::CMSIS 6.1.0 in" in result.output


def test_install_without_network_is_one_sentence_and_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, _Manager(tmp_path, {}))
    error = CliRunner().invoke(packs, ["install"]).exception
    assert isinstance(error, ToolError)
    assert error.message == "The description of pack ARM::CMSIS-NN could not be downloaded."
    assert "network" in error.hint


def test_install_notices_a_pack_that_did_not_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, _Manager(tmp_path, {"CMSIS-NN": ["4.1.0"], "CMSIS": ["6.1.0"]}, packs_arrive=False))
    error = CliRunner().invoke(packs, ["install"]).exception
    assert isinstance(error, ToolError)
    assert error.message == "Pack ARM::CMSIS-NN could not be downloaded."


def test_install_without_the_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cmsis_packs, "pack_manager_is_installed", lambda: False)
    error = CliRunner().invoke(packs, ["install"]).exception
    assert isinstance(error, ToolError)
    assert "tinyanime[packs]" in error.hint


def test_list_says_what_is_installed_and_what_a_build_would_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(sources.ENVIRONMENT_VARIABLE, raising=False)
    (tmp_path / "ARM" / "CMSIS").mkdir(parents=True)
    (tmp_path / "ARM" / "CMSIS" / "6.1.0.pack").write_bytes(b"")
    _use(monkeypatch, _Manager(tmp_path, {}))
    output = CliRunner().invoke(packs, ["list"], catch_exceptions=False).output
    assert "ARM::CMSIS-NN: not installed" in output
    assert "ARM::CMSIS: 6.1.0" in output
    assert "used for builds: CMSIS-NN 4.0.0 (bakenn 1.0.0), from " in output


def test_list_says_what_is_wrong_with_the_path_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tmp_path))
    result = CliRunner().invoke(packs, ["list"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"used for builds: none. {tmp_path} is not a CMSIS-NN folder" in result.output
