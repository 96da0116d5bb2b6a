/* Vector table of a Cortex-M7: DDI 0403E B1.5.3. Polling firmware enables no interrupt, so that every entry
 * but the first two is the fault handler, external interrupts included. */
#include <stdint.h>

#define SYSTEM_VECTORS 16u
#define EXTERNAL_INTERRUPTS 150u /* RM0433 20.1.2: the STM32H743 has 150; other chips have fewer. */

extern uint32_t __stack_top[];
void Reset_Handler(void);
void ta_fault_handler(void);

typedef void (*ta_vector)(void);

typedef struct {
    const uint32_t *initial_sp;
    ta_vector handlers[SYSTEM_VECTORS - 1u + EXTERNAL_INTERRUPTS];
} ta_vector_table;

extern const ta_vector_table __vectors;

/* VTOR needs the table aligned to its size rounded up to a power of two: 166 words, 1024 bytes (B3.2.5). */
__attribute__((section(".vectors"), used, aligned(1024))) const ta_vector_table __vectors = {
    .initial_sp = __stack_top,
    .handlers = {[0] = Reset_Handler, [1 ...(SYSTEM_VECTORS - 2u + EXTERNAL_INTERRUPTS)] = ta_fault_handler},
};
