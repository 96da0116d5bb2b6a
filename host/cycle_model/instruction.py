"""One decoded Thumb-2 instruction as the model of the Cortex-M7 sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, auto

FLAGS = 16
"""Number of the flags (NZCV) beside the core registers 0 to 15."""
SATURATION = 17
"""Number of the flags GE, that SEL reads."""
FIRST_FP = 32
"""Number of S0; D0 is S0 and S1."""
REGISTERS = 64
PC = 15
SP = 13


class Kind(Enum):
    """What an instruction occupies in the pipeline."""

    ALU = auto()
    """Logic, compare and carry arithmetic: the ALU of EX2."""
    ADDER = auto()
    """ADD, SUB and MOV without a shifter: EX1 from the older slot where the operands are there, else EX2."""
    SHIFT = auto()
    """LSL, LSR, ASR and ROR on their own: EX1 where its shifter is free and the operand is there, else EX2."""
    SHIFTED_ALU = auto()
    """ALU operation with a shifted register or a shifted constant: EX1's shifter, then EX2."""
    DSP = auto()
    """Bit field, extension, packing, saturation and parallel arithmetic, all but the multiplications."""
    MAC = auto()
    """Multiplications with and without accumulation, the dual 16-bit ones included."""
    DIVIDE = auto()
    LOAD = auto()
    """LDR, LDRB, LDRH, LDRSB, LDRSH, VLDR.32, PLD."""
    STORE = auto()
    """STR, STRB, STRH, VSTR.32."""
    LOAD_MULTIPLE = auto()
    """LDRD, LDM, POP, VLDM, VLDR.64."""
    STORE_MULTIPLE = auto()
    """STRD, STM, PUSH, VSTM, VSTR.64."""
    BRANCH = auto()
    NOP = auto()
    """NOP and IT: a slot and nothing else."""
    SYSTEM = auto()
    """Barriers, special registers, exclusive accesses."""
    FP_ARITHMETIC = auto()
    FP_MULTIPLY_ADD = auto()
    FP_DIVIDE = auto()
    FP_MOVE = auto()


class Stage(Enum):
    """When an operand is needed: name, column of `Availability` and cycles behind the issue of the reader."""

    ADDRESS = ("address", 0, 0)
    """Address generation in EX1."""
    EX1 = ("ex1", 1, 0)
    """Shifter and ALU of EX1."""
    EX2 = ("ex2", 2, 1)
    """ALU of EX2."""
    EX2_BESIDE_SHIFT = ("ex2 beside shift", 3, 1)
    """ALU of EX2 of an instruction whose other operand goes through EX1."""
    MULTIPLICAND = ("multiplicand", 4, 1)
    ACCUMULATE = ("accumulate", 2, 2)
    STORE_DATA = ("store data", 2, 3)
    FP_OPERAND = ("fp operand", 0, 0)
    FP_ACCUMULATE = ("fp accumulate", 1, 0)
    FP_STORE = ("fp store", 2, 0)
    FP_TO_CORE = ("fp to core", 3, 0)

    def __init__(self, _: str, column: int, offset: int) -> None:
        self.column = column
        self.offset = offset


Availability = tuple[int, int, int, int, int]
"""From which cycle behind its issue a result can be taken.

Core registers: by an address, EX1, EX2, EX2 beside a shift, a multiplicand. FP registers: as operand, accumulator,
stored value, value moved to a core register; the last column is unused.
"""


class Width(IntEnum):
    """Bytes of one memory access."""

    BYTE = 1
    HALF = 2
    WORD = 4


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """Address [base + index << shift + offset]; the offset is what is accessed, of a post-indexed form 0."""

    base: int
    index: int | None
    shift: int
    offset: int
    width: Width
    step: int
    """Bytes the base register moves by (pre- and post-indexed forms), else 0."""


@dataclass(frozen=True, slots=True)
class Read:
    register: int
    stage: Stage
    later: int = 0
    """Cycles by which a multi-cycle instruction needs it later."""


@dataclass(frozen=True, slots=True)
class Write:
    register: int
    available: Availability


@dataclass(frozen=True, slots=True)
class Instruction:
    """`pairing_class` stands for all that the pairing rules look at: equal classes pair alike."""

    text: str
    """Assembly text, for messages."""
    name: str
    """Mnemonic without condition, width and flag suffix."""
    kind: Kind
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    early_writes: tuple[Write, ...]
    """What `writes` are where the instruction goes through EX1 (ADDER and SHIFT), else empty."""
    memory: MemoryOperand | None
    cycles: int
    """Issue cycles; more than 1 only alone."""
    single: bool
    """Issues alone."""
    takes_shifter: bool
    """Occupies the shifter of EX1."""
    conditional: bool
    ends_block: bool
    """Branches, returns, table branches: loads of the PC included."""
    target: int | None
    """Where a direct branch or call leads."""
    pairing_class: int
    moves: tuple[int, int, int] | None
    """(destination, source, constant) of an ADD or SUB of a constant or a MOV between registers."""
