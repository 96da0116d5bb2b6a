"""`tinyanime verify`: device against reference, layer by layer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.codegen.errors import VerificationError
from tinyanime.host.commands.board_session import project_device
from tinyanime.host.commands.options import board_option, examples, output_options, port_option, project_option
from tinyanime.host.commands.photo_files import expand_photos, sample_photos
from tinyanime.host.console import Console
from tinyanime.host.discovery import Connection, connect
from tinyanime.host.image.framing import FrameMode
from tinyanime.host.image.photo import prepare_photo
from tinyanime.host.image.picture import check_picture
from tinyanime.host.image.quantize import pictures_of_manifest
from tinyanime.host.project import Project, Reference, load_reference, open_project
from tinyanime.host.verification import (
    LayerCheck,
    NetworkComparison,
    NetworkInput,
    compare_network,
    prepare_input,
)


@dataclass(frozen=True, slots=True)
class _Verified:
    photo: Path
    comparison: NetworkComparison
    seconds: float


@click.command(
    epilog=examples(
        "tinyanime verify --board stm32h743",
        "tinyanime verify photo.jpg --board mps2-an500 --layers bytes",
        "tinyanime verify --port /dev/ttyACM0 --layers crc --json",
    )
)
@click.argument("photos", metavar="[PHOTO]...", nargs=-1, type=click.Path(path_type=Path))
@board_option(required=False)
@port_option(otherwise="the virtual BOARD is started")
@project_option
@click.option(
    "--layers",
    type=click.Choice([check.value for check in LayerCheck]),
    help="How layers are compared: every byte, by CRC-32 on the device, or output only.  "
    "[default: bytes on fast virtual boards, else crc]",
)
@output_options
def verify(
    photos: tuple[Path, ...],
    board: str | None,
    port: str | None,
    project: Path | None,
    layers: str | None,
    console: Console,
) -> None:
    """Compare every layer on the device with the reference.

    Without --port the virtual BOARD is started from the project's firmware image. Without PHOTO the ten sample
    photos are used. Where bytes differ, the first differing layer, tile and element are named; exit status 8.
    """
    files = expand_photos(photos) or sample_photos()
    for photo in files:
        check_picture(photo)
    built, target = _project_and_board(board, port, project)
    reference = load_reference(built)
    with project_device(built, target, port) as connection:
        check = LayerCheck(layers) if layers else _default_check(connection, target)
        verified = _verify_all(files, built, reference, connection, check, console)
    _print_table(verified, console)
    console.result(_as_json(verified, connection, check))
    _conclude(verified, built.manifest.board, check, console)


def _project_and_board(board: str | None, port: str | None, project: Path | None) -> tuple[Project, Board]:
    """The project to compare with and its board, from whatever was named."""
    if board is not None:
        target = load_board(board)
        return open_project(project, target.name), target
    if project is None and port is None:
        raise click.UsageError("Name a --board, a --port or a --project.")
    if project is None:
        with connect(port) as connection:
            name = connection.info.board
        return open_project(None, name), load_board(name)
    built = open_project(project, "")
    return built, load_board(built.manifest.board)


def _default_check(connection: Connection, board: Board) -> LayerCheck:
    """Reading every byte back takes minutes on slow links."""
    fast = board.emulator.kind in (EmulatorKind.UNICORN, EmulatorKind.PROCESS)
    return LayerCheck.BYTES if connection.virtual and fast else LayerCheck.CRC


def _verify_all(
    files: Sequence[Path],
    project: Project,
    reference: Reference,
    connection: Connection,
    check: LayerCheck,
    console: Console,
) -> list[_Verified]:
    verified = []
    with console.progress() as report:
        for number, (photo, given) in enumerate(_inputs(files, project, reference), 1):
            started = time.monotonic()
            steps = partial(report, f"{photo.name} ({number} of {len(files)})")
            comparison = compare_network(connection.device, project, given, check, steps)
            verified.append(_Verified(photo, comparison, time.monotonic() - started))
    return verified


def _inputs(files: Sequence[Path], project: Project, reference: Reference) -> Iterator[tuple[Path, NetworkInput]]:
    """Photos with their reference results; the next one is computed while the device works on the current one."""
    pictures = pictures_of_manifest(project.manifest)

    def compute(photo: Path) -> NetworkInput:
        return prepare_input(reference, prepare_photo(photo, pictures, FrameMode.CROP).tensor)

    with ThreadPoolExecutor(max_workers=1) as ahead:
        following = ahead.submit(compute, files[0])
        for index, photo in enumerate(files):
            given = following.result()
            if index + 1 < len(files):
                following = ahead.submit(compute, files[index + 1])
            yield photo, given


def _print_table(verified: Sequence[_Verified], console: Console) -> None:
    console.table(
        ("photo", "layers equal", "bytes compared", "differing bytes", "seconds"),
        [
            (
                item.photo.name,
                f"{item.comparison.layers_equal} of {item.comparison.layers_compared}",
                f"{item.comparison.compared_bytes:,}",
                f"{item.comparison.differing_bytes:,}",
                f"{item.seconds:.1f}",
            )
            for item in verified
        ],
    )


def _as_json(verified: Sequence[_Verified], connection: Connection, check: LayerCheck) -> dict[str, object]:
    return {
        "board": connection.info.board,
        "port": connection.port,
        "virtual": connection.virtual,
        "manifest_sha256": connection.info.manifest_sha256,
        "layers": check.value,
        "bit_exact": all(item.comparison.equal for item in verified),
        "compared_bytes": sum(item.comparison.compared_bytes for item in verified),
        "differing_bytes": sum(item.comparison.differing_bytes for item in verified),
        "photos": [
            {"photo": str(item.photo), "seconds": round(item.seconds, 3), **asdict(item.comparison)}
            for item in verified
        ],
    }


def _conclude(verified: Sequence[_Verified], board: str, check: LayerCheck, console: Console) -> None:
    compared = sum(item.comparison.compared_bytes for item in verified)
    differing = sum(item.comparison.differing_bytes for item in verified)
    for item in verified:
        first = item.comparison.first
        if first is not None:
            # Without a look at the layers nothing is known but the output.
            blind = check is LayerCheck.OFF
            raise VerificationError(
                f"{board} differs from the reference in {differing:,} of {compared:,} bytes; first in "
                f"{item.photo.name}: {f'output {first.element}' if blind else first}.",
                hint="Find the layer with --layers bytes."
                if blind
                else "Read the named layer's call in network/network.c and the kernel it names.",
            )
    how = " (layers by CRC-32 on the device)" if check is LayerCheck.CRC else ""
    console.say(f"bit-exact on {board}: {compared:,} bytes compared, 0 differ{how}")
