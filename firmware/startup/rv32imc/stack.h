/* How much of the stack was ever used: start-up paints it, this counts the paint that is left. */
#ifndef TINYANIME_STACK_H
#define TINYANIME_STACK_H

#include <stdint.h>

#define TA_STACK_PAINT 0xA5A5A5A5u

/* Right below the stack, where an access traps. A power of two; the stack's limit is a multiple of it. */
#define TA_STACK_GUARD_BYTES 4096u

/* Bytes between the stack's limit and the deepest word ever written. */
uint32_t ta_stack_free_bytes(void);

#endif
