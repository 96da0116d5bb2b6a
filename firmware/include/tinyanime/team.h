/* The cores of a chip as a team that computes one kernel call together.
 *
 * TA_CORES (1 or 2) is set by the build. A call that is run by `ta_team_run` is executed by every core of the team,
 * with the same arguments, at the same time; a kernel that knows of teams divides its work by `ta_team_rank()` and
 * separates phases by `ta_team_meet()`. All cores must take the same way through the meetings of a call. On builds for
 * one core all of this is constants, and compiles to nothing.
 *
 * Where the second core does not answer (ta_port_core_launch), the team has one member for good. */
#ifndef TINYANIME_TEAM_H
#define TINYANIME_TEAM_H

#include <stdint.h>

#include "tinyanime/status.h"

#ifndef TA_CORES
#define TA_CORES 1
#endif

#if TA_CORES > 1

/* Starts the other cores; called once by main on core 0, behind ta_port_init. */
void ta_team_start(void);

/* Runs run(call) on all cores and returns when all have ended: TA_OK, or the first failure by rank. On core 0 only. */
ta_status ta_team_run(ta_status (*run)(uint16_t call), uint16_t call);

/* Members of the team in the call that goes on; 1 outside of ta_team_run. */
uint32_t ta_team_size(void);

/* Number of the calling core: 0 to ta_team_size() - 1. */
uint32_t ta_team_rank(void);

/* Returns when all members have called it, or have ended their part of the call (only where that failed). What any of
 * them stored before it, all of them see behind it. */
void ta_team_meet(void);

#else

static inline void ta_team_start(void) {
}
static inline ta_status ta_team_run(ta_status (*run)(uint16_t call), uint16_t call) {
    return run(call);
}
static inline uint32_t ta_team_size(void) {
    return 1;
}
static inline uint32_t ta_team_rank(void) {
    return 0;
}
static inline void ta_team_meet(void) {
}

#endif

#endif
