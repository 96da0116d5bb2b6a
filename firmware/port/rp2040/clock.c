/* Clock tree: RP2040 datasheet 2.15 (clocks), 2.16 (crystal oscillator), 2.18 (PLL), 4.7.2 (tick). */
#include "board_config.h"
#include "registers.h"
#include "rp2040.h"

/* The Pico's crystal; a board with another one defines it. */
#ifndef TA_BOARD_XOSC_HZ
#define TA_BOARD_XOSC_HZ 12000000u
#endif

_Static_assert(TA_BOARD_CLOCK_HZ == 133000000u, "this port sets the clock to 133 MHz: correct clock_hz");

#define ROSC_HZ 6500000u /* Nominal: 2.17.1 */

/* 133 MHz, the most that the chip is made for. The VCO may run at 750 to 1600 MHz, and the first divider shall be the
 * larger one: 2.18.2.1. */
#define PLL_REFERENCE_HZ 12000000u
#define PLL_MULTIPLIER 133u
#define PLL_DIVIDER_1 6u
#define PLL_DIVIDER_2 2u

/* STARTUP counts 256 crystal cycles: 2.16.3. The Pico's crystal is stable after 1 ms, those of some boards later. */
#define XOSC_STARTUP_MS 10u
#define XOSC_STARTUP_COUNT (TA_BOARD_XOSC_HZ / 1000u * XOSC_STARTUP_MS / 256u)

/* Cycles of clk_ref per tick, of at most 511 (4.7.6). The watchdog counts down 24 bits, two per tick (erratum
 * RP2040-E1), and the longest step may take as long as the 32-bit cycle counter goes without wrapping: 32 s at
 * 133 MHz. So a tick is 4 us then, not 1 us. On a slow clock a step takes ten times as long, and so does a tick. */
#define TICK_CYCLES_ON_PLL (PLL_REFERENCE_HZ / 250000u)
#define TICK_CYCLES_ON_OSCILLATOR 480u

bool rp2040_wait(const volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    for (uint32_t poll = 0; poll < RP2040_WAIT_POLLS; poll++) {
        if ((*reg & mask) == value) {
            return true;
        }
    }
    return false;
}

/* clk_sys and clk_ref back on the ring oscillator: after a reset they are there already, but not where a debugger has
 * started the core anew. */
static bool select_rosc(void) {
    CLK_SYS_RESUS_CTRL = 0;
    CLK_SYS_CTRL &= ~CLK_SYS_CTRL_SRC_MASK;
    if (!rp2040_wait(&CLK_SYS_SELECTED, ~0u, 1u << CLK_SYS_CTRL_SRC_REF)) {
        return false;
    }
    CLK_REF_CTRL &= ~CLK_REF_CTRL_SRC_MASK;
    return rp2040_wait(&CLK_REF_SELECTED, ~0u, 1u << CLK_REF_CTRL_SRC_ROSC);
}

static bool start_xosc(void) {
    XOSC_CTRL = XOSC_CTRL_FREQ_RANGE_1_15MHZ;
    XOSC_STARTUP = XOSC_STARTUP_COUNT;
    XOSC_CTRL = XOSC_CTRL_FREQ_RANGE_1_15MHZ | XOSC_CTRL_ENABLE;
    return rp2040_wait(&XOSC_STATUS, XOSC_STATUS_STABLE, XOSC_STATUS_STABLE);
}

static bool select_xosc(void) {
    CLK_REF_DIV = CLK_DIV_BY_1;
    CLK_REF_CTRL = (CLK_REF_CTRL & ~CLK_REF_CTRL_SRC_MASK) | CLK_REF_CTRL_SRC_XOSC;
    return rp2040_wait(&CLK_REF_SELECTED, ~0u, 1u << CLK_REF_CTRL_SRC_XOSC);
}

/* 2.18.3: dividers of the VCO, power, lock, then the dividers behind it. */
static bool start_pll(void) {
    rp2040_reset_peripherals(RESETS_PLL_SYS);
    PLL_SYS_CS = TA_BOARD_XOSC_HZ / PLL_REFERENCE_HZ;
    PLL_SYS_FBDIV_INT = PLL_MULTIPLIER;
    PLL_SYS_PWR &= ~(PLL_PWR_PD | PLL_PWR_VCOPD);
    if (!rp2040_wait(&PLL_SYS_CS, PLL_CS_LOCK, PLL_CS_LOCK)) {
        return false;
    }
    PLL_SYS_PRIM = (PLL_DIVIDER_1 << PLL_PRIM_POSTDIV1_SHIFT) | (PLL_DIVIDER_2 << PLL_PRIM_POSTDIV2_SHIFT);
    PLL_SYS_PWR &= ~PLL_PWR_POSTDIVPD;
    return true;
}

/* The auxiliary source may be changed only while it is not in use: 2.15.3.2. */
static void select_pll(void) {
    CLK_SYS_DIV = CLK_DIV_BY_1;
    CLK_SYS_CTRL &= ~CLK_SYS_CTRL_AUXSRC_MASK;
    CLK_SYS_CTRL |= CLK_SYS_CTRL_SRC_AUX;
    (void)rp2040_wait(&CLK_SYS_SELECTED, ~0u, 1u << CLK_SYS_CTRL_SRC_AUX);
}

static bool runs_on_pll(void) {
    return CLK_SYS_SELECTED == 1u << CLK_SYS_CTRL_SRC_AUX;
}

/* The UART's clock is that of the core. Its source may be changed while it is off, which takes two of its cycles
 * (2.15.3.3): fewer than the register accesses do. */
static void start_peripheral_clock(void) {
    CLK_PERI_CTRL &= ~CLK_PERI_CTRL_ENABLE;
    CLK_PERI_CTRL &= ~CLK_PERI_CTRL_AUXSRC_MASK;
    CLK_PERI_CTRL |= CLK_PERI_CTRL_ENABLE;
}

void rp2040_clock_init(void) {
    if (select_rosc() && start_xosc() && select_xosc() && start_pll()) {
        select_pll();
    }
    start_peripheral_clock();
    WATCHDOG_TICK = (runs_on_pll() ? TICK_CYCLES_ON_PLL : TICK_CYCLES_ON_OSCILLATOR) | WATCHDOG_TICK_ENABLE;
}

static uint32_t pll_hz(void) {
    const uint32_t dividers = PLL_SYS_PRIM;
    const uint32_t reference_divider = PLL_SYS_CS & PLL_CS_REFDIV_MASK;
    const uint32_t first = (dividers >> PLL_PRIM_POSTDIV1_SHIFT) & PLL_PRIM_POSTDIV_MASK;
    const uint32_t second = (dividers >> PLL_PRIM_POSTDIV2_SHIFT) & PLL_PRIM_POSTDIV_MASK;
    if (reference_divider == 0u || first == 0u || second == 0u) {
        return 0;
    }
    return TA_BOARD_XOSC_HZ / reference_divider * PLL_SYS_FBDIV_INT / (first * second);
}

uint32_t rp2040_clock_core_hz(void) {
    if (runs_on_pll()) {
        return pll_hz();
    }
    return CLK_REF_SELECTED == 1u << CLK_REF_CTRL_SRC_XOSC ? TA_BOARD_XOSC_HZ : ROSC_HZ;
}

uint32_t rp2040_clock_cycles_per_tick(void) {
    if (runs_on_pll()) {
        return rp2040_clock_core_hz() / (TA_BOARD_XOSC_HZ / TICK_CYCLES_ON_PLL);
    }
    return TICK_CYCLES_ON_OSCILLATOR; /* clk_sys is clk_ref. */
}
