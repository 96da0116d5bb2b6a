/* SYSTIMER: TRM chapter 10, and the core's performance counter: chapter 1. */
#include "csr.h"
#include "esp32c3.h"
#include "registers.h"

/* The count is taken over within a cycle of the timer's clock, 10 core cycles at 160 MHz. */
#define TAKE_OVER_POLLS 100u

void esp32c3_timer_init(void) {
    SYSTEM_PERIP_CLK_EN0 |= SYSTEM_PERIP0_SYSTIMER;
    SYSTEM_PERIP_RST_EN0 &= ~SYSTEM_PERIP0_SYSTIMER;
    SYSTIMER_CONF |= SYSTIMER_CONF_UNIT0_WORK_EN;
    TA_CSR_WRITE(CSR_MPCER, CSR_MPCER_CYCLE);
    TA_CSR_WRITE(CSR_MPCMR, CSR_MPCMR_COUNT_EN);
    TA_CSR_WRITE(CSR_MPCCR, 0);
}

uint32_t esp32c3_timer_ticks(void) {
    SYSTIMER_UNIT0_OP = SYSTIMER_UNIT0_OP_UPDATE;
    for (uint32_t poll = 0; poll < TAKE_OVER_POLLS; poll++) {
        if ((SYSTIMER_UNIT0_OP & SYSTIMER_UNIT0_OP_VALUE_VALID) != 0) {
            break;
        }
    }
    return SYSTIMER_UNIT0_VALUE_LO;
}
