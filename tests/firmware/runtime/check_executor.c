/* Exercises the executor against a port whose clocks and DMA the checks set. Exit status 0 where every check holds. */
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
static uint16_t last_call;
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

/* The DMA: which channels are busy, what it answers, and what each wait takes. */
static uint32_t busy;
static ta_status start_answer;
static ta_status wait_answer;
static uint32_t wait_cycles;
static const void *started_source;
static void *started_target;
static uint32_t started_bytes;
static const void *cleaned;
static void *invalidated;
static uint32_t cache_bytes;

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    CHECK((busy & (1u << channel)) == 0u);
    started_source = source;
    started_target = target;
    started_bytes = bytes;
    busy |= start_answer == TA_OK ? 1u << channel : 0u;
    return start_answer;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    CHECK((busy & (1u << channel)) != 0u);
    busy &= ~(1u << channel);
    cycles += wait_cycles;
    return wait_answer;
}

void ta_port_cache_clean(const void *address, uint32_t bytes) {
    cleaned = address;
    cache_bytes = bytes;
}

void ta_port_cache_invalidate(void *address, uint32_t bytes) {
    invalidated = address;
    cache_bytes = bytes;
}

static ta_status run(uint16_t call) {
    calls++;
    last_call = call;
    cycles += step_cycles;
    milliseconds += step_milliseconds;
    return answer;
}

static const ta_command calls_only[4] = {
    {.kind = TA_COMMAND_CALL, .call = 7, .run = run},
    {.kind = TA_COMMAND_CALL, .call = 8, .run = run},
    {.kind = TA_COMMAND_CALL, .call = 9, .run = run},
    {.kind = TA_COMMAND_CALL, .call = 0, .run = run},
};

static const ta_step steps[4] = {
    {NULL, 0, 0, 1, 0, 0, 0, 1},
    {NULL, 0, 1, 1, 1, 0, 0, 1},
    {NULL, 0, 2, 1, 1, 1, 1, 2},
    {NULL, 0, 3, 1, 2, 0, 0, 1}, /* Of a layer that does not exist: never reached with 3 steps. */
};

static ta_network network(uint16_t layers, uint16_t step_count) {
    ta_network made;
    memset(&made, 0, sizeof made);
    made.commands = calls_only;
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
    busy = 0;
    start_answer = TA_OK;
    wait_answer = TA_OK;
    wait_cycles = 0;
    memset(&executor, 0xEE, sizeof executor);
    CHECK(ta_executor_begin(&executor, net) == TA_OK);
    CHECK(executor.next_step == 0 && executor.status == TA_OK && executor.total_cycles == 0);
}

