"""`tinyanime send`: photos in, anime pictures out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from tinyanime.codegen.errors import InputError, UserError, VerificationError
from tinyanime.host.commands.board_session import cycles_text
from tinyanime.host.commands.options import examples, output_options, port_option, project_option
from tinyanime.host.commands.photo_files import expand_photos, output_names, side_by_side_name
from tinyanime.host.console import Console, ProgressReport
from tinyanime.host.discovery import Connection, connect
from tinyanime.host.image.framing import FrameMode
from tinyanime.host.image.output import check_output, save_picture, side_by_side
from tinyanime.host.image.photo import PreparedPhoto, anime_picture, prepare_photo
from tinyanime.host.image.picture import check_picture
from tinyanime.host.image.quantize import NetworkPictures, pictures_of_device
from tinyanime.host.project import Reference, check_same_build, load_reference, open_project

_SIDE_BY_SIDE_PIXELS = 384
"""Small pictures are enlarged in the side-by-side picture until they are about this high."""
_MAX_SCALE = 4


@dataclass(frozen=True, slots=True)
class _Job:
    """What `send` does with each photo; `scale` None is automatic, `reference` is None without --verify."""

    mode: FrameMode
    side_by_side: bool
    scale: int | None
    reference: Reference | None


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of one photo."""

    photo: Path
    output: Path | None
    """None where the picture differs from the reference: a wrong picture is not written."""
    side_by_side: Path | None
    cycles: int
    seconds: float
    restarts: int
    compared_bytes: int
    differing_bytes: int


@click.command(
    epilog=examples(
        "tinyanime send photo.jpg",
        "tinyanime send photo.jpg --port /dev/ttyACM0 -o anime.png --verify",
        "tinyanime send holiday/ -o anime/ --mode fit --side-by-side",
        "tinyanime send photo.jpg --port socket://localhost:4000 --json",
    )
)
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@port_option()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File for one photo, folder for several.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in FrameMode]),
    default=FrameMode.CROP.value,
    show_default=True,
    help="crop: the centre; fit: all of it; stretch: all of it, distorted.",
)
@click.option("--side-by-side", "beside", is_flag=True, help="Write a photo|anime picture as well.")
@click.option(
    "--scale",
    type=click.IntRange(1, 16),
    help="Enlarge the photo|anime picture by this factor.  [default: until it is easy to see]",
)
@click.option("--verify", is_flag=True, help="Compare every output byte with the reference.")
@project_option
@output_options
def send(
    photos: tuple[Path, ...],
    port: str | None,
    output: Path | None,
    mode: str,
    beside: bool,
    scale: int | None,
    verify: bool,
    project: Path | None,
    console: Console,
) -> None:
    """Turn photos into anime pictures on the board.

    PHOTO is a picture file or a folder of them. Without --port the board is searched for. Without -o a photo
    `a.jpg` becomes `a_anime.png` in the current folder. --verify needs the project that the firmware was built from
    (default: build/BOARD).
    """
    if scale is not None and not beside:
        raise click.UsageError("--scale belongs to --side-by-side.")
    if project is not None and not verify:
        raise click.UsageError("--project belongs to --verify.")
    files = expand_photos(photos)
    names = output_names(files, output)
    for name in names:
        check_output(name)
    jobs, failures = _usable(files, names, console)
    with connect(port, note=console.note) as connection:
        info = connection.info
        console.note(f"{info.board} at {connection.port} runs {info.model} (clock {info.clock_hz / 1e6:.0f} MHz).")
        reference = None
        if verify:
            # Whatever else the device may run: `check_same_build` says what differs.
            built = open_project(project, info.board if project is None else "")
            check_same_build(built, info, connection.port)
            reference = load_reference(built)
        sent: list[_Sent] = []
        try:
            for item in _send_all(jobs, connection, _Job(FrameMode(mode), beside, scale, reference), failures, console):
                sent.append(item)
                _print_sent(item, connection, console)
        finally:
            # Where the board is lost half way, what was sent before counts.
            console.result([_as_json(item, connection, verify) for item in sent])
    _conclude(sent, failures, len(files), connection.port)


def _usable(
    files: tuple[Path, ...], names: tuple[Path, ...], console: Console
) -> tuple[list[tuple[Path, Path]], list[UserError]]:
    """(photo, picture to write) of the photos whose header can be read, and why the others are skipped.

    Raises the first reason where no photo is left.
    """
    usable: list[tuple[Path, Path]] = []
    failures: list[UserError] = []
    for photo, name in zip(files, names, strict=True):
        try:
            check_picture(photo)
        except InputError as error:
            failures.append(error)
        else:
            usable.append((photo, name))
    if not usable:
        raise failures[0]
    for failure in failures:
        console.note(f"{failure.message} Skipped.")
    return usable, failures


