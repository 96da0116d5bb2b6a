/* Registers of the ESP32-C3 that the port uses. Chapters are those of the ESP32-C3 Technical Reference Manual (version
 * 1.1); "IDF" are headers of ESP-IDF (components/soc/esp32c3) for what the manual leaves out. */
#ifndef TINYANIME_ESP32C3_REGISTERS_H
#define TINYANIME_ESP32C3_REGISTERS_H

#include <stdint.h>

#define TA_REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Performance counter of the core: chapter 1, "ESP-RISC-V CPU", custom registers. */
#define CSR_MPCER 0x7E0 /* Which events count. */
#define CSR_MPCER_CYCLE 1u
#define CSR_MPCMR 0x7E1 /* Mode. */
#define CSR_MPCMR_COUNT_EN 1u
#define CSR_MPCCR 0x7E2 /* The count. */

/* System registers: chapter 16; clocks: chapter 6. */
#define SYSTEM_CPU_PER_CONF TA_REG32(0x600C0008u)
#define SYSTEM_CPU_PER_CONF_CPUPERIOD_MASK 3u
#define SYSTEM_CPU_PER_CONF_CPUPERIOD_160MHZ 1u
#define SYSTEM_CPU_PER_CONF_PLL_480MHZ (1u << 2)
#define SYSTEM_PERIP_CLK_EN0 TA_REG32(0x600C0010u)
#define SYSTEM_PERIP_RST_EN0 TA_REG32(0x600C0018u)
#define SYSTEM_PERIP0_UART (1u << 2)
#define SYSTEM_PERIP0_UART_MEM (1u << 24)
#define SYSTEM_PERIP0_SYSTIMER (1u << 29)
#define SYSTEM_SYSCLK_CONF TA_REG32(0x600C0058u)
#define SYSTEM_SYSCLK_CONF_PRE_DIV_MASK 0x3FFu /* Divider of the crystal's clock, less one. */
#define SYSTEM_SYSCLK_CONF_SOURCE_MASK (3u << 10)
#define SYSTEM_SYSCLK_CONF_SOURCE_XTAL (0u << 10)
#define SYSTEM_SYSCLK_CONF_SOURCE_PLL (1u << 10)

/* Low-power management: chapter 9; its watchdogs: chapter 12. */
#define RTC_CNTL_OPTIONS0 TA_REG32(0x60008000u)
#define RTC_CNTL_OPTIONS0_BB_I2C_FORCE_PD (1u << 6)
#define RTC_CNTL_OPTIONS0_BBPLL_I2C_FORCE_PD (1u << 8)
#define RTC_CNTL_OPTIONS0_BBPLL_FORCE_PD (1u << 10)
#define RTC_CNTL_OPTIONS0_SW_SYS_RST (1u << 31)
#define RTC_CNTL_WDTCONFIG0 TA_REG32(0x60008090u)
#define RTC_CNTL_WDTCONFIG0_PAUSE_IN_SLP (1u << 9)
#define RTC_CNTL_WDTCONFIG0_SYS_RESET_LENGTH_3200NS (7u << 13)
#define RTC_CNTL_WDTCONFIG0_STG0_RESET_SYSTEM (3u << 28)
#define RTC_CNTL_WDTCONFIG0_EN (1u << 31)
#define RTC_CNTL_WDTCONFIG1 TA_REG32(0x60008094u) /* Ticks until stage 0, see watchdog.c. */
#define RTC_CNTL_WDTFEED TA_REG32(0x600080A4u)
#define RTC_CNTL_WDTFEED_FEED (1u << 31)
#define RTC_CNTL_WDTWPROTECT TA_REG32(0x600080A8u)
#define RTC_CNTL_SWD_CONF TA_REG32(0x600080ACu)
#define RTC_CNTL_SWD_CONF_AUTO_FEED_EN (1u << 31)
#define RTC_CNTL_SWD_WPROTECT TA_REG32(0x600080B0u)
#define RTC_CNTL_SWD_KEY 0x8F1D312Au

/* Watchdog of timer group 0: chapter 12. */
#define TIMG0_WDTCONFIG0 TA_REG32(0x6001F048u)
#define TIMG0_WDTCONFIG0_CONF_UPDATE_EN (1u << 22)
#define TIMG0_WDTWPROTECT TA_REG32(0x6001F064u)
#define WATCHDOG_KEY 0x50D83AA1u /* Of both kinds. */

