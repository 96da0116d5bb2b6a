/* What start-up knows of the stack. Private to this folder. */
#ifndef SIM_START_H
#define SIM_START_H

#include <stdint.h>

/* Bytes of the stack never used since start. */
uint32_t ta_sim_stack_free_bytes(void);

/* Where the core begins after power-up and reset (vectors.S). */
__attribute__((noreturn)) void Reset_Handler(void);

#endif
