#include "fault.h"

#include <stdbool.h>
#include <stddef.h>

#include "core_registers.h"
#include "stack.h"
#include "tinyanime/port.h"
#include "tinyanime/team.h"

#define FAULT_MAGIC 0xFA017ED0u
#define FRAME_WORDS 8u

/* From the linker script. */
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

/* Not zeroed by start-up, so that it outlives the reset. */
static ta_fault_record left_behind __attribute__((section(".noinit")));
static ta_fault_record collected;

/* The handler's own: the stack at fault may have overflowed. Cores that fault at the same time spoil each other's
 * record; the reset comes all the same. */
__attribute__((used, aligned(8))) uint32_t ta_fault_stack[48];

void ta_fault_collect(void) {
    if (left_behind.magic == FAULT_MAGIC) {
        collected = left_behind;
    }
    left_behind.magic = 0;
}

const ta_fault_record *ta_fault_last(void) {
    return collected.magic == FAULT_MAGIC ? &collected : NULL;
}

/* Whether a whole exception frame lies at `frame` in the stack [limit, top), its guard apart. */
static bool holds(const uint32_t *limit, const uint32_t *top, const uint32_t *frame) {
    return frame >= limit + TA_STACK_GUARD_WORDS && frame + FRAME_WORDS <= top;
}

static bool is_readable(const uint32_t *frame) {
#if TA_CORES > 1
    if (holds(__core1_stack_limit, __core1_stack_top, frame)) {
        return true;
    }
#endif
    return holds(__stack_limit, __stack_top, frame);
}

/* Second half of the handler below; `frame` is the stack pointer at the fault. */
__attribute__((used, noreturn)) void ta_fault_record_and_reset(const uint32_t *frame, uint32_t exception);

void ta_fault_record_and_reset(const uint32_t *frame, uint32_t exception) {
    /* Exception frame: R0-R3, R12, LR, PC, xPSR (DDI 0419E B1.5.6). After a stack overflow there is none. */
    const bool readable = is_readable(frame);
    left_behind.exception = exception;
#if TA_CORES > 1
    left_behind.core = ta_port_core_index();
#else
    left_behind.core = 0;
#endif
    left_behind.lr = readable ? frame[5] : 0;
    left_behind.pc = readable ? frame[6] : 0;
    left_behind.psr = readable ? frame[7] : 0;
    left_behind.sp = (uint32_t)(uintptr_t)frame;
    left_behind.magic = FAULT_MAGIC;
    ta_barrier_data();
    ta_port_reset();
    for (;;) {
    }
}

/* Every exception but reset ends here, on either core: no interrupt is ever enabled. R0 is the old stack pointer,
 * R1 the exception number. */
__attribute__((naked)) void ta_fault_handler(void);

void ta_fault_handler(void) {
    __asm volatile("mov r0, sp\n"
                   "mrs r1, ipsr\n"
                   "ldr r2, =ta_fault_stack + 192\n"
                   "mov sp, r2\n"
                   "ldr r2, =ta_fault_record_and_reset\n"
                   "bx r2\n"
                   ".ltorg\n");
}
