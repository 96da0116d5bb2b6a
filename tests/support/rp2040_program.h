/* What the programs of rp2040_program.py share: registers, the start of core 1, and an end that the board reports. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define RESULTS ((volatile uint32_t *)0x20001000u)
#define SIO_CPUID REG(0xD0000000u)
#define FIFO_ST REG(0xD0000050u)
#define FIFO_WR REG(0xD0000054u)
#define FIFO_RD REG(0xD0000058u)
#define VALID 1u
#define ROOM 2u
#define LAUNCH_POLLS 2000u

/* Sleeps for good. */
static inline void done(void) {
    for (;;) {
        __asm volatile("wfi" ::: "memory");
    }
}

static inline void send(uint32_t word) {
    while ((FIFO_ST & ROOM) == 0u) {
    }
    FIFO_WR = word;
    __asm volatile("sev" ::: "memory");
}

static inline uint32_t receive(void) {
    while ((FIFO_ST & VALID) == 0u) {
    }
    return FIFO_RD;
}

/* 1 where core 1 runs `entry`: the sequence of RP2040 datasheet 2.8.2, with an answer that may never come. */
static inline uint32_t launch_core1(void (*entry)(void)) {
    const uint32_t words[] = {0, 0, 1, 0x10000100u, 0x20041000u, (uint32_t)entry};
    for (volatile uint32_t wait = 0; wait < 100u; wait++) {
    }
    while ((FIFO_ST & VALID) != 0u) {
        (void)FIFO_RD;
    }
    for (uint32_t index = 0; index < 6u; index++) {
        send(words[index]);
        uint32_t polls = 0;
        while ((FIFO_ST & VALID) == 0u) {
            if (++polls == LAUNCH_POLLS) {
                return 0;
            }
        }
        if (FIFO_RD != words[index]) {
            return 0;
        }
    }
    return 1;
}

void start(void);
