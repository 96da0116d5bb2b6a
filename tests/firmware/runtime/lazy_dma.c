#include "lazy_dma.h"

#include <string.h>

#include "tinyanime/port.h"

static struct {
    void *target;
    const void *source;
    uint32_t bytes; /* 0: idle. */
} channels[TA_DMA_CHANNELS];

void lazy_dma_reset(void) {
    memset(channels, 0, sizeof channels);
}

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    if (channel >= TA_DMA_CHANNELS || channels[channel].bytes != 0u || bytes == 0u) {
        return TA_ERROR_ARGUMENT;
    }
    channels[channel].target = target;
    channels[channel].source = source;
    channels[channel].bytes = bytes;
    return TA_OK;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    if (channel >= TA_DMA_CHANNELS || channels[channel].bytes == 0u) {
        return TA_ERROR_ARGUMENT;
    }
    memcpy(channels[channel].target, channels[channel].source, channels[channel].bytes);
    channels[channel].bytes = 0;
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
