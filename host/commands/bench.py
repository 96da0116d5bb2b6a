"""`tinyanime bench`: instructions per layer, MAC/instruction, peak bytes per bank."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.bundle import Manifest, ManifestLayer
from tinyanime.host.commands.board_session import counted_unit, project_device
from tinyanime.host.commands.options import FILE, board_option, examples, output_options, port_option, project_option
from tinyanime.host.commands.photo_files import sample_photos
from tinyanime.host.console import Console
from tinyanime.host.image.framing import FrameMode
from tinyanime.host.image.output import write_whole
from tinyanime.host.image.photo import prepare_photo
from tinyanime.host.image.quantize import pictures_of_manifest
from tinyanime.host.project import open_project


@dataclass(frozen=True, slots=True)
class _Benchmark:
    """`unit` is what was counted (`counted_unit`); `counts` has one entry per layer."""

    unit: str
    counts: tuple[int, ...]
    total: int


@click.command(
    epilog=examples("tinyanime bench --board stm32h743", "tinyanime bench --board stm32h743 -o bench.json --json")
)
@board_option()
@port_option(otherwise="the virtual BOARD is started")
@project_option
@click.option("-o", "--output", type=FILE, help="Write the figures as JSON as well.")
@output_options
def bench(board: str, port: str | None, project: Path | None, output: Path | None, console: Console) -> None:
    """Run one photo and show what each layer costs.

    A real board counts its own cycles. Virtual boards count instructions exactly; the virtual rp2040 models the cycles
    of its two cores, mps2-an500 and posix count ticks of a clock.
    """
    target = load_board(board)
    built = open_project(project, target.name)
    with project_device(built, target, port) as connection, console.progress() as report:
        prepared = prepare_photo(sample_photos()[0], pictures_of_manifest(built.manifest), FrameMode.CROP)
        inference = connection.device.infer(
            prepared.tensor.tobytes(), lambda phase, done, total: report(phase.value, done, total)
        )
        result = _Benchmark(
            counted_unit(target, virtual=connection.virtual),
            connection.device.layer_cycles(),
            inference.result.total_cycles,
        )
        virtual = connection.virtual
    figures = _as_json(built.manifest, result)
    if output is not None:
        write_whole(output, (json.dumps(figures, indent=1) + "\n").encode())
    _print(built.manifest, result, console)
    if virtual:
        _print_remarks(target, result.unit, console)
    console.result(figures)


def _rate(macs: int, count: int) -> float:
    return macs / count if count else 0.0


def _print(manifest: Manifest, result: _Benchmark, console: Console) -> None:
    macs = sum(layer.macs for layer in manifest.layers)
    rows = [_row(layer, count) for layer, count in zip(manifest.layers, result.counts, strict=True)]
    total = ("total", "", "", f"{macs:,}", f"{result.total:,}", f"{_rate(macs, result.total):.3f}")
    singular = result.unit.removesuffix("s")
    console.table(("layer", "kernel", "output", "MACs", result.unit, f"MAC/{singular}"), [*rows, total])
    console.say()
    console.table(
        ("bank", "peak bytes", "free for the plan"),
        [(bank.name, f"{bank.peak_bytes:,}", f"{bank.available_bytes:,}") for bank in manifest.banks],
    )


def _print_remarks(board: Board, unit: str, console: Console) -> None:
    """What the figures of a virtual board with several cores stand for."""
    if board.cores == 1:
        return
    console.say()
    if unit != "modelled cycles":
        console.say(f"The virtual {board.name} runs on one core; a real one shares the work among {board.cores}.")
        return
    console.say(f"{board.cores} cores share the work: the cycles are those from start to end. On one core alone:")
    console.say(f"  tinyanime emulate --board {board.name} --set cores=1")
    console.say(f"  tinyanime bench --board {board.name} --port PORT      # the port that it printed")


def _row(layer: ManifestLayer, count: int) -> tuple[str, ...]:
    shape = "x".join(map(str, layer.shape[1:]))
    return (layer.name, layer.kernel, shape, f"{layer.macs:,}", f"{count:,}", f"{_rate(layer.macs, count):.3f}")


def _as_json(manifest: Manifest, result: _Benchmark) -> dict[str, object]:
    macs = sum(layer.macs for layer in manifest.layers)
    return {
        "board": manifest.board,
        "model": manifest.model_name,
        "kernels": manifest.kernels,
        "unit": result.unit,
        "total": result.total,
        "macs": macs,
        "macs_per_unit": round(_rate(macs, result.total), 4),
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "kernel": layer.kernel,
                "shape": list(layer.shape),
                "macs": layer.macs,
                "count": count,
            }
            for layer, count in zip(manifest.layers, result.counts, strict=True)
        ],
        "banks": [
            {"name": bank.name, "peak_bytes": bank.peak_bytes, "available_bytes": bank.available_bytes}
            for bank in manifest.banks
        ],
    }
