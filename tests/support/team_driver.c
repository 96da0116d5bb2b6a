/* Runs the cases of kernel_driver.c on a team of two threads (tinyanime/team.h).
 *
 * Meetings pass through here (linked with --wrap=ta_team_meet): meeting number TEAM_SKIPS (environment) of each call is
 * left out, on both threads, so that tests see whether anybody notices. */
#include <stdlib.h>

#include "tinyanime/team.h"

int32_t run_convolution(uint32_t kernel, const int32_t *s, void *const *b); /* convolve_shim.c */
int32_t run_kernel(uint32_t kernel, const int32_t *s, void *const *b);
void __real_ta_team_meet(void);
void __wrap_ta_team_meet(void);

static struct {
    uint32_t kernel;
    const int32_t *scalars;
    void *const *buffers;
} job;
static int32_t skipped = -1;
static _Thread_local int32_t meetings;

void __wrap_ta_team_meet(void) {
    if (meetings++ != skipped) {
        __real_ta_team_meet();
    }
}

static ta_status take_part(uint16_t call) {
    (void)call;
    meetings = 0;
    return (ta_status)run_convolution(job.kernel, job.scalars, job.buffers);
}

int32_t run_kernel(uint32_t kernel, const int32_t *s, void *const *b) {
    static int started;
    if (!started) {
        const char *text = getenv("TEAM_SKIPS");
        skipped = text == NULL ? -1 : atoi(text);
        ta_team_start();
        started = 1;
    }
    job.kernel = kernel;
    job.scalars = s;
    job.buffers = b;
    return (int32_t)ta_team_run(take_part, 0);
}
