/* The tile DMA of the STM32H743: four channels of the MDMA, memory to memory by software request, and the cache
 * maintenance that goes with it. RM0433 chapter 14; DUI 0646 4.8 (cache). */
#include "registers.h"
#include "stm32h7.h"
#include "tinyanime/port.h"

/* RM0433 2.3.2 table 7. The MDMA reaches the TCMs over its AHB port and the core's AHBS, all else over AXI. */
#define ITCM_BYTES 0x10000u
#define DTCM_BASE 0x20000000u
#define DTCM_BYTES 0x20000u

#define LARGEST_BYTES 65536u    /* 14.5.7, BNDT */
#define BUFFER_BYTES 128u       /* 14.5.6, TLEN: the largest there is, a multiple of every width and burst */
#define LARGEST_BURST_BYTES 32u /* A line of the flash; longer ones keep the core from the bus. */

/* A poll takes 20 core cycles or more, so this is 40 ms at 480 MHz or longer: 75 cycles for each byte where all four
 * channels move 64 KB byte by byte. */
#define WAIT_POLLS 1000000u

#define CACHE_LINE_BYTES 32u

static bool started[TA_DMA_CHANNELS]; /* And not waited for. */

/* One side of a transfer as MDMA_CxTCR describes it. */
typedef struct {
    bool tcm;
    uint32_t size;  /* Logarithm of the bytes per access. */
    uint32_t burst; /* Logarithm of the accesses per burst; 0: single accesses. */
} transfer_end;

static bool is_tcm(uintptr_t address) {
    return address < ITCM_BYTES || address - DTCM_BASE < DTCM_BYTES;
}

/* The widest access to which address and byte count are aligned (14.5.4: ASE and BSE are errors), at most a word on
 * the TCM side, where a double word is an error (14.5.6); in bursts to which both are aligned as well: none is cut
 * short at the end then, and none crosses the boundaries that AXI (4 KB) and AHB (1 KB) set. */
static transfer_end describe_end(uintptr_t address, uint32_t bytes) {
    transfer_end end = {is_tcm(address), 0, 0};
    const uint32_t widest = end.tcm ? 2u : 3u;
    const uint32_t bits = (uint32_t)address | bytes | LARGEST_BURST_BYTES;
    while (end.size < widest && (bits & (1u << end.size)) == 0u) {
        end.size++;
    }
    while ((bits & (1u << (end.size + end.burst))) == 0u) {
        end.burst++;
    }
    return end;
}

static void configure(uint32_t channel, uintptr_t target, uintptr_t source, uint32_t bytes) {
    const transfer_end from = describe_end(source, bytes);
    const transfer_end to = describe_end(target, bytes);
    MDMA_CTCR(channel) = MDMA_CTCR_SINC_UP | MDMA_CTCR_DINC_UP | (from.size << MDMA_CTCR_SSIZE_SHIFT) |
                         (to.size << MDMA_CTCR_DSIZE_SHIFT) | (from.size << MDMA_CTCR_SINCOS_SHIFT) |
                         (to.size << MDMA_CTCR_DINCOS_SHIFT) | (from.burst << MDMA_CTCR_SBURST_SHIFT) |
                         (to.burst << MDMA_CTCR_DBURST_SHIFT) | ((BUFFER_BYTES - 1u) << MDMA_CTCR_TLEN_SHIFT) |
                         MDMA_CTCR_PKE | MDMA_CTCR_TRGM_BLOCK | MDMA_CTCR_SWRM;
    MDMA_CBNDTR(channel) = bytes;
    MDMA_CSAR(channel) = (uint32_t)source;
    MDMA_CDAR(channel) = (uint32_t)target;
    MDMA_CTBR(channel) = (from.tcm ? MDMA_CTBR_SBUS : 0u) | (to.tcm ? MDMA_CTBR_DBUS : 0u);
}

/* Leaves the channel off, its flags clear. One that is still at work ends the buffer it has begun before it stops,
 * which CTCIF tells (14.5.2, 14.5.5): cleared earlier, that flag would come up in the middle of the next transfer and
 * end the wait for it too soon. */
static void switch_off(uint32_t channel) {
    if ((MDMA_CCR(channel) & MDMA_CCR_EN) != 0u) {
        MDMA_CCR(channel) = 0;
        (void)stm32h7_wait(&MDMA_CISR(channel), MDMA_CISR_CTCIF, MDMA_CISR_CTCIF);
    }
    MDMA_CIFCR(channel) = MDMA_CIFCR_ALL;
    started[channel] = false;
}

void stm32h7_dma_init(void) {
    RCC_AHB3ENR |= RCC_AHB3ENR_MDMAEN;
    (void)RCC_AHB3ENR; /* The clock runs two cycles after the write: 8.5.9. */
    for (uint32_t channel = 0; channel < TA_DMA_CHANNELS; channel++) {
        switch_off(channel);
    }
}

ta_status ta_port_dma_start(uint8_t channel, void *target, const void *source, uint32_t bytes) {
    if (channel >= TA_DMA_CHANNELS || started[channel] || bytes == 0u || bytes > LARGEST_BYTES) {
        return TA_ERROR_ARGUMENT;
    }
    configure(channel, (uintptr_t)target, (uintptr_t)source, bytes);
    /* What the core has stored is in memory (or in the cache, whose care is the caller's) before the MDMA looks. */
    ta_barrier_data();
    MDMA_CCR(channel) = MDMA_CCR_EN;
    MDMA_CCR(channel) = MDMA_CCR_EN | MDMA_CCR_SWRQ; /* A request counts only on a channel that is enabled. */
    started[channel] = true;
    return TA_OK;
}

ta_status ta_port_dma_wait(uint8_t channel) {
    if (channel >= TA_DMA_CHANNELS || !started[channel]) {
        return TA_ERROR_ARGUMENT;
    }
    uint32_t flags = 0;
    for (uint32_t poll = 0; poll < WAIT_POLLS && flags == 0u; poll++) {
        flags = MDMA_CISR(channel) & (MDMA_CISR_TEIF | MDMA_CISR_CTCIF);
    }
    switch_off(channel); /* After an error or the end it is off already: 14.5.5. */
    /* No load that follows is made before the transfer's end was seen. */
    ta_barrier_data();
    return flags == MDMA_CISR_CTCIF ? TA_OK : TA_ERROR_DMA;
}

/* One maintenance operation per line through `operation`, which takes an address in the line: DUI 0646 4.8.1. The
 * barriers: stores before it are in the cache, and whatever follows finds it done. */
static void maintain(volatile uint32_t *operation, uintptr_t address, uint32_t bytes) {
    const uintptr_t end = address + bytes;
    if (is_tcm(address)) {
        return; /* Never cached. */
    }
    ta_barrier_data();
    for (uintptr_t line = address & ~(uintptr_t)(CACHE_LINE_BYTES - 1u); line < end; line += CACHE_LINE_BYTES) {
        *operation = (uint32_t)line;
    }
    ta_barrier_data();
    ta_barrier_instruction();
}

void ta_port_cache_clean(const void *address, uint32_t bytes) {
    maintain(&SCB_DCCMVAC, (uintptr_t)address, bytes);
}

void ta_port_cache_invalidate(void *address, uint32_t bytes) {
    maintain(&SCB_DCIMVAC, (uintptr_t)address, bytes);
}
