#include "fault.h"

#include <stddef.h>

#include "csr.h"
#include "tinyanime/port.h"

#define FAULT_MAGIC 0xFA017ED1u

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

/* Second half of the trap entry in start.S. */
__attribute__((used, noreturn)) void ta_fault_record_and_reset(uint32_t sp, uint32_t ra);

void ta_fault_record_and_reset(uint32_t sp, uint32_t ra) {
    left_behind.cause = TA_CSR_READ(TA_CSR_MCAUSE);
    left_behind.pc = TA_CSR_READ(TA_CSR_MEPC);
    left_behind.value = TA_CSR_READ(TA_CSR_MTVAL);
    left_behind.ra = ra;
    left_behind.sp = sp;
    left_behind.magic = FAULT_MAGIC;
    __asm volatile("fence" ::: "memory");
    ta_port_reset();
    for (;;) {
    }
}
