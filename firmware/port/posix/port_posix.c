/* The PC as a chip: file descriptors 0 and 1 are the UART, the monotonic clock is the cycle counter.
 *
 * Descriptors 0 and 1 should be pipes: a pipe that polls writable takes PIPE_BUF bytes without blocking
 * (POSIX.1-2017, write()). The program ends with status 0 when its input or output is closed. */
#define _POSIX_C_SOURCE 200809L

#include "tinyanime/port.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RX_BUFFER_BYTES 65536u /* Holds what arrives while the output is stuck; a power of two. */
#define TX_BUFFER_BYTES 4096u
#define NANOSECONDS_PER_SECOND 1000000000u
#define NANOSECONDS_PER_MILLISECOND 1000000u

/* Two empty polls closer together than this mean that the caller has nothing else to do. */
#define IDLE_NANOSECONDS 20000u
#define IDLE_WAIT_MILLISECONDS 1

_Static_assert((RX_BUFFER_BYTES & (RX_BUFFER_BYTES - 1u)) == 0u, "the index wraps with the buffer");
_Static_assert(TX_BUFFER_BYTES <= PIPE_BUF, "one write of the whole buffer must not block");

static struct {
    uint8_t bytes[RX_BUFFER_BYTES];
    uint32_t head; /* Bytes ever stored. */
    uint32_t tail; /* Bytes ever taken. */
} rx;

static struct {
    uint8_t bytes[TX_BUFFER_BYTES];
    uint32_t count;
} tx;

static uint64_t start_ns;
static uint64_t last_empty_ns;

static uint64_t monotonic_ns(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Moves waiting input into `rx`, as much as one read gives. Call only where input is readable or at its end.
 */
static void receive(void) {
    const uint32_t at = rx.head % RX_BUFFER_BYTES;
    const uint32_t space = RX_BUFFER_BYTES - (rx.head - rx.tail);
    const uint32_t to_end = RX_BUFFER_BYTES - at;
    const uint32_t wanted = space < to_end ? space : to_end;
    const ssize_t got = read(STDIN_FILENO, &rx.bytes[at], wanted);
    if (got > 0) {
        rx.head += (uint32_t)got;
        return;
    }
    if (got == 0) {
        /* The other side is gone: nobody can ask for anything any more. */
        exit(EXIT_SUCCESS);
    }
}

/* Waits at most `timeout_ms` (-1: for ever) until the input is readable, where there is space for it, or,
 * with `for_output`, until the output is writable. Stores input. True where the output is writable. */
static bool wait_for_io(bool for_output, int timeout_ms) {
    const bool space = rx.head - rx.tail < RX_BUFFER_BYTES;
    struct pollfd ends[2] = {
        {.fd = space ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        {.fd = for_output ? STDOUT_FILENO : -1, .events = POLLOUT, .revents = 0},
    };
    if (poll(ends, 2, timeout_ms) <= 0) {
        return false;
    }
    if (ends[0].revents != 0) {
        receive();
    }
    return ends[1].revents != 0;
}

static void send_buffer(void) {
    uint32_t sent = 0;
    while (sent < tx.count) {
        if (!wait_for_io(true, -1)) {
            continue;
        }
        const ssize_t taken = write(STDOUT_FILENO, &tx.bytes[sent], tx.count - sent);
        if (taken < 0) {
            exit(EXIT_SUCCESS);
        }
        sent += (uint32_t)taken;
    }
    tx.count = 0;
}

void ta_port_init(void) {
    start_ns = monotonic_ns();
    /* A closed output shows as a failing write, not as a signal. */
    (void)signal(SIGPIPE, SIG_IGN);
}

bool ta_port_uart_get(uint8_t *byte) {
    if (rx.head == rx.tail) {
        send_buffer();
        const uint64_t now_ns = monotonic_ns();
        const bool idle = now_ns - last_empty_ns < IDLE_NANOSECONDS;
        (void)wait_for_io(false, idle ? IDLE_WAIT_MILLISECONDS : 0);
        last_empty_ns = monotonic_ns();
    }
    if (rx.head == rx.tail) {
        return false;
    }
    *byte = rx.bytes[rx.tail % RX_BUFFER_BYTES];
    rx.tail++;
    return true;
}

void ta_port_uart_put(uint8_t byte) {
    tx.bytes[tx.count] = byte;
    tx.count++;
    if (tx.count == TX_BUFFER_BYTES) {
        send_buffer();
    }
}

void ta_port_uart_flush(void) {
    send_buffer();
}

/* Nanoseconds: the nominal clock of the PC is 1 GHz. */
uint32_t ta_port_cycles(void) {
    return (uint32_t)(monotonic_ns() - start_ns);
}

uint32_t ta_port_millis(void) {
    return (uint32_t)((monotonic_ns() - start_ns) / NANOSECONDS_PER_MILLISECOND);
}

uint32_t ta_port_clock_hz(void) {
    return NANOSECONDS_PER_SECOND;
}

/* All zero: a process has no id that lasts. */
void ta_port_unique_id(uint8_t id[12]) {
    memset(id, 0, 12);
}

/* There is no watchdog: whoever started the process can end it. */
void ta_port_watchdog_feed(void) {
}

/* Starts the program anew in the same process; input that was read and not yet taken is lost, as in a chip.
 */
void ta_port_reset(void) {
    send_buffer();
    (void)execl("/proc/self/exe", "tinyanime", (char *)NULL);
    exit(EXIT_FAILURE);
}

uint32_t ta_port_stack_free_bytes(void) {
    return UINT32_MAX;
}
