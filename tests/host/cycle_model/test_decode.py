from __future__ import annotations

import pytest

from tests.support.m7_program import decoded
from tinyanime.host.cycle_model.decode import CodeError, Decoder, decode, is_shifted_constant
from tinyanime.host.cycle_model.instruction import FIRST_FP, FLAGS, Instruction, Kind, Stage, Width
from tinyanime.host.cycle_model.rules import PairingTable, pairing_conflict


def _one(line: str) -> Instruction:
    (instruction,) = decoded(line)
    return instruction


def _reads(line: str) -> dict[int, Stage]:
    return {read.register: read.stage for read in _one(line).reads}


def _writes(line: str) -> set[int]:
    return {write.register for write in _one(line).writes}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("add.w r0, r1, r2", Kind.ADDER),
        ("subs r0, #1", Kind.ADDER),
        ("movt r0, #3", Kind.ADDER),
        ("eor.w r0, r1, r2", Kind.ALU),
        ("rsb r0, r1, #0", Kind.ALU),
        ("cmp r0, r1", Kind.ALU),
        ("asrs r0, r1, #4", Kind.SHIFT),
        ("lsl.w r0, r1, r2", Kind.SHIFT),
        ("orr.w r0, r1, r2, lsl #8", Kind.SHIFTED_ALU),
        ("add.w r0, r1, #0x1fc0", Kind.SHIFTED_ALU),
        ("tst.w r0, #0xff0", Kind.SHIFTED_ALU),
        ("sxtb16 r0, r1, ror #8", Kind.DSP),
        ("ssat r0, #8, r1, asr #3", Kind.DSP),
        ("uhadd8 r0, r1, r2", Kind.DSP),
        ("smladx r0, r1, r2, r3", Kind.MAC),
        ("smmlsr r0, r1, r2, r3", Kind.MAC),
        ("muls r0, r1, r0", Kind.MAC),
        ("sdiv r0, r1, r2", Kind.DIVIDE),
        ("ldrsh.w r0, [r1, r2, lsl #1]", Kind.LOAD),
        ("strb r0, [r1]", Kind.STORE),
        ("pop {r4, r5, pc}", Kind.LOAD_MULTIPLE),
        ("vpush {d8, d9}", Kind.STORE_MULTIPLE),
        ("bx lr", Kind.BRANCH),
        ("dsb", Kind.SYSTEM),
        ("vmov s0, r0", Kind.FP_MOVE),
        ("vfma.f32 s0, s1, s2", Kind.FP_MULTIPLY_ADD),
        ("vcvt.f32.s32 s0, s1", Kind.FP_ARITHMETIC),
    ],
)
def test_an_instruction_is_of_the_kind_that_it_occupies(line: str, kind: Kind) -> None:
    assert _one(line).kind is kind


def test_accumulators_are_read_later_than_factors() -> None:
    assert _reads("smlad r0, r1, r2, r3") == {
        1: Stage.MULTIPLICAND,
        2: Stage.MULTIPLICAND,
        3: Stage.ACCUMULATE,
    }
    assert _reads("smlal r0, r1, r2, r3") == {
        0: Stage.ACCUMULATE,
        1: Stage.ACCUMULATE,
        2: Stage.MULTIPLICAND,
        3: Stage.MULTIPLICAND,
    }
    assert _writes("umull r0, r1, r2, r3") == {0, 1}
    assert set(_reads("umull r0, r1, r2, r3")) == {2, 3}


def test_the_shifted_operand_is_read_first_and_the_other_beside_it() -> None:
    assert _reads("add.w r0, r1, r2, asr #3") == {1: Stage.EX2_BESIDE_SHIFT, 2: Stage.EX1}
    assert _reads("pkhbt r0, r1, r2, lsl #16") == {1: Stage.EX2_BESIDE_SHIFT, 2: Stage.EX1}
    assert _reads("usat r0, #8, r1") == {1: Stage.EX1}
    assert _reads("bfi r0, r1, #4, #8") == {0: Stage.EX2_BESIDE_SHIFT, 1: Stage.EX1}


def test_flags_are_written_only_by_what_sets_them() -> None:
    assert FLAGS in _writes("adcs r0, r1, r2")
    assert FLAGS not in _writes("adc r0, r1, r2")
    assert FLAGS in _writes("lsls r0, r1, #2")
    assert _writes("cmp r0, #3") == {FLAGS}
    assert _reads("sbc r0, r1, r2")[FLAGS] is Stage.EX2


def test_a_conditional_instruction_reads_the_flags_and_its_destination() -> None:
    _, conditional = decoded("it eq", "addeq r0, r1, r2")
    assert conditional.conditional
    assert {read.register for read in conditional.reads} == {0, 1, 2, FLAGS}
    assert conditional.moves is None


