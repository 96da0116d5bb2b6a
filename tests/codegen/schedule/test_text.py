"""The schedule as text: everything a person asks about is there."""

from __future__ import annotations

from dataclasses import replace

from tests.support.hand_schedules import HandMade, line_buffer, streamed, transfers
from tinyanime.codegen.memory.problem import Certificate
from tinyanime.codegen.schedule.plan import Recomputed, RowRange
from tinyanime.codegen.schedule.text import certificate_text, counted, format_schedule, rows_text, strip_numbers


def text_of(hand: HandMade) -> list[str]:
    plan = replace(hand.plan, peak_bytes=(("tcm", 300),), certificate=Certificate(300, 290, 0, 0, 290, proven=False))
    return format_schedule(hand.schedule, plan).splitlines()


def test_strips_line_buffers_and_moves_are_listed() -> None:
    assert text_of(line_buffer()) == [
        "schedule of hand: 1 stage, 6 steps, 6 kernel calls, 2 moves (32 bytes)",
        "memory: 300 bytes (bound 290, gap 10)",
        "  tcm: 300 bytes",
        "input 'x': whole, 48 bytes in tcm",
        "stage 0: 3 strips of 2 rows, steps 0 to 5, 2 moves (32 bytes)",
        "  first (Conv2D): 3 calls, 1 to 3 rows per step; 'a': line buffer of 4 rows, 32 bytes in tcm",
        "  second (Conv2D): 3 calls, 2 rows per step; 'y': whole, 48 bytes in tcm",
        "output 'y': whole, 48 bytes in tcm",
    ]


def test_transfers_and_weight_tiles_are_listed() -> None:
    text = text_of(transfers())
    assert text[0].endswith("3 steps, 5 kernel calls, 6 transfers (288 bytes of weights, 448 bytes of rows)")
    tiles = "    weights in 2 tiles of channels 0 to 3, 4 to 7, through w0 (144 bytes in tcm), w1 (144 bytes in tcm)"
    assert tiles in text
    assert "stage 1: whole maps at once, step 2" in text


def test_streamed_ends_name_their_windows() -> None:
    text = text_of(streamed())
    assert "input 'x': streamed through 32 bytes in axi, line buffer of 2 rows, 16 bytes in tcm" in text
    assert "output 'y': streamed through 32 bytes in axi, line buffer of 2 rows, 16 bytes in tcm" in text
    assert any(line.startswith("  scale (Requantize): 2 calls, 2 rows per step, sent to the link;") for line in text)


def test_what_is_computed_again_is_named() -> None:
    hand = line_buffer()
    again = replace(hand, schedule=replace(hand.schedule, recomputed=(Recomputed(0, "elsewhere"),)))
    assert any("computes 'elsewhere' again" in line for line in text_of(again))


def test_a_proof_says_so_and_a_gap_is_named() -> None:
    assert certificate_text(609_664, 609_664, proven=True) == "609,664 bytes, proven optimal (bound 609,664, gap 0)"
    assert certificate_text(9000, 8000, proven=False) == "9,000 bytes (bound 8,000, gap 1,000)"


def test_a_strip_is_done_when_the_last_operator_made_its_rows() -> None:
    assert strip_numbers(line_buffer().schedule) == (0, 0, 1, 1, 2, 2)
    assert strip_numbers(transfers().schedule) == (0, 1, 0)


def test_one_thing_is_no_plural_and_rows_name_both_ends() -> None:
    assert (counted(1, "row"), counted(2000, "row")) == ("1 row", "2,000 rows")
    assert (rows_text(RowRange(3, 4)), rows_text(RowRange(3, 6))) == ("row 3", "rows 3 to 5")
