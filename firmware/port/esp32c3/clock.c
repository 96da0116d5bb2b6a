/* Core clock: TRM chapters 6 and 16. */
#include "board_config.h"
#include "csr.h"
#include "esp32c3.h"
#include "registers.h"
#include "tinyanime/fast_code.h"

#define PLL_CORE_HZ 160000000u
_Static_assert(TA_BOARD_CLOCK_HZ == PLL_CORE_HZ, "this port sets the clock to 160 MHz: correct clock_hz");

#define LOCK_TICKS (ESP32C3_SYSTIMER_HZ / 10000u)    /* 100 us: nothing tells when the PLL has locked. */
#define MEASURE_TICKS (ESP32C3_SYSTIMER_HZ / 20000u) /* 50 us are 8000 cycles at 160 MHz. */
#define TICK_POLLS 10000u /* 20 cycles or more each: ten times what 100 us take at 160 MHz. */
#define TOLERANCE_HZ (PLL_CORE_HZ / 40u)
#define FLASH_POLLS 1000u /* A line of the cache is 32 bytes: 20 us in the slowest mode. */

/* From SRAM: the core must not fetch from flash while its clock changes. The bus that clocks the flash becomes faster
 * with the core, 80 MHz from the PLL; the ROM has set the flash up for the clock that was, in a mode of its choice.
 * Half of the bus clock, 40 MHz, is what every flash takes in every mode (it is what esptool assumes where it is told
 * nothing). The core fetches ahead: the cache may still be reading the line behind the call of this function. */
TA_FAST_CODE(esp32c3_clock)
__attribute__((noinline)) static void switch_core(uint32_t sysclk_conf) {
    for (uint32_t poll = 0; poll < FLASH_POLLS && (SPI0_FSM & SPI0_FSM_STATES) != 0; poll++) {
    }
    SPI0_CLOCK = SPI0_CLOCK_DIV2;
    (void)SPI0_CLOCK;
    SYSTEM_SYSCLK_CONF = sysclk_conf;
    (void)SYSTEM_SYSCLK_CONF;
}

/* Lets so many ticks of the SYSTIMER pass; false where it stands still. */
static bool pass_ticks(uint32_t ticks) {
    const uint32_t start = esp32c3_timer_ticks();
    for (uint32_t poll = 0; poll < TICK_POLLS; poll++) {
        if (esp32c3_timer_ticks() - start >= ticks) {
            return true;
        }
    }
    return false;
}

/* Core cycles per second, by the SYSTIMER, whose clock is the crystal's; 0 where that stands still. */
static uint32_t measure_core_hz(void) {
    const uint32_t first_tick = esp32c3_timer_ticks();
    const uint32_t first_cycle = TA_CSR_READ(CSR_MPCCR);
    if (!pass_ticks(MEASURE_TICKS)) {
        return 0;
    }
    const uint32_t ticks = esp32c3_timer_ticks() - first_tick;
    const uint32_t cycles = TA_CSR_READ(CSR_MPCCR) - first_cycle;
    return (uint32_t)((uint64_t)cycles * ESP32C3_SYSTIMER_HZ / ticks);
}

static bool runs_from_pll(void) {
    const uint32_t core_hz = measure_core_hz();
    return core_hz > PLL_CORE_HZ - TOLERANCE_HZ && core_hz < PLL_CORE_HZ + TOLERANCE_HZ;
}

void esp32c3_clock_init(void) {
    switch_core(SYSTEM_SYSCLK_CONF_SOURCE_XTAL); /* 40 MHz; the ROM may have left half of it, or a PLL. */
    esp32c3_analog_start_pll();
    SYSTEM_CPU_PER_CONF =
        (SYSTEM_CPU_PER_CONF & ~SYSTEM_CPU_PER_CONF_CPUPERIOD_MASK) | SYSTEM_CPU_PER_CONF_CPUPERIOD_160MHZ;
    if (pass_ticks(LOCK_TICKS)) {
        switch_core(SYSTEM_SYSCLK_CONF_SOURCE_PLL);
        if (runs_from_pll()) {
            return;
        }
        switch_core(SYSTEM_SYSCLK_CONF_SOURCE_XTAL);
    }
    esp32c3_analog_stop_pll();
}

uint32_t esp32c3_clock_core_hz(void) {
    const uint32_t sysclk = SYSTEM_SYSCLK_CONF;
    if ((sysclk & SYSTEM_SYSCLK_CONF_SOURCE_MASK) == SYSTEM_SYSCLK_CONF_SOURCE_PLL) {
        return PLL_CORE_HZ;
    }
    return ESP32C3_XTAL_HZ / ((sysclk & SYSTEM_SYSCLK_CONF_PRE_DIV_MASK) + 1u);
}
