"""`tinyanime bench-kernels`: instructions and modelled cycles of kernels, beside other engines, core by core."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from tinyanime.codegen.cmsis_nn.sources import find_cmsis_nn
from tinyanime.codegen.errors import ToolError, VerificationError
from tinyanime.codegen.models.networks import NETWORKS
from tinyanime.host.commands.options import DIRECTORY, FILE, examples, output_options
from tinyanime.host.console import Console
from tinyanime.host.image.output import write_whole
from tinyanime.host.kernel_bench.baseline import (
    BASELINE,
    LIMIT_PERCENT,
    Baseline,
    RegressionError,
    changes,
    compilers_of,
    counts_of,
    load_baseline,
    merged,
    merged_compilers,
    other_compilers,
    save_baseline,
    unknown_networks,
)
from tinyanime.host.kernel_bench.chart import check_chart, draw_chart
from tinyanime.host.kernel_bench.cores import CORES, core
from tinyanime.host.kernel_bench.engines import ENGINES, OURS, engines_for
from tinyanime.host.kernel_bench.figures import Figures, as_json
from tinyanime.host.kernel_bench.tables import (
    CHANGE_HEADER,
    HEADER,
    LAYER_HEADER,
    change_rows,
    layer_rows,
    rows_of_core,
)

_DEFAULT_CORES = ("cortex-m7", "cortex-m0plus", "rv32imc")
_PROCESSES = 2
"""More would not fit the memory of a small machine: a program and its counts take some hundred MB."""

_LEGEND = (
    "Instructions are counted on an emulated core; in parentheses: measured by others on a chip.",
    "Cycles are modelled. Cortex-M7: blocks of code that ran, mispredicted branches, lines that a simulated data cache",
    "fills and writes back, each line of code once, and the waits for the DMA that the plan expects (the whole network",
    "only). Cortex-M0+ and RV32IMC: instruction by instruction, memory without wait states (docs/cycle_model.md).",
    "RAM: feature maps, input, output, kernel scratch. Flash: program and constants, without link and drivers.",
)

_CHARTED_CORE = "cortex-m7"
_QUICK_MACS = 100_000_000
"""With --quick, larger networks are left out."""


@click.command(
    "bench-kernels",
    epilog=examples(
        "tinyanime bench-kernels",
        "tinyanime bench-kernels --network resnet8 --core cortex-m7 --layers",
        "tinyanime bench-kernels --chart kernels.png",
        "tinyanime bench-kernels --check --quick",
    ),
)
@click.option(
    "--network", "networks", multiple=True, type=click.Choice([n.name for n in NETWORKS]), help="Only this network."
)
@click.option("--core", "cores", multiple=True, type=click.Choice([c.name for c in CORES]), help="Only this core.")
@click.option("--engine", "engines", multiple=True, type=click.Choice(ENGINES), help="Only this engine.")
@click.option("--quick", is_flag=True, help=f"Only networks below {_QUICK_MACS // 1_000_000} million MAC.")
@click.option("--layers", is_flag=True, help="Show every layer too.")
@click.option("--check", is_flag=True, help="Measure ours only and compare with the committed instruction counts.")
@click.option("--update-baseline", is_flag=True, help="Make the counts of this run the committed ones.")
@click.option(
    "-o", "--output", type=DIRECTORY, default=Path("build/bench"), show_default=True, help="Folder for what is built."
)
@click.option("--chart", type=FILE, help="Draw the networks on the Cortex-M7 (PNG or SVG).")
@output_options
def bench_kernels(
    networks: tuple[str, ...],
    cores: tuple[str, ...],
    engines: tuple[str, ...],
    quick: bool,
    layers: bool,
    check: bool,
    update_baseline: bool,
    output: Path,
    chart: Path | None,
    console: Console,
) -> None:
    """Compare kernels on emulated cores with plain CMSIS-NN calls and with the bakenn compiler.

    Every engine compiles the same networks, which then run on emulated cores as programs without link and drivers.
    Instructions are counted exactly, cycles are modelled, outputs are compared with the integer reference. The figures
    go to kernels.json in the output folder too. With --check a growth of more than 2 % ends with status 10.
    """
    if (check or update_baseline) and engines and OURS not in engines:
        raise click.UsageError(f"The committed counts are those of the engine {OURS}: leave --engine out.")
    chosen = [n.name for n in NETWORKS if (not networks or n.name in networks) and (not quick or n.macs < _QUICK_MACS)]
    runs = _runs(cores or _DEFAULT_CORES, (OURS,) if check else engines)
    if not chosen or not runs:
        raise click.UsageError("Nothing is left to measure: name other networks, cores or engines.")
    if chart is not None:
        check_chart(chart)
    # The check is about instructions: without a model of cycles it takes a fraction of the time.
    figures = _measure(chosen, runs, output, console, cycles=not check)
    write_whole(output / "kernels.json", (json.dumps([as_json(item) for item in figures], indent=1) + "\n").encode())
    if not check:
        _print(figures, layers, console)
        console.say(f"Written to {output / 'kernels.json'}.")
    if chart is not None:
        draw_chart(figures, _CHARTED_CORE, chart)
        console.say(f"wrote {chart}")
    console.result([as_json(item) for item in figures])
    _refuse_wrong_output(figures)
    if update_baseline:
        _update(figures, console)
    elif check:
        _check(figures, console)


def _measure(
    networks: Sequence[str], runs: tuple[tuple[str, str], ...], output: Path, console: Console, *, cycles: bool
) -> list[Figures]:
    try:
        from tinyanime.host.kernel_bench.comparison import Plan, measure
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tinyanime"):
            raise
        raise ToolError(
            f"Measuring kernels needs the Python package {error.name}, which is not installed.",
            hint="Install it: pip install 'tinyanime[cycles,emulate,kernels]'",
        ) from error
    with console.progress() as report:
        return measure(Plan(tuple(networks), runs, cycles), output, min(_PROCESSES, os.cpu_count() or 1), report)


def _runs(cores: Sequence[str], engines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, engine) for name in cores for engine in engines_for(core(name)) if not engines or engine in engines
    )


def _print(figures: Sequence[Figures], layers: bool, console: Console) -> None:
    for name in dict.fromkeys(item.core for item in figures):
        console.say(f"{name}:")
        console.table(HEADER, rows_of_core(figures, name))
        console.say()
        if layers:
            console.table(LAYER_HEADER, layer_rows(figures, name))
            console.say()
    for note in dict.fromkeys(f"{f.network} on {f.core}, {f.engine}: {f.note}." for f in figures if f.note):
        console.say(note)
    for line in _LEGEND:
        console.say(line)
    console.say(f"cmsis-nn: {find_cmsis_nn().name}, plain calls within our schedule; bakenn: the wheel's own compiler.")


def _refuse_wrong_output(figures: Sequence[Figures]) -> None:
    """VerificationError where the compiler of this project makes a network that is not exact."""
    for item in figures:
        if item.output_equal is False:
            raise VerificationError(
                f"{item.network} by {item.engine} on {item.core} differs from the reference.",
                hint="Find the layer: tinyanime verify with a project of that network.",
            )


def _update(figures: Sequence[Figures], console: Console) -> None:
    old = load_baseline() if BASELINE.exists() else Baseline((), ())
    compilers = merged_compilers(old.compilers, compilers_of(item.core for item in figures))
    save_baseline(Baseline(compilers, merged(old.counts, counts_of(figures))))
    console.note("The baseline is updated.")


def _check(figures: Sequence[Figures], console: Console) -> None:
    for item in figures:
        if item.instructions is None:
            raise RegressionError(
                f"{item.network} on {item.core} has no count any more: {item.note}",
                hint="Compile it by itself: tinyanime compile MODEL --board BOARD -v",
            )
    baseline, now = load_baseline(), counts_of(figures)
    for before, compiler in other_compilers(baseline, compilers_of(item.core for item in figures)):
        console.note(f"The baseline was counted with {before}; this is {compiler.version}.")
    for name in unknown_networks(baseline.counts, now):
        console.note(f"{name} is not in the baseline.")
    compared = changes(baseline.counts, now)
    console.table(CHANGE_HEADER, change_rows(c for c in compared if c.now.layer is None or c.is_regression))
    worse = [change for change in compared if change.is_regression]
    if worse:
        first = worse[0].now
        where = f"layer '{first.layer}' of {first.network}" if first.layer else first.network
        raise RegressionError(
            f"{len(worse)} instruction counts grew by more than {LIMIT_PERCENT} %, the first is that of {where} "
            f"on {first.core}: {worse[0].percent:+.1f} %.",
            hint="Mend the kernel, or accept the counts: tinyanime bench-kernels --update-baseline",
        )
