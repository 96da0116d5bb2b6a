"""Measures all engines on one network after another: compiled, linked, run, and compared byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.macs import graph_macs
from tinyanime.codegen.models.networks import NetworkSpec, network
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference.interpreter import run_reference
from tinyanime.host.image.output import write_whole
from tinyanime.host.kernel_bench.bakenn_graph import NotTakenError
from tinyanime.host.kernel_bench.cores import BenchCore, core
from tinyanime.host.kernel_bench.emulation import Execution, execute
from tinyanime.host.kernel_bench.engines import BuiltNetwork, Job, engine
from tinyanime.host.kernel_bench.figures import Figures
from tinyanime.host.kernel_bench.image import Builder
from tinyanime.host.kernel_bench.modelled import CACHED_CORE, MODELLED_CORES, section_cycles

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, units done, units in all)."""

_INPUT_SEED = 1
_MEASURING = "measuring"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: every network with these engines on these cores, as (core, engine) pairs.

    `cycles`: whether cycles are modelled too, for which every load and store of a core with a cache is followed.
    """

    networks: tuple[str, ...]
    runs: tuple[tuple[str, str], ...]
    cycles: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Subject:
    """A network with the input it is run on and the reference's answer."""

    spec: NetworkSpec
    model: Path
    graph: Graph
    photo: bytes
    expected: bytes


def measure(plan: Plan, folder: Path, processes: int, progress: Progress) -> list[Figures]:
    """Every run of `plan`, whole networks and their layers, in the plan's order; builds below `folder`.

    Runs are spread over `processes`, those of the largest networks first.
    """
    tasks = [(name, core_name, engine) for name in plan.networks for core_name, engine in plan.runs]
    by_size = sorted(tasks, key=lambda task: -network(task[0]).macs)
    results: dict[tuple[str, str, str], list[Figures]] = {}
    progress(_MEASURING, 0, len(tasks))
    pool = ProcessPoolExecutor(processes)
    try:
        pending = {pool.submit(measure_run, *task, folder, cycles=plan.cycles): task for task in by_size}
        for done in as_completed(pending):
            results[pending[done]] = done.result()
            progress(_MEASURING, len(results), len(tasks))
    finally:
        # After an error, what has not begun shall not begin.
        pool.shutdown(cancel_futures=True)
    return [figures for task in tasks for figures in results[task]]


def measure_run(name: str, core_name: str, engine_name: str, folder: Path, *, cycles: bool = True) -> list[Figures]:
    """One network by one engine on one core: the whole first, then its layers."""
    subject = prepare(network(name), folder)
    job = Job(subject.model, subject.graph, core(core_name), folder / core_name / engine_name / name, Builder(folder))
    return list(_run(subject, job, engine_name, cycles and core_name in MODELLED_CORES))


def prepare(spec: NetworkSpec, folder: Path) -> Subject:
    """Write the model, draw its input (uniform int8, the same each time) and compute the reference's output."""
    model = folder / "models" / f"{spec.name}.onnx"
    write_whole(model, spec.build().SerializeToString())
    graph = load_and_prepare(model)
    source = graph.tensors[graph.inputs[0]]
    photo = np.random.default_rng(_INPUT_SEED).integers(-128, 128, size=source.shape, dtype=np.int8)
    expected = run_reference(graph, {source.name: photo})[graph.outputs[0]]
    return Subject(spec, model, graph, photo.tobytes(), expected.tobytes())


def _run(subject: Subject, job: Job, engine_name: str, modelled: bool) -> Iterator[Figures]:
    name, macs = subject.spec.name, graph_macs(subject.graph)
    try:
        built = engine(engine_name)(job)
    except (DoesNotFitError, NotTakenError) as error:
        yield Figures(name, None, job.core.name, engine_name, macs, note=str(error).splitlines()[0])
        return
    execution = execute(
        built.image.path,
        job.core,
        built.board,
        subject.photo,
        len(subject.expected),
        len(built.layers),
        built.marks,
        data_cache=modelled and job.core.name == CACHED_CORE,
    )
    unknown: tuple[int | None, ...] = (None,) * len(built.layers)
    cycles = section_cycles(execution, built.board, job.core.name) if modelled else unknown
    yield from _figures(subject, job.core, engine_name, built, execution, cycles)


def _figures(
    subject: Subject,
    bench_core: BenchCore,
    engine_name: str,
    built: BuiltNetwork,
    execution: Execution,
    cycles: tuple[int | None, ...],
) -> Iterator[Figures]:
    counts = [section.instructions for section in execution.sections]
    known = [count for count in cycles if count is not None]
    wide = built.board.name != bench_core.board().name
    yield Figures(
        subject.spec.name,
        None,
        bench_core.name,
        engine_name,
        graph_macs(subject.graph),
        instructions=sum(counts),
        modelled_cycles=sum(known) + built.stall_cycles if known else None,
        stall_cycles=built.stall_cycles if known else None,
        ram_bytes=built.ram_bytes,
        flash_bytes=built.image.flash_bytes,
        kernel_code_bytes=built.image.kernel_code_bytes,
        output_sha256=hashlib.sha256(execution.output).hexdigest(),
        output_equal=execution.output == subject.expected,
        note="more memory than the chip has" if wide else "",
    )
    for layer, count, modelled in zip(built.layers, counts, cycles, strict=True):
        if layer.name:
            yield Figures(
                subject.spec.name,
                layer.name,
                bench_core.name,
                engine_name,
                layer.macs,
                kernel=layer.kernel,
                instructions=count,
                modelled_cycles=modelled,
            )
