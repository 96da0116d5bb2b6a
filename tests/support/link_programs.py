"""Builds the firmware's link for the PC: a program that speaks over stdio, a library driven call by call."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

REPOSITORY = Path(__file__).parents[2]
FIRMWARE = REPOSITORY / "firmware"
TEST_RUNTIME = REPOSITORY / "tests" / "firmware" / "runtime"

LINK_SOURCES = tuple(sorted((FIRMWARE / "link").glob("*.c")))
EXECUTOR = FIRMWARE / "runtime" / "executor.c"
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow")
FLAGS = ("-std=c11", "-g", *WARNINGS, f"-I{FIRMWARE / 'include'}", f"-I{TEST_RUNTIME}")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_program(output: Path, sources: tuple[Path, ...], *flags: str, compiler: str = "gcc") -> Path:
    """Compile and link `sources`; fails the test with the compiler's messages."""
    command = [compiler, *FLAGS, *flags, "-o", str(output), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@cache
def _build_directory() -> Path:
    return Path(mkdtemp(prefix="tinyanime-link-"))


@cache
def stdio_firmware() -> Path:
    """The firmware with the test network as a program: UART on stdin and stdout, with sanitizers."""
    sources = (
        *LINK_SOURCES,
        EXECUTOR,
        FIRMWARE / "runtime" / "firmware.c",
        FIRMWARE / "runtime" / "main.c",
        TEST_RUNTIME / "test_network.c",
        FIRMWARE / "port" / "posix" / "port_posix.c",
        FIRMWARE / "port_shared" / "dma_by_copy.c",
    )
    return compile_program(_build_directory() / "firmware", sources, "-O1", *SANITIZERS)


@cache
def streaming_firmware() -> Path:
    """The same with the streamed network (`stream_network.c`), windows of 2,048 bytes."""
    sources = (
        *LINK_SOURCES,
        EXECUTOR,
        FIRMWARE / "runtime" / "firmware.c",
        FIRMWARE / "runtime" / "main.c",
        TEST_RUNTIME / "stream_network.c",
        FIRMWARE / "port" / "posix" / "port_posix.c",
        FIRMWARE / "port_shared" / "dma_by_copy.c",
    )
    return compile_program(_build_directory() / "streaming", sources, "-O1", "-DSTREAM_WINDOW_BYTES=2048u", *SANITIZERS)


@cache
def simulation_library() -> Path:
    """The link with the test networks as a shared library (`link_simulation.c`)."""
    own = ("test_network.c", "stream_network.c", "lazy_dma.c", "link_simulation.c")
    sources = (*LINK_SOURCES, EXECUTOR, *(TEST_RUNTIME / name for name in own))
    return compile_program(_build_directory() / "simulation.so", sources, "-O2", "-shared", "-fPIC")
