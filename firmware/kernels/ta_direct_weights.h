/* Weights of ta_convolve_direct_s8 in words. Private to firmware/kernels. */
#ifndef TA_DIRECT_WEIGHTS_H
#define TA_DIRECT_WEIGHTS_H

#include <stdint.h>

#define TA_DIRECT_GROUP 4u /* Elements of a window that are widened together: */
#define TA_DIRECT_GROUP_WORDS 2u

/* Widens `groups` (1 or more) groups of each of 1 to 4 output channels, whose weights lie `channel_bytes` apart
 * (aligned to 4 bytes), into a panel [words][4 channels]; its other channels stay as they are. */
void ta_direct_widen_weights(const int8_t *data, uint32_t channels, uint32_t channel_bytes, uint32_t groups,
                             uint32_t *panel);

#endif
