/* Registers of the RP2040 that this port uses. Sections are those of the RP2040 datasheet. */
#ifndef TINYANIME_RP2040_REGISTERS_H
#define TINYANIME_RP2040_REGISTERS_H

#include "core_registers.h"

/* Reset of peripherals, a bit each: 2.14.3. */
#define RESETS_RESET TA_REG32(0x4000C000u)
#define RESETS_RESET_DONE TA_REG32(0x4000C008u)
#define RESETS_DMA (1u << 2)
#define RESETS_IO_BANK0 (1u << 5)
#define RESETS_PADS_BANK0 (1u << 8)
#define RESETS_PLL_SYS (1u << 12)
#define RESETS_TIMER (1u << 21)
#define RESETS_UART0 (1u << 22)

/* Clock generators: 2.15.7. SELECTED has one bit set, that of the source in use. */
#define CLK_REF_CTRL TA_REG32(0x40008030u)
#define CLK_REF_CTRL_SRC_MASK 3u
#define CLK_REF_CTRL_SRC_ROSC 0u
#define CLK_REF_CTRL_SRC_XOSC 2u
#define CLK_REF_DIV TA_REG32(0x40008034u)
#define CLK_REF_SELECTED TA_REG32(0x40008038u)
#define CLK_SYS_CTRL TA_REG32(0x4000803Cu)
#define CLK_SYS_CTRL_SRC_MASK 1u
#define CLK_SYS_CTRL_SRC_REF 0u
#define CLK_SYS_CTRL_SRC_AUX 1u
#define CLK_SYS_CTRL_AUXSRC_MASK (7u << 5) /* 0: PLL_SYS */
#define CLK_SYS_DIV TA_REG32(0x40008040u)
#define CLK_SYS_SELECTED TA_REG32(0x40008044u)
#define CLK_DIV_BY_1 (1u << 8)
#define CLK_PERI_CTRL TA_REG32(0x40008048u)
#define CLK_PERI_CTRL_AUXSRC_MASK (7u << 5) /* 0: clk_sys */
#define CLK_PERI_CTRL_ENABLE (1u << 11)
#define CLK_SYS_RESUS_CTRL TA_REG32(0x40008078u)

/* Power-on state machine: 2.13.5. */
#define PSM_FRCE_OFF TA_REG32(0x40010004u)
#define PSM_PROC1 (1u << 16)
#define PSM_WDSEL TA_REG32(0x40010008u)
#define PSM_ALL 0x1FFFFu
#define PSM_ROSC (1u << 0)
#define PSM_XOSC (1u << 1)

/* Function of a pin: 2.19.6.1. */
#define IO_BANK0_GPIO0_CTRL TA_REG32(0x40014004u)
#define IO_BANK0_GPIO1_CTRL TA_REG32(0x4001400Cu)
#define IO_BANK0_FUNCSEL_UART 2u

/* Pads: 2.19.6.3. */
#define PADS_BANK0_GPIO0 TA_REG32(0x4001C004u)
#define PADS_BANK0_GPIO1 TA_REG32(0x4001C008u)
#define PADS_SCHMITT (1u << 1)
#define PADS_PULL_UP (1u << 3)
#define PADS_DRIVE_4MA (1u << 4)
#define PADS_INPUT_ENABLE (1u << 6)

/* Crystal oscillator: 2.16.7. */
#define XOSC_CTRL TA_REG32(0x40024000u)
#define XOSC_CTRL_FREQ_RANGE_1_15MHZ 0xAA0u
#define XOSC_CTRL_ENABLE (0xFABu << 12)
#define XOSC_STATUS TA_REG32(0x40024004u)
#define XOSC_STATUS_STABLE (1u << 31)
#define XOSC_STARTUP TA_REG32(0x4002400Cu)

/* System PLL: 2.18.4. */
#define PLL_SYS_CS TA_REG32(0x40028000u)
#define PLL_CS_REFDIV_MASK 0x3Fu
#define PLL_CS_LOCK (1u << 31)
#define PLL_SYS_PWR TA_REG32(0x40028004u)
#define PLL_PWR_PD (1u << 0)
#define PLL_PWR_POSTDIVPD (1u << 3)
#define PLL_PWR_VCOPD (1u << 5)
#define PLL_SYS_FBDIV_INT TA_REG32(0x40028008u)
#define PLL_SYS_PRIM TA_REG32(0x4002800Cu)
#define PLL_PRIM_POSTDIV2_SHIFT 12u
#define PLL_PRIM_POSTDIV1_SHIFT 16u
#define PLL_PRIM_POSTDIV_MASK 7u

