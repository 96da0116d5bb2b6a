#include "tinyanime/executor.h"

#include <stdbool.h>
#include <string.h>

#include "tinyanime/port.h"

static uint32_t saturating_sum(uint32_t a, uint32_t b) {
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* Whether the cycle counter has gone round at least once in `elapsed_ms` (9 s at 480 MHz): its difference
 * would be too small then. */
static bool counter_went_round(uint32_t elapsed_ms) {
    const uint64_t cycles = (uint64_t)elapsed_ms * (ta_port_clock_hz() / 1000u);
    return cycles > UINT32_MAX;
}

ta_status ta_executor_begin(ta_executor *executor, const ta_network *network) {
    if (network->layer_count > TA_MAX_LAYERS || network->step_count == 0u) {
        return TA_ERROR_ARGUMENT;
    }
    memset(executor, 0, sizeof *executor);
    executor->network = network;
    executor->status = TA_OK;
    return TA_OK;
}

ta_status ta_executor_step(ta_executor *executor) {
    const ta_network *network = executor->network;
    if (executor->status != TA_OK) {
        return executor->status;
    }
    if (network == NULL || executor->next_step >= network->step_count) {
        return TA_ERROR_STATE;
    }
    const ta_step *step = &network->steps[executor->next_step];
    if (step->layer >= network->layer_count) {
        executor->status = TA_ERROR_ARGUMENT;
        return executor->status;
    }
    const uint32_t start_ms = ta_port_millis();
    const uint32_t start = ta_port_cycles();
    executor->status = step->run(step->band);
    uint32_t cycles = ta_port_cycles() - start;
    if (counter_went_round(ta_port_millis() - start_ms)) {
        cycles = UINT32_MAX;
    }
    ta_port_watchdog_feed();
    if (executor->status != TA_OK) {
        return executor->status;
    }
    uint32_t *layer = &executor->layer_cycles[step->layer];
    *layer = saturating_sum(*layer, cycles);
    executor->total_cycles = saturating_sum(executor->total_cycles, cycles);
    executor->next_step++;
    return executor->next_step < network->step_count ? TA_BUSY : TA_OK;
}
