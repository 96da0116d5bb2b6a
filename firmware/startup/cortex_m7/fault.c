#include "fault.h"

#include <stdbool.h>
#include <stddef.h>

#include "core_registers.h"
#include "tinyanime/port.h"

#define FAULT_MAGIC 0xFA017ED1u

extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

/* Not zeroed by start-up, so that it outlives the reset. */
static ta_fault_record left_behind __attribute__((section(".noinit")));
static ta_fault_record collected;

void ta_fault_collect(void) {
    if (left_behind.magic == FAULT_MAGIC) {
        collected = left_behind;
    }
    left_behind.magic = 0;
}

const ta_fault_record *ta_fault_last(void) {
    return collected.magic == FAULT_MAGIC ? &collected : NULL;
}

/* Second half of the handlers below; `frame` is the stack pointer at the fault. */
__attribute__((used, noreturn)) void ta_fault_record_and_reset(const uint32_t *frame, uint32_t exception);

void ta_fault_record_and_reset(const uint32_t *frame, uint32_t exception) {
    /* Basic exception frame: R0-R3, R12, LR, PC, xPSR (DDI 0403E B1.5.6). After a stack overflow there is
     * none. */
    const bool readable = frame >= __stack_limit && frame + 8 <= __stack_top;
    left_behind.exception = exception;
    left_behind.lr = readable ? frame[5] : 0;
    left_behind.pc = readable ? frame[6] : 0;
    left_behind.psr = readable ? frame[7] : 0;
    left_behind.sp = (uint32_t)(uintptr_t)frame;
    left_behind.cfsr = SCB_CFSR;
    left_behind.hfsr = SCB_HFSR;
    left_behind.mmfar = SCB_MMFAR;
    left_behind.bfar = SCB_BFAR;
    left_behind.magic = FAULT_MAGIC;
    ta_barrier_data();
    ta_port_reset();
    for (;;) {
    }
}

/* Every exception but reset ends here: no interrupt is ever enabled. The stack may have overflowed, so the
 * handler starts a new one at its top; R0 is the old stack pointer, R1 the exception number. */
__attribute__((naked)) void ta_fault_handler(void);

void ta_fault_handler(void) {
    __asm volatile("mov r0, sp\n"
                   "mrs r1, ipsr\n"
                   "ldr r2, =__stack_top\n"
                   "mov sp, r2\n"
                   "b ta_fault_record_and_reset\n");
}
