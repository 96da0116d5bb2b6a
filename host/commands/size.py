"""`tinyanime size`: how full flash and RAM are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.host.commands.options import board_option, examples, output_options, project_option
from tinyanime.host.console import Console
from tinyanime.host.firmware_size import RegionUsage, measure, measured_image
from tinyanime.host.project import open_project


@click.command(epilog=examples("tinyanime size --board stm32h743", "tinyanime size --project build/stm32h743 --json"))
@board_option(required=False)
@project_option
@output_options
def size(board: str | None, project: Path | None, console: Console) -> None:
    """Show flash and every RAM bank of a built project: used and free, stack included."""
    if board is None and project is None:
        raise click.UsageError("Name a --board or a --project.")
    target = load_board(board) if board is not None else None
    built = open_project(project, target.name if target is not None else "")
    target = target or load_board(built.manifest.board)
    image = measured_image(built, target)
    if image != built.bundle.image:
        console.note(
            f"The firmware itself was not built here: these are the sizes of {image}, the virtual board's program."
        )
    usage = measure(built, target)
    _print(usage, console)
    console.result(
        {
            "board": target.name,
            "project": str(built.directory),
            "image": str(image),
            "weights_bytes": built.manifest.weights_bytes,
            "regions": [_as_json(region) for region in usage],
        }
    )


def _print(usage: Sequence[RegionUsage], console: Console) -> None:
    console.table(
        ("memory", "kind", "size", "used", "free", "full"),
        [
            (
                item.region,
                item.kind.value,
                f"{item.size_bytes:,}",
                f"{item.used_bytes:,}",
                f"{item.free_bytes:,}",
                f"{100 * item.used_bytes / item.size_bytes:.1f} %",
            )
            for item in usage
        ],
    )
    console.say()
    console.table(
        ("memory", "holds", "bytes"),
        [(item.region, occupant.name, f"{occupant.size_bytes:,}") for item in usage for occupant in item.occupants],
    )


def _as_json(item: RegionUsage) -> dict[str, object]:
    return {
        "name": item.region,
        "kind": item.kind.value,
        "size_bytes": item.size_bytes,
        "used_bytes": item.used_bytes,
        "free_bytes": item.free_bytes,
        "holds": [{"name": o.name, "bytes": o.size_bytes} for o in item.occupants],
    }
