/* A ta_rescale applied to many bytes, one by one or through a table of all int8 values. Private to firmware/kernels. */
#ifndef TINYANIME_KERNELS_RESCALE_TABLE_H
#define TINYANIME_KERNELS_RESCALE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tinyanime/kernels.h"

#define TA_INT8_VALUES 256u

/* From how many bytes on a table costs less than it saves (instructions of a Cortex-M7 or M0+). */
#define TA_TABLE_PAYS 600u

bool ta_rescale_is_valid(const ta_rescale *rescale);

/* Rescales `count` bytes; `output` may be `input`. */
void ta_rescale_bytes(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output);

/* Result for q at index (uint8_t)q. `table` is aligned to 4 bytes. */
void ta_rescale_fill_table(const ta_rescale *rescale, int8_t table[TA_INT8_VALUES]);

/* Replaces `count` bytes by their entries; `output` may be `input`. */
void ta_look_up_bytes(const int8_t table[TA_INT8_VALUES], const int8_t *input, uint32_t count, int8_t *output);

#endif
