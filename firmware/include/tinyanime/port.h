/* What a chip family provides (firmware/port/<family>). Polling only: no interrupts, no heap. */
#ifndef TINYANIME_PORT_H
#define TINYANIME_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Restarts the watchdog where one runs; called at least once per step and per received frame. */
void ta_port_watchdog_feed(void);

/* Resets the chip; does not return. */
void ta_port_reset(void);

/* Bytes of stack never used since start (painted by start-up); 0xFFFFFFFF where unknown. */
uint32_t ta_port_stack_free_bytes(void);

#endif