static void check_walk(void) {
    const ta_network net = network(2, 3);
    begin(&net);
    cycles = 0xFFFFFFC0u; /* The counter wraps within the first step. */
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(last_call == 7 && executor.next_step == 1);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(last_call == 9 && executor.next_step == 3);
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

/* A network of one layer and one step of these commands, begun. */
static ta_network one_step;
static ta_step only_step;

static void begin_commands(const ta_command *commands, uint16_t count) {
    memset(&one_step, 0, sizeof one_step);
    memset(&only_step, 0, sizeof only_step);
    only_step.command_count = count;
    one_step.commands = commands;
    one_step.steps = &only_step;
    one_step.layer_count = 1;
    one_step.step_count = 1;
    begin(&one_step);
}

static void check_commands_of_several_steps(void) {
    static const ta_command several[4] = {
        {.kind = TA_COMMAND_NONE},
        {.kind = TA_COMMAND_CALL, .call = 1, .run = run},
        {.kind = TA_COMMAND_CALL, .call = 2, .run = run},
        {.kind = TA_COMMAND_CALL, .call = 3, .run = run},
    };
    static const ta_step two[2] = {{NULL, 0, 0, 3, 0, 0, 0, 1}, {NULL, 0, 3, 1, 0, 1, 1, 2}};
    ta_network net = network(1, 2);
    net.commands = several;
    net.steps = two;
    begin(&net);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(calls == 2 && last_call == 2 && executor.next_command == 0 && executor.layer_cycles[0] == 200);
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(calls == 3 && last_call == 3);
}

static void check_moves(void) {
    static int8_t memory[200];
    int8_t expected[200];
    static ta_command move = {.kind = TA_COMMAND_MOVE};
    /* Distances and sizes around the blocks that are copied at once; all alignments of both ends. */
    for (uint32_t distance = 0; distance <= 40; distance++) {
        for (uint32_t bytes = 0; bytes <= 70; bytes++) {
            for (uint32_t i = 0; i < sizeof memory; i++) {
                memory[i] = (int8_t)(i & 0x7Fu);
            }
            const uint32_t target = bytes & 7u;
            memcpy(expected, memory, sizeof memory);
            memmove(expected + target, expected + target + distance, bytes);
            move.target = memory + target;
            move.source = memory + target + distance;
            move.bytes = bytes;
            begin_commands(&move, 1);
            CHECK(ta_executor_step(&executor) == TA_OK);
            CHECK(memcmp(memory, expected, sizeof memory) == 0);
        }
    }
    /* Upwards only where nothing overlaps. */
    move.target = memory + 99;
    move.source = memory;
    move.bytes = 100;
    begin_commands(&move, 1);
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    move.bytes = 99;
    begin_commands(&move, 1);
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(memcmp(memory + 99, memory, 99) == 0);
}

static void check_cache(void) {
    static int8_t memory[64];
    static const ta_command both[2] = {
        {.kind = TA_COMMAND_CLEAN, .source = memory, .bytes = 32},
        {.kind = TA_COMMAND_INVALIDATE, .target = memory + 32, .bytes = 32},
    };
    begin_commands(both, 1);
    cleaned = NULL;
    invalidated = NULL;
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(cleaned == memory && invalidated == NULL && cache_bytes == 32);
    begin_commands(both + 1, 1);
    cleaned = NULL;
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(cleaned == NULL && invalidated == memory + 32);
}

static const int8_t dma_source[8] = {1, 2, 3};
static int8_t dma_target[8];
static const ta_command dma[3] = {
    {.kind = TA_COMMAND_START, .channel = 3, .target = dma_target, .source = dma_source, .bytes = 8},
    {.kind = TA_COMMAND_CALL, .run = run},
    {.kind = TA_COMMAND_WAIT, .channel = 3},
};

static void check_dma(void) {
    begin_commands(dma, 3);
    wait_cycles = 30;
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(started_source == dma_source && started_target == dma_target && started_bytes == 8);
    CHECK(executor.stall_cycles == 30 && executor.total_cycles == 130 && executor.layer_cycles[0] == 130);
    CHECK(busy == 0 && executor.busy_channels == 0);
}

static void check_a_failing_dma_ends_the_run(void) {
    begin_commands(dma, 3);
    start_answer = TA_ERROR_ARGUMENT;
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    CHECK(calls == 0 && ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    begin_commands(dma, 3);
    wait_answer = TA_ERROR_DMA;
    CHECK(ta_executor_step(&executor) == TA_ERROR_DMA);
    CHECK(executor.status == TA_ERROR_DMA && executor.next_step == 0);
}

/* A transfer that goes on when its run ends early would write into the next one's memory. */
static void check_no_dma_outlives_its_run(void) {
    begin_commands(dma, 3);
    answer = TA_ERROR_KERNEL;
    CHECK(ta_executor_step(&executor) == TA_ERROR_KERNEL);
    CHECK(busy == 0 && executor.busy_channels == 0);
    static const ta_step two[2] = {{NULL, 0, 0, 1, 0, 0, 0, 1}, {NULL, 0, 1, 2, 0, 1, 1, 2}};
    begin_commands(dma, 3);
    one_step.steps = two;
    one_step.step_count = 2;
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(busy == 8u && executor.busy_channels == 8u);
    ta_executor_stop(&executor);
    CHECK(busy == 0 && executor.busy_channels == 0);
    ta_executor_stop(&executor);
}

static void check_bad_commands(void) {
    static const ta_command bad[5] = {
        {.kind = TA_COMMAND_NONE + 1},
        {.kind = 255},
        {.kind = TA_COMMAND_CALL},
        {.kind = TA_COMMAND_START, .channel = TA_DMA_CHANNELS, .target = dma_target, .source = dma_source, .bytes = 8},
        {.kind = TA_COMMAND_WAIT, .channel = TA_DMA_CHANNELS},
    };
    for (uint32_t i = 0; i < 5u; i++) {
        begin_commands(&bad[i], 1);
        CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
        CHECK(executor.status == TA_ERROR_ARGUMENT && executor.next_step == 0);
    }
}

/* Rings of 5 bytes, in front of bytes that must stay. */
static int8_t input_ring[8];
static int8_t output_ring[8];

static void begin_streams(const ta_command *commands, uint16_t count) {
    begin_commands(commands, count);
    one_step.input = (ta_port_tensor){.data = input_ring, .bytes = 8, .window_bytes = 5};
    one_step.output = (ta_port_tensor){.data = output_ring, .bytes = 6, .window_bytes = 5};
    memset(input_ring, 99, sizeof input_ring);
    memset(output_ring, 99, sizeof output_ring);
}

static void check_streams(void) {
    static int8_t rows[4];
    static const int8_t made[3] = {51, 52, 53};
    static const ta_command stream[6] = {
        {.kind = TA_COMMAND_CALL, .run = run},
        {.kind = TA_COMMAND_RECEIVE, .target = rows, .bytes = 4},
        {.kind = TA_COMMAND_SEND, .source = made, .bytes = 3},
        {.kind = TA_COMMAND_RECEIVE, .target = rows, .bytes = 4},
        {.kind = TA_COMMAND_SEND, .source = made, .bytes = 3},
        {.kind = TA_COMMAND_CALL, .run = run},
    };
    begin_streams(stream, 6);
    executor.received = 3;
    CHECK(ta_executor_step(&executor) == TA_WAITING);
    CHECK(executor.next_command == 1 && executor.consumed == 0 && calls == 1 && executor.status == TA_OK);
    CHECK(executor.total_cycles == 100);
    CHECK(ta_executor_step(&executor) == TA_WAITING);
    CHECK(calls == 1 && executor.total_cycles == 100); /* What ran before does not run again. */
    memcpy(input_ring, (const int8_t[5]){1, 2, 3, 4, 5}, 5);
    executor.received = 5;
    CHECK(ta_executor_step(&executor) == TA_WAITING); /* For bytes 5 to 7. */
    CHECK(executor.consumed == 4 && executor.produced == 3 && executor.next_command == 3);
    CHECK(memcmp(rows, (const int8_t[4]){1, 2, 3, 4}, 4) == 0);
    CHECK(memcmp(output_ring, (const int8_t[5]){51, 52, 53, 99, 99}, 5) == 0);
    memcpy(input_ring, (const int8_t[3]){6, 7, 8}, 3);
    executor.received = 8;
    CHECK(ta_executor_step(&executor) == TA_WAITING); /* For room: 2 of 5 bytes are free. */
    CHECK(memcmp(rows, (const int8_t[4]){5, 6, 7, 8}, 4) == 0);
    CHECK(executor.produced == 3 && executor.next_command == 4);
    executor.taken = 1;
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(executor.produced == 6 && executor.consumed == 8 && calls == 2);
    CHECK(memcmp(output_ring, (const int8_t[8]){53, 52, 53, 51, 52, 99, 99, 99}, 8) == 0);
    CHECK(memcmp(input_ring + 5, (const int8_t[3]){99, 99, 99}, 3) == 0);
    CHECK(executor.total_cycles == 200);
}

static void check_streams_that_can_never_go_on(void) {
    static int8_t rows[8];
    static const ta_command bad[4] = {
        {.kind = TA_COMMAND_RECEIVE, .target = rows, .bytes = 6}, /* More than the window. */
        {.kind = TA_COMMAND_SEND, .source = rows, .bytes = 6},
        {.kind = TA_COMMAND_RECEIVE, .target = rows, .bytes = 1}, /* More than the tensor. */
        {.kind = TA_COMMAND_SEND, .source = rows, .bytes = 1},
    };
    for (uint32_t i = 0; i < 4u; i++) {
        begin_streams(&bad[i], 1);
        executor.received = 8;
        executor.consumed = i < 2u ? 0u : 8u;
        executor.produced = i < 2u ? 0u : 6u;
        executor.taken = executor.produced;
        CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    }
    begin_commands(bad + 2, 1); /* Not streamed. */
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    begin_commands(bad + 3, 1);
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
}

static void check_a_stream_that_is_left_unfinished(void) {
    static const ta_command nothing = {.kind = TA_COMMAND_NONE};
    begin_streams(&nothing, 1);
    executor.consumed = 8;
    executor.produced = 5;
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    begin_streams(&nothing, 1);
    executor.consumed = 7;
    executor.produced = 6;
    CHECK(ta_executor_step(&executor) == TA_ERROR_ARGUMENT);
    CHECK(executor.next_step == 0);
    begin_streams(&nothing, 1);
    executor.consumed = 8;
    executor.produced = 6;
    CHECK(ta_executor_step(&executor) == TA_OK);
}

static void check_stall_saturation(void) {
    begin_commands(dma, 3);
    wait_cycles = 0x90000000u;
    executor.stall_cycles = 0x80000000u;
    CHECK(ta_executor_step(&executor) == TA_OK);
    CHECK(executor.stall_cycles == UINT32_MAX);
}

int main(void) {
    check_walk();
    check_failure_is_kept();
    check_saturation();
    check_a_step_longer_than_the_counter();
    check_bad_networks();
    check_not_begun();
    check_commands_of_several_steps();
    check_moves();
    check_cache();
    check_dma();
    check_a_failing_dma_ends_the_run();
    check_no_dma_outlives_its_run();
    check_bad_commands();
    check_streams();
    check_streams_that_can_never_go_on();
    check_a_stream_that_is_left_unfinished();
    check_stall_saturation();
    return 0;
}
