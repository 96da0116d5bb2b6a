"""The application directory for NuttX: what its Kconfig, Makefile and CMake file say, what linker scripts get of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tests.support.nuttx_application import compile_application, configure, make
from tests.support.picture_project import assert_one_clear_error, picture_model, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import Bundle

# What every linker script of NuttX has for the memories of a program; others it would put where nothing expects them.
KNOWN_SECTIONS = (".text", ".rodata", ".data", ".bss", ".ARM.extab", ".ARM.exidx")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("nuttx")
    return compile_application(picture_model(directory / "tiny.onnx"), directory / "application")


def _sources(bundle: Bundle) -> set[str]:
    return {path.relative_to(bundle.directory).as_posix() for path in bundle.directory.rglob("*.c")}


def test_the_options_have_the_values_of_the_board(bundle: Bundle, tmp_path: Path) -> None:
    symbols = configure(bundle.directory, tmp_path, {"TINYANIME": "y"}).syms
    nuttx = load_board("stm32h743").nuttx
    assert nuttx is not None
    assert symbols["TINYANIME_DEVICE"].str_value == nuttx.device == "/dev/ttyS0"
    assert symbols["TINYANIME_BAUD"].str_value == "921600"
    assert symbols["TINYANIME_CORE_HZ"].str_value == str(nuttx.clock_hz)
    assert symbols["TINYANIME_STACKSIZE"].str_value == "8192"
    assert symbols["SERIAL_TERMIOS"].str_value == "y"
    assert symbols["TINYANIME_RESET_BOARD"].str_value == "n"


def test_without_the_application_there_is_nothing_of_it(bundle: Bundle, tmp_path: Path) -> None:
    configure(bundle.directory, tmp_path, {})
    assert "#define" not in (tmp_path / "config.h").read_text()


def test_options_that_need_the_system_wait_for_it(bundle: Bundle, tmp_path: Path) -> None:
    alone = configure(bundle.directory, tmp_path / "a", {"TINYANIME": "y", "TINYANIME_WATCHDOG": "y"})
    assert alone.syms["TINYANIME_WATCHDOG"].str_value == "n"
    choices = {"TINYANIME": "y", "WATCHDOG": "y", "TINYANIME_WATCHDOG": "y"}
    with_system = configure(bundle.directory, tmp_path / "b", choices)
    assert with_system.syms["TINYANIME_WATCHDOG"].str_value == "y"
    assert with_system.syms["TINYANIME_WATCHDOG_DEVICE"].str_value == "/dev/watchdog0"


def test_make_builds_every_source_once_and_the_one_with_main_apart(bundle: Bundle, tmp_path: Path) -> None:
    configure(bundle.directory, tmp_path, {"TINYANIME": "y"})
    done = make(bundle.directory, tmp_path, "show")
    assert done.returncode == 0, done.stderr
    program, main, sources = done.stdout.splitlines()
    assert program == "tinyanime"
    assert sorted([main, *sources.split()]) == sorted(_sources(bundle))
    assert "int main(int argc" in (bundle.directory / main).read_text()
    assert any(source.startswith("cmsis_nn/") for source in sources.split())


def test_cmake_names_the_same_sources_and_folders_that_exist(bundle: Bundle) -> None:
    text = (bundle.directory / "CMakeLists.txt").read_text()
    named = re.findall(r"^ +(\S+\.c)$", text, re.MULTILINE)
    assert sorted(named) == sorted(_sources(bundle))
    folders = re.findall(r"\$\{CMAKE_CURRENT_LIST_DIR\}/(\S+)", text)
    assert folders
    assert all((bundle.directory / folder).is_dir() for folder in folders)
    assert text.index("tinyanime_main.c") < text.index("network/network.c")


def test_the_apps_tree_finds_the_application_wherever_it_lies(bundle: Bundle, tmp_path: Path) -> None:
    tree = tmp_path / "Makefile"
    tree.write_text(f"include {bundle.directory}/Make.defs\nall:\n\t@echo [$(CONFIGURED_APPS)]\n")
    for setting, expected in (("CONFIG_TINYANIME=y", f"[{bundle.directory}]\n"), ("CONFIG_TINYANIME=", "[]\n")):
        done = subprocess.run(["make", "-s", "-f", tree, setting], capture_output=True, text=True, check=True)
        assert done.stdout == expected


def test_make_without_nuttx_says_what_is_missing(bundle: Bundle) -> None:
    done = subprocess.run(["make", "-C", bundle.directory], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "application of NuttX" in done.stderr
    assert "README.md" in done.stderr


def test_the_image_has_only_sections_that_linker_scripts_of_nuttx_know(bundle: Bundle, tmp_path: Path) -> None:
    board = load_board("stm32h743")
    root = bundle.directory
    # Ours with a word on sections, and those from which they could come.
    marked = [path for path in root.rglob("*.c") if re.search(r"section\(|TA_FAST_CODE", path.read_text())]
    sources = {*marked, root / "firmware" / "runtime" / "firmware.c", root / "network" / "network.c"}
    assert len(sources) > 5
    includes = [f"-I{root / folder}" for folder in ("network", "firmware/include", "cmsis_nn/Include")]
    for number, source in enumerate(sorted(sources)):
        target = tmp_path / f"{number}.o"
        flags = [*board.toolchain.cpu_flags, "-std=gnu11", "-D__NuttX__", "-ffunction-sections", "-fdata-sections"]
        subprocess.run([f"{board.toolchain.prefix}gcc", *flags, *includes, "-c", source, "-o", target], check=True)
        with target.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]:
                    assert section.name.startswith(KNOWN_SECTIONS), (source.name, section.name)


def test_the_arena_lies_in_the_memory_that_nuttx_leaves(bundle: Bundle) -> None:
    (bank,) = bundle.manifest.banks
    assert (bank.name, bank.base) == ("axi", 0x2400_0000)
    assert bank.size_bytes == 512 * 1024 - 65_536
    assert 0 < bank.peak_bytes <= bank.available_bytes < bank.size_bytes
    text = (bundle.directory / "network" / "network.c").read_text()
    whole_lines = -(-bank.peak_bytes // 32) * 32
    assert f'ta_arena_axi[{whole_lines}] __attribute__((section(".bss.arena.axi"), aligned(32)))' in text


def test_a_board_without_nuttx_is_refused_with_those_that_have_it(tmp_path: Path) -> None:
    model = picture_model(tmp_path / "tiny.onnx")
    done = tinyanime("compile", model, "--board", "posix", "--rtos", "nuttx", "-o", "out", cwd=tmp_path)
    assert_one_clear_error(done, 3, "Board posix has no support for nuttx.")
    assert "mps2-an500, stm32h743" in done.stderr
    assert not (tmp_path / "out").exists()


def test_compile_writes_the_application_and_points_to_its_commands(tmp_path: Path) -> None:
    model = picture_model(tmp_path / "tiny.onnx")
    done = tinyanime("compile", model, "--board", "mps2-an500", "--rtos", "nuttx", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Build it with NuttX: out/README.md" in done.stdout
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "mps2-an500:nsh" in readme
    assert "CONFIG_TINYANIME" in readme
    alone = tinyanime("verify", "--board", "mps2-an500", "--project", "out", cwd=tmp_path)
    assert_one_clear_error(alone, 3, "out is an application of NuttX")
    assert "hint: See out/README.md" in alone.stderr
