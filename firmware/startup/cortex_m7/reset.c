/* From reset to main: FPU, stack paint, .data, .bss, fast code. */
#include <stdint.h>

#include "core_registers.h"
#include "fault.h"
#include "stack.h"

/* From the linker script; all are word aligned. */
extern uint32_t __stack_limit[];
extern uint32_t __data_start[], __data_end[], __data_load[];
extern uint32_t __bss_start[], __bss_end[];
extern uint32_t __fast_code_start[], __fast_code_end[], __fast_code_load[];
extern const uint32_t __vectors[];

int main(void);
void Reset_Handler(void);

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

__attribute__((noreturn)) void Reset_Handler(void) {
    __asm volatile("cpsid i");
    SCB_CPACR |= SCB_CPACR_FPU_FULL;
    ta_barrier_data();
    ta_barrier_instruction();
    SCB_VTOR = (uint32_t)(uintptr_t)__vectors;
    /* Off after a reset, but not where a debugger only sets the PC: the copies below may be forbidden by it. */
    MPU_CTRL = 0;
    ta_barrier_data();

    /* Up to the frames of this function and of the callee. */
    uint32_t *stack_pointer;
    __asm volatile("mov %0, sp" : "=r"(stack_pointer));
    fill_words(__stack_limit, stack_pointer - 16, TA_STACK_PAINT);

    copy_words(__data_start, __data_end, __data_load);
    fill_words(__bss_start, __bss_end, 0);
    copy_words(__fast_code_start, __fast_code_end, __fast_code_load);
    ta_barrier_data();
    SCB_ICIALLU = 0; /* The copied code is fetched anew. */
    ta_barrier_data();
    ta_barrier_instruction();

    ta_fault_collect();
    (void)main();
    for (;;) {
    }
}
