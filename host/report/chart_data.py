"""The numbers behind the page's charts, as the JSON value that its script reads (`templates/report/*.js`).

Short lists stand for what there is much of: a level is [step, bytes], a band [step, first row, end row, step that
needs none of them any more], a piece of work [activity, cycles] (pieces follow one another without a gap), a transfer
[channel, operator, text, bytes, begin cycle, end cycle] with the text as an index into `texts`.
"""

from __future__ import annotations

import json

from tinyanime.codegen.memory.problem import Bank
from tinyanime.host.report.blocks import BankUse, Block, BlockKind, Level, bank_uses, blocks_of, levels
from tinyanime.host.report.course import ACTIVITY_NAMES, Course, course_of
from tinyanime.host.report.rows import Lane, lanes_of
from tinyanime.host.report.study import Study

Json = object


def chart_json(study: Study) -> str:
    """The value as text that is safe within a `<script>` element."""
    text = json.dumps(_value(study), separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _value(study: Study) -> Json:
    planned = study.planned
    schedule = planned.schedule
    course = course_of(planned, has_dma=study.board.tile_dma is not None)
    return {
        "clock_hz": study.board.clock_hz,
        "dma": study.board.tile_dma.name if study.board.tile_dma else "",
        "ops": [op.name for op in schedule.graph.ops],
        "step_ops": [step.op for step in schedule.steps],
        "step_begin": course.step_begin,
        "stages": [
            {"begin": s.first_step, "end": s.end_step, "strips": s.strips, "rows": s.strip_rows}
            for s in schedule.stages
        ],
        "kinds": [{"id": kind.name.lower(), "name": kind.value} for kind in BlockKind],
        "banks": [_bank(use) for use in bank_uses(planned)],
        "blocks": [_block(block) for block in blocks_of(planned)],
        "alive": _levels(levels(schedule.buffers)),
        "peak": planned.plan.certificate.total_peak_bytes,
        "bound": planned.plan.certificate.peak_bound_bytes,
        "lanes": [_lane(lane) for lane in lanes_of(schedule)],
        "activities": ACTIVITY_NAMES,
        **_course(course),
    }


def _bank(use: BankUse) -> Json:
    bank: Bank = use.bank
    return {
        "name": bank.name,
        "size": bank.size_bytes,
        "peak": use.peak_bytes,
        "reserved": [{"name": item.name, "size": item.size_bytes} for item in bank.reserved],
        "levels": _levels(use.levels),
    }


def _block(block: Block) -> Json:
    return {
        "name": block.name,
        "kind": block.kind.name.lower(),
        "bank": block.bank,
        "offset": block.offset_bytes,
        "size": block.size_bytes,
        "begin": block.first_step,
        "end": block.end_step,
        "holds": block.holds,
        "dma": block.dma,
    }


def _levels(items: tuple[Level, ...]) -> Json:
    return [[level.step, level.size_bytes] for level in items]


def _lane(lane: Lane) -> Json:
    return {
        "label": lane.label,
        "op": lane.op,
        "tensor": lane.tensor,
        "height": lane.height,
        "again": lane.again,
        "stored": lane.stored,
        "few": lane.holds_few,
        "bands": [[band.step, band.row_begin, band.row_end, band.kept_step] for band in lane.bands],
    }


def _course(course: Course) -> dict[str, Json]:
    texts = {text: number for number, text in enumerate(dict.fromkeys(t.what for t in course.transfers))}
    return {
        "works": [[int(work.activity), work.end_cycle - work.begin_cycle] for work in course.works],
        "texts": list(texts),
        "transfers": [
            [t.channel, t.op, texts[t.what], t.size_bytes, t.begin_cycle, t.end_cycle] for t in course.transfers
        ],
    }
