/* Vector table of a Cortex-M0+: DDI 0419E B1.5.3. Polling firmware enables no interrupt, so that every entry but the
 * first two is the fault handler, external interrupts included. */
#include <stdint.h>

#define SYSTEM_VECTORS 16u
#define EXTERNAL_INTERRUPTS 32u /* The most that an Armv6-M core has (B3.4); the RP2040 uses 26 (2.3.2). */

extern uint32_t __stack_top[];
void Reset_Handler(void);
void ta_fault_handler(void);

typedef void (*ta_vector)(void);

typedef struct {
    const uint32_t *initial_sp;
    ta_vector handlers[SYSTEM_VECTORS - 1u + EXTERNAL_INTERRUPTS];
} ta_vector_table;

extern const ta_vector_table __vectors;

/* VTOR needs the table on a multiple of 256 bytes: B3.2.5. */
__attribute__((section(".vectors"), used, aligned(256))) const ta_vector_table __vectors = {
    .initial_sp = __stack_top,
    .handlers = {[0] = Reset_Handler, [1 ...(SYSTEM_VECTORS - 2u + EXTERNAL_INTERRUPTS)] = ta_fault_handler},
};
