"""Which two neighbours do not issue in the same cycle: a table of named rules, each with its source (timing.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyanime.host.cycle_model.instruction import Instruction, Kind

_FP = frozenset({Kind.FP_ARITHMETIC, Kind.FP_MULTIPLY_ADD, Kind.FP_DIVIDE})


@dataclass(frozen=True, slots=True)
class PairingRule:
    """`forbids(older, younger)`: the younger waits for the next cycle."""

    name: str
    forbids: Callable[[Instruction, Instruction], bool]
    source: str


def _both(kind: Kind) -> Callable[[Instruction, Instruction], bool]:
    return lambda older, younger: older.kind is kind and younger.kind is kind


def _one_is_single(older: Instruction, younger: Instruction) -> bool:
    return older.single or younger.single


def _dsp_is_younger(older: Instruction, younger: Instruction) -> bool:
    return younger.kind is Kind.DSP


def _both_shift(older: Instruction, younger: Instruction) -> bool:
    """The younger needs the shifter of EX1; a plain shift as the older holds it too."""
    return (older.takes_shifter or older.kind is Kind.SHIFT) and younger.takes_shifter


def _product_and_store(older: Instruction, younger: Instruction) -> bool:
    kinds = {older.kind, younger.kind}
    return kinds == {Kind.MAC, Kind.STORE}


def _both_fp(older: Instruction, younger: Instruction) -> bool:
    return older.kind in _FP and younger.kind in _FP


def _multiply_add_and_fp_transfer(older: Instruction, younger: Instruction) -> bool:
    pair = (older, younger)
    return any(one.kind is Kind.FP_MULTIPLY_ADD for one in pair) and any(
        one.kind is Kind.FP_MOVE or one.name in ("vldr", "vstr") for one in pair
    )


PAIRING_RULES: tuple[PairingRule, ...] = (
    PairingRule(
        "LDRD, STRD, LDM, STM, PUSH, POP, divisions and system instructions issue alone",
        _one_is_single,
        "[J] load/store pair/multiple; [L] SingleIssue",
    ),
    PairingRule("one multiplication a cycle", _both(Kind.MAC), "[J] multiplication; [Q]"),
    PairingRule("one store a cycle", _both(Kind.STORE), "[J] stores"),
    PairingRule("a multiplication does not pair with a store", _product_and_store, "[J] multiplication"),
    PairingRule(
        "DSP and bit field instructions issue from the older slot, so one a cycle",
        _dsp_is_younger,
        "[J] bitfield and DSP; [L] M7Slot0Only",
    ),
    PairingRule("one user of the shifter of EX1 a cycle", _both_shift, "[J] operand2 matrix; [L] M7UnitShift1"),
    PairingRule("one branch a cycle", _both(Kind.BRANCH), "[L] M7UnitBranch"),
    PairingRule("one FP arithmetic instruction a cycle", _both_fp, "[J] fpu"),
    PairingRule(
        "VFMA and VMLA do not pair with VLDR, VSTR and VMOV",
        _multiply_add_and_fp_transfer,
        "[J] fpu: multiply accumulate",
    ),
)


def pairing_conflict(older: Instruction, younger: Instruction) -> PairingRule | None:
    """The first rule that keeps `younger` out of the cycle of `older`; None: both issue together."""
    return next((rule for rule in PAIRING_RULES if rule.forbids(older, younger)), None)


class PairingTable:
    """Remembers for two pairing classes whether a rule keeps them apart."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}

    def forbids(self, older: Instruction, younger: Instruction) -> bool:
        """`pairing_conflict` has a rule for them."""
        key = (older.pairing_class, younger.pairing_class)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = pairing_conflict(older, younger) is not None
        return found
