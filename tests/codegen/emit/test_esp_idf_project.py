"""Projects for ESP-IDF against the rules of its build system (ESP-IDF Programming Guide, "Build System", "Partition
Tables", "Project Configuration"; components/*/Kconfig for keys)."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.picture_project import picture_model
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.kernels.family import KernelFamily

BOARD = load_board("esp32s3")

COMPONENTS = {"driver", "esp_hw_support", "esp_rom", "esp_system", "esp_timer", "freertos"}
"""Components of ESP-IDF 5.1 to 5.5 that the port includes headers of: driver/uart.h and driver/usb_serial_jtag.h come
with `driver` (which requires esp_driver_* from 5.3 on), esp_mac.h and esp_random.h with esp_hw_support."""

KEYS = {
    "IDF_TARGET": "Kconfig",
    "PARTITION_TABLE_CUSTOM": "components/partition_table/Kconfig.projbuild",
    "PARTITION_TABLE_CUSTOM_FILENAME": "components/partition_table/Kconfig.projbuild",
    "COMPILER_OPTIMIZATION_PERF": "Kconfig",
    "BOOTLOADER_LOG_LEVEL_NONE": "components/bootloader/Kconfig.projbuild (5.5: Kconfig.log)",
    "ESP_CONSOLE_USB_SERIAL_JTAG": "components/esp_system/Kconfig",
    "ESP_CONSOLE_UART_DEFAULT": "components/esp_system/Kconfig",
    "ESP_CONSOLE_SECONDARY_NONE": "components/esp_system/Kconfig",
    "FREERTOS_HZ": "components/freertos/Kconfig",
    "ESP_MAIN_TASK_AFFINITY_CPU0": "components/esp_system/Kconfig",
    "ESP_TASK_WDT_EN": "components/esp_system/Kconfig",
    "ESP_TASK_WDT_INIT": "components/esp_system/Kconfig",
    "ESP_TASK_WDT_PANIC": "components/esp_system/Kconfig",
    "ESP_TASK_WDT_TIMEOUT_S": "components/esp_system/Kconfig",
    "ESP_TASK_WDT_CHECK_IDLE_TASK_CPU0": "components/esp_system/Kconfig",
    "ESP_TASK_WDT_CHECK_IDLE_TASK_CPU1": "components/esp_system/Kconfig",
    "ESP_DEFAULT_CPU_FREQ_MHZ_240": "components/esp_system/port/soc/esp32s3/Kconfig.cpu",
    "ESP_DEFAULT_CPU_FREQ_MHZ_160": "components/esp_system/port/soc/esp32c3/Kconfig.cpu",
    "ESPTOOLPY_FLASHSIZE_8MB": "components/esptool_py/Kconfig.projbuild",
    "ESPTOOLPY_FLASHSIZE_4MB": "components/esptool_py/Kconfig.projbuild",
    "ESPTOOLPY_FLASHMODE_QIO": "components/esptool_py/Kconfig.projbuild",
    "ESPTOOLPY_FLASHMODE_DIO": "components/esptool_py/Kconfig.projbuild",
    "ESPTOOLPY_FLASHFREQ_80M": "components/esptool_py/Kconfig.projbuild",
    "ESP32S3_DATA_CACHE_64KB": "components/esp_system/port/soc/esp32s3/Kconfig.cache",
    "ESP32S3_DATA_CACHE_LINE_64B": "components/esp_system/port/soc/esp32s3/Kconfig.cache",
    "SPIRAM": "components/esp_psram/esp32s3/Kconfig.spiram",
    "SPIRAM_USE_CAPS_ALLOC": "components/esp_psram/Kconfig.spiram.common",
    "SPIRAM_IGNORE_NOTFOUND": "components/esp_psram/Kconfig.spiram.common",
}
"""Keys of sdkconfig and the file of ESP-IDF 5.1 to 5.5 that declares each."""

TABLE_END = 0x8000 + 0x1000
"""Default offset of the partition table, and its sector."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("esp_idf")
    compile_model(picture_model(folder / "tiny.onnx"), BOARD, folder / "project")
    return folder / "project"


