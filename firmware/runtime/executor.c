#include "tinyanime/executor.h"

#include <stdbool.h>
#include <string.h>

#include "tinyanime/port.h"
#include "tinyanime/team.h"

#define BLOCK_BYTES 16u

static uint32_t saturating_sum(uint32_t a, uint32_t b) {
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* Whether the cycle counter has gone round at least once in `elapsed_ms` (9 s at 480 MHz): its difference
 * would be too small then. */
static bool counter_went_round(uint32_t elapsed_ms) {
    const uint64_t cycles = (uint64_t)elapsed_ms * (ta_port_clock_hz() / 1000u);
    return cycles > UINT32_MAX;
}

/* Ascending copy, right where the areas overlap and target < source: a block is read whole before it is written. The
 * C library's memmove goes byte by byte on small targets. */
static void copy_downwards(int8_t *target, const int8_t *source, uint32_t bytes) {
    uint32_t block[BLOCK_BYTES / sizeof(uint32_t)];
    uint32_t done = 0;
    for (; bytes - done >= BLOCK_BYTES; done += BLOCK_BYTES) {
        memcpy(block, source + done, BLOCK_BYTES);
        memcpy(target + done, block, BLOCK_BYTES);
    }
    for (; done < bytes; done++) {
        target[done] = source[done];
    }
}

static ta_status do_call(const ta_command *command) {
    return command->run == NULL ? TA_ERROR_ARGUMENT : command->run(command->call);
}

static ta_status do_team_call(const ta_command *command) {
    return command->run == NULL ? TA_ERROR_ARGUMENT : ta_team_run(command->run, command->call);
}

static ta_status do_move(const ta_command *command) {
    const uintptr_t target = (uintptr_t)command->target;
    const uintptr_t source = (uintptr_t)command->source;
    if (target > source && target - source < command->bytes) {
        return TA_ERROR_ARGUMENT;
    }
    copy_downwards(command->target, command->source, command->bytes);
    return TA_OK;
}

static ta_status do_start(ta_executor *executor, const ta_command *command) {
    if (command->channel >= TA_DMA_CHANNELS) {
        return TA_ERROR_ARGUMENT;
    }
    const ta_status status = ta_port_dma_start(command->channel, command->target, command->source, command->bytes);
    if (status == TA_OK) {
        executor->busy_channels |= 1u << command->channel;
    }
    return status;
}

static ta_status do_wait(ta_executor *executor, const ta_command *command) {
    if (command->channel >= TA_DMA_CHANNELS) {
        return TA_ERROR_ARGUMENT;
    }
    const uint32_t start = ta_port_cycles();
    const ta_status status = ta_port_dma_wait(command->channel);
    executor->stall_cycles = saturating_sum(executor->stall_cycles, ta_port_cycles() - start);
    executor->busy_channels &= ~(1u << command->channel);
    return status;
}

/* Whether a RECEIVE or SEND of `bytes` after `done` bytes can ever be satisfied. */
static bool streams(const ta_port_tensor *tensor, uint32_t done, uint32_t bytes) {
    return bytes <= tensor->window_bytes && bytes <= tensor->bytes - done;
}

static ta_status do_receive(ta_executor *executor, const ta_command *command) {
    const ta_port_tensor *input = &executor->network->input;
    if (!streams(input, executor->consumed, command->bytes)) {
        return TA_ERROR_ARGUMENT;
    }
    if (executor->received - executor->consumed < command->bytes) {
        return TA_WAITING;
    }
    const uint32_t begin = executor->consumed % input->window_bytes;
    const uint32_t to_end = input->window_bytes - begin;
    const uint32_t first = command->bytes < to_end ? command->bytes : to_end;
    memcpy(command->target, input->data + begin, first);
    memcpy(command->target + first, input->data, command->bytes - first);
    executor->consumed += command->bytes;
    return TA_OK;
}

static ta_status do_send(ta_executor *executor, const ta_command *command) {
    const ta_port_tensor *output = &executor->network->output;
    if (!streams(output, executor->produced, command->bytes)) {
        return TA_ERROR_ARGUMENT;
    }
    if (output->window_bytes - (executor->produced - executor->taken) < command->bytes) {
        return TA_WAITING;
    }
    const uint32_t begin = executor->produced % output->window_bytes;
    const uint32_t to_end = output->window_bytes - begin;
    const uint32_t first = command->bytes < to_end ? command->bytes : to_end;
    memcpy(output->data + begin, command->source, first);
    memcpy(output->data, command->source + first, command->bytes - first);
    executor->produced += command->bytes;
    return TA_OK;
}

static ta_status do_command(ta_executor *executor, const ta_command *command) {
    switch ((ta_command_kind)command->kind) {
    case TA_COMMAND_CALL:
        return do_call(command);
    case TA_COMMAND_TEAM:
        return do_team_call(command);
    case TA_COMMAND_MOVE:
        return do_move(command);
    case TA_COMMAND_START:
        return do_start(executor, command);
    case TA_COMMAND_WAIT:
        return do_wait(executor, command);
    case TA_COMMAND_CLEAN:
        ta_port_cache_clean(command->source, command->bytes);
        return TA_OK;
    case TA_COMMAND_INVALIDATE:
        ta_port_cache_invalidate(command->target, command->bytes);
        return TA_OK;
    case TA_COMMAND_RECEIVE:
        return do_receive(executor, command);
    case TA_COMMAND_SEND:
        return do_send(executor, command);
    case TA_COMMAND_NONE:
        return TA_OK;
    default:
        return TA_ERROR_ARGUMENT;
    }
}

/* Runs what is left of a step; TA_OK at its end. */
static ta_status do_commands(ta_executor *executor, const ta_step *step) {
    const ta_command *commands = executor->network->commands + step->first_command;
    while (executor->next_command < step->command_count) {
        const ta_status status = do_command(executor, &commands[executor->next_command]);
        if (status != TA_OK) {
            return status;
        }
        executor->next_command++;
    }
    return TA_OK;
}

/* Whether a tensor went through its window as a whole: what the link checks by its CRC is what the network used. */
static bool exchanged(const ta_port_tensor *tensor, uint32_t bytes) {
    return tensor->window_bytes == 0u || bytes == tensor->bytes;
}

/* Moves on to the next step; the status of the run after it. */
static ta_status end_step(ta_executor *executor) {
    const ta_network *network = executor->network;
    executor->next_command = 0;
    if (executor->next_step + 1u < network->step_count) {
        executor->next_step++;
        return TA_BUSY;
    }
    if (!exchanged(&network->input, executor->consumed) || !exchanged(&network->output, executor->produced)) {
        return TA_ERROR_ARGUMENT;
    }
    executor->next_step++;
    return TA_OK;
}

static void add_cycles(ta_executor *executor, uint16_t layer, uint32_t cycles) {
    executor->layer_cycles[layer] = saturating_sum(executor->layer_cycles[layer], cycles);
    executor->total_cycles = saturating_sum(executor->total_cycles, cycles);
    executor->step_cycles = saturating_sum(executor->step_cycles, cycles);
}

void ta_executor_stop(ta_executor *executor) {
    for (uint8_t channel = 0; channel < TA_DMA_CHANNELS; channel++) {
        if ((executor->busy_channels & (1u << channel)) != 0u) {
            /* Whether it failed matters to nobody any more. */
            (void)ta_port_dma_wait(channel);
        }
    }
    executor->busy_channels = 0;
}

static ta_status fail(ta_executor *executor, ta_status status) {
    ta_executor_stop(executor);
    executor->status = status;
    return status;
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
        return fail(executor, TA_ERROR_ARGUMENT);
    }
    const uint16_t first_command = executor->next_command;
    if (first_command == 0u) {
        executor->step_cycles = 0;
    }
    const uint32_t start_ms = ta_port_millis();
    const uint32_t start = ta_port_cycles();
    ta_status status = do_commands(executor, step);
    uint32_t cycles = ta_port_cycles() - start;
    if (counter_went_round(ta_port_millis() - start_ms)) {
        cycles = UINT32_MAX;
    }
    ta_port_watchdog_feed();
    /* A call that only found that the host is not ready yet was waiting, not work. */
    if (status != TA_WAITING || executor->next_command != first_command) {
        add_cycles(executor, step->layer, cycles);
    }
    if (status == TA_OK) {
        status = end_step(executor);
    }
    if (status == TA_OK || status == TA_BUSY || status == TA_WAITING) {
        return status;
    }
    return fail(executor, status);
}
