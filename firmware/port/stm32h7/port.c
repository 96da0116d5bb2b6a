/* ta_port of the STM32H743: start-up order, time, identity, watchdog and reset. */
#include "tinyanime/port.h"

#include "board_config.h"
#include "registers.h"
#include "stack.h"
#include "stm32h7.h"

/* 32 kHz / 256 = 125 Hz. The oscillator may be 7 % slow (DS12110 6.3.9). */
#define WATCHDOG_TICKS_PER_SECOND 125u
#define WATCHDOG_MAX_TICKS 0xFFFu /* 45.4.3: the reload value has 12 bits. */

static uint32_t clock_hz;
static uint32_t cycles_per_ms;
static uint32_t last_cycles;
static uint32_t millis;

static void start_cycle_counter(void) {
    COREDEBUG_DEMCR |= COREDEBUG_DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

/* As long as it can be: a step takes half a second at 480 MHz, but many seconds where the core had to stay on
 * the 64 MHz oscillator. The limit is the cycle counter, which must not wrap within that time even where the
 * watchdog is slow, hence the tenth: 8 s at 480 MHz, 9 s at 400 MHz, the longest there is (32 s) at 64 MHz. */
static uint32_t watchdog_ticks(void) {
    const uint32_t ticks = UINT32_MAX / (clock_hz + clock_hz / 10u) * WATCHDOG_TICKS_PER_SECOND;
    return ticks < WATCHDOG_MAX_TICKS ? ticks : WATCHDOG_MAX_TICKS;
}

/* RM0433 45.3.1: start, unlock, prescaler, reload value, wait until both are taken over, reload. Starting it
 * first switches the LSI on. Where that takes longer than the wait the first period is another one; the next
 * feed reloads the right value. */
static void start_watchdog(void) {
    IWDG1_KR = IWDG_KR_START;
    IWDG1_KR = IWDG_KR_UNLOCK;
    IWDG1_PR = IWDG_PR_DIV256;
    IWDG1_RLR = watchdog_ticks();
    (void)stm32h7_wait(&IWDG1_SR, 0x3u, 0);
    ta_port_watchdog_feed();
}

void ta_port_init(void) {
    stm32h7_clock_init();
    clock_hz = stm32h7_clock_core_hz();
    cycles_per_ms = clock_hz / 1000u;
    stm32h7_memory_init();
    stm32h7_dma_init();
    start_cycle_counter();
    last_cycles = 0;
    millis = 0;
    stm32h7_uart_init();
    start_watchdog();
}

uint32_t ta_port_cycles(void) {
    return DWT_CYCCNT;
}

/* Accumulates the cycle counter, which wraps after 8.9 s at 480 MHz: the watchdog restarts the chip where
 * nobody asks (ta_port_watchdog_feed does) in that time. */
uint32_t ta_port_millis(void) {
    const uint32_t passed = (DWT_CYCCNT - last_cycles) / cycles_per_ms;
    last_cycles += passed * cycles_per_ms;
    millis += passed;
    return millis;
}

uint32_t ta_port_clock_hz(void) {
    return clock_hz;
}

void ta_port_unique_id(uint8_t id[12]) {
    for (uint32_t word = 0; word < 3; word++) {
        const uint32_t value = TA_REG32(UNIQUE_ID_BASE + 4u * word);
        for (uint32_t byte = 0; byte < 4; byte++) {
            id[4u * word + byte] = (uint8_t)(value >> (8u * byte));
        }
    }
}

void ta_port_watchdog_feed(void) {
    IWDG1_KR = IWDG_KR_RELOAD;
    (void)ta_port_millis();
}

void ta_port_reset(void) {
    ta_barrier_data();
    SCB_AIRCR = SCB_AIRCR_KEY | SCB_AIRCR_SYSRESETREQ;
    ta_barrier_data();
    for (;;) { /* The reset takes a few cycles. */
    }
}

uint32_t ta_port_stack_free_bytes(void) {
    return ta_stack_free_bytes();
}
