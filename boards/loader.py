"""Reads board descriptions (TOML) into the typed `Board`, with every mistake named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tinyanime.boards.emulator_check import check_emulator
from tinyanime.boards.fields import Fields
from tinyanime.boards.flash_tool_check import check_flash_tool
from tinyanime.boards.layout_check import check_layout
from tinyanime.boards.project_check import check_project
from tinyanime.boards.schema import (
    Board,
    Emulator,
    EmulatorKind,
    FlashTool,
    FlashToolKind,
    MemoryKind,
    MemoryRegion,
    MemoryUse,
    Nuttx,
    ProjectKind,
    TileDma,
    Toolchain,
    Uart,
)
from tinyanime.codegen.errors import BoardError

_CORES = r"host|cortex-m[a-z0-9]+|rv32[a-z]+|xtensa-[a-z0-9]+"

SHIPPED_BOARDS = Path(__file__).resolve().parent
"""The folder of the boards that come with tinyanime."""


def load_board(name_or_path: str) -> Board:
    """The board of that name, or the one that a TOML file describes.

    What ends in ".toml" or contains a path separator is a path, all else the name of a shipped board.
    Raises BoardError (file, key, what is wrong, what to do) for anything unknown, missing or contradictory.
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path:
        return _load_file(Path(name_or_path))
    path = SHIPPED_BOARDS / f"{name_or_path}.toml"
    if not path.is_file():
        raise BoardError(f"There is no board called '{name_or_path}'.", hint=_known_boards_hint())
    return _load_file(path)


def list_boards() -> tuple[Board, ...]:
    """The shipped boards in the order of their names. Raises BoardError like `load_board`."""
    return tuple(_load_file(SHIPPED_BOARDS / f"{name}.toml") for name in _shipped_names())


def _shipped_names() -> list[str]:
    return sorted(path.stem for path in SHIPPED_BOARDS.glob("*.toml"))


def _known_boards_hint() -> str:
    return f"Use one of {', '.join(_shipped_names())}, or give the path of a board file (.toml)."


def _load_file(path: Path) -> Board:
    board = _board(Fields.of_document(path, _parse(path), Board, computed=("source",)))
    check_project(board)
    check_layout(board)
    check_emulator(board)
    check_flash_tool(board)
    return board


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BoardError(f"The board file '{path}' does not exist.", hint=_known_boards_hint()) from None
    except UnicodeDecodeError:
        raise BoardError(f"{path} is not a text file in UTF-8.", hint="Give a board description in TOML.") from None
    except OSError as error:
        raise BoardError(
            f"The board file '{path}' cannot be read: {error.strerror or error}.", hint=_known_boards_hint()
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BoardError(
            f"{path} is not valid TOML: {error}.",
            hint="Correct that line; boards/stm32h743.toml shows the form.",
        ) from None


def _board(fields: Fields) -> Board:
    return Board(
        name=fields.matching("name", r"[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, '.', '_', '-'"),
        title=fields.text("title"),
        core=fields.matching("core", _CORES, "host, or a core such as cortex-m7, rv32imc, xtensa-lx7"),
        family=fields.matching("family", r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, '_', '-'"),
        clock_hz=fields.integer("clock_hz", minimum=1),
        stack_bytes=fields.integer("stack_bytes", minimum=1),
        memory=tuple(_region(region) for region in fields.tables("memory", MemoryRegion)),
        uart=_uart(fields.table("uart", Uart)),
        toolchain=_toolchain(fields.table("toolchain", Toolchain)),
        emulator=_emulator(fields.table("emulator", Emulator)),
        flash_tool=_flash_tool(fields.table("flash_tool", FlashTool)),
        source=fields.source,
        tile_dma=_tile_dma(fields.table("tile_dma", TileDma)) if "tile_dma" in fields.values else None,
        cores=fields.integer("cores", minimum=1, default=1),
        project=fields.choice("project", ProjectKind) if "project" in fields.values else ProjectKind.BAREMETAL,
        fast_code_bytes=fields.integer("fast_code_bytes", minimum=0, default=0),
        nuttx=_nuttx(fields.table("nuttx", Nuttx)) if "nuttx" in fields.values else None,
    )


def _region(fields: Fields) -> MemoryRegion:
    return MemoryRegion(
        name=fields.matching("name", r"[a-z][a-z0-9_]*", "lower-case letters, digits, '_'"),
        kind=fields.choice("kind", MemoryKind),
        base=fields.integer("base", minimum=0),
        size_bytes=fields.integer("size_bytes", minimum=1),
        uses=fields.choices("uses", MemoryUse),
        access_cost=fields.integer("access_cost", minimum=1, default=1),
        cacheable=fields.flag("cacheable", default=False),
        dma=fields.flag("dma", default=False),
        dma_cycles_per_kib=fields.integer("dma_cycles_per_kib", minimum=0, default=0),
    )


def _tile_dma(fields: Fields) -> TileDma:
    return TileDma(
        name=fields.text("name"),
        channels=fields.integer("channels", minimum=1),
        largest_bytes=fields.integer("largest_bytes", minimum=1024),
        setup_cycles=fields.integer("setup_cycles", minimum=0),
    )


def _nuttx(fields: Fields) -> Nuttx:
    return Nuttx(
        configuration=fields.matching("configuration", r"[\w./-]+:[\w.-]+", "board:configuration"),
        region=fields.text("region"),
        system_bytes=fields.integer("system_bytes", minimum=1),
        clock_hz=fields.integer("clock_hz", minimum=1),
        device=fields.matching("device", r"/dev/[\w/-]+", "a path such as /dev/ttyS0"),
    )


def _uart(fields: Fields) -> Uart:
    return Uart(
        name=fields.text("name"),
        baud=fields.integer("baud", minimum=0),
        pins=fields.text("pins"),
        usb_ids=fields.all_matching("usb_ids", r"[0-9a-f]{4}:[0-9a-f]{4}", '"vid:pid" in lower-case hex'),
    )


def _toolchain(fields: Fields) -> Toolchain:
    return Toolchain(
        prefix=fields.text("prefix", allow_empty=True),
        cpu_flags=fields.all_matching("cpu_flags", r"-\S+", "compiler options such as -mthumb"),
        optimize=fields.matching("optimize", r"-O\S+", "a compiler option such as -O3"),
        link_flags=(
            fields.all_matching("link_flags", r"-\S+", "linker options such as -nostdlib")
            if "link_flags" in fields.values
            else ()
        ),
    )


def _emulator(fields: Fields) -> Emulator:
    return Emulator(kind=fields.choice("kind", EmulatorKind), machine=fields.text("machine", allow_empty=True))


def _flash_tool(fields: Fields) -> FlashTool:
    return FlashTool(
        tools=fields.choices("tools", FlashToolKind, allow_empty=True),
        target=fields.text("target", allow_empty=True, default=""),
        pack=fields.text("pack", allow_empty=True, default=""),
        prepare=(
            fields.all_matching("prepare", r"[a-z][a-z0-9]*( [A-Za-z0-9_]+)*", "words of letters, digits, '_'")
            if "prepare" in fields.values
            else ()
        ),
        chip=fields.text("chip", allow_empty=True, default=""),
        volume=fields.text("volume", allow_empty=True, default=""),
        uf2_family=fields.integer("uf2_family", minimum=0, default=0),
        partition_bytes=fields.integer("partition_bytes", minimum=0, default=0),
    )
