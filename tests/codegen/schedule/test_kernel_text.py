"""The kernels of a schedule as text: chosen, what the others would have cost, and why the rest cannot."""

from __future__ import annotations

from functools import cache

from tests.support.graphs import generator, with_small_scales
from tinyanime.boards.loader import load_board
from tinyanime.codegen.kernels.catalogue import CATALOGUE
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.kernel import cmsis_nn, own
from tinyanime.codegen.kernels.rule import Candidate, KernelRule, Refusal, kernel_rule
from tinyanime.codegen.kernels.spec import Work
from tinyanime.codegen.schedule.kernel_text import KernelStudy, candidate_text, format_kernels, study_kernels
from tinyanime.codegen.schedule.kernels import schedule_kernels
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout

DIRECT = Candidate(own("ta_convolve_direct_s8", 64), 5000, Work(90_000, 80_000, 0, 3_456))
PLAIN = Candidate(cmsis_nn("arm_convolve_wrapper_s8"), 600, Work(200_000, 190_000, 0, 10_000))
REFUSALS = (
    Refusal("ta_convolve_stride2_s8", "the stride is not 2"),
    Refusal("ta_transpose_convolve_s8", "it is no ..."),
)
STUDY = KernelStudy("stem", "Conv2D", 14_155_776, 4, DIRECT, (PLAIN,), REFUSALS)


def test_chosen_kernel_others_and_refusals_of_kernels_for_such_operators_are_lines_in_this_order() -> None:
    assert format_kernels((STUDY,)).splitlines() == [
        "Kernels (modelled cycles per call, working memory in tightly coupled memory):",
        "  stem (Conv2D, 14.2 million MACs, 4 rows a call)",
        "    ta_convolve_direct_s8, blocks of 64: 83,456 cycles, 5,000 bytes of working memory  <- chosen",
        "    arm_convolve_wrapper_s8: 200,000 cycles, 600 bytes of working memory",
        "    ta_convolve_stride2_s8: cannot, the stride is not 2",
    ]


def test_a_single_row_is_one_row() -> None:
    single = KernelStudy("stem", "Conv2D", 1_000_000, 1, DIRECT, (), ())
    assert format_kernels((single,)).splitlines()[1].endswith("(Conv2D, 1.0 million MACs, 1 row a call)")


def test_kernels_without_blocks_name_none() -> None:
    assert "blocks" in candidate_text(DIRECT)
    assert "blocks" not in candidate_text(PLAIN)


@cache
def rule(family: KernelFamily = KernelFamily.AUTO) -> KernelRule:
    return kernel_rule(load_board("stm32h743"), pinned=True, family=family)


@cache
def schedule(family: KernelFamily = KernelFamily.AUTO) -> Schedule:
    graph = with_small_scales(generator(32))
    layout = Layout((StageLayout(0, 4, 4, 16 * 1024, 4), StageLayout(4, 8, 8)))
    return build_schedule(graph, layout, rule(family))


def test_operators_that_multiply_are_studied_with_the_kernels_of_the_schedule() -> None:
    studies = study_kernels(schedule(), rule())
    assert [study.name for study in studies] == ["stem", "down", "wide", "head"]
    kernels = dict(zip((op.name for op in schedule().graph.ops), schedule_kernels(schedule()), strict=True))
    for study in studies:
        assert study.chosen.kernel == kernels[study.name]
        assert study.kind == "Conv2D"
        assert study.macs > 0


def test_rows_are_those_of_the_highest_call() -> None:
    for study in study_kernels(schedule(), rule()):
        index = next(i for i, op in enumerate(schedule().graph.ops) if op.name == study.name)
        assert study.rows == max(step.output.rows.count for step in schedule().steps if step.op == index)


def test_every_kernel_is_chosen_an_alternative_at_its_best_or_refused() -> None:
    for study in study_kernels(schedule(), rule()):
        others = [other.kernel.function for other in study.others]
        refused = [refusal.function for refusal in study.refusals]
        named = [study.chosen.kernel.function, *others, *refused]
        assert sorted(named) == sorted({"arm_convolve_wrapper_s8", *(kernel.function for kernel in CATALOGUE)})
        op = next(op for op in schedule().graph.ops if op.name == study.name)
        for other in study.others:
            every = rule().candidates(schedule().graph, op, study.rows)
            assert other.cost == min(c.cost for c in every if c.kernel.function == other.kernel.function)


def test_plain_calls_have_no_alternatives_and_refuse_nothing() -> None:
    studies = study_kernels(schedule(KernelFamily.CMSIS_NN), rule(KernelFamily.CMSIS_NN))
    assert [study.chosen.kernel.function for study in studies] == ["arm_convolve_wrapper_s8"] * 4
    assert all(not study.others and not study.refusals for study in studies)
