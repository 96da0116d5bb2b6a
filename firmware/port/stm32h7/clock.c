/* Supply and clock tree: RM0433 6.6 (supply), 8.5 (clocks), 4.3.8 (flash wait states). */
#include "registers.h"
#include "stm32h7.h"

/* 8 MHz from the ST-LINK's MCO on the NUCLEO-H743ZI (UM2407 6.9.1); a board with its own source defines it.
 */
#ifndef TA_BOARD_HSE_HZ
#define TA_BOARD_HSE_HZ 8000000u
#endif

#define HSI_HZ 64000000u
#define PLL_REFERENCE_HZ 8000000u
#define PLL_DIVIDER_P 2u /* 8.7.12: DIVP1 is even */

/* What the voltage allows (DS12110 table 23) with the flash wait states at that bus clock (RM0433 table 17).
 */
typedef struct {
    uint32_t core_hz;
    uint32_t flash_acr; /* WRHIGHFREQ in bits 5:4, LATENCY in bits 3:0 */
} operating_point;

static const operating_point boosted = {480000000u, (2u << 4) | 4u}; /* VOS0, bus 240 MHz */
static const operating_point scale1 = {400000000u, (2u << 4) | 2u};  /* VOS1, bus 200 MHz */

bool stm32h7_wait(const volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    for (uint32_t poll = 0; poll < STM32H7_WAIT_POLLS; poll++) {
        if ((*reg & mask) == value) {
            return true;
        }
    }
    return false;
}

/* Revision Y (and Z) silicon ends at 400 MHz; V (and X) has VOS0 and 480 MHz: ES0392, DS12110 6.3.1. */
static bool revision_allows_boost(void) {
    const uint32_t revision = DBGMCU_IDC >> 16;
    return revision == DBGMCU_REVISION_V || revision == DBGMCU_REVISION_X;
}

/* Supplies the core from the LDO at voltage scale 1. The supply is configured once after power-on (6.8.4):
 * the write has no effect after other resets. */
static bool supply_scale1(void) {
    PWR_CR3 = (PWR_CR3 & ~PWR_CR3_BYPASS) | PWR_CR3_LDOEN | PWR_CR3_SCUEN;
    if (!stm32h7_wait(&PWR_CSR1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY)) {
        return false;
    }
    PWR_D3CR = (PWR_D3CR & ~PWR_D3CR_VOS_MASK) | PWR_D3CR_VOS_SCALE1;
    (void)PWR_D3CR; /* VOSRDY still tells of the old scale while the write is on its way. */
    return stm32h7_wait(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY);
}

/* VOS1 to VOS0: RM0433 6.6.2, "VOS0 activation sequence". */
static bool supply_boost(void) {
    RCC_APB4ENR |= RCC_APB4ENR_SYSCFGEN;
    (void)RCC_APB4ENR; /* The clock runs two cycles after the write: 8.5.9. */
    SYSCFG_PWRCR |= SYSCFG_PWRCR_ODEN;
    (void)SYSCFG_PWRCR; /* On another bus than VOSRDY: the write has arrived before that is looked at. */
    if (stm32h7_wait(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY)) {
        return true;
    }
    SYSCFG_PWRCR &= ~SYSCFG_PWRCR_ODEN;
    return false;
}

