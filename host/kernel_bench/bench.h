/* What the bench's programs share with the emulator around them (host/kernel_bench/emulation.py). All of it lies
 * outside of the board's memory. */
#ifndef TINYANIME_BENCH_H
#define TINYANIME_BENCH_H

#include <stdint.h>

/* Number of the section that runs: a layer, or BENCH_EXCHANGE. Written before each. */
#define BENCH_SECTION (*(volatile uint32_t *)0xA0000000u)

/* The section for what is no part of an inference: pictures in and out. The emulator puts its number here. */
#define BENCH_EXCHANGE (*(const volatile uint32_t *)0xA0000004u)

/* Why the program ended: a ta_status, or 0. */
#define BENCH_STATUS (*(volatile uint32_t *)0xA0000008u)

/* The network's input and output tensors (int8). */
#define BENCH_INPUT ((const int8_t *)0xA1000000u)
#define BENCH_OUTPUT ((int8_t *)0xA2000000u)

/* A DMA that copies at once, outside of the core: target, source and, last, the bytes of a transfer. */
#define BENCH_DMA_TARGET (*(volatile uint32_t *)0xA0001000u)
#define BENCH_DMA_SOURCE (*(volatile uint32_t *)0xA0001004u)
#define BENCH_DMA_BYTES (*(volatile uint32_t *)0xA0001008u)

/* Where the core begins; the emulator stops it when this returns. */
void bench_run(void);

#endif