def _send_all(
    jobs: list[tuple[Path, Path]], connection: Connection, job: _Job, failures: list[UserError], console: Console
) -> Iterator[_Sent]:
    """Send photo after photo; a damaged one among several goes to `failures` and does not stop the others."""
    pictures = pictures_of_device(connection.info)
    for photo, name in jobs:
        try:
            prepared = prepare_photo(photo, pictures, job.mode)
        except InputError as error:
            if len(jobs) == 1:
                raise
            failures.append(error)
            console.note(f"{error.message} Skipped.")
            continue
        with console.progress() as report:
            item = _send_one(prepared, name, connection, pictures, job, report)
        yield item


def _send_one(
    prepared: PreparedPhoto,
    name: Path,
    connection: Connection,
    pictures: NetworkPictures,
    job: _Job,
    report: ProgressReport,
) -> _Sent:
    started = time.monotonic()
    inference = connection.device.infer(
        prepared.tensor.tobytes(),
        lambda phase, done, total: report(f"{prepared.source.name}: {phase.value}", done, total),
    )
    seconds = time.monotonic() - started
    compared, differing = 0, 0
    if job.reference is not None:
        report(f"{prepared.source.name}: reference", 0, 0)
        compared, differing = _compare(inference.output, prepared, job.reference)
    written = None if differing else name
    beside = side_by_side_name(name) if job.side_by_side and written else None
    anime = anime_picture(inference.output, pictures, prepared)
    if written is not None:
        save_picture(written, anime)
    if beside is not None:
        scale = job.scale or min(_MAX_SCALE, max(1, _SIDE_BY_SIDE_PIXELS // anime.shape[0]))
        save_picture(beside, side_by_side(prepared.framed.visible, anime, scale))
    return _Sent(
        prepared.source,
        written,
        beside,
        inference.result.total_cycles,
        seconds,
        inference.restarts,
        compared,
        differing,
    )


def _compare(output: bytes, prepared: PreparedPhoto, reference: Reference) -> tuple[int, int]:
    """(bytes compared, bytes that differ) between the device's output and the reference's."""
    expected = reference.output(reference.run(prepared.tensor)).tobytes()
    differing = sum(a != b for a, b in zip(output, expected, strict=False)) + abs(len(output) - len(expected))
    return len(expected), differing


def _print_sent(item: _Sent, connection: Connection, console: Console) -> None:
    console.say(f"{item.photo} -> {item.output or 'not written: it differs from the reference'}")
    console.say(f"  {cycles_text(connection, item.cycles)}; {item.seconds:.1f} s with transfer")
    if item.side_by_side is not None:
        console.say(f"  side by side: {item.side_by_side}")
    if item.compared_bytes and not item.differing_bytes:
        console.say(f"  bit-exact on {connection.info.board}: {item.compared_bytes:,} bytes compared, 0 differ")


def _as_json(item: _Sent, connection: Connection, verified: bool) -> dict[str, object]:
    return {
        "photo": str(item.photo),
        "output": None if item.output is None else str(item.output),
        "side_by_side": None if item.side_by_side is None else str(item.side_by_side),
        "board": connection.info.board,
        "port": connection.port,
        "virtual": connection.virtual,
        "cycles": item.cycles,
        "clock_hz": connection.info.clock_hz,
        "seconds": round(item.seconds, 3),
        "restarts": item.restarts,
        "verified": verified and item.differing_bytes == 0,
        "compared_bytes": item.compared_bytes,
        "differing_bytes": item.differing_bytes,
    }


def _conclude(sent: list[_Sent], failures: list[UserError], count: int, port: str) -> None:
    """Raise what makes the command fail although it ran to its end."""
    wrong = [item for item in sent if item.differing_bytes]
    if wrong:
        first = wrong[0]
        raise VerificationError(
            f"{first.photo}: {first.differing_bytes:,} of {first.compared_bytes:,} output bytes differ from the "
            "reference.",
            hint=f"Find the layer with: tinyanime verify {first.photo} --port {port}",
        )
    if failures:
        raise InputError(
            f"{len(failures)} of {count} photos could not be used; the first: {failures[0].message}",
            hint=failures[0].hint,
        )
