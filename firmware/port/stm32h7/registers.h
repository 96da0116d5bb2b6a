/* Registers of the STM32H743 that this port uses. Sections are those of RM0433 revision 8. */
#ifndef TINYANIME_STM32H7_REGISTERS_H
#define TINYANIME_STM32H7_REGISTERS_H

#include "core_registers.h"

/* Embedded flash interface: RM0433 4.9.1. */
#define FLASH_ACR TA_REG32(0x52002000u)

/* Power control: RM0433 6.8. */
#define PWR_CSR1 TA_REG32(0x58024804u) /* 6.8.2 */
#define PWR_CSR1_ACTVOSRDY (1u << 13)
#define PWR_CR3 TA_REG32(0x5802480Cu) /* 6.8.4 */
#define PWR_CR3_BYPASS (1u << 0)
#define PWR_CR3_LDOEN (1u << 1)
#define PWR_CR3_SCUEN (1u << 2)
#define PWR_D3CR TA_REG32(0x58024818u) /* 6.8.6 */
#define PWR_D3CR_VOSRDY (1u << 13)
#define PWR_D3CR_VOS_MASK (3u << 14)
#define PWR_D3CR_VOS_SCALE1 (3u << 14)

/* Reset and clock control: RM0433 8.7. */
#define RCC_CR TA_REG32(0x58024400u) /* 8.7.2 */
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 2)
#define RCC_CR_HSIDIV_SHIFT 3u
#define RCC_CR_HSIDIV_MASK (3u << 3)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
#define RCC_CFGR TA_REG32(0x58024410u) /* 8.7.6 */
#define RCC_CFGR_SW_MASK 7u
#define RCC_CFGR_SW_HSI 0u
#define RCC_CFGR_SW_PLL1 3u
#define RCC_CFGR_SWS_SHIFT 3u
#define RCC_D1CFGR TA_REG32(0x58024418u) /* 8.7.7 */
#define RCC_D1CFGR_HPRE_DIV2 (8u << 0)
#define RCC_D1CFGR_D1PPRE_DIV2 (4u << 4)
#define RCC_D2CFGR TA_REG32(0x5802441Cu) /* 8.7.8 */
#define RCC_D2CFGR_D2PPRE1_DIV2 (4u << 4)
#define RCC_D2CFGR_D2PPRE2_DIV2 (4u << 8)
#define RCC_D3CFGR TA_REG32(0x58024420u) /* 8.7.9 */
#define RCC_D3CFGR_D3PPRE_DIV2 (4u << 4)
#define RCC_PLLCKSELR TA_REG32(0x58024428u) /* 8.7.10 */
#define RCC_PLLCKSELR_PLLSRC_MASK 3u
#define RCC_PLLCKSELR_PLLSRC_HSI 0u
#define RCC_PLLCKSELR_PLLSRC_HSE 2u
#define RCC_PLLCKSELR_DIVM1_SHIFT 4u
#define RCC_PLLCKSELR_DIVM1_MASK (0x3Fu << 4)
#define RCC_PLLCFGR TA_REG32(0x5802442Cu) /* 8.7.11 */
#define RCC_PLLCFGR_PLL1FRACEN (1u << 0)
#define RCC_PLLCFGR_PLL1VCOSEL_MEDIUM (1u << 1)
#define RCC_PLLCFGR_PLL1RGE_MASK (3u << 2)
#define RCC_PLLCFGR_PLL1RGE_8_TO_16_MHZ (3u << 2)
#define RCC_PLLCFGR_DIVP1EN (1u << 16)
#define RCC_PLL1DIVR TA_REG32(0x58024430u) /* 8.7.12 */
#define RCC_PLL1DIVR_DIVN1_MASK 0x1FFu
#define RCC_PLL1DIVR_DIVP1_SHIFT 9u
#define RCC_PLL1DIVR_DIVP1_MASK (0x7Fu << 9)
#define RCC_PLL1DIVR_DIVQ1_SHIFT 16u
#define RCC_PLL1DIVR_DIVR1_SHIFT 24u
#define RCC_D2CCIP2R TA_REG32(0x58024454u)  /* 8.7.20 */
#define RCC_D2CCIP2R_USART234578SEL_MASK 7u /* 0: rcc_pclk1 */
#define RCC_CSR TA_REG32(0x58024474u)       /* 8.7.26 */
#define RCC_CSR_LSION (1u << 0)
#define RCC_CSR_LSIRDY (1u << 1)
#define RCC_AHB3ENR TA_REG32(0x580244D4u) /* 8.7.39 */
#define RCC_AHB3ENR_MDMAEN (1u << 0)
#define RCC_AHB2ENR TA_REG32(0x580244DCu) /* 8.7.41 */
#define RCC_AHB2ENR_SRAM123EN (7u << 29)
#define RCC_AHB4ENR TA_REG32(0x580244E0u) /* 8.7.42 */
#define RCC_AHB4ENR_GPIODEN (1u << 3)
#define RCC_APB1LENR TA_REG32(0x580244E8u) /* 8.7.44 */
#define RCC_APB1LENR_USART3EN (1u << 18)
#define RCC_APB4ENR TA_REG32(0x580244F4u) /* 8.7.47 */
#define RCC_APB4ENR_SYSCFGEN (1u << 1)

/* GPIO port D: RM0433 11.4. */
#define GPIOD_MODER TA_REG32(0x58020C00u)   /* 11.4.1 */
#define GPIOD_OSPEEDR TA_REG32(0x58020C08u) /* 11.4.3 */
#define GPIOD_PUPDR TA_REG32(0x58020C0Cu)   /* 11.4.4 */
#define GPIOD_AFRH TA_REG32(0x58020C24u)    /* 11.4.10 */

