/* Runs a generated network on the PC: the input from stdin, every step's output rows to stdout, then the output.
 *
 * Streamed pictures pass through their windows: as little as possible at a time, which is what a command needs. */
#include <stdio.h>
#include <stdlib.h>

#include "tinyanime/executor.h"
#include "tinyanime/port.h"
#include "tinyanime/team.h"

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

/* One more byte of a streamed input from stdin, where there is room for it; false at the end of the input. */
static bool feed(const ta_port_tensor *input) {
    const uint32_t room = input->window_bytes - (executor.received - executor.consumed);
    if (input->window_bytes == 0u || room == 0u || executor.received == input->bytes) {
        return false;
    }
    if (fread(input->data + executor.received % input->window_bytes, 1, 1, stdin) != 1) {
        fprintf(stderr, "the input is too short\n");
        exit(2);
    }
    executor.received++;
    return true;
}

/* Moves one more byte of a streamed output to `output`; false where none is there. */
static bool drain(const ta_port_tensor *tensor, int8_t *output) {
    if (executor.taken == executor.produced) {
        return false;
    }
    output[executor.taken] = tensor->data[executor.taken % tensor->window_bytes];
    executor.taken++;
    return true;
}

static ta_status run_step(const ta_network *network, int8_t *output) {
    ta_status status = ta_executor_step(&executor);
    while (status == TA_WAITING) {
        const bool fed = feed(&network->input);
        if (!drain(&network->output, output) && !fed) {
            fprintf(stderr, "step %u waits for nothing\n", (unsigned)executor.next_step);
            exit(3);
        }
        status = ta_executor_step(&executor);
    }
    return status;
}

int main(void) {
    const ta_network *network = &ta_network_instance;
    int8_t *streamed = malloc(network->output.bytes);
    if (streamed == NULL) {
        return 2;
    }
    ta_team_start();
    if (network->check_scratch() != TA_OK) {
        fprintf(stderr, "a kernel asks for more scratch than was planned\n");
        return 2;
    }
    if (network->input.window_bytes == 0u &&
        fread(network->input.data, 1, network->input.bytes, stdin) != network->input.bytes) {
        fprintf(stderr, "the input is too short\n");
        return 2;
    }
    if (ta_executor_begin(&executor, network) != TA_OK) {
        return 2;
    }
    for (uint16_t i = 0; i < network->step_count; i++) {
        const ta_step *step = &network->steps[i];
        const ta_status status = run_step(network, streamed);
        if (status != TA_BUSY && status != TA_OK) {
            fprintf(stderr, "step %u ended with status %d\n", (unsigned)i, (int)status);
            return 3;
        }
        fwrite(step->output, 1, step->output_bytes, stdout);
    }
    while (drain(&network->output, streamed)) {
    }
    const int8_t *output = network->output.window_bytes > 0u ? streamed : network->output.data;
    fwrite(output, 1, network->output.bytes, stdout);
    free(streamed);
    return 0;
}
