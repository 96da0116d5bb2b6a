"""What the picture of the strips shows of a schedule."""

from __future__ import annotations

from dataclasses import replace

from tests.support.hand_schedules import line_buffer, streamed, transfers
from tests.support.report_study import report_study
from tinyanime.codegen.schedule.plan import Recomputed, RowRange
from tinyanime.host.report.rows import LINK, Band, Lane, lanes_of


def test_rows_of_a_line_buffer_are_kept_until_their_last_reader() -> None:
    first, second = lanes_of(line_buffer().schedule)
    assert (first.label, first.height, first.stored) == ("first", 6, "line buffer of 4 rows")
    # Row 2 of the first strip is read in step 3; row 4 of the second in step 5.
    assert first.bands == (Band(0, 0, 3, 4), Band(2, 3, 5, 6), Band(4, 5, 6, 6))
    assert second.stored == "stored whole"
    # The network's output is needed until the end.
    assert second.bands == (Band(1, 0, 2, 6), Band(3, 2, 4, 6), Band(5, 4, 6, 6))


def test_rows_read_through_tiles_count_as_rows_of_their_map() -> None:
    convolution, scaled = lanes_of(transfers().schedule)
    assert convolution.bands == (Band(0, 0, 2, 3), Band(1, 2, 4, 3))
    assert scaled.bands == (Band(2, 0, 4, 3),)


def test_rows_exchanged_with_the_link_have_lanes_of_their_own() -> None:
    lanes = lanes_of(streamed().schedule)
    link = [lane for lane in lanes if lane.op == LINK]
    assert [lane.label for lane in link] == ["x (received)", "y (sent)"]
    for lane in link:
        assert sum(band.row_end - band.row_begin for band in lane.bands) == lane.height


def test_computed_again_is_marked() -> None:
    schedule = replace(line_buffer().schedule, recomputed=(Recomputed(1, "y"),))
    assert [lane.again for lane in lanes_of(schedule)] == [False, True]


def test_a_part_of_the_inference_shows_the_rows_at_work_in_it() -> None:
    bands = tuple(Band(step, 4 * step, 4 * step + 4, step + 3) for step in range(20))
    lane = Lane("op", 0, "t", 80, False, "line buffer of 12 rows", bands, holds_few=True)
    # Rows 32 to 47 are made before and in steps 10 and 11 and held then; 15 % of 16 are 3 more on both sides.
    assert lane.rows_at_work(10, 12) == RowRange(29, 51)
    whole = replace(lane, holds_few=False)
    assert whole.rows_at_work(10, 12) == RowRange(38, 50)
    assert whole.rows_at_work(0, 20) == RowRange(0, 80)
    assert whole.rows_at_work(30, 40) == RowRange(0, 80)


def test_the_bands_of_a_planned_network_are_all_its_rows_each_once() -> None:
    schedule = report_study().planned.schedule
    lanes = [lane for lane in lanes_of(schedule) if lane.op != LINK]
    assert [lane.op for lane in lanes] == list(range(len(schedule.graph.ops)))
    for lane in lanes:
        rows = [row for band in lane.bands for row in range(band.row_begin, band.row_end)]
        assert rows == list(range(lane.height)), lane.label
        assert all(band.step < band.kept_step <= len(schedule.steps) for band in lane.bands)
