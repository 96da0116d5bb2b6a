/* The tile DMA of boards that have one, and their data cache: both outside of what is measured. */
#include "tinyanime/port.h"

#include "bench.h"

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    if (channel >= TA_DMA_CHANNELS) {
        return TA_ERROR_ARGUMENT;
    }
    BENCH_DMA_TARGET = (uint32_t)(uintptr_t)target;
    BENCH_DMA_SOURCE = (uint32_t)(uintptr_t)source;
    BENCH_DMA_BYTES = bytes;
    return TA_OK;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    return channel < TA_DMA_CHANNELS ? TA_OK : TA_ERROR_ARGUMENT;
}

void ta_port_cache_clean(const void *address, uint32_t bytes) {
    (void)address;
    (void)bytes;
}

void ta_port_cache_invalidate(void *address, uint32_t bytes) {
    (void)address;
    (void)bytes;
}
