/* Walks the steps of a network, timing each layer. */
#ifndef TINYANIME_EXECUTOR_H
#define TINYANIME_EXECUTOR_H

#include <stdint.h>

#include "tinyanime/network.h"

#define TA_MAX_LAYERS 256u

/* State of one inference; zero-initialised by ta_executor_begin. */
typedef struct {
    const ta_network *network;
    uint16_t next_step;                   /* First step that has not run. */
    ta_status status;                     /* First failure, or TA_OK. */
    uint32_t total_cycles;                /* Cycles inside kernels; saturates. */
    uint32_t layer_cycles[TA_MAX_LAYERS]; /* Cycles per layer, all bands. */
} ta_executor;

/* Prepares a run from the first step. TA_ERROR_ARGUMENT where the network has more than TA_MAX_LAYERS layers.
 */
ta_status ta_executor_begin(ta_executor *executor, const ta_network *network);

/* Runs one step. TA_BUSY while steps are left, TA_OK once the last one ran, else the failure (kept in
 * `status`). */
ta_status ta_executor_step(ta_executor *executor);

#endif