def test_a_post_indexed_load_accesses_its_base_and_moves_it() -> None:
    memory = _one("ldr r0, [r1], #-8").memory
    assert memory is not None
    assert (memory.base, memory.offset, memory.step, memory.width) == (1, 0, -8, Width.WORD)
    assert _writes("ldr r0, [r1], #-8") == {0, 1}


def test_a_pre_indexed_store_accesses_the_moved_base() -> None:
    memory = _one("strh r0, [r1, #6]!").memory
    assert memory is not None
    assert (memory.base, memory.offset, memory.step, memory.width) == (1, 6, 6, Width.HALF)
    assert _reads("strh r0, [r1, #6]!") == {0: Stage.STORE_DATA, 1: Stage.ADDRESS}


def test_an_index_is_part_of_the_address() -> None:
    memory = _one("ldr.w r0, [r1, r2, lsl #2]").memory
    assert memory is not None
    assert (memory.base, memory.index, memory.shift) == (1, 2, 2)


def test_multiple_loads_take_a_cycle_for_two_registers() -> None:
    assert [_one(line).cycles for line in ("ldrd r0, r1, [r2]", "ldm r0, {r1, r2, r3}", "pop {r4-r11}")] == [1, 2, 4]
    arrivals = {write.register: write.available[2] for write in _one("ldm.w r0, {r1, r2, r3, r4}").writes}
    assert arrivals == {1: 2, 2: 2, 3: 3, 4: 3}


def test_a_double_register_is_two_single_ones() -> None:
    assert _writes("vldr d1, [r0]") == {FIRST_FP + 2, FIRST_FP + 3}


def test_what_loads_the_program_counter_ends_a_block() -> None:
    assert [_one(line).ends_block for line in ("pop {r4, pc}", "ldr pc, [r0]", "b .", "pop {r4, r5}")] == [
        True,
        True,
        True,
        False,
    ]


def test_bytes_and_repeated_bytes_need_no_shifter() -> None:
    free = [
        ("eor", 0xFF),
        ("eor", 0x1B1B1B1B),
        ("eor", 0x00AB00AB),
        ("eor", 0xAB00AB00),
        ("movw", 0x1234),
        ("addw", 999),
    ]
    assert [is_shifted_constant(*one) for one in free] == [False] * len(free)
    assert is_shifted_constant("eor", 0x1FC0)
    assert is_shifted_constant("sub", -0x10000)


def test_data_in_the_place_of_code_is_named_with_its_address() -> None:
    with pytest.raises(CodeError, match="0x08000102") as failure:
        decode(bytes([0x00, 0xBF, 0xFF, 0xFF, 0xFF, 0xFF]), 0x0800_0100)
    assert failure.value.hint


def test_a_remembered_branch_leads_from_where_it_stands() -> None:
    back = bytes([0xFE, 0xE7])  # b .
    decoder = Decoder()
    targets = [decoder.decode(back, address)[0].target for address in (0x100, 0x0800_0200, 0x100)]
    assert targets == [0x100, 0x0800_0200, 0x100]


def test_an_instruction_behind_it_is_not_the_remembered_unconditional_one() -> None:
    plain, block = bytes([0x08, 0x46]), bytes([0x08, 0xBF])  # mov r0, r1; it eq
    decoder = Decoder()
    before, (_, inside), after = decoder.decode(plain, 0), decoder.decode(block + plain, 0), decoder.decode(plain, 0)
    assert [before[0].conditional, inside.conditional, after[0].conditional] == [False, True, False]


def test_equal_pairing_classes_are_equal_to_every_rule() -> None:
    lines = [
        *("eor r0, r1, r2", "add r0, r1, r2", "lsl r0, r1, #2", "add r0, r1, r2, lsl #3", "sxtb16 r0, r1"),
        *("pkhbt r0, r1, r2", "smlad r0, r1, r2, r3", "ldr r0, [r1]", "str r0, [r1]", "vldr s0, [r1]", "vstr s0, [r1]"),
        *("ldrd r0, r1, [r2]", "b .", "vmov r0, s0", "vmov r0, r1, d1", "vadd.f32 s0, s1, s2", "vfma.f32 s0, s1, s2"),
        *("mul r4, r5, r6", "ldrb r0, [r1]", "uxtab r0, r1, r2", "orr r0, r1, #0x1fc0", "vdiv.f32 s0, s1, s2", "nop"),
    ]
    instructions = [_one(line) for line in lines]
    table = PairingTable()
    for older in instructions:
        for younger in instructions:
            assert table.forbids(older, younger) == (pairing_conflict(older, younger) is not None)