/* UART0, an Arm PL011: 4.2.8. */
#define UART0_DR TA_REG32(0x40034000u)
#define UART0_FR TA_REG32(0x40034018u)
#define UART_FR_BUSY (1u << 3)
#define UART_FR_RXFE (1u << 4)
#define UART_FR_TXFF (1u << 5)
#define UART_FR_RXFF (1u << 6)
#define UART_FR_TXFE (1u << 7)
#define UART0_IBRD TA_REG32(0x40034024u)
#define UART0_FBRD TA_REG32(0x40034028u)
#define UART0_LCR_H TA_REG32(0x4003402Cu)
#define UART_LCR_H_FEN (1u << 4)
#define UART_LCR_H_WLEN_8 (3u << 5)
#define UART0_CR TA_REG32(0x40034030u)
#define UART_CR_UARTEN (1u << 0)
#define UART_CR_TXE (1u << 8)
#define UART_CR_RXE (1u << 9)
#define UART_FIFO_BYTES 32u /* 4.2.1 */

/* Timer: 4.6.5. Counts the ticks of the watchdog's tick generator. */
#define TIMER_TIMERAWL TA_REG32(0x40054028u)
#define TIMER_DBGPAUSE TA_REG32(0x4005402Cu)
#define TIMER_DBGPAUSE_CORE1 (1u << 2) /* Stands still while a debugger halts core 1; bit 1 is that of core 0. */

/* Watchdog and tick generator: 4.7.6. */
#define WATCHDOG_CTRL TA_REG32(0x40058000u)
#define WATCHDOG_CTRL_PAUSE_IN_DEBUG (7u << 24)
#define WATCHDOG_CTRL_ENABLE (1u << 30)
#define WATCHDOG_CTRL_TRIGGER (1u << 31)
#define WATCHDOG_LOAD TA_REG32(0x40058004u)
#define WATCHDOG_SCRATCH(number) TA_REG32(0x4005800Cu + 4u * (number))
#define WATCHDOG_TICK TA_REG32(0x4005802Cu)
#define WATCHDOG_TICK_ENABLE (1u << 9)

/* DMA, by channel: 2.5.7. AL1_CTRL is CTRL_TRIG without starting the channel. */
#define DMA_CHANNEL(channel, offset) TA_REG32(0x50000000u + 0x40u * (channel) + (offset))
#define DMA_READ_ADDR(channel) DMA_CHANNEL(channel, 0x00u)
#define DMA_WRITE_ADDR(channel) DMA_CHANNEL(channel, 0x04u)
#define DMA_TRANS_COUNT(channel) DMA_CHANNEL(channel, 0x08u)
#define DMA_CTRL_TRIG(channel) DMA_CHANNEL(channel, 0x0Cu)
#define DMA_AL1_CTRL(channel) DMA_CHANNEL(channel, 0x10u)
#define DMA_CTRL_EN (1u << 0)
#define DMA_CTRL_DATA_SIZE_SHIFT 2u /* 0: bytes, 1: half words, 2: words */
#define DMA_CTRL_INCR_READ (1u << 4)
#define DMA_CTRL_INCR_WRITE (1u << 5)
#define DMA_CTRL_CHAIN_TO_SHIFT 11u /* The channel itself: chains to none */
#define DMA_CTRL_TREQ_PERMANENT (0x3Fu << 15)
#define DMA_CTRL_IRQ_QUIET (1u << 21)
#define DMA_CTRL_BUSY (1u << 24)
#define DMA_CTRL_WRITE_ERROR (1u << 29)
#define DMA_CTRL_READ_ERROR (1u << 30)
#define DMA_CTRL_AHB_ERROR (1u << 31)
#define DMA_CHAN_ABORT TA_REG32(0x50000444u)

/* Single-cycle IO: 2.3.1.7. */
#define SIO_CPUID TA_REG32(0xD0000000u)
#define SIO_FIFO_ST TA_REG32(0xD0000050u)
#define SIO_FIFO_ST_VLD (1u << 0)
#define SIO_FIFO_ST_RDY (1u << 1)
#define SIO_FIFO_WR TA_REG32(0xD0000054u)
#define SIO_FIFO_RD TA_REG32(0xD0000058u)
#define SIO_FIFO_WORDS 8u /* 2.3.1.4 */

#endif
