from __future__ import annotations

import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyanime.codegen.memory.bottom_up import Verdict, climb
from tinyanime.codegen.memory.fit import Fitting, work_out
from tinyanime.codegen.memory.greedy import lowest_offset
from tinyanime.codegen.memory.layout import Place
from tinyanime.codegen.memory.lives import groups
from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryProblem
from tinyanime.codegen.memory.shortage import lower_bound_bytes

HUGE = 10**9


@st.composite
def fittings(draw: st.DrawFn) -> Fitting:
    buffers = []
    for index in range(draw(st.integers(1, 6))):
        first = draw(st.integers(0, 4))
        size, alignment = draw(st.integers(1, 30)), draw(st.sampled_from([1, 4, 16]))
        buffers.append(Buffer(f"b{index}", size, first, first + draw(st.integers(1, 4)), alignment))
    return work_out(MemoryProblem(tuple(buffers), (Bank("bank", draw(st.sampled_from([0, 8])), HUGE, 1),)))


def lowest_peak(fitting: Fitting, members: tuple[int, ...]) -> int:
    """First fit in every order: one of them is the order of addresses of a best packing."""
    best = HUGE
    for order in permutations(members):
        places: list[Place | None] = [None] * len(fitting.buffers)
        peak = 0
        for buffer in order:
            offset = lowest_offset(fitting, places, buffer, 0)
            places[buffer] = (0, offset)
            peak = max(peak, offset + fitting.fit(buffer, 0).taken_bytes)
        best = min(best, peak)
    return best


@given(fittings())
@settings(max_examples=150, deadline=None)
def test_the_search_finds_the_lowest_peak_and_proves_that_none_is_lower(fitting: Fitting) -> None:
    for group in groups(fitting.buffers, range(len(fitting.buffers))):
        best = lowest_peak(fitting, group)
        found = climb(fitting, 0, group, best, 100_000)
        assert found.verdict is Verdict.FOUND
        places: list[Place | None] = [None] * len(fitting.buffers)
        for member, offset in zip(group, found.offsets, strict=True):
            assert offset + fitting.buffers[member].size_bytes <= best
            places[member] = (0, offset)
        for member in group:
            others = [None if i == member else place for i, place in enumerate(places)]
            for other in fitting.neighbours[member]:
                assert _apart(fitting, places, member, other), others
        assert climb(fitting, 0, group, best - 1, 100_000).verdict is Verdict.IMPOSSIBLE


def _apart(fitting: Fitting, places: list[Place | None], a: int, b: int) -> bool:
    place_a, place_b = places[a], places[b]
    assert place_a is not None
    assert place_b is not None
    end_a = place_a[1] + fitting.buffers[a].size_bytes
    return end_a <= place_b[1] or place_b[1] + fitting.buffers[b].size_bytes <= place_a[1]


def test_a_thousand_buffers_need_no_deep_recursion() -> None:
    buffers = tuple(Buffer(f"b{i}", 16, i, i + 2) for i in range(1000))
    fitting = work_out(MemoryProblem(buffers, (Bank("bank", 0, HUGE, 1),)))
    found = climb(fitting, 0, range(1000), 32, 10_000_000)
    assert found.verdict is Verdict.FOUND


@pytest.mark.parametrize("work", [0, 100, 1000])
def test_the_search_ends_with_its_work_limit(work: int) -> None:
    draw = random.Random(1)
    lives = [(draw.randint(5, 60), first, first + draw.randint(1, 9)) for first in range(20) for _ in range(3)]
    buffers = tuple(Buffer(f"b{i}", size, first, end, 1) for i, (size, first, end) in enumerate(lives))
    fitting = work_out(MemoryProblem(buffers, (Bank("bank", 0, HUGE, 1),)))
    found = climb(fitting, 0, range(60), lower_bound_bytes(buffers), work)
    assert found.verdict is Verdict.UNKNOWN
    assert found.work <= work + 60


def test_buffers_without_bytes_are_in_nobodys_way() -> None:
    buffers = (Buffer("none", 0, 0, 9), Buffer("a", 16, 0, 9), Buffer("b", 16, 2, 5))
    fitting = work_out(MemoryProblem(buffers, (Bank("bank", 0, HUGE, 1),)))
    found = climb(fitting, 0, range(3), 32, 1000)
    assert (found.verdict, found.offsets[0]) == (Verdict.FOUND, 0)
    assert sorted(found.offsets[1:]) == [0, 16]
