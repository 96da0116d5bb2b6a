/* Bytes that arrive from a UART before the link asks for them, while the firmware transmits above all. For ports. */
#ifndef TINYANIME_RECEIVE_RING_H
#define TINYANIME_RECEIVE_RING_H

#include <stdbool.h>
#include <stdint.h>

#define TA_RECEIVE_RING_BYTES 1024u /* A power of two: the counters wrap with it. */

/* Zero-initialised is empty. */
typedef struct {
    uint8_t bytes[TA_RECEIVE_RING_BYTES];
    uint32_t taken;  /* Bytes ever taken. */
    uint32_t stored; /* Bytes ever stored. */
} ta_receive_ring;

/* Drops everything. */
static inline void ta_receive_ring_clear(ta_receive_ring *ring) {
    ring->taken = 0;
    ring->stored = 0;
}

/* Stores a byte; a full ring drops it, as an overrun would: the frame's checksum finds the gap. */
static inline void ta_receive_ring_store(ta_receive_ring *ring, uint8_t byte) {
    if (ring->stored - ring->taken < TA_RECEIVE_RING_BYTES) {
        ring->bytes[ring->stored % TA_RECEIVE_RING_BYTES] = byte;
        ring->stored++;
    }
}

/* Takes the oldest byte; false where there is none. */
static inline bool ta_receive_ring_take(ta_receive_ring *ring, uint8_t *byte) {
    if (ring->taken == ring->stored) {
        return false;
    }
    *byte = ring->bytes[ring->taken % TA_RECEIVE_RING_BYTES];
    ring->taken++;
    return true;
}

#endif
