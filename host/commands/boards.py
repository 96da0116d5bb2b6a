"""`tinyanime boards`: the boards that tinyanime knows."""

from __future__ import annotations

import click

from tinyanime.boards.loader import list_boards, load_board
from tinyanime.boards.schema import Board, MemoryKind, MemoryRegion, MemoryUse, ProjectKind
from tinyanime.codegen.errors import UserError
from tinyanime.host.commands.options import examples, output_options
from tinyanime.host.console import Console


@click.command(epilog=examples("tinyanime boards", "tinyanime boards rp2040", "tinyanime boards --json"))
@click.argument("board", required=False)
@output_options
def boards(board: str | None, console: Console) -> None:
    """List the boards that tinyanime knows: memory, cores, tools, and what of these is missing here.

    With BOARD, the name of one or a board file, show that one in full.
    """
    if board is None:
        known = list_boards()
        _list(known, console)
        console.result([_as_json(item) for item in known])
    else:
        shown = load_board(board)
        _show(shown, console)
        console.result(_as_json(shown))


def _list(known: tuple[Board, ...], console: Console) -> None:
    from tinyanime.host.toolchains import missing_programs

    console.table(
        ("board", "cores", "clock", "flash", "RAM", "tile DMA", "virtual board", "flashed with", "missing here"),
        [
            (
                item.name,
                _cores(item),
                f"{item.clock_hz / 1e6:.0f} MHz",
                _size(_bytes(item, MemoryKind.FLASH)),
                _size(_bytes(item, MemoryKind.RAM)),
                item.tile_dma.name if item.tile_dma else "-",
                item.emulator.kind.value,
                ", ".join(tool.value for tool in item.flash_tool.tools) or "-",
                " ".join(program.name for program in missing_programs(item)) or "-",
            )
            for item in known
        ],
    )
    console.say()
    console.say("All of one: tinyanime boards BOARD")


def _show(board: Board, console: Console) -> None:
    from tinyanime.host.toolchains import compiler_of, emulator_of

    console.say(f"{board.name}: {board.title}")
    console.say(f"described in {board.source}")
    console.say()
    console.table(
        ("memory", "kind", "from", "to", "bytes", "cost of a byte", "cached", "tile DMA", "holds"),
        [_region_row(region) for region in board.memory],
    )
    console.say()
    compiler, emulator = compiler_of(board), emulator_of(board)
    rows = [
        ("cores", f"{_cores(board)} at {board.clock_hz / 1e6:.0f} MHz, stack of {board.stack_bytes:,} bytes each"),
        ("tile DMA", _tile_dma(board)),
        ("fast code", _fast_code(board)),
        ("project", board.project.value),
        ("serial port", f"{board.uart.name}, {board.uart.baud:,} baud: {board.uart.pins}"),
        ("USB ids", ", ".join(board.uart.usb_ids) or "-"),
        ("NuttX", board.nuttx.configuration if board.nuttx else "-"),
        ("compiler", f"{compiler.name}: {compiler.path or 'missing; ' + compiler.remedy}{_esp_idf_note(board)}"),
        ("virtual board", f"{board.emulator.kind.value} {board.emulator.machine}".strip()),
    ]
    if emulator is not None:
        rows.append(("", f"{emulator.name}: {emulator.path or 'missing; ' + emulator.remedy}"))
    rows += [(f"flash with {name}", state) for name, state in _flash_tools(board)] or [("flash with", "-")]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.say(f"{name.ljust(width)}  {value}")


def _region_row(region: MemoryRegion) -> tuple[str, ...]:
    return (
        region.name,
        region.kind.value,
        f"{region.base:#010x}",
        f"{region.end - 1:#010x}",
        f"{region.size_bytes:,}",
        str(region.access_cost),
        "yes" if region.cacheable else "no",
        "yes" if region.dma else "no",
        ", ".join(use.value for use in region.uses),
    )


def _flash_tools(board: Board) -> list[tuple[str, str]]:
    """Each tool with what is installed of it, or what to do."""
    from tinyanime.host.flash.installed import installed_version

    states = []
    for tool in board.flash_tool.tools:
        try:
            state = installed_version(tool)
        except UserError as error:
            state = f"{error.message} {error.hint}"
        states.append((tool.value, state))
    return states


def _cores(board: Board) -> str:
    return board.core if board.cores == 1 else f"{board.cores} x {board.core}"


def _tile_dma(board: Board) -> str:
    dma = board.tile_dma
    if dma is None:
        return "none: transfers are copies by the core"
    return f"{dma.name}, {dma.channels} channels, at most {dma.largest_bytes:,} bytes each"


def _esp_idf_note(board: Board) -> str:
    return " (for the virtual board; ESP-IDF brings its own)" if board.project is ProjectKind.ESP_IDF else ""


def _fast_code(board: Board) -> str:
    regions = board.regions(MemoryUse.FAST_CODE)
    if not regions:
        return "none: code runs where it lies"
    return f"{board.fast_code_bytes or regions[0].size_bytes:,} bytes in {regions[0].name}"


def _bytes(board: Board, kind: MemoryKind) -> int:
    return sum(region.size_bytes for region in board.memory if region.kind is kind)


def _size(size_bytes: int) -> str:
    return f"{size_bytes // 1024:,} KB"


def _as_json(board: Board) -> dict[str, object]:
    from tinyanime.host.toolchains import compiler_of, missing_programs

    return {
        "name": board.name,
        "title": board.title,
        "core": board.core,
        "cores": board.cores,
        "clock_hz": board.clock_hz,
        "flash_bytes": _bytes(board, MemoryKind.FLASH),
        "ram_bytes": _bytes(board, MemoryKind.RAM),
        "memory": [
            {
                "name": r.name,
                "kind": r.kind.value,
                "base": r.base,
                "size_bytes": r.size_bytes,
                "uses": [use.value for use in r.uses],
                "access_cost": r.access_cost,
                "cacheable": r.cacheable,
                "dma": r.dma,
            }
            for r in board.memory
        ],
        "tile_dma": board.tile_dma.name if board.tile_dma else None,
        "uart": board.uart.name,
        "pins": board.uart.pins,
        "usb_ids": list(board.uart.usb_ids),
        "emulator": board.emulator.kind.value,
        "flash_tools": [tool.value for tool in board.flash_tool.tools],
        "project": board.project.value,
        "nuttx": board.nuttx.configuration if board.nuttx else None,
        "compiler": compiler_of(board).name,
        "missing": [{"name": p.name, "install": p.remedy} for p in missing_programs(board)],
        "source": str(board.source),
    }
