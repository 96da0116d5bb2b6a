/* What a core was doing when it faulted, kept over the reset that follows. */
#ifndef TINYANIME_FAULT_H
#define TINYANIME_FAULT_H

#include <stdint.h>

/* `exception` is the exception number: 2 NMI, 3 HardFault, the only fault that the core knows, or one that nothing
 * should raise. `core` is the number of the core. `pc`, `lr` and `psr` are 0 where the stack pointer was in no stack.
 */
typedef struct {
    uint32_t magic;
    uint32_t exception;
    uint32_t core;
    uint32_t pc;
    uint32_t lr;
    uint32_t psr;
    uint32_t sp;
} ta_fault_record;

/* The fault that led to this start; NULL where the chip started for another reason. */
const ta_fault_record *ta_fault_last(void);

/* Called by start-up: keeps a record that the previous run left, once. */
void ta_fault_collect(void);

#endif
