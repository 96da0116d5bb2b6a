/* Parts of the ESP32-C3 port; ta_port_init calls the _init functions in this order. */
#ifndef TINYANIME_ESP32C3_H
#define TINYANIME_ESP32C3_H

#include <stdbool.h>
#include <stdint.h>

#define ESP32C3_XTAL_HZ 40000000u     /* The only crystal that the chip is used with: TRM chapter 6. */
#define ESP32C3_SYSTIMER_HZ 16000000u /* XTAL / 2.5, whatever clocks the core: TRM chapter 10. */

/* Upper bound of every wait for the hardware, in polls of ten cycles or more: 6 ms at 160 MHz. The slowest event is a
 * full transmit FIFO, which is done in 1.4 ms. */
#define ESP32C3_WAIT_POLLS 100000u

/* Off: what the ROM has started (the watchdogs that protect booting). The super watchdog feeds itself. */
void esp32c3_watchdog_stop(void);

/* SYSTIMER and the core's cycle counter run. */
void esp32c3_timer_init(void);

/* Low 32 bits of the SYSTIMER, which wrap every 268 s. */
uint32_t esp32c3_timer_ticks(void);

/* 160 MHz from the PLL; the crystal's 40 MHz where the core does not run at that speed then. */
void esp32c3_clock_init(void);

/* Core clock, computed from the registers. */
uint32_t esp32c3_clock_core_hz(void);

/* Supply and PLL for 160 MHz, by the ROM's access to the analog parts. Only before main uses the memory at the end of
 * the SRAM, where the ROM has its variables. */
void esp32c3_analog_start_pll(void);
void esp32c3_analog_stop_pll(void);

/* UART0 on GPIO21 (TX) and GPIO20 (RX) at TA_BOARD_UART_BAUD, 8N1. */
void esp32c3_uart_init(void);

/* The RTC watchdog, clocked apart from all else, resets the chip where esp32c3_watchdog_feed does not come in time. */
void esp32c3_watchdog_start(void);
void esp32c3_watchdog_feed(void);

#endif
