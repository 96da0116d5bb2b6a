#include "stack.h"

/* From the linker script. */
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

uint32_t ta_stack_free_bytes(void) {
    const uint32_t words = (uint32_t)(((uintptr_t)__stack_top - (uintptr_t)__stack_limit) / sizeof(uint32_t));
    uint32_t unused = 0;
    while (unused < words && __stack_limit[unused] == TA_STACK_PAINT) {
        unused++;
    }
    return unused * (uint32_t)sizeof(uint32_t);
}
