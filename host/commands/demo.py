"""`tinyanime demo`: one photo through a virtual board and the real host tool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import EmulatorKind
from tinyanime.host.commands.options import DIRECTORY, board_option, examples, project_option, quiet_option
from tinyanime.host.commands.photo_files import sample_photos, side_by_side_name
from tinyanime.host.console import Console
from tinyanime.host.emulate.launch import launch
from tinyanime.host.image.picture import check_picture
from tinyanime.host.project import built_virtual_image, open_project


@click.command(
    epilog=examples("tinyanime demo --board stm32h743", "tinyanime demo --board posix --photo me.jpg -o out")
)
@board_option()
@click.option("--photo", type=click.Path(path_type=Path), help="Photo to send. Default: a sample photo.")
@project_option
@click.option(
    "-o", "--output", type=DIRECTORY, default=Path("build/demo"), show_default=True, help="Folder for the pictures."
)
@quiet_option
def demo(board: str, photo: Path | None, project: Path | None, output: Path, console: Console) -> None:
    """Boot the firmware on the virtual BOARD, send a photo with `tinyanime send`, verify every output byte."""
    target = load_board(board)
    built = open_project(project, target.name)
    image = built_virtual_image(built)
    source = photo or _portrait(sample_photos())
    check_picture(source)
    anime = output / f"{source.stem}_anime.png"
    console.note(f"Starting the virtual {target.name} ({_emulator(target.emulator.kind)}) with {image} ...")
    with launch(target, image) as running:
        console.note(f"It answers at {running.port}.")
        arguments = [
            *("send", str(source), "--port", running.port, "-o", str(anime)),
            *("--verify", "--side-by-side", "--project", str(built.directory)),
            *(["--quiet"] if console.quiet else []),
        ]
        click.echo(f"$ tinyanime {' '.join(arguments)}")
        try:
            done = subprocess.run([sys.executable, "-m", "tinyanime.host.cli", *arguments], check=False)
        except KeyboardInterrupt:
            # Ctrl-C reaches the program as well, and it has said so.
            raise click.exceptions.Exit(130) from None
    if done.returncode:
        # It has said why; the demo ends with its exit status (a signal as the shell reports it).
        raise click.exceptions.Exit(done.returncode if done.returncode > 0 else 128 - done.returncode)
    click.echo(f"anime picture:  {anime}")
    click.echo(f"photo | anime:  {side_by_side_name(anime)}")


def _portrait(photos: tuple[Path, ...]) -> Path:
    """The sample that shows best what the network does: a face, where there is one."""
    return next((photo for photo in photos if photo.stem == "astronaut"), photos[0])


def _emulator(kind: EmulatorKind) -> str:
    return {EmulatorKind.UNICORN: "unicorn", EmulatorKind.QEMU: "QEMU", EmulatorKind.PROCESS: "a process"}[kind]
