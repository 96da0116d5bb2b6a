"""Checks what the memory regions of a board must be together."""

from __future__ import annotations

from itertools import combinations

from tinyanime.boards.schema import Board, MemoryKind, MemoryRegion, MemoryUse, ProjectKind
from tinyanime.codegen.errors import BoardError

ADDRESS_SPACE_BYTES = 1 << 32
STACK_ALIGNMENT = 8
"""Alignment of the stack pointer at public interfaces: AAPCS32 section 6.2.1.2."""
LARGEST_TEAM = 2
"""Cores that firmware/runtime/team.c brings together."""

_REQUIRED_USES = (MemoryUse.CODE, MemoryUse.DATA, MemoryUse.STACK, MemoryUse.ACTIVATIONS)
_WRITTEN_USES = tuple(use for use in MemoryUse if use is not MemoryUse.CODE)


def check_layout(board: Board) -> None:
    """Raises BoardError where regions clash, a use has no region, or the stack does not fit its region."""
    _check_names(board)
    _check_ranges(board)
    _check_uses(board)
    _check_stack(board)
    _check_cores(board)
    _check_fast_code(board)
    _check_nuttx(board)


def _check_names(board: Board) -> None:
    for first, second in combinations(board.memory, 2):
        if first.name == second.name:
            raise BoardError(
                f"{board.source}: two memory regions are called '{first.name}'.",
                hint="Give each region a name of its own.",
            )


def _check_ranges(board: Board) -> None:
    for region in board.memory:
        if region.end > ADDRESS_SPACE_BYTES:
            raise BoardError(
                f"{board.source}: memory region {_described(region)} ends behind the 32-bit address space.",
                hint="Correct its base or size_bytes.",
            )
    for first, second in combinations(board.memory, 2):
        if first.base < second.end and second.base < first.end:
            raise BoardError(
                f"{board.source}: memory regions {_described(first)} and {_described(second)} overlap.",
                hint="Correct base or size_bytes of one of them.",
            )


def _check_uses(board: Board) -> None:
    for region in board.memory:
        for use in region.uses:
            if region.kind is MemoryKind.FLASH and use in _WRITTEN_USES:
                raise BoardError(
                    f"{board.source}: memory region '{region.name}' is flash and cannot serve '{use.value}'.",
                    hint="Move that use to a region of kind ram.",
                )
    for use in _REQUIRED_USES:
        if not board.regions(use):
            raise BoardError(
                f"{board.source}: no memory region has the use '{use.value}'.",
                hint=f'Add "{use.value}" to the uses of one region.',
            )


def _check_stack(board: Board) -> None:
    holders = board.regions(MemoryUse.STACK)
    if len(holders) > 1:
        names = " and ".join(f"'{region.name}'" for region in holders)
        raise BoardError(
            f"{board.source}: memory regions {names} both have the use 'stack'.",
            hint="Leave it to one of them.",
        )
    if board.stack_bytes % STACK_ALIGNMENT != 0:
        raise BoardError(
            f"{board.source}: key 'stack_bytes' is {board.stack_bytes}, not a multiple of {STACK_ALIGNMENT}.",
            hint="Round it up.",
        )
    if board.stack_bytes > holders[0].size_bytes:
        raise BoardError(
            f"{board.source}: the stack of {board.stack_bytes} bytes is larger than its region"
            f" '{holders[0].name}' of {holders[0].size_bytes} bytes.",
            hint="Lower stack_bytes or give the use 'stack' to a larger region.",
        )


def _check_cores(board: Board) -> None:
    if board.cores > LARGEST_TEAM:
        raise BoardError(
            f"{board.source}: key 'cores' is {board.cores}, a call is shared by at most {LARGEST_TEAM} cores.",
            hint=f"Write cores = {LARGEST_TEAM}.",
        )
    if board.cores == 1 or board.project is not ProjectKind.BAREMETAL:
        return
    holders = board.regions(MemoryUse.CORE1_STACK)
    if len(holders) != 1:
        raise BoardError(
            f"{board.source}: {len(holders)} memory regions have the use 'core1_stack'.",
            hint="Give it to one region: the second core needs a stack of stack_bytes too.",
        )
    stacks = board.stack_bytes * (2 if MemoryUse.STACK in holders[0].uses else 1)
    if stacks > holders[0].size_bytes:
        raise BoardError(
            f"{board.source}: the second core's stack does not fit region {_described(holders[0])}.",
            hint="Lower stack_bytes or give the use 'core1_stack' to a larger region.",
        )


def _check_fast_code(board: Board) -> None:
    if not board.fast_code_bytes:
        return
    holders = board.regions(MemoryUse.FAST_CODE)
    if not holders:
        raise BoardError(
            f"{board.source}: key 'fast_code_bytes' is given, and no memory region has the use 'fast_code'.",
            hint='Add "fast_code" to the uses of one region, or leave the key out.',
        )
    if board.fast_code_bytes >= holders[0].size_bytes:
        raise BoardError(
            f"{board.source}: key 'fast_code_bytes' is {board.fast_code_bytes}, memory region {_described(holders[0])} "
            "holds no more.",
            hint=f"Give less than its {holders[0].size_bytes:,} bytes.",
        )


def _described(region: MemoryRegion) -> str:
    return f"'{region.name}' (0x{region.base:08x}-0x{region.end - 1:08x})"


def _check_nuttx(board: Board) -> None:
    if board.nuttx is None:
        return
    region = next((region for region in board.memory if region.name == board.nuttx.region), None)
    if region is None or region.kind is not MemoryKind.RAM:
        raise BoardError(
            f"{board.source}: key 'nuttx.region' names '{board.nuttx.region}', which is no memory region of kind ram.",
            hint="Name the region in which NuttX's linker script puts .data and .bss.",
        )
    if board.nuttx.system_bytes >= region.size_bytes:
        raise BoardError(
            f"{board.source}: key 'nuttx.system_bytes' leaves nothing of memory region {_described(region)}.",
            hint=f"Give less than its {region.size_bytes:,} bytes.",
        )
