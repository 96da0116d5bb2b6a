/* A DMA for tests that moves nothing before it must: what is read too early is wrong. Defines ta_port_dma_start and
 * ta_port_dma_wait. */
#ifndef TINYANIME_LAZY_DMA_H
#define TINYANIME_LAZY_DMA_H

/* All channels idle; what was under way is lost. */
void lazy_dma_reset(void);

#endif
