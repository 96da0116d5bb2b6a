/* Parts of the RP2040 port; called by ta_port_init in this order. */
#ifndef TINYANIME_RP2040_H
#define TINYANIME_RP2040_H

#include <stdbool.h>
#include <stdint.h>

#include "tinyanime/team.h"

/* Upper bound of every wait for the hardware, in polls of some ten cycles each: 8 ms at 133 MHz, 83 ms at 12 MHz and
 * on the fastest ring oscillator (2.17). The slowest events: the crystal's start-up, 10 ms, on the ring oscillator; a
 * full transmit FIFO, 0.4 ms. */
#define RP2040_WAIT_POLLS 100000u

/* What boot2.S leaves in the watchdog's scratch registers where the flash chip told its unique id: this word in the
 * first, the id's eight bytes, most significant first, in the next two. */
#define RP2040_FLASH_ID_KNOWN 0x75494431u

/* Polls until (register & mask) == value; false where it did not become so within RP2040_WAIT_POLLS. */
bool rp2040_wait(const volatile uint32_t *reg, uint32_t mask, uint32_t value);

/* Puts the peripherals of `mask` (RESETS_...) into reset and takes them out of it again. */
void rp2040_reset_peripherals(uint32_t mask);

#if TA_CORES > 1
/* Keeps core 1 in reset until ta_port_core_launch. After a reset it waits in the boot ROM anyway, but not where a
 * debugger has started core 0 anew. */
void rp2040_core1_hold(void);

/* Whether core 1 has been started. */
bool rp2040_core1_runs(void);
#endif

/* Crystal oscillator, PLL and clock generators for 133 MHz, and the tick of timer and watchdog. Where a step fails the
 * core stays on the crystal or on the ring oscillator; rp2040_clock_* tell what came out. */
void rp2040_clock_init(void);

/* Core clock, computed from the registers. It clocks the UART too. Of the ring oscillator only the nominal frequency
 * is known (6.5 MHz, from 1.8 to 12: 2.17.1): the UART works on it by chance only. */
uint32_t rp2040_clock_core_hz(void);

/* Core cycles from one tick of timer and watchdog to the next. */
uint32_t rp2040_clock_cycles_per_tick(void);

/* The four channels of the tile DMA, idle. */
void rp2040_dma_init(void);

/* UART0 on GP0 (TX) and GP1 (RX) at TA_BOARD_UART_BAUD, 8N1, FIFO on. */
void rp2040_uart_init(void);

#endif