def _text(project: Path, path: str) -> str:
    return (project / path).read_text(encoding="utf-8")


def _listed(cmake: str, keyword: str) -> list[str]:
    """Quoted values behind `keyword`, up to the next one or the closing bracket."""
    found = re.search(rf"{keyword}((?:\s+\"[^\"]*\")+)", cmake)
    return re.findall(r'"([^"]*)"', found.group(1)) if found else []


def _settings(project: Path, *names: str) -> dict[str, str]:
    """CONFIG_ keys (without the prefix) of these files; later files win."""
    lines = "\n".join(_text(project, name) for name in names).splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.removeprefix("CONFIG_"): value for key, _, value in pairs}


def test_the_project_file_has_what_idf_py_asks_for_in_its_order(project: Path) -> None:
    lines = [line for line in _text(project, "CMakeLists.txt").splitlines() if line and not line.startswith("#")]
    places = [
        next(i for i, line in enumerate(lines) if line.startswith(words))
        for words in (
            "cmake_minimum_required(VERSION 3.16)",
            "include($ENV{IDF_PATH}/tools/cmake/project.cmake)",
            "project(firmware)",
        )
    ]
    assert places[0] == 0
    assert places == sorted(places)


def test_the_component_registers_every_source_but_the_virtual_boards(project: Path) -> None:
    cmake = _text(project, "main/CMakeLists.txt")
    sources = {(project / "main" / name).resolve() for name in _listed(cmake, r"set\(OUR_SOURCES")}
    there = {path.resolve() for folder in ("firmware", "network") for path in (project / folder).rglob("*.c")}
    virtual = {path for path in there if "xtensa_sim" in path.parts}
    assert virtual
    assert sources == there - virtual
    for folder in _listed(cmake, "PRIV_INCLUDE_DIRS"):
        assert (project / "main" / folder).is_dir(), folder
    required = re.search(r"PRIV_REQUIRES ([\w ]+)\)", cmake)
    assert required is not None
    assert set(required.group(1).split()) == COMPONENTS


def test_sources_of_cmsis_nn_are_registered_without_warnings(tmp_path: Path) -> None:
    options = CompileOptions(kernels=KernelFamily.CMSIS_NN)
    compile_model(picture_model(tmp_path / "tiny.onnx"), BOARD, tmp_path / "project", options=options)
    cmake = _text(tmp_path / "project", "main/CMakeLists.txt")
    sources = _listed(cmake, r"set\(CMSIS_SOURCES")
    assert sources
    assert all((tmp_path / "project" / "main" / name).is_file() for name in sources)
    assert "SRCS ${OUR_SOURCES} ${CMSIS_SOURCES}" in cmake
    assert 'set_source_files_properties(${CMSIS_SOURCES} PROPERTIES COMPILE_OPTIONS "-w")' in cmake


def test_the_project_names_no_folder_of_this_machine(project: Path) -> None:
    texts = [path for path in project.rglob("*") if path.is_file() and path.suffix not in (".onnx", ".json")]
    assert len(texts) > 50
    for path in texts:
        found = re.findall(r"(?<![\w/.$}*])/(?:home|root|tmp|usr|opt|work)/\S*", path.read_text(encoding="utf-8"))
        assert not found, (path, found)


@pytest.mark.parametrize(("target", "flash_mb"), [("esp32s3", 8), ("esp32c3", 4)])
def test_partitions_are_aligned_apart_and_within_the_flash(project: Path, target: str, flash_mb: int) -> None:
    settings = _settings(project, "sdkconfig.defaults", f"sdkconfig.defaults.{target}")
    assert settings["PARTITION_TABLE_CUSTOM"] == "y"
    assert settings[f"ESPTOOLPY_FLASHSIZE_{flash_mb}MB"] == "y"
    rows = [
        [field.strip() for field in line.split(",")]
        for line in _text(project, settings["PARTITION_TABLE_CUSTOM_FILENAME"].strip('"')).splitlines()
        if line and not line.startswith("#")
    ]
    end = TABLE_END
    for name, kind, _, offset, size, *_ in sorted(rows, key=lambda row: int(row[3], 0)):
        assert len(name) < 16
        assert int(offset, 0) % (0x10000 if kind == "app" else 0x1000) == 0
        assert int(size, 0) % 0x1000 == 0
        assert int(offset, 0) >= end
        end = int(offset, 0) + int(size, 0)
    assert end <= flash_mb << 20
    assert [row[1:3] for row in rows] == [["app", "factory"]]


