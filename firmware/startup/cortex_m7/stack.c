#include "stack.h"

/* From the linker script. */
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

uint32_t ta_stack_free_bytes(void) {
    const uint32_t *word = __stack_limit;
    while (word < __stack_top && *word == TA_STACK_PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)word - (uintptr_t)__stack_limit);
}
