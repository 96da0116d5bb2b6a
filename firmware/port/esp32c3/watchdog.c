/* The four watchdogs of the ESP32-C3: TRM chapter 12. */
#include "esp32c3.h"
#include "registers.h"

#define RC_SLOW_HZ 136000u /* TRM chapter 6; a few per cent off on a real chip. */

/* A step of strips takes a second; one that is a whole layer of 200 million multiplications in plain C 15 seconds at
 * 160 MHz, and four times as long from the crystal. ta_port_millis has to be asked within 268 s. */
#define PATIENCE_SECONDS 30u
#define PATIENCE_XTAL_SECONDS 120u

void esp32c3_watchdog_stop(void) {
    TIMG0_WDTWPROTECT = WATCHDOG_KEY;
    TIMG0_WDTCONFIG0 = 0;
    TIMG0_WDTCONFIG0 = TIMG0_WDTCONFIG0_CONF_UPDATE_EN;
    TIMG0_WDTWPROTECT = 0;

    RTC_CNTL_WDTWPROTECT = WATCHDOG_KEY;
    RTC_CNTL_WDTCONFIG0 = 0;
    RTC_CNTL_WDTWPROTECT = 0;

    RTC_CNTL_SWD_WPROTECT = RTC_CNTL_SWD_KEY;
    RTC_CNTL_SWD_CONF |= RTC_CNTL_SWD_CONF_AUTO_FEED_EN;
    RTC_CNTL_SWD_WPROTECT = 0;
}

/* The chip takes the ticks of stage 0 times two, and more where an eFuse says so: chapter 12, "Timeout Actions" (IDF
 * rwdt_ll.h). */
static uint32_t stage0_ticks(uint32_t seconds) {
    const uint32_t delay =
        (EFUSE_RD_REPEAT_DATA1 >> EFUSE_RD_REPEAT_DATA1_WDT_DELAY_SEL_SHIFT) & EFUSE_RD_REPEAT_DATA1_WDT_DELAY_SEL_MASK;
    return seconds * RC_SLOW_HZ >> (1u + delay);
}

void esp32c3_watchdog_start(void) {
    const bool slow = esp32c3_clock_core_hz() <= ESP32C3_XTAL_HZ;
    RTC_CNTL_WDTWPROTECT = WATCHDOG_KEY;
    RTC_CNTL_WDTCONFIG1 = stage0_ticks(slow ? PATIENCE_XTAL_SECONDS : PATIENCE_SECONDS);
    RTC_CNTL_WDTFEED = RTC_CNTL_WDTFEED_FEED;
    RTC_CNTL_WDTCONFIG0 = RTC_CNTL_WDTCONFIG0_EN | RTC_CNTL_WDTCONFIG0_STG0_RESET_SYSTEM |
                          RTC_CNTL_WDTCONFIG0_SYS_RESET_LENGTH_3200NS | RTC_CNTL_WDTCONFIG0_PAUSE_IN_SLP;
    RTC_CNTL_WDTWPROTECT = 0;
}

void esp32c3_watchdog_feed(void) {
    RTC_CNTL_WDTWPROTECT = WATCHDOG_KEY;
    RTC_CNTL_WDTFEED = RTC_CNTL_WDTFEED_FEED;
    RTC_CNTL_WDTWPROTECT = 0;
}
