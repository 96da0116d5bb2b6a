/* A port for tests: file descriptors 0 and 1 are the UART, time is the PC's. The program ends when its input does. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tinyanime/port.h"

#define RECEIVE_BYTES 65536u
#define TRANSMIT_BYTES 2048u
#define IDLE_POLLS 200u /* Empty looks in a row after which looking waits a millisecond. */

static uint8_t received[RECEIVE_BYTES];
static size_t received_begin, received_end;
static uint8_t waiting[TRANSMIT_BYTES];
static size_t waiting_count;
static unsigned idle_polls;

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t start;

void ta_port_init(void) {
    start = nanoseconds();
}

bool ta_port_uart_get(uint8_t *byte) {
    if (received_begin == received_end) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        ta_port_uart_flush();
        if (poll(&input, 1, idle_polls < IDLE_POLLS ? 0 : 1) <= 0) {
            idle_polls++;
            return false;
        }
        const ssize_t count = read(0, received, sizeof received);
        if (count <= 0) {
            exit(0);
        }
        received_begin = 0;
        received_end = (size_t)count;
        idle_polls = 0;
    }
    *byte = received[received_begin++];
    return true;
}

void ta_port_uart_put(uint8_t byte) {
    if (waiting_count == sizeof waiting) {
        ta_port_uart_flush();
    }
    waiting[waiting_count++] = byte;
}

void ta_port_uart_flush(void) {
    size_t done = 0;
    while (done < waiting_count) {
        const ssize_t count = write(1, waiting + done, waiting_count - done);
        if (count <= 0) {
            exit(0);
        }
        done += (size_t)count;
    }
    waiting_count = 0;
}

uint32_t ta_port_cycles(void) {
    return (uint32_t)nanoseconds();
}

uint32_t ta_port_millis(void) {
    return (uint32_t)((nanoseconds() - start) / 1000000u);
}

uint32_t ta_port_clock_hz(void) {
    return 1000000000u;
}

void ta_port_unique_id(uint8_t id[12]) {
    memset(id, 0xA5, 12);
}

void ta_port_watchdog_feed(void) {
}

void ta_port_reset(void) {
    char *const arguments[] = {"firmware", NULL};
    execv("/proc/self/exe", arguments);
    exit(1);
}

uint32_t ta_port_stack_free_bytes(void) {
    return UINT32_MAX;
}
