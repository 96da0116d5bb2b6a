"""Lifetimes reduced to what matters for placement: which buffers are alive together."""

from __future__ import annotations

from collections.abc import Sequence

from tinyanime.codegen.memory.problem import Buffer


def alive_together(a: Buffer, b: Buffer) -> bool:
    return a.first_step < b.end_step and b.first_step < a.end_step


def fullest_sets(buffers: Sequence[Buffer], members: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The maximal sets of `members` (indices into `buffers`) that are alive in one step, in the order of time.

    However many steps there are, these are at most as many as buffers: only a step after which something dies, and
    since whose predecessor something was born, can hold a set that no other step's set contains. Every pair alive
    together is in one of them. A buffer that is never alive makes a set of its own.
    """
    events = []
    for index in members:
        if buffers[index].first_step < buffers[index].end_step:
            events.append((buffers[index].first_step, 1, index))
            events.append((buffers[index].end_step, 0, index))
    sets = []
    alive: set[int] = set()
    grown = False
    for _, birth, index in sorted(events):
        if birth:
            alive.add(index)
            grown = True
            continue
        if grown:
            sets.append(tuple(sorted(alive)))
            grown = False
        alive.remove(index)
    sets.extend((i,) for i in members if buffers[i].first_step >= buffers[i].end_step)
    return tuple(sets)


def groups(buffers: Sequence[Buffer], members: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """`members` split where time falls apart: no buffer of one group is alive together with one of another."""
    found: list[list[int]] = []
    end = 0
    for index in sorted(members, key=lambda i: (buffers[i].first_step, buffers[i].end_step, i)):
        if found and buffers[index].first_step < end:
            found[-1].append(index)
            end = max(end, buffers[index].end_step)
        else:
            found.append([index])
            end = buffers[index].end_step
    return tuple(tuple(group) for group in found)
