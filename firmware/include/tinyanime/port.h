/* What a chip family provides (firmware/port/<family>). Polling only: no interrupts, no heap. */
#ifndef TINYANIME_PORT_H
#define TINYANIME_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tinyanime/status.h"

/* Clocks, caches, MPU, pins, UART and cycle counter. Called once, before anything else. */
void ta_port_init(void);

/* Next received byte; false where none is waiting. Never blocks. */
bool ta_port_uart_get(uint8_t *byte);

/* Sends one byte; waits while the transmitter is full and stores bytes that arrive meanwhile for ta_port_uart_get. */
void ta_port_uart_put(uint8_t byte);

/* Waits until everything sent has left the chip. */
void ta_port_uart_flush(void);

/* Free-running core cycle counter (wraps at 2^32). */
uint32_t ta_port_cycles(void);

/* Milliseconds since start (wraps at 2^32); 1 ms resolution or better. */
uint32_t ta_port_millis(void);

/* Core clock as it was set up, read back from the chip. */
uint32_t ta_port_clock_hz(void);

/* 96-bit unique id of the chip; the family documents what it is where there is none. */
void ta_port_unique_id(uint8_t id[12]);

/* Channels of the tile DMA, at least those of the board's description. */
#define TA_DMA_CHANNELS 4u

/* Begins to copy `bytes` (1 to 65536) from `source` to `target` on an idle channel and returns at once. Both are in
 * memories that the tile DMA reaches; nothing may write either or read the target until ta_port_dma_wait returns.
 * Chips without such a DMA copy here and now. TA_ERROR_ARGUMENT where the channel is busy or an argument is out of
 * range. */
ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes);

/* Returns when the channel's transfer has ended: TA_OK, TA_ERROR_DMA where it failed on the bus or takes longer than
 * any transfer can (the channel is idle then), TA_ERROR_ARGUMENT where none was started. */
ta_status ta_port_dma_wait(uint8_t channel);

/* Cache maintenance by address for [address, address + bytes), both multiples of the cache line (32 bytes); nothing
 * to do on chips without a data cache. Clean writes dirty lines back, invalidate drops lines without writing. */
void ta_port_cache_clean(const void *address, uint32_t bytes);
void ta_port_cache_invalidate(void *address, uint32_t bytes);

/* The second core of chips that have one, where the build uses it (TA_CORES 2 in tinyanime/team.h; a port for one core
 * defines none of these). Words pass between the cores through a mailbox of each; whatever a core stored before it
 * sent a word, the other one sees after it received it. */

/* Starts `entry` on core 1 with a stack of its own. False where the core does not answer within a few milliseconds;
 * it is left off then. */
bool ta_port_core_launch(void (*entry)(void));

/* The calling core: 0 or 1. */
uint32_t ta_port_core_index(void);

/* Puts a word into the other core's mailbox; waits while that is full. */
void ta_port_core_send(uint32_t word);

/* The next word of this core's mailbox; waits for it. */
uint32_t ta_port_core_receive(void);

/* Restarts the watchdog where one runs; called at least once per step and per received frame. */
void ta_port_watchdog_feed(void);

/* Resets the chip; does not return. */
void ta_port_reset(void);

/* Bytes of stack never used since start (painted by start-up); 0xFFFFFFFF where unknown. */
uint32_t ta_port_stack_free_bytes(void);

#endif
