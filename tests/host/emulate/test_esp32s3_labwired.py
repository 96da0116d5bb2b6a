"""Our code at the ESP32-S3's own addresses in labwired, an emulator of the chip that others wrote."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.picture_project import picture_model
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import compile_model
from tinyanime.host.project import load_reference, open_project

BOARD = load_board("esp32s3")
COMPILER = f"{BOARD.toolchain.prefix}gcc"

labwired = pytest.importorskip("labwired", reason="needs labwired: pip install labwired")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason="needs xtensa-lx106-elf-gcc (make setup)"),
]

LINKER_SCRIPT = """
ENTRY(Reset_Handler)
MEMORY
{
    irom : ORIGIN = 0x42000000, LENGTH = 0x800000
    drom : ORIGIN = 0x3C000000, LENGTH = 0x800000
    dram : ORIGIN = 0x3FC88000, LENGTH = 0x53700
}
SECTIONS
{
    .text : { *(.reset) *(.literal .literal.* .text .text.*) } > irom
    .rodata : { *(.rodata .rodata.*) } > drom
    .data : { *(.data .data.*) } > dram
    .bss : { *(.bss .bss.* COMMON) . = ALIGN(16); . += 0x2000; __stack_top = .; } > dram
}
"""
"""ESP32-S3 Technical Reference Manual, "System and Memory": flash on both buses, SRAM1 on the data bus."""

DONE = 0x600D
LIMIT_S = 2.0


def _image(folder: Path, project: Path) -> Path:
    (folder / "s3.ld").write_text(LINKER_SCRIPT)
    parts = ("network/*.c", "firmware/kernels/*.c", "firmware/runtime/executor.c", "firmware/port_shared/*.c")
    sources = [path for part in (*parts, "firmware/port/xtensa_sim/arithmetic.c") for path in project.glob(part)]
    flags = (*BOARD.toolchain.cpu_flags, "-DTA_CORES=1", "-O2", "-std=gnu11", "-ffunction-sections", "-nostartfiles")
    includes = [f"-I{project / folder}" for folder in ("board", "network", "firmware/include")]
    command = [COMPILER, *flags, *includes, "-Wl,--gc-sections", "-T", folder / "s3.ld"]
    image = folder / "tile.elf"
    done = subprocess.run(
        [*map(str, (*command, Path(__file__).with_name("s3_tile.c"), *sources)), "-o", str(image)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return image


def test_a_small_network_at_the_chips_addresses_computes_what_the_reference_computes(tmp_path: Path) -> None:
    compile_model(picture_model(tmp_path / "tiny.onnx"), BOARD, tmp_path / "project")
    project = open_project(tmp_path / "project", "esp32s3")
    image = _image(tmp_path, tmp_path / "project")
    simulation = labwired.Sim(image, chip="esp32s3", uart=None)
    result = simulation.symbol("ta_tile_result")
    while simulation.read_u32(result) in (0, 1) and simulation.time < LIMIT_S:
        simulation.run_for("1ms")
    assert simulation.read_u32(result) == DONE
    reference = load_reference(project)
    shape = project.manifest.input.shape
    index = np.arange(int(np.prod(shape)))
    tensor = (index * 7 + index // 64).astype(np.uint8).view(np.int8).reshape(shape)
    expected = reference.output(reference.run(tensor)).tobytes()
    output = simulation.read_u32(simulation.symbol("ta_tile_output"))
    assert bytes(simulation.read_memory(output, len(expected))) == expected
