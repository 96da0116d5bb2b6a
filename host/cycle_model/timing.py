"""Result latencies and operand stages of the Cortex-M7 by kind of result, each with its source.

Sources: [J] github.com/jnk0le/random, `pipeline cycle test/doc/cortex_m7.md` (measured, STM32H743 rev Y);
[Q] quinapalus.com/cm7cycles.html (measured, STM32H730); [L] LLVM ARMScheduleM7.td (contributed by Arm).
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.host.cycle_model.instruction import Availability


@dataclass(frozen=True, slots=True)
class ResultLatency:
    """A named row of the table of latencies."""

    name: str
    available: Availability
    source: str


EX1_RESULT = ResultLatency(
    "result of EX1: by EX2 in the same cycle, by an address or EX1 in the next",
    (1, 1, 1, 1, 1),
    "[J] overall: forwarding of the early ALU",
)
EX2_RESULT = ResultLatency(
    "result of EX2: by EX2 in the next cycle, by an address or a shifter one later",
    (2, 2, 2, 2, 2),
    "[J] overall, operand2; [L] stages EX1 to EX4",
)
REVERSED_RESULT = ResultLatency(
    "REV, RBIT: by EX2 in the same cycle, by an address, a shifter or another REV two later",
    (2, 2, 1, 1, 1),
    "[J] overall: rev; [L] M7WriteShSIMD0",
)
SATURATED_RESULT = ResultLatency(
    "SSAT, USAT, QADD, USAD8: one cycle more than EX2",
    (3, 3, 3, 3, 3),
    "[L] M7WriteShSIMD2, M7WriteSIMD2",
)
WRITE_BACK = ResultLatency(
    "base of a pre- or post-indexed access: by an address in the next cycle",
    (1, 2, 1, 1, 1),
    "[J] overall: AGU with pre or post increments",
)
LOADED_WORD = ResultLatency(
    "loaded word: by EX2 in the next cycle; one later by a factor, by a shifter and beside it; two by an address",
    (3, 2, 2, 3, 3),
    "[J] loads, multiplication; [Q] load to address 3 cycles",
)
LOADED_PART = ResultLatency(
    "loaded byte or half: one cycle more than a word to EX2",
    (3, 3, 3, 3, 3),
    "[J] loads",
)
PRODUCT = ResultLatency(
    "product: one cycle more than EX2; by an accumulator in the next cycle",
    (3, 3, 3, 3, 3),
    "[J] multiplication; [Q] latency 2 from the factors, 1 from the addend",
)
CORE_FROM_FP = ResultLatency(
    "VMOV to a core register: as EX2",
    (2, 2, 2, 2, 2),
    "[J] fpu: vmov to GPR",
)
FP_RESULT = ResultLatency(
    "VADD, VMUL, VCVT: 3 cycles, stored after 1",
    (3, 3, 1, 3, 3),
    "[J] fpu: table of result latencies",
)
FP_FUSED_RESULT = ResultLatency(
    "VFMA: 5 cycles, to the next accumulation and stored after 3",
    (5, 3, 3, 5, 5),
    "[J] fpu: table of result latencies",
)
FP_CHAINED_RESULT = ResultLatency(
    "VMLA: 6 cycles, to the next accumulation 3, stored after 4",
    (6, 3, 4, 6, 6),
    "[J] fpu: table of result latencies",
)
FP_DIVIDED = ResultLatency("VDIV, VSQRT: behind the locked cycles 3 more", (3, 3, 1, 3, 3), "[L] WriteFPDIV32")
FP_LOADED = ResultLatency(
    "VLDR: the next cycle, to an accumulation 3, to a core register 2",
    (1, 3, 1, 2, 1),
    "[J] fpu: vldr; [L] M7LoadSP",
)
FP_MOVED = ResultLatency("VMOV into an FP register: 3 cycles", (3, 3, 3, 3, 3), "[J] fpu: vmov from GPR")

LATENCIES: tuple[ResultLatency, ...] = (
    EX1_RESULT,
    EX2_RESULT,
    REVERSED_RESULT,
    SATURATED_RESULT,
    WRITE_BACK,
    LOADED_WORD,
    LOADED_PART,
    PRODUCT,
    CORE_FROM_FP,
    FP_RESULT,
    FP_FUSED_RESULT,
    FP_CHAINED_RESULT,
    FP_DIVIDED,
    FP_LOADED,
    FP_MOVED,
)

DIVIDE_CYCLES = 7
"""SDIV and UDIV, alone: [L] WriteDIV. The true count depends on the operands."""
FP_DIVIDE_CYCLES = 16
FP_ROOT_CYCLES = 14
"""[J] fpu: one integer instruction beside, the rest of the time the pipeline stands."""
SYSTEM_CYCLES = 3
"""[L] M7NonGeneralPurpose."""
TABLE_BRANCH_CYCLES = 2
"""[L] M7TableLoad."""
STORE_BUFFER_ENTRIES = 5
"""[J] stores: five stores until the buffer stands."""
STORE_DRAIN_WORD = 1.0
STORE_DRAIN_HALF = 2.0
STORE_DRAIN_BYTE = 2.4
STORE_DRAIN_OTHER_BANK = 2.0
STORE_DRAIN_SAME_WORD = 4.0
"""[J] stores: cycles per store of a long row; a half or a byte is a read-modify-write of its word."""
MISPREDICTED_CYCLES = 8
MISPREDICTED_EARLY_FLAGS_CYCLES = 6
EARLY_FLAGS_CYCLES = 3
"""[J] branching: 6 where the flags were made at least 3 cycles before the branch."""
