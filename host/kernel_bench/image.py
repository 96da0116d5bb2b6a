"""Links C sources to programs for bare cores, and measures what lies in them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyanime.boards.schema import Board, MemoryKind, MemoryUse
from tinyanime.codegen.emit.project import ArenaBank
from tinyanime.codegen.emit.render import environment
from tinyanime.codegen.errors import ToolError
from tinyanime.host.toolchains import compiler_of

ENTRY = "bench_run"
PROGRAMS = Path(__file__).resolve().parent
"""Folder of the programs around networks (bench_*.c)."""

_FLAGS = ("-std=gnu11", "-ffunction-sections", "-fdata-sections", "-fno-common", "-w")
"""As generated projects have them; warnings are those projects' tests' to show."""


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """C files that are compiled alike; `kernels`: their functions count as kernels."""

    sources: tuple[Path, ...]
    includes: tuple[Path, ...]
    flags: tuple[str, ...] = ()
    kernels: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A linked program. Bytes: `flash_bytes` code, constants and initial data; `kernel_code_bytes` the functions of
    kernels that are linked."""

    path: Path
    flash_bytes: int
    kernel_code_bytes: int


class Builder:
    """Compiles and links below `folder`; what has not changed is compiled once, by whichever process comes first."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"

    def link(self, groups: Iterable[SourceGroup], board: Board, banks: Iterable[ArenaBank], target: Path) -> Image:
        """Link `groups` for the memories of `board` with arenas of these sizes. ToolError where that fails."""
        self._objects.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        objects: list[Path] = []
        kernels: list[Path] = []
        for group in groups:
            compiled = self._compile(group, board)
            objects += compiled
            kernels += compiled if group.kernels else []
        script = target.with_suffix(".ld")
        script.write_text(_linker_script(board, tuple(banks)))
        start = board.regions(MemoryUse.CODE)[0].base
        options = (f"-Wl,-e,{ENTRY}", f"-Wl,--defsym=__vectors={start:#x}", "-Wl,--gc-sections")
        command = [f"{board.toolchain.prefix}gcc", *board.toolchain.cpu_flags, "-nostartfiles", *options]
        command += ["-Wl,--no-warn-rwx-segments", "-T", str(script), *map(str, objects), "-o", str(target)]
        _run(command, f"{target.stem} cannot be linked", board)
        return _measured(target, board, kernels)

    def _compile(self, group: SourceGroup, board: Board) -> list[Path]:
        tools = board.toolchain
        command = [f"{tools.prefix}gcc", *_FLAGS, tools.optimize, *tools.cpu_flags, *group.flags]
        headers = _digest(path for folder in group.includes for path in folder.rglob("*.h"))
        return [self._object(source, command, group.includes, headers, board) for source in group.sources]

    def _object(self, source: Path, command: list[str], includes: tuple[Path, ...], headers: str, board: Board) -> Path:
        key = hashlib.sha256("\0".join((headers, *command)).encode() + source.read_bytes()).hexdigest()[:20]
        target = self._objects / f"{source.stem}-{key}.o"
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}")
            folders = (f"-I{folder}" for folder in includes)
            whole = [*command, *folders, "-c", str(source), "-o", str(partial)]
            _run(whole, f"{source.name} cannot be compiled", board)
            partial.replace(target)
        return target


def _digest(paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def _linker_script(board: Board, banks: tuple[ArenaBank, ...]) -> str:
    template = environment().get_template("project/baremetal/linker.ld.j2")
    return template.render(board=board, MemoryUse=MemoryUse, stack_bytes=board.stack_bytes, banks=banks)


def _run(command: list[str], problem: str, board: Board) -> None:
    try:
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(command, stdout=output, stderr=output, check=False)
            output.seek(0)
            text = output.read().decode("utf-8", "replace").strip()
    except OSError as error:
        raise ToolError(
            f"{command[0]} cannot be run: {error.strerror or error}.",
            hint=f"Install it: {compiler_of(board).remedy}",
        ) from error
    if done.returncode:
        lines = (text or "no reason given").splitlines()
        reason = next((line for line in lines if "error" in line or "undefined" in line), lines[-1])
        raise ToolError(f"{problem}: {reason}", hint=f"See all that it says: {' '.join(command)}")


def _measured(path: Path, board: Board, kernels: list[Path]) -> Image:
    flash = [region for region in board.memory if region.kind is MemoryKind.FLASH]
    with path.open("rb") as file:
        elf = ELFFile(file)
        flash_bytes = sum(
            int(segment["p_filesz"])
            for segment in elf.iter_segments("PT_LOAD")
            if any(region.base <= segment["p_paddr"] < region.end for region in flash)
        )
        names = {name for kernel in kernels for name in _defined_functions(kernel)}
        # Functions of one address are one function under several names.
        sizes = {int(symbol["st_value"]): int(symbol["st_size"]) for symbol in _functions(elf) if symbol.name in names}
    return Image(path, flash_bytes, sum(sizes.values()))


def _defined_functions(path: Path) -> set[str]:
    with path.open("rb") as file:
        return {symbol.name for symbol in _functions(ELFFile(file))}


def _functions(elf: ELFFile) -> list[Any]:
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return [
        symbol
        for symbol in table.iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF"
    ]
