/* What the core was doing when it trapped, kept over the reset that follows. */
#ifndef TINYANIME_FAULT_H
#define TINYANIME_FAULT_H

#include <stdint.h>

/* `cause` is mcause (2 illegal instruction, 5 load and 7 store access fault, ...: privileged architecture 3.1.16), `pc`
 * mepc, `value` mtval: the address or the instruction. */
typedef struct {
    uint32_t magic;
    uint32_t cause;
    uint32_t pc;
    uint32_t value;
    uint32_t ra;
    uint32_t sp;
} ta_fault_record;

/* The fault that led to this start; NULL where the chip started for another reason. */
const ta_fault_record *ta_fault_last(void);

/* Called by start-up: keeps a record that the previous run left, once. */
void ta_fault_collect(void);

#endif
