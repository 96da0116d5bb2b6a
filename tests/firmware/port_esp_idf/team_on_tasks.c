/* Two tasks as a team: a program that checks what the cores read of each other, and prints a line. */
#include <stdio.h>
#include <stdlib.h>

#include "tinyanime/port.h"
#include "tinyanime/team.h"

#define CALLS 150u
#define PHASES 3u

int main(void);

static uint32_t sums[PHASES][2];
static uint32_t seen[2];

/* In each phase a core writes its sum, and behind the meeting reads the other one's. */
static ta_status job(uint16_t call) {
    const uint32_t rank = ta_team_rank();
    uint32_t total = 0;
    for (uint32_t phase = 0; phase < PHASES; phase++) {
        sums[phase][rank] = call * 8u + phase * 2u + rank;
        ta_team_meet();
        total += sums[phase][1u - rank] * (ta_team_size() - 1u);
        ta_team_meet();
    }
    seen[rank] = total;
    return call % 100u == 99u && rank == 1u ? TA_ERROR_KERNEL : TA_OK;
}

static void require(bool holds, const char *what) {
    if (!holds) {
        (void)printf("wrong: %s\n", what);
        (void)fflush(stdout);
        exit(EXIT_FAILURE);
    }
}

int main(void) {
    ta_port_init();
    ta_team_start();
    require(ta_team_size() == 1u && ta_team_rank() == 0u, "outside of a call there is one member");
    for (uint32_t i = 0; i < CALLS; i++) {
        const uint32_t call = i;
        const ta_status status = ta_team_run(job, (uint16_t)call);
        const uint32_t base = PHASES * (call * 8u) + 2u * (PHASES * (PHASES - 1u) / 2u);
        require(status == (call % 100u == 99u ? TA_ERROR_KERNEL : TA_OK), "the status of core 1 comes back");
        require(seen[0] == base + PHASES && seen[1] == base, "each core reads what the other one wrote");
        if (i % 50u == 0u) {
            ta_port_watchdog_feed(); /* Long enough for core 1 to sleep. */
        }
    }
    (void)printf("ok %u\n", CALLS);
    (void)fflush(stdout);
    exit(EXIT_SUCCESS);
}
