/* Runs a generated network on the PC: the input from stdin, every step's output rows to stdout. */
#include <stdio.h>

#include "tinyanime/network.h"

int main(void) {
    const ta_network *network = &ta_network_instance;
    if (network->check_scratch() != TA_OK) {
        fprintf(stderr, "a kernel asks for more scratch than was planned\n");
        return 2;
    }
    if (fread(network->input.data, 1, network->input.bytes, stdin) != network->input.bytes) {
        fprintf(stderr, "the input is too short\n");
        return 2;
    }
    for (uint16_t i = 0; i < network->step_count; i++) {
        const ta_step *step = &network->steps[i];
        const ta_status status = step->run(step->band);
        if (status != TA_OK) {
            fprintf(stderr, "step %u ended with status %d\n", (unsigned)i, (int)status);
            return 3;
        }
        fwrite(step->output, 1, step->output_bytes, stdout);
    }
    fwrite(network->output.data, 1, network->output.bytes, stdout);
    return 0;
}
