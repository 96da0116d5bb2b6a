/* What the core was doing when it faulted, kept over the reset that follows. */
#ifndef TINYANIME_FAULT_H
#define TINYANIME_FAULT_H

#include <stdint.h>

/* Register names as in DDI 0403E B3.2. `exception` is the exception number (2 NMI, 3 HardFault, 4 MemManage,
 * 5 BusFault, 6 UsageFault, ...). `pc`, `lr` and `psr` are 0 where the stack pointer was not in RAM. */
typedef struct {
    uint32_t magic;
    uint32_t exception;
    uint32_t pc;
    uint32_t lr;
    uint32_t psr;
    uint32_t sp;
    uint32_t cfsr;
    uint32_t hfsr;
    uint32_t mmfar;
    uint32_t bfar;
} ta_fault_record;

/* The fault that led to this start; NULL where the chip started for another reason. */
const ta_fault_record *ta_fault_last(void);

/* Called by start-up: keeps a record that the previous run left, once. */
void ta_fault_collect(void);

#endif
