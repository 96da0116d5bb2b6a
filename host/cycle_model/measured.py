"""Sequences that others measured on silicon (measured.toml) against the model's prediction."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tinyanime.codegen.errors import ToolError
from tinyanime.host.cycle_model.decode import decode
from tinyanime.host.cycle_model.instruction import Instruction
from tinyanime.host.cycle_model.pipeline import loop_cycles, repeated_cycles

_TABLE = Path(__file__).with_name("measured.toml")
SOURCES = {
    "J": "[J] jnk0le/random, pipeline cycle test/doc/cortex_m7.md, STM32H743 rev Y (findings, as sequences)",
    "Q": "[Q] quinapalus.com/cm7cycles.html, STM32H730 (as others quote it)",
    "C": "[C] Arm Community, Cortex-M7 VFMA usage (as others quote it)",
}
"""What the letters of measured.toml stand for."""
_ASSEMBLER = "arm-none-eabi-as"
_FLAGS = ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mthumb")
_FEW, _MANY = 10, 40
"""Copies in a row: enough for the store buffer to stand."""


@dataclass(frozen=True, slots=True)
class MeasuredSequence:
    """`cycles` for one copy of `code` among many in a row, or with `loop` for one pass; `source` is one of SOURCES."""

    group: str
    source: str
    says: str
    cycles: float
    code: tuple[str, ...]
    loop: bool
    reason: str
    """Why the model is off by more than 10 %; empty where it is not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    sequence: MeasuredSequence
    modelled: float

    @property
    def error(self) -> float:
        """Relative, positive where the model is slower than the silicon."""
        return self.modelled / self.sequence.cycles - 1


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Relative errors without sign."""

    sequences: int
    mean: float
    worst: float


def measured_sequences() -> tuple[MeasuredSequence, ...]:
    """All sequences of measured.toml, in its order."""
    rows = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["sequence"]
    return tuple(
        MeasuredSequence(
            group=row["group"],
            source=row["source"],
            says=row["says"],
            cycles=row["cycles"],
            code=tuple(row["code"]),
            loop=row.get("loop", False),
            reason=row.get("reason", ""),
        )
        for row in rows
    )


def have_assembler() -> bool:
    return shutil.which(_ASSEMBLER) is not None


def assembled(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[Instruction, ...], ...]:
    """Each row of assembly lines, decoded; ToolError without an assembler or where it refuses a line."""
    return tuple(decode(code, 0) for code in _machine_code(tuple(rows)))


@cache
def _machine_code(rows: tuple[tuple[str, ...], ...]) -> tuple[bytes, ...]:
    if not have_assembler():
        raise ToolError(
            f"The measured sequences need {_ASSEMBLER}, which is not installed.",
            hint="Install it: sudo apt-get install binutils-arm-none-eabi",
        )
    lines = [".syntax unified", ".thumb"]
    for index, row in enumerate(rows):
        lines += [f'.section .code{index},"ax"', *row]
    with tempfile.TemporaryDirectory() as scratch:
        text, target = Path(scratch) / "sequences.s", Path(scratch) / "sequences.o"
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [_ASSEMBLER, *_FLAGS, str(text), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolError(f"{_ASSEMBLER} refuses a sequence: {done.stderr.strip()[-300:]}")
        with target.open("rb") as stream:
            image = ELFFile(stream)
            return tuple(bytes(image.get_section_by_name(f".code{index}").data()) for index in range(len(rows)))


def compare(sequences: Iterable[MeasuredSequence]) -> tuple[Comparison, ...]:
    """The model's cycles beside the measured ones."""
    rows = tuple(sequences)
    code = assembled(row.code for row in rows)
    return tuple(
        Comparison(row, loop_cycles(one) if row.loop else repeated_cycles(one, few=_FEW, many=_MANY))
        for row, one in zip(rows, code, strict=True)
    )


def accuracy(comparisons: Iterable[Comparison]) -> Accuracy:
    """Mean and worst error; ValueError without a comparison."""
    errors = [abs(comparison.error) for comparison in comparisons]
    if not errors:
        raise ValueError("nothing was compared")
    return Accuracy(len(errors), sum(errors) / len(errors), max(errors))
