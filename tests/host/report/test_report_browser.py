"""The page at work in Chromium; skipped where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Chromium, chromium_program
from tests.support.report_study import report_study
from tinyanime.host.report.page import render_page

PROGRAM = chromium_program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(report_study(), "tinyanime report"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def running() -> Iterator[Chromium]:
    assert PROGRAM is not None
    with Chromium(PROGRAM) as browser:
        yield browser


@pytest.fixture
def browser(running: Chromium, page: Path) -> Iterator[Chromium]:
    """The browser with the page freshly opened; whatever it complained about fails the test."""
    running.resize(1280, 900)
    running.messages.clear()
    running.loaded.clear()
    running.open(page)
    yield running
    assert running.messages == []
    assert running.loaded == [page.resolve().as_uri()]


def tip(browser: Chromium) -> str:
    """Text of the note beside the pointer; empty where it is hidden."""
    return str(browser.run("document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText"))


def painted_colors(browser: Chromium, chart: str) -> set[tuple[int, ...]]:
    """Colours on the canvas of a chart."""
    found = browser.run(
        f"(() => {{ const c = document.querySelector('#{chart} canvas'); const seen = new Set();"
        "const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "for (let i = 0; i < p.length; i += 4) if (p[i + 3] === 255) seen.add(`${p[i]},${p[i + 1]},${p[i + 2]}`);"
        "return [...seen]; })()"
    )
    return {tuple(map(int, color.split(","))) for color in found}


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def test_all_charts_are_drawn(browser: Chromium) -> None:
    buffers = report_study().planned.schedule.buffers
    assert browser.run("document.querySelectorAll('#memory .block').length") == len(buffers)
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    made, kernel, weights = (
        rgb(browser.run(f"{style}('--{name}').trim()")) for name in ("made", "kernel-a", "dma-weights")
    )
    assert made in painted_colors(browser, "rows")
    assert {kernel, weights} <= painted_colors(browser, "course")


def test_pointing_at_a_buffer_tells_what_it_is(browser: Chromium) -> None:
    planned = report_study().planned
    assert tip(browser) == ""
    for buffer in planned.schedule.buffers:
        selector = f"[data-buffer={json.dumps(buffer.name)}]"
        browser.hover(selector)
        text = tip(browser)
        assert text.startswith(buffer.name), text
        assert f"{buffer.size_bytes:,} bytes" in text
    assert buffer.name in browser.run("document.getElementById('memory-detail').innerText")


def test_a_buffer_is_reached_by_keyboard(browser: Chromium) -> None:
    first = report_study().planned.schedule.buffers
    browser.run("document.getElementById('whole-banks').focus()")
    browser.press("Tab", 9)
    name = browser.run("document.activeElement.dataset.buffer")
    assert name in {buffer.name for buffer in first}
    browser.run("scrollBy(0, 30)")
    browser.settle()
    assert tip(browser).startswith(name)
    browser.press("Escape", 27)
    assert tip(browser) == ""


def test_tapping_a_buffer_tells_what_it_is(browser: Chromium) -> None:
    browser.resize(360, 740)
    name = report_study().planned.schedule.buffers[0].name
    x, y = browser.center(f"[data-buffer={json.dumps(name)}]")
    browser.tap(x, y)
    browser.wait_for("!document.getElementById('tip').hidden")
    assert tip(browser).startswith(name)
    assert browser.run("document.querySelector('.block.chosen').dataset.buffer") == name
    left, right = browser.run(
        "(() => { const b = document.getElementById('tip').getBoundingClientRect(); return [b.left, b.right]; })()"
    )
    assert 0 <= left < right <= 360


def test_the_axis_switches_between_time_and_steps(browser: Chromium) -> None:
    study = report_study()
    steps = study.planned.schedule.steps
    name = max(study.planned.schedule.buffers, key=lambda b: (b.first_step, -b.end_step)).name
    left = f"document.querySelector('[data-buffer={json.dumps(name)}]').x.baseVal.value"
    before = browser.run(left)
    browser.click("[name=unit][value=steps]")
    assert "step" in browser.run("document.querySelector('#memory svg').textContent")
    assert browser.run("axis.end") == len(steps)
    assert browser.run(left) != before
    browser.click("[name=unit][value=time]")
    assert browser.run("axis.end") == study.planned.timeline.total_cycles
    assert browser.run(left) == pytest.approx(before)


def test_zooming_and_moving_keep_within_the_inference(browser: Chromium) -> None:
    total = report_study().planned.timeline.total_cycles
    browser.click("[data-zoom=in]")
    assert browser.run("[axis.begin, axis.end]") == pytest.approx([total / 4, 3 * total / 4])
    for _ in range(3):
        browser.click("[data-zoom=right]")
    assert browser.run("axis.end") == pytest.approx(total)
    browser.run("document.querySelector('#course canvas').focus()")
    browser.press("ArrowLeft", 37)
    assert browser.run("axis.end") == pytest.approx(0.9 * total)
    browser.click("[data-zoom=all]")
    assert browser.run("[axis.begin, axis.end]") == [0, total]


def test_dragging_moves_what_is_shown(browser: Chromium) -> None:
    browser.click("[data-zoom=in]")
    begin = browser.run("axis.begin")
    x, y = browser.center("#course canvas")
    browser.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", buttons=1, clickCount=1)
    for shift in (20, 40, 60):
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + shift, y=y, button="left", buttons=1)
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + 60, y=y, button="left", clickCount=1)
    browser.settle()
    assert browser.run("axis.begin") < begin


def test_pointing_at_core_and_transfers_tells_their_operator(browser: Chromium) -> None:
    study = report_study()
    browser.hover("#course canvas")
    x, y, height = browser.run(
        "(() => { const b = document.querySelector('#course canvas').getBoundingClientRect();"
        "return [b.left, b.top, b.height]; })()"
    )
    transfer = study.planned.timeline.transfers[-1]
    at, lane = browser.run(
        f"[scaleX(plotArea(course.canvas))({(transfer.begin_cycle + transfer.end_cycle) / 2}), courseLanes().dmaTop]"
    )
    channel = browser.run("data.transfers.at(-1)[0]")
    pitch = browser.run("course.laneHeight + course.gap")
    assert lane < height
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + at, y=y + lane + channel * pitch + 5)
    assert tip(browser).startswith("weights of ")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + at, y=y + 30)
    names = [op.name for op in study.planned.schedule.graph.ops]
    assert any(tip(browser).startswith(f"{name}: ") for name in names)


def test_the_strips_tell_which_rows_are_computed(browser: Chromium) -> None:
    schedule = report_study().planned.schedule
    step = schedule.steps[len(schedule.steps) // 2]
    browser.hover("#rows canvas")
    x, y = browser.run(
        "(() => { const b = document.querySelector('#rows canvas').getBoundingClientRect();return [b.left, b.top]; })()"
    )
    at = browser.run(f"scaleX(plotArea(rowsChart.canvas))(axis.ofStep({step.index} + 0.5))")
    lane = browser.run(f"laneTop(data.lanes.findIndex((lane) => lane.op === {step.op})) + 3")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + at, y=y + lane)
    rows = step.output.rows
    assert f"computes rows {rows.begin} to {rows.end - 1}" in tip(browser)


def test_the_table_sorts_by_numbers_and_by_names(browser: Chromium) -> None:
    column = "[...document.querySelectorAll('#layers tbody tr')].map((row) => row.cells[{}].dataset.value)"
    heads = browser.run("[...document.querySelectorAll('#layers thead th')].map((head) => head.innerText)")
    cycles = next(i for i, text in enumerate(heads) if text.startswith("cycles"))
    browser.click(f"#layers thead th:nth-child({cycles + 1}) button")
    values = [int(value) for value in browser.run(column.format(cycles))]
    assert values == sorted(values, reverse=True)
    browser.click(f"#layers thead th:nth-child({cycles + 1}) button")
    assert [int(value) for value in browser.run(column.format(cycles))] == sorted(values)
    browser.click("#layers thead th:nth-child(2) button")
    names = browser.run(column.format(1))
    assert names == sorted(names, key=str.casefold)
    sorted_by = "[...document.querySelectorAll('#layers [aria-sort]')].map((head) => head.innerText.split(' ')[0])"
    assert browser.run(sorted_by) == ["operator"]


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Chromium) -> None:
    browser.resize(360, 740)
    assert browser.run("document.documentElement.scrollWidth") <= 360
    widths = browser.run("[...document.querySelectorAll('#memory svg, canvas')].map((e) => e.clientWidth)")
    assert all(0 < width <= 360 for width in widths)


def test_dark_screens_get_dark_colours(browser: Chromium, page: Path) -> None:
    browser.loaded.clear()
    browser.open(page, dark=True)
    style = "getComputedStyle(document.documentElement).getPropertyValue('--made').trim()"
    assert rgb(browser.run(style)) in painted_colors(browser, "rows")
    assert sum(rgb(browser.run(style.replace("made", "page")))) < 128
