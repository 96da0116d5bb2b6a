/* Runs a compiled project's network on a bare core, one section for each layer. */
#include <string.h>

#include "tinyanime/executor.h"
#include "tinyanime/port.h"

#include "bench.h"

static ta_executor executor;

uint32_t ta_port_cycles(void) {
    return 0;
}

uint32_t ta_port_millis(void) {
    return 0;
}

uint32_t ta_port_clock_hz(void) {
    return 1000000u;
}

void ta_port_watchdog_feed(void) {
}

/* Fills the window of a streamed input. */
static void feed(const ta_port_tensor *input) {
    while (executor.received < input->bytes && executor.received - executor.consumed < input->window_bytes) {
        input->data[executor.received % input->window_bytes] = BENCH_INPUT[executor.received];
        executor.received++;
    }
}

/* Empties the window of a streamed output. */
static void drain(const ta_port_tensor *output) {
    while (executor.taken < executor.produced) {
        BENCH_OUTPUT[executor.taken] = output->data[executor.taken % output->window_bytes];
        executor.taken++;
    }
}

static ta_status run_step(const ta_network *network) {
    for (;;) {
        const uint16_t first_command = executor.next_command;
        BENCH_SECTION = network->steps[executor.next_step].layer;
        const ta_status status = ta_executor_step(&executor);
        BENCH_SECTION = BENCH_EXCHANGE;
        if (status != TA_WAITING) {
            return status;
        }
        const uint32_t exchanged = executor.received + executor.taken;
        if (network->input.window_bytes > 0u) {
            feed(&network->input);
        }
        if (network->output.window_bytes > 0u) {
            drain(&network->output);
        }
        if (exchanged == executor.received + executor.taken && first_command == executor.next_command) {
            return TA_ERROR_STATE; /* It waits for nothing. */
        }
    }
}

static ta_status run(const ta_network *network) {
    ta_status status = network->check_scratch();
    if (status == TA_OK) {
        status = ta_executor_begin(&executor, network);
    }
    if (status != TA_OK) {
        return status;
    }
    if (network->input.window_bytes == 0u) {
        memcpy(network->input.data, BENCH_INPUT, network->input.bytes);
    }
    do {
        status = run_step(network);
    } while (status == TA_BUSY);
    if (network->output.window_bytes == 0u) {
        memcpy(BENCH_OUTPUT, network->output.data, network->output.bytes);
    } else {
        drain(&network->output);
    }
    return status;
}

void bench_run(void) {
    BENCH_SECTION = BENCH_EXCHANGE;
    BENCH_STATUS = (uint32_t)run(&ta_network_instance);
}
