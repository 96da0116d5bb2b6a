/* ta_port of the ESP32-C3: start-up order, time, identity, watchdog and reset. */
#include "tinyanime/port.h"

#include "csr.h"
#include "esp32c3.h"
#include "registers.h"
#include "stack.h"

#define TICKS_PER_MS (ESP32C3_SYSTIMER_HZ / 1000u)

static uint32_t clock_hz;
static uint32_t last_ticks;
static uint32_t millis;

void ta_port_init(void) {
    esp32c3_watchdog_stop();
    esp32c3_timer_init();
    esp32c3_clock_init();
    clock_hz = esp32c3_clock_core_hz();
    last_ticks = esp32c3_timer_ticks();
    millis = 0;
    esp32c3_uart_init();
    esp32c3_watchdog_start();
}

uint32_t ta_port_cycles(void) {
    return TA_CSR_READ(CSR_MPCCR);
}

/* Accumulates the SYSTIMER's low word, which wraps after 268 s: the watchdog restarts the chip where nobody asks
 * (ta_port_watchdog_feed does) in that time. */
uint32_t ta_port_millis(void) {
    const uint32_t passed = (esp32c3_timer_ticks() - last_ticks) / TICKS_PER_MS;
    last_ticks += passed * TICKS_PER_MS;
    millis += passed;
    return millis;
}

uint32_t ta_port_clock_hz(void) {
    return clock_hz;
}

/* The MAC address in the order in which it is printed, then six zeros. */
void ta_port_unique_id(uint8_t id[12]) {
    const uint32_t low = EFUSE_RD_MAC_SPI_SYS_0;
    const uint32_t high = EFUSE_RD_MAC_SPI_SYS_1;
    for (uint32_t byte = 0; byte < 12; byte++) {
        id[byte] = 0;
    }
    id[0] = (uint8_t)(high >> 8);
    id[1] = (uint8_t)high;
    for (uint32_t byte = 0; byte < 4; byte++) {
        id[2u + byte] = (uint8_t)(low >> (24u - 8u * byte));
    }
}

void ta_port_watchdog_feed(void) {
    esp32c3_watchdog_feed();
    (void)ta_port_millis();
}

void ta_port_reset(void) {
    RTC_CNTL_OPTIONS0 |= RTC_CNTL_OPTIONS0_SW_SYS_RST;
    for (;;) { /* The reset takes a few cycles. */
    }
}

uint32_t ta_port_stack_free_bytes(void) {
    return ta_stack_free_bytes();
}
