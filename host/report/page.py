"""The report as one HTML page that loads nothing from anywhere: text and tables here, charts by its script."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tinyanime.codegen.memory.problem import MemoryPlan
from tinyanime.codegen.schedule.choose import PlannedSchedule, recomputed_rows
from tinyanime.host.report.assumptions import assumptions
from tinyanime.host.report.blocks import bank_uses
from tinyanime.host.report.chart_data import chart_json
from tinyanime.host.report.layers import layers_of
from tinyanime.host.report.study import Study, objective_of, title_of

SCRIPTS = ("axis.js", "tip.js", "memory.js", "rows.js", "course.js", "table.js", "main.js")
"""In the order in which they build on one another."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A line of the comparison. `cycles` is None where nothing fits, `peaks` are by bank then empty."""

    title: str
    chosen: bool
    refusal: str
    peak_bytes: int
    bound_bytes: int
    proven: bool
    peaks: tuple[int, ...]
    cycles: int | None
    stall_fraction: float
    instructions: int
    recomputed_rows: int


def render_page(study: Study, command: str) -> str:
    """The whole page; `command` is what made it, for people."""
    planned = study.planned
    layers = layers_of(planned, study.board)
    environment = Environment(
        loader=PackageLoader("tinyanime.templates", "report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, cycles=cycles_text, count=count_text)
    return environment.get_template("page.html.j2").render(
        study=study,
        board=study.board,
        planned=planned,
        graph=planned.schedule.graph,
        certificate=planned.plan.certificate,
        proof=proof_text(planned.plan),
        objective=objective_of(planned),
        timeline=planned.timeline,
        seconds=planned.timeline.total_cycles / study.board.clock_hz,
        banks=bank_uses(planned),
        choices=choices_of(study),
        layers=layers,
        macs=sum(layer.macs for layer in layers),
        weights_bytes=sum(layer.weights_bytes for layer in layers),
        assumptions=assumptions(study.board),
        command=command,
        version=version("tinyanime"),
        charts=Markup(chart_json(study)),
        style=Markup(_text("style.css")),
        script=Markup("\n".join(_text(name) for name in SCRIPTS)),
    )


def choices_of(study: Study) -> tuple[Choice, ...]:
    """The plan of the report first, then the alternatives."""
    own = _choice(title_of(study.planned.options, study.board), study.planned, study.instructions, chosen=True)
    others = []
    for other in study.alternatives:
        if other.planned is study.planned:
            continue
        if other.planned is not None:
            others.append(
                _choice(title_of(other.options, study.board), other.planned, other.instructions, chosen=False)
            )
        else:
            reason = other.refusal.splitlines()[0]
            title = title_of(other.options, study.board)
            alive, instructions = other.alive_bytes, other.instructions
            others.append(Choice(title, False, reason, alive, alive, True, (), None, 0.0, instructions, 0))
    return (own, *others)


def _choice(title: str, planned: PlannedSchedule, instructions: int, *, chosen: bool) -> Choice:
    certificate = planned.plan.certificate
    return Choice(
        title,
        chosen,
        "",
        certificate.total_peak_bytes,
        certificate.peak_bound_bytes,
        certificate.proven,
        tuple(use.peak_bytes for use in bank_uses(planned)),
        planned.timeline.total_cycles,
        planned.timeline.stall_fraction,
        instructions,
        recomputed_rows(planned.schedule),
    )


def proof_text(plan: MemoryPlan) -> str:
    """What the planner proved, in a few words."""
    if plan.certificate.proven:
        return "proven optimal"
    return f"not proven optimal: at most {plan.certificate.gap_bytes:,} bytes too many"


def percent(fraction: float) -> str:
    """A share with as many digits as are of use: 12.3 %, 0.04 %."""
    value = 100 * fraction
    return f"{value:.2f} %" if 0 < abs(value) < 1 else f"{value:.1f} %"


def cycles_text(cycles: int) -> str:
    """Cycles in millions."""
    return f"{cycles / 1e6:,.2f} M" if cycles < 100e6 else f"{cycles / 1e6:,.1f} M"


def count_text(number: int) -> str:
    """A number with separators; nothing for 0, which is most of a column and would hide the rest."""
    return f"{number:,}" if number else ""


def _text(name: str) -> str:
    return files("tinyanime.templates").joinpath("report", name).read_text(encoding="utf-8")
