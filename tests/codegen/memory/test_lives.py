from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tinyanime.codegen.memory.lives import alive_together, fullest_sets, groups
from tinyanime.codegen.memory.problem import Buffer

LIVES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=12)


def buffers(lives: list[tuple[int, int]]) -> tuple[Buffer, ...]:
    return tuple(Buffer(f"b{i}", 1, first, first + length) for i, (first, length) in enumerate(lives))


@given(LIVES)
def test_the_fullest_sets_are_the_maximal_ones_of_all_steps(lives: list[tuple[int, int]]) -> None:
    items = buffers(lives)
    steps = [frozenset(i for i, b in enumerate(items) if b.first_step <= s < b.end_step) for s in range(20)]
    never = [frozenset([i]) for i, b in enumerate(items) if b.first_step == b.end_step]
    maximal = {s for s in steps if s and not any(s < other for other in steps)}
    found = fullest_sets(items, range(len(items)))
    assert {frozenset(s) for s in found} == maximal | set(never)
    assert len(set(found)) == len(found) <= len(items)


@given(LIVES)
def test_groups_are_connected_in_time_and_apart_from_one_another(lives: list[tuple[int, int]]) -> None:
    items = buffers(lives)
    found = groups(items, range(len(items)))
    assert sorted(i for group in found for i in group) == list(range(len(items)))
    home = {i: number for number, group in enumerate(found) for i in group}
    for i, a in enumerate(items):
        assert all(home[i] == home[j] for j, b in enumerate(items) if i != j and alive_together(a, b))
    for group in found:
        reached = {group[0]}
        for _ in group:
            reached |= {j for j in group if any(alive_together(items[i], items[j]) for i in reached)}
        assert reached == set(group)
