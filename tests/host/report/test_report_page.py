"""The page's text: complete, self-contained, and with the plan's numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.graphs import generator
from tests.support.report_study import report_study
from tests.support.rules import no_scratch
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.schedule.choose import ScheduleOptions
from tinyanime.host.report.page import cycles_text, percent, render_page
from tinyanime.host.report.palette import light_colors
from tinyanime.host.report.study import Alternative, Study, make_study

_VOID = {"meta", "link", "input", "br", "img"}


class PageReader(HTMLParser):
    """Texts by id, addresses that the page refers to, and whether every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, str]] = []
        self.text_of: dict[str, str] = {}
        self.addresses: list[str] = []
        self.elements: list[str] = []
        self.rows: list[list[str]] = []
        """Texts of the cells of all body rows, in order."""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.elements.append(tag)
        self.addresses += [values[name] for name in ("src", "href", "srcset", "action", "data") if name in values]
        key = values.get("id") or (f"bank {values['data-peak']}" if "data-peak" in values else "")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag not in _VOID:
            self.open.append((tag, key))
            if key:
                self.text_of[key] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for _, key in self.open:
            if key:
                self.text_of[key] += data
        if any(tag in ("td", "th") for tag, _ in self.open):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(report_study(), "tinyanime report resnet.onnx --board stm32h743")


@pytest.fixture(scope="module")
def reader(page: str) -> PageReader:
    return PageReader(page)


@pytest.fixture(scope="module")
def charts(reader: PageReader) -> Any:
    return json.loads(reader.text_of["data"])


def test_the_page_is_well_formed(page: str, reader: PageReader) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert reader.open == []
    assert reader.elements.count("h1") == 1
    assert "undefined" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_page_loads_nothing(page: str, reader: PageReader) -> None:
    assert [address for address in reader.addresses if not address.startswith("data:")] == []
    # The only address in it is the name of the SVG namespace.
    assert set(re.findall(r"\w+://[^\"'\s)]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert "url(" not in page.split("<script>")[0]
    assert "default-src 'none'" in page


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 200_000


def test_the_headline_is_the_plans(reader: PageReader) -> None:
    study = report_study()
    plan, timeline = study.planned.plan, study.planned.timeline
    assert reader.text_of["peak"] == f"{plan.certificate.total_peak_bytes:,}"
    assert reader.text_of["bound"] == f"{plan.certificate.peak_bound_bytes:,}"
    assert reader.text_of["gap"] == f"{plan.certificate.gap_bytes:,}"
    assert reader.text_of["cycles"] == f"{timeline.total_cycles:,}"
    assert reader.text_of["stall"] == percent(timeline.stall_fraction)
    for name, peak in plan.peak_bytes:
        assert reader.text_of[f"bank {name}"] == f"{peak:,}"


def test_the_tables_are_the_plans(reader: PageReader) -> None:
    study = report_study()
    without = study.alternatives[0].planned
    assert without is not None
    row = next(row for row in reader.rows if row and row[0] == "fast, without DMA")
    assert row[1] == f"{without.plan.certificate.total_peak_bytes:,}"
    assert row[2:6] == [f"{peak:,}" for _, peak in without.plan.peak_bytes]
    operators = [row for row in reader.rows if row and row[0].isdigit()]
    assert [row[1] for row in operators] == [op.name for op in study.planned.schedule.graph.ops]
    cycles = sum(int(row[7].replace(",", "")) for row in operators)
    assert cycles == study.planned.timeline.total_cycles


def test_the_charts_have_the_plans_buffers(charts: Any) -> None:
    planned = report_study().planned
    buffers = {b.name: b for b in planned.schedule.buffers}
    places = {p.buffer: p for p in planned.plan.placements}
    assert len(charts["blocks"]) == len(buffers)
    for block in charts["blocks"]:
        buffer, place = buffers[block["name"]], places[block["name"]]
        assert (block["bank"], block["offset"]) == (place.bank, place.offset_bytes)
        assert (block["size"], block["begin"], block["end"]) == (buffer.size_bytes, buffer.first_step, buffer.end_step)
    assert [(b["name"], b["peak"]) for b in charts["banks"]] == list(planned.plan.peak_bytes)
    assert charts["bound"] == planned.plan.certificate.peak_bound_bytes
    reserved = {b["name"]: sum(r["size"] for r in b["reserved"]) for b in charts["banks"]}
    assert reserved["dtcm"] == sum(r.size_bytes for r in planned.problem.banks[0].reserved) > 0


def test_the_charts_have_the_plans_course(charts: Any) -> None:
    planned = report_study().planned
    assert sum(cycles for _, cycles in charts["works"]) == planned.timeline.total_cycles
    assert charts["step_ops"] == [step.op for step in planned.schedule.steps]
    assert charts["step_begin"][0] == 0
    assert len(charts["step_begin"]) == len(planned.schedule.steps) + 1
    assert [(t[3], t[4], t[5]) for t in charts["transfers"]] == [
        (t.size_bytes, t.begin_cycle, t.end_cycle) for t in planned.timeline.transfers
    ]
    assert {charts["texts"][t[2]] for t in charts["transfers"]} == set(charts["texts"])


def hostile(study: Study, name: str) -> Study:
    """The study of a network whose name, and that of its first operator, is `name`."""
    schedule = study.planned.schedule
    graph: Graph = schedule.graph
    renamed = replace(graph, name=name, ops=(replace(graph.ops[0], name=name), *graph.ops[1:]))
    return replace(study, planned=replace(study.planned, schedule=replace(schedule, graph=renamed)))


def test_names_from_a_model_stay_text() -> None:
    name = "</script><img src=x onerror=alert(1)>&amp;<!--"
    reader = PageReader(render_page(hostile(report_study(), name), name))
    assert "img" not in reader.elements
    assert reader.elements.count("script") == 2
    assert json.loads(reader.text_of["data"])["ops"][0] == name
    assert name in next(row[1] for row in reader.rows if row and row[0] == "1")


def test_a_plan_without_transfers_says_so_in_words() -> None:
    board = load_board("mps2-an500")
    graph = generator(32)
    page = render_page(make_study("g.onnx", graph, board, no_scratch, ScheduleOptions()), "tinyanime report")
    assert "no transfers to wait for" in page
    assert "0 transfers" not in page


def test_a_refusal_keeps_the_spelling_of_its_title() -> None:
    study = report_study()
    refused = Alternative(ScheduleOptions(transfers=False), None, "It does not fit.", 0, 0)
    whole = study.alternatives[-1]
    page = render_page(replace(study, alternatives=(refused, whole)), "tinyanime report")
    assert "Fast, without DMA: It does not fit." in page


def test_what_is_read_first_is_short() -> None:
    assert [percent(x) for x in (0.0, 0.0004, 0.0123, 0.5, 1.0)] == ["0.0 %", "0.04 %", "1.2 %", "50.0 %", "100.0 %"]
    assert [cycles_text(x) for x in (1_234_567, 1_234_567_890)] == ["1.23 M", "1,234.6 M"]


def test_every_kind_of_buffer_and_work_has_a_colour(charts: Any) -> None:
    colors = light_colors()
    assert {kind["id"] for kind in charts["kinds"]} <= set(colors)
    assert {"kernel-a", "kernel-b", "copy", "cache", "link", "stall"} <= set(colors)
