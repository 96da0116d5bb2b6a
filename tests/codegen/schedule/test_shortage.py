"""What a person reads whose model does not fit: what is short, where, when, and what is proven."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.support.graphs import conv, generator, tensor
from tests.support.rules import no_scratch
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import MemoryProblem, Objective
from tinyanime.codegen.memory.solve import Shortage, solve
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions, choose_schedule
from tinyanime.codegen.schedule.shortage import Attempt, plan_does_not_fit
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import whole_layer_layout


def with_banks(*sizes: int) -> Board:
    """A board whose activations get banks of exactly these sizes, beside one for stack and data."""
    board = load_board("stm32h743")
    banks = tuple(
        replace(board.region("axi"), name=f"bank{i}", base=0x2400_0000 + i * 0x10_0000, size_bytes=size)
        for i, size in enumerate(sizes)
    )
    data = replace(board.region("dtcm"), uses=tuple(u for u in board.region("dtcm").uses if u.value != "activations"))
    return replace(board, memory=(board.region("flash"), data, *banks))


def refusal(*sizes: int, optimize: Optimize = Optimize.LAYERS) -> DoesNotFitError:
    with pytest.raises(DoesNotFitError) as caught:
        choose_schedule(generator(32), with_banks(*sizes), no_scratch, ScheduleOptions(optimize))
    assert caught.value.exit_code == 4
    return caught.value


def test_a_map_beyond_every_bank_is_shown_without_a_place() -> None:
    message = refusal(2048, 3072).message
    assert message.startswith("The model does not fit stm32h743: tensor 'up' (layer 'up') needs 4,096 bytes in one ")
    assert "the largest bank, bank1, has 3,072." in message
    assert re.search(r"\n  without a place: [\d,]+: 'up' 4,096", message)
    assert "It breaks in bank bank" in message


def test_a_buffer_that_two_maps_share_is_named_by_both() -> None:
    tensors = {name: tensor(name, 32, 4) for name in ("x", "y", "z")}
    graph = Graph("g", ("x",), ("z",), tensors, (conv("c", "x", "y", 4, 4), conv("d", "y", "z", 4, 4)))
    with pytest.raises(DoesNotFitError) as caught:
        choose_schedule(graph, with_banks(2048), no_scratch, ScheduleOptions(Optimize.RAM, stream=False))
    assert "the buffer that 'x', 'z' share (layer 'c') needs 4,096 bytes" in caught.value.message


def test_the_moment_is_named_by_layer_rows_and_step() -> None:
    message = refusal(2048, 3072).message
    assert "The best plan found, in layer 'up', rows 0 to 15 (step 3 of 8):" in message


def test_the_lower_bound_stands_beside_what_the_board_has() -> None:
    message = refusal(4096, 1024).message
    needed = re.search(r"needs at least ([\d,]+) bytes at once, the board has 5,120; it is proven", message)
    assert needed is not None
    assert int(needed[1].replace(",", "")) > 5120


def test_what_the_banks_hold_at_that_moment_is_what_is_alive_and_not_more() -> None:
    board = with_banks(6144, 2048)
    graph, banks = generator(32), activation_banks(board)
    schedule = build_schedule(graph, whole_layer_layout(graph), no_scratch)
    shortage = solve(MemoryProblem(schedule.buffers, banks, Objective.RAM))
    assert isinstance(shortage, Shortage)
    message = plan_does_not_fit(board, banks, Attempt(schedule, shortage)).message
    step = int(re.findall(r"\(step (\d+) of 8\)", message)[0]) - 1
    alive = {b.name: b.size_bytes for b in schedule.buffers if b.first_step <= step < b.end_step}
    table = message[message.index("best plan") : message.index("This order")].splitlines()[1:]
    rows = [line for line in table if not line.startswith("  It breaks")]
    listed = {name: int(size.replace(",", "")) for line in rows for name, size in re.findall(r"'(\w+)' ([\d,]+)", line)}
    assert listed == alive
    for bank, line in zip(banks, rows, strict=False):
        used = int(line.split()[1].replace(",", ""))
        assert line.split()[0] == bank.name
        assert used <= bank.size_bytes
        assert used == sum(int(size.replace(",", "")) for size in re.findall(r"'\w+' ([\d,]+)", line))


def test_strips_are_what_is_reported_where_even_they_do_not_fit() -> None:
    message = refusal(1024, optimize=Optimize.RAM).message
    assert ".lines'" in message
    assert "the board has 1,024" in message
