"""`tinyanime bench-memory`: peak memory and instructions of several networks and boards, beside other engines."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import VerificationError
from tinyanime.host.commands.options import DIRECTORY, examples, output_options
from tinyanime.host.console import Console
from tinyanime.host.image.output import write_whole
from tinyanime.host.memory_bench.comparison import Comparison, Effort
from tinyanime.host.memory_bench.figures import HEADER, Figures, as_json, row
from tinyanime.host.memory_bench.networks import NETWORKS, BenchNetwork
from tinyanime.host.memory_bench.workbench import Candidate, Workbench

_BOARDS = ("stm32h743", "rp2040", "esp32s3")


@click.command(
    "bench-memory",
    epilog=examples(
        "tinyanime bench-memory",
        "tinyanime bench-memory --board stm32h743 --network anime128",
        "tinyanime bench-memory --all --json",
    ),
)
@click.option(
    "-b",
    "--board",
    "boards",
    multiple=True,
    metavar="BOARD",
    help="Only this board or TOML file; may be repeated.",
)
@click.option(
    "--network", "networks", multiple=True, type=click.Choice([n.name for n in NETWORKS]), help="Only this network."
)
@click.option("--all", "long_runs", is_flag=True, help="Run also the networks that take an emulator minutes.")
@click.option("--no-run", is_flag=True, help="Plan only; count no instructions.")
@click.option(
    "-o", "--output", type=DIRECTORY, default=Path("build/bench"), show_default=True, help="Folder for what is built."
)
@output_options
def bench_memory(
    boards: tuple[str, ...],
    networks: tuple[str, ...],
    long_runs: bool,
    no_run: bool,
    output: Path,
    console: Console,
) -> None:
    """Compare the memory that networks need, planned and run, with other engines.

    Every network is planned for every board by time and by memory, layer by layer, and by the bakenn compiler. What
    the virtual boards can run is run there, bit by bit against the reference; on stm32h743 instructions are counted.
    The figures go to memory.json in the output folder too.
    """
    chosen = [network for network in NETWORKS if not networks or network.name in networks]
    targets = [load_board(name) for name in boards or _BOARDS]
    effort = Effort(run=not no_run, long_runs=long_runs)
    with console.progress() as report:
        figures = _measure(Workbench(output, os.cpu_count() or 1, report), effort, chosen, targets)
    write_whole(output / "memory.json", (json.dumps([as_json(item) for item in figures], indent=1) + "\n").encode())
    _print(figures, chosen, effort, output, console)
    console.result([as_json(item) for item in figures])
    wrong = next((item for item in figures if item.bit_exact is False), None)
    if wrong is not None:
        raise VerificationError(
            f"{wrong.network} on {wrong.board} ({wrong.optimize}) differs from the reference.",
            hint=f"Find the layer: tinyanime verify --board {wrong.board} --project {output / wrong.board}",
        )


def _measure(
    bench: Workbench, effort: Effort, networks: Sequence[BenchNetwork], boards: Sequence[Board]
) -> list[Figures]:
    comparison = Comparison(bench, effort)
    figures: list[Figures] = []
    for network in networks:
        candidate = Candidate(network, bench.folder)
        for board in boards:
            figures += comparison.of(candidate, board)
    return figures


def _print(
    figures: Sequence[Figures], networks: Sequence[BenchNetwork], effort: Effort, output: Path, console: Console
) -> None:
    console.table(HEADER, [row(item) for item in figures])
    console.say()
    for network in networks:
        console.say(f"{network.name}: {network.title}.")
    for note in dict.fromkeys(f"{f.network} on {f.board}, {f.engine}: {f.note}" for f in figures if f.note):
        console.say(note)
    console.say("* does not fit: bytes alive at once layer by layer, or bakenn's arena with the caller's buffers.")
    console.say("Instructions are counted on an emulated Cortex-M7, cycles and stalls are modelled.")
    left_out = [n.name for n in networks if n.long_run and effort.run and not effort.long_runs]
    if left_out:
        console.say(f"Planned but not run: {', '.join(left_out)} (run them too with --all).")
    console.say(f"Written to {output / 'memory.json'}.")
