/* Two cores as a team, over the mailboxes of tinyanime/port.h.
 *
 * Core 1 waits for START and runs the job then, together with core 0. At a meeting each core sends MEETING and waits
 * for a word of the other one. A core that has ended its part sends DONE with its status, and waits until the other one
 * has said the same: so both are at the end of the call when either goes on. A core that ends without having come to a
 * meeting does not keep the other one waiting there: DONE ends that meeting and all later ones of the call.
 *
 * No core is ever more than one word ahead of what the other one has received, so that mailboxes of one word do. */
#include "tinyanime/team.h"

#include "tinyanime/port.h"

#if TA_CORES > 1

#if TA_CORES > 2
#error "teams have one or two cores"
#endif

#define CORES 2u

/* Words between the cores: the kind, and behind DONE the status in the low byte. */
#define START 0x53540000u
#define MEETING 0x4D540000u
#define DONE 0x444E0000u
#define KIND_MASK 0xFFFF0000u

/* What core 0 asks for; written before START, read behind it. */
static struct {
    ta_status (*run)(uint16_t call);
    uint16_t call;
} job;

/* What each core knows of the other one in the current call; touched by the core itself only. */
static struct {
    bool other_done;
    ta_status other_status;
} known[CORES];

static bool has_core_1;
static bool runs; /* A call goes on; written by core 0 while core 1 waits for START. */

/* Takes the next word of the other core, which is MEETING or DONE. */
static void hear(uint32_t core) {
    const uint32_t word = ta_port_core_receive();
    if ((word & KIND_MASK) == DONE) {
        known[core].other_done = true;
        known[core].other_status = (ta_status)(word & ~KIND_MASK);
    }
}

/* This core's part of a call, from the first word to the last one. */
static ta_status take_part(uint32_t core) {
    known[core].other_done = false;
    known[core].other_status = TA_OK;
    const ta_status status = job.run(job.call);
    ta_port_core_send(DONE | (uint32_t)status);
    while (!known[core].other_done) {
        hear(core);
    }
    return status;
}

static void serve(void) {
    for (;;) {
        if (ta_port_core_receive() == START) {
            (void)take_part(1);
        }
    }
}

void ta_team_start(void) {
    has_core_1 = ta_port_core_launch(serve);
}

ta_status ta_team_run(ta_status (*run)(uint16_t call), uint16_t call) {
    if (!has_core_1) {
        return run(call);
    }
    job.run = run;
    job.call = call;
    runs = true;
    ta_port_core_send(START);
    const ta_status status = take_part(0);
    runs = false;
    return status != TA_OK ? status : known[0].other_status;
}

uint32_t ta_team_size(void) {
    return runs ? CORES : 1u;
}

uint32_t ta_team_rank(void) {
    return runs ? ta_port_core_index() : 0u;
}

void ta_team_meet(void) {
    if (!runs) {
        return;
    }
    const uint32_t core = ta_port_core_index();
    if (!known[core].other_done) {
        ta_port_core_send(MEETING);
        hear(core);
    }
}

#endif