/* System configuration: RM0433 12.3. */
#define SYSCFG_PWRCR TA_REG32(0x5800042Cu) /* 12.3.9 */
#define SYSCFG_PWRCR_ODEN (1u << 0)

/* Independent watchdog: RM0433 45.4. */
#define IWDG1_KR TA_REG32(0x58004800u) /* 45.4.1 */
#define IWDG_KR_RELOAD 0xAAAAu
#define IWDG_KR_UNLOCK 0x5555u
#define IWDG_KR_START 0xCCCCu
#define IWDG1_PR TA_REG32(0x58004804u) /* 45.4.2 */
#define IWDG_PR_DIV256 6u
#define IWDG1_RLR TA_REG32(0x58004808u) /* 45.4.3 */
#define IWDG1_SR TA_REG32(0x5800480Cu)  /* 45.4.4 */

/* USART3: RM0433 48.7. */
#define USART3_CR1 TA_REG32(0x40004800u) /* 48.7.1, FIFO mode enabled */
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_FIFOEN (1u << 29)
#define USART3_CR2 TA_REG32(0x40004804u) /* 48.7.3 */
#define USART3_CR3 TA_REG32(0x40004808u) /* 48.7.4 */
#define USART_CR3_RXFTCFG_HALF (2u << 25)
#define USART_CR3_TXFTCFG_HALF (2u << 29)
#define USART3_BRR TA_REG32(0x4000480Cu) /* 48.7.5 */
#define USART3_ISR TA_REG32(0x4000481Cu) /* 48.7.9 */
#define USART_ISR_RXFNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXFNF (1u << 7)
#define USART_ISR_TEACK (1u << 21)
#define USART_ISR_REACK (1u << 22)
#define USART_ISR_RXFT (1u << 26)
#define USART_ISR_TXFT (1u << 27)
#define USART_ISR_RX_ERRORS 0xFu           /* PE, FE, NE, ORE */
#define USART3_ICR TA_REG32(0x40004820u)   /* 48.7.11 */
#define USART3_RDR TA_REG32(0x40004824u)   /* 48.7.12 */
#define USART3_TDR TA_REG32(0x40004828u)   /* 48.7.13 */
#define USART3_PRESC TA_REG32(0x4000482Cu) /* 48.7.14 */
#define USART_FIFO_HALF 8u                 /* Half of the 16 entries: 48.5.1 */

/* AXI interconnect: RM0433 2.2.4, issuing capability of target 7 (AXI SRAM). */
#define AXI_TARG7_FN_MOD TA_REG32(0x51008108u)
#define AXI_FN_MOD_READ_ISS_OVERRIDE (1u << 0)

/* Master DMA controller, by channel: RM0433 14.5. */
#define MDMA_CHANNEL(channel, offset) TA_REG32(0x52000040u + 0x40u * (channel) + (offset))
#define MDMA_CISR(channel) MDMA_CHANNEL(channel, 0x00u) /* 14.5.2 */
#define MDMA_CISR_TEIF (1u << 0)
#define MDMA_CISR_CTCIF (1u << 1)
#define MDMA_CIFCR(channel) MDMA_CHANNEL(channel, 0x04u) /* 14.5.3 */
#define MDMA_CIFCR_ALL 0x1Fu
#define MDMA_CCR(channel) MDMA_CHANNEL(channel, 0x0Cu) /* 14.5.5 */
#define MDMA_CCR_EN (1u << 0)
#define MDMA_CCR_SWRQ (1u << 16)
#define MDMA_CTCR(channel) MDMA_CHANNEL(channel, 0x10u) /* 14.5.6; sizes are stored as logarithms */
#define MDMA_CTCR_SINC_UP (2u << 0)
#define MDMA_CTCR_DINC_UP (2u << 2)
#define MDMA_CTCR_SSIZE_SHIFT 4u
#define MDMA_CTCR_DSIZE_SHIFT 6u
#define MDMA_CTCR_SINCOS_SHIFT 8u
#define MDMA_CTCR_DINCOS_SHIFT 10u
#define MDMA_CTCR_SBURST_SHIFT 12u
#define MDMA_CTCR_DBURST_SHIFT 15u
#define MDMA_CTCR_TLEN_SHIFT 18u
#define MDMA_CTCR_PKE (1u << 25)
#define MDMA_CTCR_TRGM_BLOCK (1u << 28)
#define MDMA_CTCR_SWRM (1u << 30)
#define MDMA_CBNDTR(channel) MDMA_CHANNEL(channel, 0x14u) /* 14.5.7 */
#define MDMA_CSAR(channel) MDMA_CHANNEL(channel, 0x18u)   /* 14.5.8 */
#define MDMA_CDAR(channel) MDMA_CHANNEL(channel, 0x1Cu)   /* 14.5.9 */
#define MDMA_CTBR(channel) MDMA_CHANNEL(channel, 0x28u)   /* 14.5.12 */
#define MDMA_CTBR_SBUS (1u << 16)
#define MDMA_CTBR_DBUS (1u << 17)

/* Device identity: RM0433 60.5.8 and 61.1. */
#define DBGMCU_IDC TA_REG32(0x5C001000u)
#define DBGMCU_REVISION_Z 0x1001u
#define DBGMCU_REVISION_Y 0x1003u
#define DBGMCU_REVISION_X 0x2001u
#define DBGMCU_REVISION_V 0x2003u
#define UNIQUE_ID_BASE 0x1FF1E800u

#endif
