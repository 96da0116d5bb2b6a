/* Parts of the STM32H7 port; called by ta_port_init in this order. */
#ifndef TINYANIME_STM32H7_H
#define TINYANIME_STM32H7_H

#include <stdbool.h>
#include <stdint.h>

/* Upper bound of every wait for the hardware, in polls of some ten cycles each: at 64 MHz about 15 ms, at 480
 * MHz (with the slower buses behind the core) about 5 ms. The slowest events: HSE start-up 2 ms
 * (DS12110 6.3.8), a full transmit FIFO 0.2 ms. */
#define STM32H7_WAIT_POLLS 100000u

/* Polls until (register & mask) == value; false where it did not become so within STM32H7_WAIT_POLLS. */
bool stm32h7_wait(const volatile uint32_t *reg, uint32_t mask, uint32_t value);

/* Voltage scale, oscillator, PLL and bus dividers for the highest clock that the silicon revision allows.
 * Where a step fails the core stays on (or returns to) a slower source; stm32h7_clock_* tell what came out.
 */
void stm32h7_clock_init(void);

/* Core clock, and clock of the peripherals on APB1, computed from the registers. */
uint32_t stm32h7_clock_core_hz(void);
uint32_t stm32h7_clock_apb1_hz(void);

/* Memory attributes by the MPU, then instruction and data cache on. */
void stm32h7_memory_init(void);

/* Clock of the MDMA, all channels of the tile DMA idle. */
void stm32h7_dma_init(void);

/* USART3 on PD8 (TX) and PD9 (RX) at TA_BOARD_UART_BAUD, 8N1, FIFO on. */
void stm32h7_uart_init(void);

#endif
