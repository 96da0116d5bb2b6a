/* From the first instructions (start.S) to main: stack guard and paint, .data, .bss, fast code. */
#include <stdint.h>

#include "csr.h"
#include "fault.h"
#include "stack.h"

/* From the linker script; all are word aligned. Fast code is written where the core sees it as data. */
extern uint32_t __stack_limit[];
extern uint32_t __data_start[], __data_end[];
extern const uint32_t __data_load[];
extern uint32_t __bss_start[], __bss_end[];
extern uint32_t __fast_code_start[], __fast_code_end[];
extern const uint32_t __fast_code_load[];

int main(void);
void ta_reset(void);

/* No calls to memcpy or memset: they may lie in code that is not copied yet. */
#define PLAIN_LOOPS __attribute__((noinline, optimize("no-tree-loop-distribute-patterns")))

PLAIN_LOOPS static void copy_words(uint32_t *to, const uint32_t *end, const uint32_t *from) {
    while (to < end) {
        *to++ = *from++;
    }
}

PLAIN_LOOPS static void fill_words(uint32_t *to, const uint32_t *end, uint32_t value) {
    while (to < end) {
        *to++ = value;
    }
}

/* Accesses to the bytes right below the stack trap, in machine mode too: a locked region without permissions. */
static void guard_stack(void) {
    const uint32_t guard = (uint32_t)(uintptr_t)__stack_limit - TA_STACK_GUARD_BYTES;
    TA_CSR_WRITE(TA_CSR_PMPADDR0, (guard >> 2) | (TA_STACK_GUARD_BYTES / 8u - 1u));
    TA_CSR_WRITE(TA_CSR_PMPCFG0, TA_PMP_LOCKED | TA_PMP_NAPOT);
}

__attribute__((noreturn, used)) void ta_reset(void) {
    guard_stack();

    /* Up to the frames of this function and of the callee. */
    uint32_t *stack_pointer;
    __asm volatile("mv %0, sp" : "=r"(stack_pointer));
    fill_words(__stack_limit, stack_pointer - 16, TA_STACK_PAINT);

    copy_words(__data_start, __data_end, __data_load);
    fill_words(__bss_start, __bss_end, 0);
    copy_words(__fast_code_start, __fast_code_end, __fast_code_load);
    TA_FETCH_ANEW(); /* The copied code. */

    ta_fault_collect();
    (void)main();
    for (;;) {
    }
}