/* System timer: chapter 10. */
#define SYSTIMER_CONF TA_REG32(0x60023000u)
#define SYSTIMER_CONF_UNIT0_WORK_EN (1u << 30)
#define SYSTIMER_UNIT0_OP TA_REG32(0x60023004u)
#define SYSTIMER_UNIT0_OP_VALUE_VALID (1u << 29)
#define SYSTIMER_UNIT0_OP_UPDATE (1u << 30)
#define SYSTIMER_UNIT0_VALUE_LO TA_REG32(0x60023044u)

/* eFuses: chapter 4. */
#define EFUSE_RD_REPEAT_DATA1 TA_REG32(0x60008834u)
#define EFUSE_RD_REPEAT_DATA1_WDT_DELAY_SEL_SHIFT 16u
#define EFUSE_RD_REPEAT_DATA1_WDT_DELAY_SEL_MASK 3u
#define EFUSE_RD_MAC_SPI_SYS_0 TA_REG32(0x60008844u) /* The last four bytes of the MAC address. */
#define EFUSE_RD_MAC_SPI_SYS_1 TA_REG32(0x60008848u) /* Its first two, in bits 15:0. */
#define EFUSE_RD_MAC_SPI_SYS_5 TA_REG32(0x60008858u) /* IDF register/soc/efuse_reg.h. */
#define EFUSE_RD_MAC_SPI_SYS_5_DIG_DBIAS_HVT_SHIFT 5u
#define EFUSE_RD_MAC_SPI_SYS_5_DIG_DBIAS_HVT_MASK 0x1Fu

/* IO MUX: chapter 5. */
#define IO_MUX_GPIO20 TA_REG32(0x60009054u)
#define IO_MUX_GPIO21 TA_REG32(0x60009058u)
#define IO_MUX_FUN_WPU (1u << 8)
#define IO_MUX_FUN_IE (1u << 9)
#define IO_MUX_FUN_DRV_20MA (2u << 10)
#define IO_MUX_MCU_SEL_UART0 (0u << 12)

/* UART0: chapter 26. */
#define UART0_FIFO TA_REG32(0x60000000u)
#define UART0_CLKDIV TA_REG32(0x60000014u)
#define UART0_CLKDIV_FRAG_SHIFT 20u
#define UART0_STATUS TA_REG32(0x6000001Cu)
#define UART_STATUS_RXFIFO_CNT_MASK 0x3FFu
#define UART_STATUS_TXFIFO_CNT_SHIFT 16u
#define UART_STATUS_TXFIFO_CNT_MASK 0x3FFu
#define UART_TXFIFO_BYTES 128u
#define UART0_CONF0 TA_REG32(0x60000020u)
#define UART_CONF0_8N1 ((3u << 2) | (1u << 4))
#define UART_CONF0_RXFIFO_RST (1u << 17)
#define UART_CONF0_TXFIFO_RST (1u << 18)
#define UART_CONF0_MEM_CLK_EN (1u << 28)
#define UART0_FSM_STATUS TA_REG32(0x6000006Cu)
#define UART_FSM_STATUS_TX_MASK (0xFu << 4)
#define UART0_CLK_CONF TA_REG32(0x60000078u)
#define UART_CLK_CONF_SCLK_XTAL (3u << 20)
#define UART_CLK_CONF_SCLK_EN (1u << 22)
#define UART_CLK_CONF_RST_CORE (1u << 23)
#define UART_CLK_CONF_TX_SCLK_EN (1u << 24)
#define UART_CLK_CONF_RX_SCLK_EN (1u << 25)
#define UART0_ID TA_REG32(0x60000080u)
#define UART_ID_REG_UPDATE (1u << 31)

/* Controller of the flash behind the cache: IDF register/soc/spi_mem_reg.h. */
#define SPI0_CLOCK TA_REG32(0x60003014u)
#define SPI0_CLOCK_DIV2 ((1u << 16) | (0u << 8) | 1u) /* Bus clock / (N + 1), high until H, low until L. */
#define SPI0_FSM TA_REG32(0x60003054u)
#define SPI0_FSM_STATES 0x7Fu /* Of both its state machines; 0: idle. */

/* Bus to the analog parts: IDF include/soc/regi2c_defs.h. */
#define I2C_MST_ANA_CONF0 TA_REG32(0x6000E040u)
#define I2C_MST_ANA_CONF0_BBPLL_STOP_FORCE_HIGH (1u << 2)
#define I2C_MST_ANA_CONF0_BBPLL_STOP_FORCE_LOW (1u << 3)
#define I2C_MST_ANA_CONFIG TA_REG32(0x6000E044u)
#define I2C_MST_ANA_CONFIG_ALL (0x3FFu << 8) /* A set bit keeps a part off the bus. */
#define I2C_MST_ANA_CONFIG_BBPLL (1u << 17)

#endif
