"""What a library hands to a project, proven by compiling and linking it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tinyanime.codegen.cmsis_nn.library import WRAPPERS, KernelLibrary
from tinyanime.codegen.cmsis_nn.sources import find_cmsis_nn
from tinyanime.codegen.errors import ToolError

_TWINS = {"arm_convolve_wrapper_s8", "arm_depthwise_conv_wrapper_s8", "arm_fully_connected_s8", "arm_avgpool_s8"}
"""Functions with a `_get_buffer_size` of their own in CMSIS-NN 4.0.0."""


@pytest.fixture(name="library")
def _library(monkeypatch: pytest.MonkeyPatch) -> KernelLibrary:
    monkeypatch.delenv("TINYANIME_CMSIS_NN", raising=False)
    return find_cmsis_nn()


def _names(paths: tuple[Path, ...]) -> set[str]:
    return {path.name for path in paths}


@pytest.mark.parametrize("function", WRAPPERS)
def test_a_copy_for_one_function_links_alone(library: KernelLibrary, function: str, tmp_path: Path) -> None:
    copied = library.copy_into(tmp_path, [function])
    wanted = [function, *([f"{function}_get_buffer_size"] if function in _TWINS else [])]
    table = ", ".join(f"(void (*)(void)){name}" for name in wanted)
    main = tmp_path / "main.c"
    main.write_text(
        '#include "arm_nnfunctions.h"\n'
        f"void (*volatile table[])(void) = {{{table}}};\n"
        "int main(void) { return table[0] == 0; }\n"
    )
    sources = [str(path) for path in copied if path.suffix == ".c"]
    for compiler, flags in (
        ("gcc", [f"-D{macro}" for macro in library.host_defines]),
        ("arm-none-eabi-gcc", ["-mcpu=cortex-m7", "-mthumb", "--specs=nosys.specs"]),
    ):
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        command = [compiler, "-std=c11", *flags, f"-I{tmp_path}/cmsis_nn/Include", str(main), *sources]
        done = subprocess.run([*command, "-o", str(tmp_path / "program")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_only_needed_sources_are_chosen(library: KernelLibrary) -> None:
    assert _names(library.sources_for(["arm_max_pool_s8"])) == {"arm_max_pool_s8.c"}
    convolution = _names(library.sources_for(["arm_convolve_wrapper_s8"]))
    assert "arm_nn_mat_mult_nt_t_s8.c" in convolution
    assert not convolution & {"arm_avgpool_s8.c", "arm_depthwise_conv_s8.c", "bakenn_cmsis_memory.c"}


def test_a_copy_holds_flat_sources_headers_and_licence(library: KernelLibrary, tmp_path: Path) -> None:
    copied = library.copy_into(tmp_path, ["arm_avgpool_s8"])
    names = {path.relative_to(tmp_path).as_posix() for path in copied}
    assert {"cmsis_nn/Source/arm_avgpool_s8.c", "cmsis_nn/Include/arm_nnfunctions.h", "cmsis_nn/LICENSE.txt"} <= names
    assert all(path.is_file() for path in copied)
    assert names == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_second_copy_replaces_the_first(library: KernelLibrary, tmp_path: Path) -> None:
    library.copy_into(tmp_path, ["arm_convolve_wrapper_s8"])
    copied = library.copy_into(tmp_path, ["arm_max_pool_s8"])
    assert {path.name for path in (tmp_path / "cmsis_nn" / "Source").iterdir()} == {"arm_max_pool_s8.c"}
    assert any(path.name == "arm_max_pool_s8.c" for path in copied)


def test_a_function_that_the_library_lacks_is_named(library: KernelLibrary) -> None:
    with pytest.raises(ToolError, match=r"does not define arm_convolve_s7\.") as caught:
        library.sources_for(["arm_convolve_s7"])
    assert caught.value.hint
