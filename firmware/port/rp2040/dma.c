/* The tile DMA of the RP2040: channels 0 to 3 of its DMA, memory to memory as fast as the bus takes it. Datasheet 2.5.
 * It reaches every memory. Nothing is to be done for caches: only flash has one, and nobody writes flash. */
#include "registers.h"
#include "rp2040.h"
#include "tinyanime/port.h"

#define LARGEST_BYTES 65536u

#define ERRORS (DMA_CTRL_READ_ERROR | DMA_CTRL_WRITE_ERROR)

/* A poll takes 8 core cycles or more. The slowest transfer there is, 64 KB from flash that is read by serial commands
 * (boot2.S), takes 72 cycles a byte, and four of them may share the flash: 19 million cycles. */
#define WAIT_POLLS 4000000u

static bool started[TA_DMA_CHANNELS]; /* And not waited for. */

/* Logarithm of the widest access to which addresses and byte count are aligned, at most a word. */
static uint32_t access_size(uintptr_t target, uintptr_t source, uint32_t bytes) {
    const uint32_t bits = (uint32_t)target | (uint32_t)source | bytes;
    if ((bits & 1u) != 0u) {
        return 0;
    }
    return (bits & 2u) != 0u ? 1u : 2u;
}

/* Ends a transfer that failed: after a bus error the channel halts without giving it up (2.5.7, BUSY). */
static void abort_transfer(uint32_t channel) {
    const uint32_t bit = 1u << channel;
    DMA_CHAN_ABORT = bit;
    (void)rp2040_wait(&DMA_CHAN_ABORT, bit, 0);
    DMA_AL1_CTRL(channel) = ERRORS | (channel << DMA_CTRL_CHAIN_TO_SHIFT); /* Off; ones clear the flags. */
}

void rp2040_dma_init(void) {
    rp2040_reset_peripherals(RESETS_DMA);
    for (uint32_t channel = 0; channel < TA_DMA_CHANNELS; channel++) {
        started[channel] = false;
    }
}

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    if (channel >= TA_DMA_CHANNELS || started[channel] || bytes == 0u || bytes > LARGEST_BYTES) {
        return TA_ERROR_ARGUMENT;
    }
    const uint32_t size = access_size((uintptr_t)target, (uintptr_t)source, bytes);
    DMA_READ_ADDR(channel) = (uint32_t)(uintptr_t)source;
    DMA_WRITE_ADDR(channel) = (uint32_t)(uintptr_t)target;
    DMA_TRANS_COUNT(channel) = bytes >> size;
    /* What the core has stored is in memory before the DMA looks. */
    ta_barrier_data();
    DMA_CTRL_TRIG(channel) = DMA_CTRL_EN | (size << DMA_CTRL_DATA_SIZE_SHIFT) | DMA_CTRL_INCR_READ |
                             DMA_CTRL_INCR_WRITE | ((uint32_t)channel << DMA_CTRL_CHAIN_TO_SHIFT) |
                             DMA_CTRL_TREQ_PERMANENT | DMA_CTRL_IRQ_QUIET;
    started[channel] = true;
    return TA_OK;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    if (channel >= TA_DMA_CHANNELS || !started[channel]) {
        return TA_ERROR_ARGUMENT;
    }
    uint32_t state = DMA_CTRL_BUSY;
    for (uint32_t poll = 0; poll < WAIT_POLLS && state == DMA_CTRL_BUSY; poll++) {
        state = DMA_AL1_CTRL(channel) & (DMA_CTRL_BUSY | DMA_CTRL_AHB_ERROR);
    }
    if (state != 0u) {
        abort_transfer(channel);
    }
    started[channel] = false;
    /* No load that follows is made before the transfer's end was seen. */
    ta_barrier_data();
    return state == 0u ? TA_OK : TA_ERROR_DMA;
}

void ta_port_cache_clean(const void *address, uint32_t bytes) {
    (void)address;
    (void)bytes;
}

void ta_port_cache_invalidate(void *address, uint32_t bytes) {
    (void)address;
    (void)bytes;
}
