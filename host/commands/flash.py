"""`tinyanime flash`: write the firmware to a board."""

from __future__ import annotations

from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import FlashToolKind, ProjectKind
from tinyanime.host.commands.options import (
    DIRECTORY,
    board_option,
    examples,
    output_options,
    port_option,
    project_option,
)
from tinyanime.host.console import Console


@click.command(
    epilog=examples(
        "tinyanime flash --board stm32h743",
        "tinyanime flash --board stm32h743 --probe 0668FF",
        "tinyanime flash --board rp2040 --with drive",
        "tinyanime flash --board esp32c3 --port /dev/ttyUSB0",
    )
)
@board_option()
@project_option
@click.option(
    "--with",
    "tool",
    type=click.Choice([kind.value for kind in FlashToolKind]),
    help="Tool to flash with. Default: the first of the board's (tinyanime boards BOARD) that can be used.",
)
@click.option(
    "--probe", metavar="ID", help="Unique id (or part of it) of the debug probe, where several are connected."
)
@port_option(otherwise="found by its USB id")
@click.option("--drive", type=DIRECTORY, help="Folder of the drive that takes a UF2 file; found if left out.")
@output_options
def flash(
    board: str,
    project: Path | None,
    tool: str | None,
    probe: str | None,
    port: str | None,
    drive: Path | None,
    console: Console,
) -> None:
    """Write the built firmware to BOARD and compare the flash with it.

    Where the tool cannot read the flash back, the board itself is asked which build it runs.
    """
    from tinyanime.host.flash.adapter import FlashJob
    from tinyanime.host.flash.choose import check_flashable, choose_adapter
    from tinyanime.host.flash.confirm import confirm_build
    from tinyanime.host.project import BUILD_DIRECTORY, built_image, is_nuttx_application, open_project

    target = load_board(board)
    if not is_nuttx_application(project or BUILD_DIRECTORY / target.name):
        check_flashable(target)
    built = open_project(project, target.name)
    if target.project is not ProjectKind.ESP_IDF:
        # ESP-IDF's build is looked at by the tools: idf.py makes it where it is missing.
        built_image(built)
    job = FlashJob(target, built, probe, port, drive)
    choice = choose_adapter(job, None if tool is None else FlashToolKind(tool))
    for skipped in choice.passed_over:
        console.note(f"Not with {skipped.kind.value}: {skipped.obstacle.message}")
    console.note(f"Flashing {target.name} with {choice.adapter.kind.value}.")
    if target.project is ProjectKind.ESP_IDF and choice.adapter.kind is not FlashToolKind.IDF:
        built_image(built)
    try:
        with console.progress() as report:
            done = choice.adapter.flash(job, report)
    except KeyboardInterrupt:
        console.note(f"The flash of {target.name} may hold half of the program now: flash it again.")
        raise
    console.say(f"{built.directory} is in {done.place}: {done.written_bytes:,} bytes written.")
    answered = None if done.compared_bytes else confirm_build(built, target, port)
    if done.compared_bytes:
        console.say(f"{done.compared_bytes:,} bytes compared, 0 differ.")
    elif answered is not None:
        console.say(f"The board at {answered} answers that it runs this build.")
    else:
        console.say("Not compared: the drive cannot be read back, and no serial port of the board was found to ask it.")
    console.say("Send it a photo: tinyanime send photo.jpg")
    console.result(
        {
            "board": target.name,
            "project": str(built.directory),
            "tool": choice.adapter.kind.value,
            "place": done.place,
            "written_bytes": done.written_bytes,
            "compared_bytes": done.compared_bytes,
            "answered_at": answered,
        }
    )