/* Core back on the internal oscillator at its full speed, PLL off: after a soft reset this is so already. */
static bool select_hsi(void) {
    RCC_CR = (RCC_CR & ~RCC_CR_HSIDIV_MASK) | RCC_CR_HSION;
    if (!stm32h7_wait(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return false;
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW_MASK) | RCC_CFGR_SW_HSI;
    if (!stm32h7_wait(&RCC_CFGR, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_HSI << RCC_CFGR_SWS_SHIFT)) {
        return false;
    }
    RCC_CR &= ~RCC_CR_PLL1ON;
    return stm32h7_wait(&RCC_CR, RCC_CR_PLL1RDY, 0);
}

static bool start_hse(void) {
    RCC_CR &= ~RCC_CR_HSEON; /* HSEBYP may be written only while the oscillator is off: 8.7.2. */
    RCC_CR |= RCC_CR_HSEBYP;
    RCC_CR |= RCC_CR_HSEON;
    if (stm32h7_wait(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return true;
    }
    RCC_CR &= ~RCC_CR_HSEON;
    return false;
}

static bool start_pll(bool from_hse, uint32_t core_hz) {
    const uint32_t source_hz = from_hse ? TA_BOARD_HSE_HZ : HSI_HZ;
    const uint32_t source = from_hse ? RCC_PLLCKSELR_PLLSRC_HSE : RCC_PLLCKSELR_PLLSRC_HSI;
    const uint32_t multiplier = core_hz / PLL_REFERENCE_HZ * PLL_DIVIDER_P;
    RCC_PLLCKSELR = (RCC_PLLCKSELR & ~(RCC_PLLCKSELR_PLLSRC_MASK | RCC_PLLCKSELR_DIVM1_MASK)) | source |
                    ((source_hz / PLL_REFERENCE_HZ) << RCC_PLLCKSELR_DIVM1_SHIFT);
    /* Wide VCO, 8 to 16 MHz reference, no fraction. */
    RCC_PLLCFGR = (RCC_PLLCFGR & ~(RCC_PLLCFGR_PLL1RGE_MASK | RCC_PLLCFGR_PLL1VCOSEL_MEDIUM | RCC_PLLCFGR_PLL1FRACEN)) |
                  RCC_PLLCFGR_PLL1RGE_8_TO_16_MHZ | RCC_PLLCFGR_DIVP1EN;
    /* Dividers are stored less one; Q and R are not used and stay at their reset value of 2. */
    RCC_PLL1DIVR = (multiplier - 1u) | ((PLL_DIVIDER_P - 1u) << RCC_PLL1DIVR_DIVP1_SHIFT) |
                   (1u << RCC_PLL1DIVR_DIVQ1_SHIFT) | (1u << RCC_PLL1DIVR_DIVR1_SHIFT);
    RCC_CR |= RCC_CR_PLL1ON;
    if (stm32h7_wait(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY)) {
        return true;
    }
    RCC_CR &= ~RCC_CR_PLL1ON;
    return false;
}

/* Dividers and wait states first: the buses are within their limits at every moment of the switch. */
static void switch_to_pll(const operating_point *point) {
    RCC_D1CFGR = RCC_D1CFGR_HPRE_DIV2 | RCC_D1CFGR_D1PPRE_DIV2;
    RCC_D2CFGR = RCC_D2CFGR_D2PPRE1_DIV2 | RCC_D2CFGR_D2PPRE2_DIV2;
    RCC_D3CFGR = RCC_D3CFGR_D3PPRE_DIV2;
    FLASH_ACR = point->flash_acr;
    if (!stm32h7_wait(&FLASH_ACR, 0x3Fu, point->flash_acr)) {
        return;
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW_MASK) | RCC_CFGR_SW_PLL1;
    (void)stm32h7_wait(&RCC_CFGR, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_PLL1 << RCC_CFGR_SWS_SHIFT);
}

void stm32h7_clock_init(void) {
    if (!supply_scale1() || !select_hsi()) {
        return;
    }
    const operating_point *point = revision_allows_boost() && supply_boost() ? &boosted : &scale1;
    const bool hse = start_hse();
    if (start_pll(hse, point->core_hz) || (hse && start_pll(false, point->core_hz))) {
        switch_to_pll(point);
    }
}

static uint32_t pll1_p_hz(void) {
    const uint32_t select = RCC_PLLCKSELR;
    const uint32_t dividers = RCC_PLL1DIVR;
    const uint32_t source_hz =
        (select & RCC_PLLCKSELR_PLLSRC_MASK) == RCC_PLLCKSELR_PLLSRC_HSE ? TA_BOARD_HSE_HZ : HSI_HZ;
    const uint32_t m = (select & RCC_PLLCKSELR_DIVM1_MASK) >> RCC_PLLCKSELR_DIVM1_SHIFT;
    const uint32_t n = (dividers & RCC_PLL1DIVR_DIVN1_MASK) + 1u;
    const uint32_t p = ((dividers & RCC_PLL1DIVR_DIVP1_MASK) >> RCC_PLL1DIVR_DIVP1_SHIFT) + 1u;
    return m == 0 ? 0 : source_hz / m * n / p;
}

uint32_t stm32h7_clock_core_hz(void) {
    const uint32_t source = (RCC_CFGR >> RCC_CFGR_SWS_SHIFT) & RCC_CFGR_SW_MASK;
    if (source == RCC_CFGR_SW_PLL1) {
        return pll1_p_hz(); /* D1CPRE stays 1. */
    }
    return HSI_HZ >> ((RCC_CR & RCC_CR_HSIDIV_MASK) >> RCC_CR_HSIDIV_SHIFT);
}

uint32_t stm32h7_clock_apb1_hz(void) {
    /* HPRE and D2PPRE1 are 1 or 2 here: their highest bit is set for a division. */
    const uint32_t hclk_shift = (RCC_D1CFGR & RCC_D1CFGR_HPRE_DIV2) != 0 ? 1u : 0u;
    const uint32_t apb1_shift = (RCC_D2CFGR & RCC_D2CFGR_D2PPRE1_DIV2) != 0 ? 1u : 0u;
    return stm32h7_clock_core_hz() >> (hclk_shift + apb1_shift);
}
