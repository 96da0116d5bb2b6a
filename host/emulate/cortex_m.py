"""What unicorn leaves to its user of a Cortex-M's exceptions: the entry into a fault handler."""

from __future__ import annotations

from unicorn import arm_const

from tinyanime.host.emulate.processor import Processor

_EXCEPTION_RETURN = 0xFFFF_FFF9
"""Thread mode, main stack, no floating-point state: DDI 0403E table B1-8, DDI 0419E table B1-6."""
_HARD_FAULT = 3


def enter_hard_fault(processor: Processor, vectors: int) -> None:
    """Stacks a frame for the instruction at the processor's `pc` and goes to the handler: DDI 0403E B1.5.6, DDI 0419E
    B1.5.6. `vectors` is the vector table."""
    machine = processor.machine
    frame = [machine.reg_read(arm_const.UC_ARM_REG_R0 + index) for index in range(4)]
    frame += [machine.reg_read(register) for register in (arm_const.UC_ARM_REG_R12, arm_const.UC_ARM_REG_LR)]
    frame += [processor.pc, machine.reg_read(arm_const.UC_ARM_REG_XPSR) | 1 << 24]
    stack = machine.reg_read(arm_const.UC_ARM_REG_SP) - 4 * len(frame)
    machine.mem_write(stack, b"".join(word.to_bytes(4, "little") for word in frame))
    machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
    machine.reg_write(arm_const.UC_ARM_REG_LR, _EXCEPTION_RETURN)
    machine.reg_write(arm_const.UC_ARM_REG_IPSR, _HARD_FAULT)
    processor.pc = processor.word(vectors + 4 * _HARD_FAULT) & ~1
