/* From reset to main: stack paint, .data, .bss, fast code. */
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

PLAIN_LOOPS static void clear_words(uint32_t *to, const uint32_t *end) {
    while (to < end) {
        *to++ = 0;
    }
}

/* On the new stack, of which nothing is in use but the frames of this function and of the callee. */
__attribute__((used, noreturn)) void ta_start(void);

void ta_start(void) {
    SCB_VTOR = (uint32_t)(uintptr_t)__vectors;
    /* Off after a reset, but not where a debugger only sets the PC: the guard below the stack is painted too. */
    MPU_CTRL = 0;
    ta_barrier_data();
    ta_barrier_instruction();

    const uint32_t *stack_pointer;
    __asm volatile("mov %0, sp" : "=r"(stack_pointer));
    ta_stack_paint(__stack_limit, stack_pointer - 16);

    copy_words(__data_start, __data_end, __data_load);
    clear_words(__bss_start, __bss_end);
    copy_words(__fast_code_start, __fast_code_end, __fast_code_load);
    ta_barrier_data();
    ta_barrier_instruction();

    ta_fault_collect();
    (void)main();
    for (;;) {
    }
}

/* The boot code sets the stack pointer from the vector table, a debugger that jumps here does not. */
__attribute__((naked, noreturn)) void Reset_Handler(void) {
    __asm volatile("cpsid i\n"
                   "ldr r0, =__stack_top\n"
                   "mov sp, r0\n"
                   "ldr r0, =ta_start\n"
                   "bx r0\n"
                   ".ltorg\n");
}
