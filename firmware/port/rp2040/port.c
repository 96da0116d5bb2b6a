/* ta_port of the RP2040: start-up order, time, identity, watchdog and reset. */
#include "tinyanime/port.h"

#include "board_config.h"
#include "registers.h"
#include "rp2040.h"
#include "stack.h"

/* Counted down twice per tick (erratum RP2040-E1). As long as it can be, and shorter than the cycle counter takes to
 * wrap at 133 MHz (32 s): 30 s with ticks of 4 us, 5 minutes and more on the oscillators, with ticks ten times as
 * long. A step of a network takes seconds. */
#define WATCHDOG_TICKS 7500000u
#define WATCHDOG_COUNT (2u * WATCHDOG_TICKS)

/* From the linker script. */
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

static uint32_t clock_hz;
static uint32_t cycles_per_tick;
static uint32_t ticks_per_ms;
static uint32_t systick_begin; /* Of ta_port_cycles, less what the system timer had counted then. */
static uint32_t last_ticks;
static uint32_t millis;

void rp2040_reset_peripherals(uint32_t mask) {
    RESETS_RESET |= mask;
    RESETS_RESET &= ~mask;
    (void)rp2040_wait(&RESETS_RESET_DONE, mask, mask);
}

static uint32_t systick_count(void) {
    return 0u - SYST_CVR; /* It counts down. */
}

static void start_time(void) {
    rp2040_reset_peripherals(RESETS_TIMER);
    /* Debuggers leave core 1 halted behind them: time goes on with core 0, as the system timer does. */
    TIMER_DBGPAUSE &= ~TIMER_DBGPAUSE_CORE1;
    SYST_RVR = SYST_MASK;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_CLKSOURCE_CORE;
    cycles_per_tick = rp2040_clock_cycles_per_tick();
    ticks_per_ms = clock_hz / cycles_per_tick / 1000u;
    last_ticks = TIMER_TIMERAWL;
    millis = 0;
    /* One tick ahead of the timer, so that it never falls behind it. */
    systick_begin = (last_ticks + 1u) * cycles_per_tick - systick_count();
}

/* All of the chip but its oscillators is reset: 2.13.5, 4.7.5. */
static void start_watchdog(void) {
    PSM_WDSEL = PSM_ALL & ~(PSM_ROSC | PSM_XOSC);
    ta_port_watchdog_feed();
    WATCHDOG_CTRL = WATCHDOG_CTRL_ENABLE | WATCHDOG_CTRL_PAUSE_IN_DEBUG;
}

void ta_port_init(void) {
    WATCHDOG_CTRL = WATCHDOG_CTRL_PAUSE_IN_DEBUG; /* Off, where it still runs. */
#if TA_CORES > 1
    rp2040_core1_hold();
#endif
    ta_stack_guard(__stack_limit);
    rp2040_clock_init();
    clock_hz = rp2040_clock_core_hz();
    start_time();
    rp2040_dma_init();
    rp2040_uart_init();
    start_watchdog();
}

/* Timer and core are clocked from the same crystal. The timer tells the time to a tick (532 cycles at 133 MHz), the
 * low 24 bits of the system timer tell the cycle in it; on core 1, which has another system timer, and where the two
 * disagree (a debugger has stopped one of them) the resolution is a tick. */
uint32_t ta_port_cycles(void) {
    const uint32_t coarse = TIMER_TIMERAWL * cycles_per_tick;
#if TA_CORES > 1
    if (ta_port_core_index() != 0u) {
        return coarse;
    }
#endif
    const uint32_t ahead = (systick_begin + systick_count() - coarse) & SYST_MASK;
    return ahead < 4u * cycles_per_tick ? coarse + ahead : coarse;
}

/* Accumulates the timer, whose 32 bits take hours to wrap. On core 0 only. */
uint32_t ta_port_millis(void) {
    const uint32_t passed = (TIMER_TIMERAWL - last_ticks) / ticks_per_ms;
    last_ticks += passed * ticks_per_ms;
    millis += passed;
    return millis;
}

uint32_t ta_port_clock_hz(void) {
    return clock_hz;
}

/* The RP2040 has none. Where boot2.S found a flash chip that has one it is that, 64 bits, in the first eight bytes;
 * all zero otherwise. */
void ta_port_unique_id(uint8_t id[12]) {
    const bool known = WATCHDOG_SCRATCH(0u) == RP2040_FLASH_ID_KNOWN;
    for (uint32_t byte = 0; byte < 12u; byte++) {
        const uint32_t word = byte < 8u && known ? WATCHDOG_SCRATCH(1u + byte / 4u) : 0u;
        id[byte] = (uint8_t)(word >> (24u - 8u * (byte % 4u)));
    }
}

void ta_port_watchdog_feed(void) {
    WATCHDOG_LOAD = WATCHDOG_COUNT;
}

void ta_port_reset(void) {
    ta_barrier_data();
    PSM_WDSEL = PSM_ALL & ~(PSM_ROSC | PSM_XOSC); /* A fault may come before ta_port_init. */
    WATCHDOG_CTRL = WATCHDOG_CTRL_TRIGGER;
    ta_barrier_data();
    for (;;) { /* The reset takes a few cycles. */
    }
}

uint32_t ta_port_stack_free_bytes(void) {
    uint32_t least = ta_stack_free_bytes(__stack_limit, __stack_top);
#if TA_CORES > 1
    if (rp2040_core1_runs()) {
        const uint32_t of_core1 = ta_stack_free_bytes(__core1_stack_limit, __core1_stack_top);
        least = of_core1 < least ? of_core1 : least;
    }
#endif
    return least;
}