def test_the_boards_partition_is_the_projects(project: Path) -> None:
    row = _text(project, "partitions.csv").splitlines()[-1].split(",")
    assert int(row[4], 0) == BOARD.flash_tool.partition_bytes
    assert BOARD.region("flash").size_bytes == 8 << 20


def test_settings_are_keys_of_esp_idf_and_keep_logs_off_the_link(project: Path) -> None:
    names = [path.name for path in project.glob("sdkconfig.*")]
    assert {"sdkconfig.defaults", "sdkconfig.defaults.esp32s3", "sdkconfig.defaults.esp32c3"} <= set(names)
    own = set(re.findall(r"config (TINYANIME_\w+)", _text(project, "main/Kconfig.projbuild")))
    for name in names:
        assert _settings(project, name).keys() <= KEYS.keys() | own, name
    uart = _settings(project, "sdkconfig.defaults")
    assert uart["ESP_CONSOLE_USB_SERIAL_JTAG"] == "y"
    assert uart["IDF_TARGET"] == '"esp32s3"'
    usb = _settings(project, "sdkconfig.usb")
    assert usb["TINYANIME_LINK_USB_SERIAL_JTAG"] == usb["ESP_CONSOLE_UART_DEFAULT"] == "y"
    assert usb["ESP_CONSOLE_SECONDARY_NONE"] == "y"


def test_kconfig_declares_what_the_port_and_cmake_ask_for(project: Path) -> None:
    declared = set(re.findall(r"config (TINYANIME_\w+)", _text(project, "main/Kconfig.projbuild")))
    texts = [path.read_text() for path in (project / "firmware" / "port" / "esp_idf").iterdir()]
    asked = set(re.findall(r"CONFIG_(TINYANIME_\w+)", "\n".join([*texts, _text(project, "main/CMakeLists.txt")])))
    assert asked == declared
    kconfig = _text(project, "main/Kconfig.projbuild")
    for opening, closing in (("menu ", "endmenu"), ("choice ", "endchoice")):
        assert len(re.findall(rf"^\s*{opening}", kconfig, re.M)) == len(re.findall(rf"^\s*{closing}$", kconfig, re.M))


def test_arenas_are_cleared_memory_to_esp_idfs_linker_script(project: Path) -> None:
    assert 'section(".bss.arena.dram")' in _text(project, "network/network.c")


def test_weights_larger_than_the_partition_are_refused_with_sizes(tmp_path: Path) -> None:
    small = replace(BOARD, flash_tool=replace(BOARD.flash_tool, partition_bytes=256))
    with pytest.raises(DoesNotFitError, match="its application partition has 256"):
        compile_model(picture_model(tmp_path / "tiny.onnx"), small, tmp_path / "project")


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
@pytest.mark.parametrize(
    ("major", "minor", "fits"), [(4, 4, False), (5, 0, False), (5, 1, True), (5, 5, True), (6, 0, False)]
)
def test_cmake_takes_esp_idf_5_1_to_5_5_and_says_so_otherwise(
    project: Path, tmp_path: Path, major: int, minor: int, fits: bool
) -> None:
    tools = tmp_path / "tools" / "cmake"
    tools.mkdir(parents=True)
    (tools / "version.cmake").write_text(f"set(IDF_VERSION_MAJOR {major})\nset(IDF_VERSION_MINOR {minor})\n")
    (tools / "project.cmake").write_text('message(FATAL_ERROR "the build begins")\n')
    done = subprocess.run(
        ["cmake", "-S", project, "-B", tmp_path / "build"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "IDF_PATH": str(tmp_path)},
    )
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert ("the build begins" in said) == fits, said
    refusal = f"needs ESP-IDF 5.1 to 5.5, but {tmp_path} is {major}.{minor}"
    assert (refusal in said) == (not fits), said
