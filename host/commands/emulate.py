"""`tinyanime emulate`: a virtual board that serves its port until stopped."""

from __future__ import annotations

from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import InputError
from tinyanime.host.commands.options import FILE, board_option, examples, output_options, project_option
from tinyanime.host.console import Console
from tinyanime.host.project import built_virtual_image, open_project


@click.command(
    epilog=examples(
        "tinyanime emulate --board stm32h743",
        "tinyanime emulate --board stm32h743 --tcp 4000",
        "tinyanime emulate --board stm32h743 --set revision=Y",
        "tinyanime emulate --board rp2040 --set cores=1",
    )
)
@board_option()
@click.option("--image", type=FILE, help="Firmware image (ELF) instead of the project's.")
@project_option
@click.option("--tcp", type=click.IntRange(0, 65535), metavar="PORT", help="Serve TCP on this PC; 0: any free port.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="stm32h743: revision=V|Y, hse=on|off, pll=on|off, dma=early|late|random:SEED|never, coherence=on|off. "
    "rp2040: cores=1|2, interleave=SEED (who runs when), xosc=on|off, pll=on|off, quad=on|off (flash), "
    "dma=early|late|random:SEED|never. esp32c3: pll=on|off.",
)
@output_options
def emulate(
    board: str,
    image: Path | None,
    project: Path | None,
    tcp: int | None,
    settings: tuple[str, ...],
    console: Console,
) -> None:
    """Start a virtual board, print its port, and serve it until Ctrl-C or SIGTERM.

    The port is a pty, or socket://127.0.0.1:PORT with --tcp.
    """
    from tinyanime.host.emulate.serving import parse_setting, serve_until_signalled

    target = load_board(board)
    program = image if image is not None else built_virtual_image(open_project(project, target.name))
    if not program.is_file():
        raise InputError(
            f"There is no firmware image {program}.", hint=f"Build it first: make build BOARD={target.name}"
        )

    def announce(port: str) -> None:
        console.say(f"The virtual {target.name} is running at {port}")
        console.result({"board": target.name, "port": port})
        console.note("Press Ctrl-C to switch it off.")

    serve_until_signalled(target, program, tcp, tuple(parse_setting(item) for item in settings), announce)
