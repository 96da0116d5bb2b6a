/* The stacks: how much of them was ever used, and guards below them. Start-up paints a stack before its core uses it;
 * counting what paint is left tells the rest. */
#ifndef TINYANIME_STACK_H
#define TINYANIME_STACK_H

#include <stdint.h>

#include "tinyanime/team.h"

#define TA_STACK_PAINT 0xA5A5A5A5u

/* Lowest bytes of a stack that nothing may touch: whole eighths of the smallest MPU region, 256 bytes. */
#define TA_STACK_GUARD_BYTES 128u
#define TA_STACK_GUARD_WORDS (TA_STACK_GUARD_BYTES / 4u)

#if TA_CORES > 1
/* Stack of core 1, from the linker script. */
extern uint32_t __core1_stack_limit[];
extern uint32_t __core1_stack_top[];
#endif

/* Paints [limit, end). */
void ta_stack_paint(uint32_t *limit, const uint32_t *end);

/* Makes an access to the guard above `limit` (a multiple of 256) a fault of the calling core. Without effect on cores
 * that were built without an MPU. */
void ta_stack_guard(const uint32_t *limit);

/* Bytes between the guard of the stack [limit, top) and the deepest word ever written. */
uint32_t ta_stack_free_bytes(const uint32_t *limit, const uint32_t *top);

#endif
