"""ESP-NN sources: where they are found, that they are the pinned ones, and that a project gets all it needs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from tinyanime.codegen.cmsis_nn.sources import check_hashes
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.codegen.esp_nn import sources
from tinyanime.codegen.esp_nn.library import DEFINES, FUNCTIONS, EspNnLibrary

_CALL = re.compile(r"\b(esp_nn_\w+)\s*\(")
_DEFINED_IN_C = re.compile(r"^[a-z][\w \t*]*?\b(esp_nn_\w+)\s*\([^;{}]*\)\s*\{", re.MULTILINE)
_INLINE = re.compile(r"__NN_FORCE_INLINE__[^(]*?\b(esp_nn_\w+)\s*\(|#define (esp_nn_\w+)")


@pytest.fixture(name="library")
def _library(monkeypatch: pytest.MonkeyPatch) -> EspNnLibrary:
    monkeypatch.delenv(sources.ENVIRONMENT_VARIABLE, raising=False)
    return sources.find_esp_nn()


def _code(text: str) -> str:
    """Without comments, and without what `#if 0` leaves out."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    return re.sub(r"#if 0\b.*?#endif", " ", text, flags=re.DOTALL)


def test_the_pinned_sources_are_those_of_the_wheel(library: EspNnLibrary) -> None:
    assert library.is_pinned
    assert library.name == "ESP-NN 1.2.6 (bakenn 1.0.0)"


def test_a_changed_file_is_named(library: EspNnLibrary, tmp_path: Path) -> None:
    copy = tmp_path / "esp_nn"
    shutil.copytree(library.root, copy)
    changed = copy / "src" / "common" / "esp_nn_dot_s8_esp32s3.S"
    changed.write_text(changed.read_text() + "\n")
    with pytest.raises(ToolError, match=r"esp_nn_dot_s8_esp32s3\.S is not the file that bakenn 1\.0\.0 ships"):
        check_hashes(copy, Path(sources.__file__).with_name("bakenn_1_0_0.sha256"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_a_function_calls_on_the_esp32s3_is_among_its_sources(library: EspNnLibrary, function: str) -> None:
    found = library.sources_for([function])
    texts = {path: _code(library.read(path).decode()) for path in (*found.generic, *found.esp32s3)}
    defined, used = set(), set()
    for path, text in texts.items():
        if path.endswith(".S"):
            defined |= set(re.findall(r"^(esp_nn_\w+):", text, re.MULTILINE))
            used |= set(re.findall(r"\bcall8\s+(\w+)", text))
        else:
            bodies = re.sub(r"^\s*extern\b[^;]*;", " ", text, flags=re.MULTILINE)
            defined |= set(_DEFINED_IN_C.findall(bodies))
            used |= set(_CALL.findall(bodies)) - {f"{name}_ansi" for name in FUNCTIONS if name != function}
    common = library.read("src/common/common_functions.h").decode()
    defined |= {name for pair in _INLINE.findall(common) for name in pair if name}
    defined |= set(re.findall(r"static void (esp_nn_\w+)", common))
    assert used
    assert used <= defined, used - defined
    assert any(name.startswith(function) for name in defined)


def test_headers_and_licence_come_with_the_sources(library: EspNnLibrary) -> None:
    others = library.sources_for(FUNCTIONS).others
    assert {"LICENSE", "BAKENN_PROVENANCE.md", "include/esp_nn.h", "src/common/common_functions.h"} <= set(others)
    text = "".join(library.read(path).decode() for path in library.sources_for(FUNCTIONS).generic)
    included = {Path(name).name for name in re.findall(r'#include [<"]([\w./]+)[>"]', text)}
    assert {name for name in included if name.startswith(("esp_nn", "common"))} <= {Path(path).name for path in others}


def test_the_define_that_changes_results_is_not_set() -> None:
    assert not any("NUDGE" in macro for macro in DEFINES)


def test_a_folder_named_in_the_environment_is_taken(
    library: EspNnLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(library.root, tmp_path / "mine")
    (tmp_path / "mine" / "idf_component.yml").write_text('version: "1.3.0"\n')
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tmp_path / "mine"))
    found = sources.find_esp_nn()
    assert found == EspNnLibrary("ESP-NN 1.3.0 (user path)", tmp_path / "mine")
    (tmp_path / "mine" / "src" / "pooling" / "esp_nn_max_pool_ansi.c").unlink()
    with pytest.raises(ToolError, match=r"has no src/pooling/esp_nn_max_pool_ansi\.c"):
        found.sources_for(FUNCTIONS)


def test_a_folder_without_esp_nn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="is not an ESP-NN folder"):
        sources.find_esp_nn()


def test_a_missing_or_other_wheel_is_an_error_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sources.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.9.0")
    with pytest.raises(ToolError, match=r"bakenn 0\.9\.0 is installed") as other:
        sources.find_esp_nn()
    assert "pip install bakenn==1.0.0" in other.value.hint
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="No ESP-NN sources were found"):
        sources.find_esp_nn()
