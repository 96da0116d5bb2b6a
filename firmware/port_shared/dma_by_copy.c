/* DMA and cache functions of ports whose chip has no DMA that reaches all of its memory, and no data cache that is
 * not coherent: a transfer is a copy by the core. What remains of it is that the caller waits for it, once. */
#include <stdbool.h>
#include <string.h>

#include "tinyanime/port.h"

#define LARGEST_DMA_BYTES 65536u

static bool started[TA_DMA_CHANNELS];

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    if (channel >= TA_DMA_CHANNELS || started[channel] || bytes == 0u || bytes > LARGEST_DMA_BYTES) {
        return TA_ERROR_ARGUMENT;
    }
    memcpy(target, source, bytes);
    started[channel] = true;
    return TA_OK;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    if (channel >= TA_DMA_CHANNELS || !started[channel]) {
        return TA_ERROR_ARGUMENT;
    }
    started[channel] = false;
    return TA_OK;
}

void ta_port_cache_clean(const void *address, uint32_t bytes) {
    (void)address;
    (void)bytes;
}

void ta_port_cache_invalidate(void *address, uint32_t bytes) {
    (void)address;
    (void)bytes;
}
