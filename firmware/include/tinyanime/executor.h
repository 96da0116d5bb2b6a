/* Walks the steps of a network and their commands, timing each layer. */
#ifndef TINYANIME_EXECUTOR_H
#define TINYANIME_EXECUTOR_H

#include <stdint.h>

#include "tinyanime/network.h"

#define TA_MAX_LAYERS 256u

/* State of one inference; zero-initialised by ta_executor_begin. */
typedef struct {
    const ta_network *network;
    uint16_t next_step;                   /* First step that has not run to its end. */
    uint16_t next_command;                /* Commands of that step that have run. */
    ta_status status;                     /* First failure, or TA_OK. */
    uint32_t total_cycles;                /* Cycles of all commands but waits for the host; saturates. */
    uint32_t stall_cycles;                /* Of these, cycles spent waiting for a DMA; saturates. */
    uint32_t step_cycles;                 /* Of the step that ran last or waits for the host; saturates. */
    uint32_t busy_channels;               /* Bit n: a transfer on DMA channel n has been started and not waited for. */
    uint32_t layer_cycles[TA_MAX_LAYERS]; /* Cycles per layer, all its steps. */

    /* Streamed input and output, in bytes since the run began; the link advances `received` and `taken`. */
    uint32_t received; /* Input bytes that the link has put into the window. */
    uint32_t consumed; /* Input bytes that RECEIVE has taken out of it. */
    uint32_t produced; /* Output bytes that SEND has put into the window. */
    uint32_t taken;    /* Output bytes that the host has. */
} ta_executor;

/* Prepares a run from the first step. TA_ERROR_ARGUMENT where the network has more than TA_MAX_LAYERS layers or no
 * steps. */
ta_status ta_executor_begin(ta_executor *executor, const ta_network *network);

/* Runs one step. TA_BUSY while steps are left, TA_OK once the last one ran, TA_WAITING where a RECEIVE or SEND cannot
 * go on before the host has sent or taken more (call again then: the step goes on where it stopped), else the failure
 * (kept in `status`): what a kernel or the port answered, TA_ERROR_ARGUMENT for an unknown command, for a RECEIVE or
 * SEND beyond window or tensor, and where a streamed tensor has not gone through its window as a whole at the end.
 * No DMA goes on after a failure. */
ta_status ta_executor_step(ta_executor *executor);

/* Waits for the DMA transfers that the run has started: before anything else uses their memory after a run that is
 * given up. */
void ta_executor_stop(ta_executor *executor);

#endif
