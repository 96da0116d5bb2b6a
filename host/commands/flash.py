"""`tinyanime flash`: write the firmware to a board."""

from __future__ import annotations

from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import ToolError
from tinyanime.host.commands.options import board_option, examples, output_options, project_option
from tinyanime.host.console import Console


@click.command(epilog=examples("tinyanime flash --board stm32h743", "tinyanime flash --board stm32h743 --probe 0668FF"))
@board_option()
@project_option
@click.option(
    "--probe", metavar="ID", help="Unique id (or part of it) of the debug probe, where several are connected."
)
@output_options
def flash(board: str, project: Path | None, probe: str | None, console: Console) -> None:
    """Write the built firmware to BOARD through its debug probe and compare the flash with it."""
    from tinyanime.host.flash.pyocd import flash_image
    from tinyanime.host.project import built_image, open_project

    target = load_board(board)
    if not target.flash_tool.tools:
        raise ToolError(
            f"The board {target.name} has no flash to write.",
            hint=f"Start it as a virtual board: tinyanime emulate --board {target.name}",
        )
    built = open_project(project, target.name)
    image = built_image(built)
    with console.progress() as report:
        compared = flash_image(image, target.flash_tool, probe=probe, progress=report)
    console.say(f"{image} is in the flash of {target.name}: {compared:,} bytes compared, 0 differ.")
    console.say("Send it a photo: tinyanime send photo.jpg")
    console.result({"board": target.name, "image": str(image), "compared_bytes": compared})
