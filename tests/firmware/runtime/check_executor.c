/* Exercises the executor against a port whose clocks the checks set. Exit status 0 where every check holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyanime/executor.h"
#include "tinyanime/port.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static uint32_t cycles;
static uint32_t milliseconds;
static uint32_t step_cycles; /* What each step takes. */
static uint32_t step_milliseconds;
static unsigned feeds;
static unsigned calls;
static uint16_t last_band;
static ta_status answer;

uint32_t ta_port_cycles(void) {
    return cycles;
}

uint32_t ta_port_millis(void) {
    return milliseconds;
}

uint32_t ta_port_clock_hz(void) {
    return 480000000u;
}

void ta_port_watchdog_feed(void) {
    feeds++;
}

static ta_status run(uint16_t band) {
    calls++;
    last_band = band;
    cycles += step_cycles;
    milliseconds += step_milliseconds;
    return answer;
}

static const ta_step steps[4] = {
    {run, NULL, 0, 0, 7, 0, 1},
    {run, NULL, 0, 1, 8, 0, 1},
    {run, NULL, 0, 1, 9, 1, 2},
    {run, NULL, 0, 2, 0, 0, 1}, /* Of a layer that does not exist: never reached with 3 steps. */
};

static ta_network network(uint16_t layers, uint16_t step_count) {
    ta_network made;
    memset(&made, 0, sizeof made);
    made.steps = steps;
    made.layer_count = layers;
    made.step_count = step_count;
    return made;
}

static ta_executor executor;

static void begin(const ta_network *net) {
    step_cycles = 100;
    step_milliseconds = 0;
    feeds = 0;
    calls = 0;
    answer = TA_OK;
    memset(&executor, 0xEE, sizeof executor);
    CHECK(ta_executor_begin(&executor, net) == TA_OK);
    CHECK(executor.next_step == 0 && executor.status == TA_OK && executor.total_cycles == 0);
}

static void check_walk(void) {
    const ta_network net = network(2, 3);
    begin(&net);
    cycles = 0xFFFFFFC0u; /* The counter wraps within the first step. */
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(last_band == 7 && executor.next_step == 1);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(last_band == 9 && executor.next_step == 3);
    CHECK(executor.layer_cycles[0] == 100 && executor.layer_cycles[1] == 200 && executor.total_cycles == 300);
    CHECK(feeds == 3 && calls == 3);
    CHECK(ta_executor_step(&executor) == TA_ERROR_STATE);
    CHECK(calls == 3 && executor.next_step == 3);
}

static void check_failure_is_kept(void) {
    const ta_network net = network(2, 3);
    begin(&net);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    answer = TA_ERROR_KERNEL;
    CHECK(ta_executor_step(&executor) == TA_ERROR_KERNEL);
    answer = TA_OK;
    CHECK(ta_executor_step(&executor) == TA_ERROR_KERNEL);
    CHECK(executor.status == TA_ERROR_KERNEL && executor.next_step == 1 && calls == 2);
}

static void check_saturation(void) {
    const ta_network net = network(2, 3);
    begin(&net);
    step_cycles = 0x90000000u;
    step_milliseconds = 5033;
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(executor.layer_cycles[0] == 0x90000000u);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(executor.total_cycles == UINT32_MAX && executor.layer_cycles[1] == 0x90000000u);
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(executor.total_cycles == UINT32_MAX && executor.layer_cycles[1] == UINT32_MAX);
}

static void check_a_step_longer_than_the_counter(void) {
    const ta_network net = network(2, 3);
    begin(&net);
    step_cycles = 5; /* Ten seconds at 480 MHz: the counter has gone round. */
    step_milliseconds = 10000;
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(executor.layer_cycles[0] == UINT32_MAX);
}

static void check_bad_networks(void) {
    const ta_network none = network(1, 0);
    const ta_network many = network(TA_MAX_LAYERS + 1u, 3);
    const ta_network most = network(TA_MAX_LAYERS, 3);
    const ta_network wrong_layer = network(1, 3);
    CHECK(ta_executor_begin(&executor, &none) == TA_ERROR_ARGUMENT);
    CHECK(ta_executor_begin(&executor, &many) == TA_ERROR_ARGUMENT);
    CHECK(ta_executor_begin(&executor, &most) == TA_OK);
    begin(&wrong_layer);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    CHECK(calls == 1);
}

static void check_not_begun(void) {
    memset(&executor, 0, sizeof executor);
    CHECK(ta_executor_step(&executor) == TA_ERROR_STATE);
}

int main(void) {
    check_walk();
    check_failure_is_kept();
    check_saturation();
    check_a_step_longer_than_the_counter();
    check_bad_networks();
    check_not_begun();
    return 0;
}
