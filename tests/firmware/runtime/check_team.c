/* A team of two threads: who takes part, where they meet, what becomes of failures. Exit status 0 where all holds.
 * Built with LONELY, the port's second core never answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyanime/executor.h"
#include "tinyanime/port.h"
#include "tinyanime/share.h"
#include "tinyanime/team.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CORES 2u
#define MEETINGS 50u
#define CALLS 500u

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

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    (void)channel, (void)target, (void)source, (void)bytes;
    return TA_ERROR_DMA;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    (void)channel;
    return TA_ERROR_DMA;
}

void ta_port_cache_clean(const void *address, uint32_t bytes) {
    (void)address, (void)bytes;
}

void ta_port_cache_invalidate(void *address, uint32_t bytes) {
    (void)address, (void)bytes;
}

#ifdef LONELY
bool ta_port_core_launch(void (*entry)(void)) {
    (void)entry;
    return false;
}

uint32_t ta_port_core_index(void) {
    abort(); /* Nobody asks where there is one core. */
}

void ta_port_core_send(uint32_t word) {
    (void)word;
    abort();
}

uint32_t ta_port_core_receive(void) {
    abort();
}

#define MEMBERS 1u
#else
#define MEMBERS CORES
#endif

static uint32_t runs[CORES];   /* Of each core. */
static uint32_t places[CORES]; /* How far each core is. */
static uint16_t seen[CORES];

static ta_status count(uint16_t call) {
    const uint32_t rank = ta_team_rank();
    CHECK(ta_team_size() == MEMBERS);
    runs[rank]++;
    seen[rank] = call;
    return TA_OK;
}

static ta_status alone(uint16_t call) {
    CHECK(ta_team_size() == 1u && ta_team_rank() == 0u && call == 3u);
    runs[0]++;
    return TA_OK;
}

/* Nobody is ever a meeting ahead. */
static ta_status meet_often(uint16_t call) {
    const uint32_t rank = ta_team_rank();
    (void)call;
    for (uint32_t place = 1; place <= MEETINGS; place++) {
        places[rank] = place;
        ta_team_meet();
        for (uint32_t core = 0; core < ta_team_size(); core++) {
            CHECK(places[core] == place);
        }
        ta_team_meet();
    }
    return TA_OK;
}

/* Bits of `call`: core 0 fails, core 1 fails; then after how many meetings each. */
static ta_status fail(uint16_t call) {
    const uint32_t rank = ta_team_rank();
    const bool fails = ((uint32_t)call >> rank & 1u) != 0u;
    const uint32_t meetings = fails ? (uint32_t)call >> (2u + 4u * rank) & 15u : MEETINGS;
    for (uint32_t i = 0; i < meetings; i++) {
        ta_team_meet();
    }
    return !fails ? TA_OK : rank == 0u ? TA_ERROR_KERNEL : TA_ERROR_SCRATCH;
}

static void check_that_all_take_part(void) {
    memset(runs, 0, sizeof runs);
    for (uint16_t call = 0; call < CALLS; call++) {
        CHECK(ta_team_run(count, call) == TA_OK);
        CHECK(seen[0] == call && seen[MEMBERS - 1] == call);
        CHECK(ta_team_size() == 1u && ta_team_rank() == 0u);
    }
    CHECK(runs[0] == CALLS && runs[1] == (MEMBERS == CORES ? CALLS : 0u));
    CHECK(ta_team_run(meet_often, 0) == TA_OK);
    ta_team_meet(); /* Nobody to wait for. */
}

static void check_failures(void) {
    for (uint32_t call = 0; call < 1024u; call += 3u) {
        const ta_status first = (call & 1u) != 0u ? TA_ERROR_KERNEL : TA_OK;
        const ta_status second = (call & 2u) != 0u && MEMBERS == CORES ? TA_ERROR_SCRATCH : TA_OK;
        CHECK(ta_team_run(fail, (uint16_t)call) == (first != TA_OK ? first : second));
    }
}

static void check_shares(void) {
    const ta_share all = ta_share_of(7, 2), columns = ta_share_of_group(1, 3, 5);
    CHECK(all.begin == 0 && all.end == 7 && columns.begin == 0 && columns.end == 5);
}

static void check_executor(void) {
    const ta_command commands[] = {{.kind = TA_COMMAND_TEAM, .call = 5, .run = count},
                                   {.kind = TA_COMMAND_TEAM, .call = 2, .run = fail},
                                   {.kind = TA_COMMAND_TEAM, .call = 0, .run = NULL}};
    const ta_step steps[] = {{.command_count = 1}, {.first_command = 1, .command_count = 2}};
    ta_network network;
    ta_executor executor;
    memset(&network, 0, sizeof network);
    network.commands = commands;
    network.steps = steps;
    network.layer_count = 1;
    network.step_count = 2;
    memset(runs, 0, sizeof runs);
    CHECK(ta_executor_begin(&executor, &network) == TA_OK);
    CHECK(ta_executor_step(&executor) == TA_BUSY);
    CHECK(runs[0] == 1 && runs[1] == MEMBERS - 1u && seen[0] == 5);
    CHECK(ta_executor_step(&executor) == (MEMBERS == CORES ? TA_ERROR_SCRATCH : TA_ERROR_ARGUMENT));
}

int main(void) {
    CHECK(ta_team_size() == 1u && ta_team_rank() == 0u);
    CHECK(ta_team_run(alone, 3) == TA_OK && runs[0] == 1u); /* Core 1 is not there yet. */
    ta_team_start();
    check_that_all_take_part();
    check_failures();
    check_shares();
    check_executor();
    return 0;
}
