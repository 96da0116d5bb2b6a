/* Clocks, identity, watchdog and stack on NuttX: POSIX calls, and the kernel's own where the program is linked with it
 * and the configuration has them. */
#ifndef __NuttX__
#define _POSIX_C_SOURCE 200809L
#endif

#include "tinyanime/port.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "nuttx.h"

#if TA_IN_KERNEL
#include <nuttx/arch.h>
#include <nuttx/clock.h>
#include <nuttx/sched.h>
#endif
#if defined(CONFIG_BOARDCTL_UNIQUEID) || defined(CONFIG_TINYANIME_RESET_BOARD)
#include <sys/boardctl.h>
#endif
#ifdef CONFIG_TINYANIME_WATCHDOG
#include <fcntl.h>
#include <nuttx/timers/watchdog.h>
#include <stdio.h>
#include <sys/ioctl.h>
#endif

#define NANOSECONDS 1000000000u
#define NANOSECONDS_PER_MILLISECOND 1000000u
#define UNIQUE_ID_BYTES 12u

static uint64_t start_ns;

static uint64_t monotonic_ns(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

#if TA_IN_KERNEL && defined(CONFIG_ARCH_PERF_EVENTS)
/* Of the kernel's performance counter; 0 where the chip (or its emulator) has none that runs. */
static uint32_t counter_hz;

/* Not every chip's start-up enables the counter: its frequency is unknown (all ones) then. */
static void start_counter(void) {
    const unsigned long known = perf_getfreq();
    if (known == 0u || known == ULONG_MAX) {
        up_perf_init((void *)(uintptr_t)CONFIG_TINYANIME_CORE_HZ);
    }
    const clock_t before = perf_gettime();
    for (volatile uint32_t i = 0; i < 1000u; i++) {
    }
    counter_hz = perf_gettime() != before ? (uint32_t)perf_getfreq() : 0u;
}

uint32_t ta_port_cycles(void) {
    return counter_hz != 0u ? (uint32_t)perf_gettime() : (uint32_t)(monotonic_ns() - start_ns);
}

uint32_t ta_port_clock_hz(void) {
    return counter_hz != 0u ? counter_hz : NANOSECONDS;
}
#else
static void start_counter(void) {
}

/* Nanoseconds, as fine as the system's clock. */
uint32_t ta_port_cycles(void) {
    return (uint32_t)(monotonic_ns() - start_ns);
}

uint32_t ta_port_clock_hz(void) {
    return NANOSECONDS;
}
#endif

#ifdef CONFIG_TINYANIME_WATCHDOG
static int watchdog = -1;

static void start_watchdog(void) {
    watchdog = open(CONFIG_TINYANIME_WATCHDOG_DEVICE, O_RDONLY);
    if (watchdog < 0 || ioctl(watchdog, WDIOC_SETTIMEOUT, (unsigned long)CONFIG_TINYANIME_WATCHDOG_MILLISECONDS) < 0 ||
        ioctl(watchdog, WDIOC_START, 0) < 0) {
        fprintf(stderr, "tinyanime: the watchdog %s cannot be started\n", CONFIG_TINYANIME_WATCHDOG_DEVICE);
        watchdog = -1;
    }
}

void ta_port_watchdog_feed(void) {
    if (watchdog >= 0) {
        (void)ioctl(watchdog, WDIOC_KEEPALIVE, 0);
    }
}
#else
static void start_watchdog(void) {
}

void ta_port_watchdog_feed(void) {
}
#endif

void ta_port_init(void) {
    start_ns = monotonic_ns();
    start_counter();
    start_watchdog();
}

uint32_t ta_port_millis(void) {
    return (uint32_t)((monotonic_ns() - start_ns) / NANOSECONDS_PER_MILLISECOND);
}

/* The board's (BOARDIOC_UNIQUEID), cut or filled with zeros; all zero without one. */
void ta_port_unique_id(uint8_t id[12]) {
    memset(id, 0, UNIQUE_ID_BYTES);
#ifdef CONFIG_BOARDCTL_UNIQUEID
    uint8_t whole[CONFIG_BOARDCTL_UNIQUEID_SIZE] = {0};
    if (boardctl(BOARDIOC_UNIQUEID, (uintptr_t)whole) == 0) {
        memcpy(id, whole, sizeof whole < UNIQUE_ID_BYTES ? sizeof whole : UNIQUE_ID_BYTES);
    }
#endif
}

#ifdef CONFIG_TINYANIME_RESET_BOARD
void ta_nuttx_reset_board(void) {
    (void)boardctl(BOARDIOC_RESET, 0);
}
#endif

/* Of the task's own stack, which NuttX paints (CONFIG_STACK_COLORATION). */
uint32_t ta_port_stack_free_bytes(void) {
#if TA_IN_KERNEL && defined(CONFIG_STACK_COLORATION)
    struct tcb_s *task = nxsched_self();
    return (uint32_t)(task->adj_stack_size - up_check_tcbstack(task, task->adj_stack_size));
#else
    return UINT32_MAX;
#endif
}
