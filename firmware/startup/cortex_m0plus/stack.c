#include "stack.h"

#include "core_registers.h"

/* MPU_RASR fields: DDI 0419E B3.5.8. Access permission 0 allows nothing. */
#define RASR_ENABLE 1u
#define RASR_SIZE_256 (7u << 1)
#define RASR_SUBREGIONS_OFF_SHIFT 8u
#define RASR_NO_EXECUTE (1u << 28)

#define SUBREGION_BYTES 32u
#define GUARD_SUBREGIONS ((1u << (TA_STACK_GUARD_BYTES / SUBREGION_BYTES)) - 1u)

/* No memset: it may lie in code that is not copied yet. */
__attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) void ta_stack_paint(uint32_t *limit,
                                                                                            const uint32_t *end) {
    while (limit < end) {
        *limit++ = TA_STACK_PAINT;
    }
}

void ta_stack_guard(const uint32_t *limit) {
    if (((MPU_TYPE >> MPU_TYPE_DREGION_SHIFT) & MPU_TYPE_DREGION_MASK) == 0u) {
        return;
    }
    MPU_CTRL = 0;
    ta_barrier_data();
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)(uintptr_t)limit;
    MPU_RASR =
        RASR_ENABLE | RASR_SIZE_256 | ((0xFFu & ~GUARD_SUBREGIONS) << RASR_SUBREGIONS_OFF_SHIFT) | RASR_NO_EXECUTE;
    MPU_CTRL = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
    ta_barrier_data();
    ta_barrier_instruction();
}

uint32_t ta_stack_free_bytes(const uint32_t *limit, const uint32_t *top) {
    const uint32_t *word = limit + TA_STACK_GUARD_WORDS;
    const uint32_t *const first = word;
    while (word < top && *word == TA_STACK_PAINT) {
        word++;
    }
    return (uint32_t)(word - first) * (uint32_t)sizeof(uint32_t);
}
