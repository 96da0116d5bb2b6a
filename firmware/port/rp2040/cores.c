/* The second core: started through the boot ROM (RP2040 datasheet 2.8.2), then words through the FIFOs of the
 * single-cycle IO block (2.3.1.4), of eight words each way.
 *
 * A core that waits for a word sleeps (WFE), and whoever sends one wakes it (SEV: 2.4.2.8), as the ROM does. Not to
 * save power: a debugger that writes the flash resets core 0 only (AIRCR.SYSRESETREQ: 2.4.2.9), and a core 1 that went
 * on fetching would meet a flash that is not mapped, and disturb the commands that core 0 sends to it. */
#include "registers.h"
#include "rp2040.h"
#include "stack.h"
#include "tinyanime/port.h"

#if TA_CORES > 1

/* The ROM asks to begin anew where it did not understand; once or twice is usual after a reset of core 1 alone. */
#define LAUNCH_ATTEMPTS 8u

/* Polls for an answer of the ROM, which takes some hundred cycles: half a millisecond, and 4 ms for all attempts. */
#define ANSWER_POLLS 5000u

extern const uint32_t __vectors[];

static void (*core1_entry)(void);
static bool core1_launched;

static inline void send_event(void) {
    __asm volatile("sev" ::: "memory");
}

static inline void wait_for_event(void) {
    __asm volatile("wfe" ::: "memory");
}

void rp2040_core1_hold(void) {
    core1_launched = false;
    PSM_FRCE_OFF |= PSM_PROC1;
    (void)rp2040_wait(&PSM_FRCE_OFF, PSM_PROC1, PSM_PROC1);
}

bool rp2040_core1_runs(void) {
    return core1_launched;
}

/* On core 1, on its own stack: the MPU is the core's own too. */
static void begin_core1(void) {
    __asm volatile("cpsid i");
    ta_stack_guard(__core1_stack_limit);
    core1_entry();
    for (;;) {
    }
}

/* Leaves the mailbox empty. Bounded: where core 1 were to go on sending, the words that follow tell. */
static void drain(void) {
    for (uint32_t word = 0; word < 2u * SIO_FIFO_WORDS && (SIO_FIFO_ST & SIO_FIFO_ST_VLD) != 0u; word++) {
        (void)SIO_FIFO_RD;
    }
}

static bool wait_for_mailbox(uint32_t flag) {
    uint32_t polls = 0;
    while ((SIO_FIFO_ST & flag) == 0u && polls < ANSWER_POLLS) {
        polls++;
    }
    return polls < ANSWER_POLLS;
}

/* Sends a word of the launch sequence; whether core 1 has answered with the same. The ROM waits by WFE. */
static bool is_echoed(uint32_t word) {
    if (word == 0u) {
        drain();
        send_event();
    }
    if (!wait_for_mailbox(SIO_FIFO_ST_RDY)) {
        return false;
    }
    ta_barrier_memory();
    SIO_FIFO_WR = word;
    send_event();
    return wait_for_mailbox(SIO_FIFO_ST_VLD) && SIO_FIFO_RD == word;
}

/* 2.8.2: the words, each of which comes back where it was understood. */
static bool pass_launch_sequence(void) {
    const uint32_t words[] = {
        0,
        0,
        1,
        (uint32_t)(uintptr_t)__vectors,
        (uint32_t)(uintptr_t)__core1_stack_top,
        (uint32_t)(uintptr_t)begin_core1,
    };
    uint32_t passed = 0;
    while (passed < sizeof words / sizeof words[0] && is_echoed(words[passed])) {
        passed++;
    }
    return passed == sizeof words / sizeof words[0];
}

bool ta_port_core_launch(void (*entry)(void)) {
    rp2040_core1_hold();
    ta_stack_paint(__core1_stack_limit, __core1_stack_top);
    core1_entry = entry;
    drain();
    PSM_FRCE_OFF &= ~PSM_PROC1;
    /* The ROM empties core 1's mailbox and says so by a 0, which would be taken for the answer to the first word. */
    if (wait_for_mailbox(SIO_FIFO_ST_VLD)) {
        (void)SIO_FIFO_RD;
    }
    for (uint32_t attempt = 0; attempt < LAUNCH_ATTEMPTS && !core1_launched; attempt++) {
        core1_launched = pass_launch_sequence();
    }
    if (!core1_launched) {
        rp2040_core1_hold();
    }
    return core1_launched;
}

uint32_t ta_port_core_index(void) {
    return SIO_CPUID;
}

/* How long the other core computes is no matter of this port: where it never answers the watchdog starts the chip
 * anew. A word that is taken wakes nobody, so that waiting for room is done awake. */
void ta_port_core_send(uint32_t word) {
    ta_barrier_memory();
    while ((SIO_FIFO_ST & SIO_FIFO_ST_RDY) == 0u) {
    }
    SIO_FIFO_WR = word;
    send_event();
}

/* An event between the look and the sleep is kept, and ends the sleep at once (2.4.2.8). */
uint32_t ta_port_core_receive(void) {
    while ((SIO_FIFO_ST & SIO_FIFO_ST_VLD) == 0u) {
        wait_for_event();
    }
    const uint32_t word = SIO_FIFO_RD;
    ta_barrier_memory();
    return word;
}

#endif
