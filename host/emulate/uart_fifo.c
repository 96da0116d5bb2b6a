/* Data path of an emulated UART: register accesses that only move a byte or ask whether one waits are
 * answered here, all others by Python. Built together with block_counter.c by host/emulate/block_counter.py.
 */
#include <stdint.h>

#define TRANSMIT_BYTES 65536u /* Powers of two. */
#define RECEIVE_BYTES 4096u
#define SEND_CHUNK 2048u

typedef uint64_t (*mmio_read)(void *uc, uint64_t offset, unsigned size, void *user);
typedef void (*mmio_write)(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user);

/* Shared with Python: the fields in this order (uart_fifo.py). Offsets are from the start of the mapped page.
 */
typedef struct {
    uint32_t enabled; /* Receiver and transmitter run. */
    uint32_t moved;   /* A byte was moved since Python last looked. */
    uint32_t quiet;   /* A status read found nothing to receive since the last byte was moved. */
    uint32_t status_offset;
    uint32_t receive_offset;
    uint32_t transmit_offset;
    uint32_t ready_flags;     /* Status while nothing waits and the transmitter takes bytes. */
    uint32_t waiting_flags;   /* Differ from it where a byte waits. */
    uint32_t threshold_flags; /* Differ from it where `threshold` bytes wait. */
    uint32_t threshold;
    uint32_t count_limit; /* The status's lowest bits count the bytes that wait, up to this; 0: they do not. */
    uint32_t receive_next;
    uint32_t receive_count;
    uint32_t transmit_head; /* Bytes ever transmitted; written here only. */
    uint32_t transmit_tail; /* Bytes ever handed to the PC; written by Python only, from any thread. */
    mmio_read read;
    mmio_write write;
    uint8_t receive[RECEIVE_BYTES];
    uint8_t transmit[TRANSMIT_BYTES];
} uart_fifo;

uint64_t ta_uart_fifo_bytes(void) {
    return sizeof(uart_fifo);
}

static uint32_t unsent_bytes(const uart_fifo *fifo) {
    return fifo->transmit_head - __atomic_load_n(&fifo->transmit_tail, __ATOMIC_ACQUIRE);
}

/* Status that needs nobody's help: bytes wait, or the firmware looks between two bursts of transmitted bytes.
 */
static int answer_status(uart_fifo *fifo, uint64_t *status) {
    const uint32_t waiting = fifo->receive_count - fifo->receive_next;
    if (unsent_bytes(fifo) >= SEND_CHUNK || (waiting == 0 && fifo->quiet)) {
        return 0;
    }
    *status = fifo->ready_flags;
    if (waiting == 0) {
        fifo->quiet = 1;
    } else {
        *status ^= fifo->waiting_flags | (waiting >= fifo->threshold ? fifo->threshold_flags : 0);
        *status += waiting < fifo->count_limit ? waiting : fifo->count_limit;
    }
    return 1;
}

uint64_t ta_uart_read(void *uc, uint64_t offset, unsigned size, void *user) {
    uart_fifo *fifo = user;
    if (fifo->enabled && size == 4) {
        uint64_t status;
        if (offset == fifo->status_offset && answer_status(fifo, &status)) {
            return status;
        }
        if (offset == fifo->receive_offset && fifo->receive_next < fifo->receive_count) {
            fifo->moved = 1;
            fifo->quiet = 0;
            return fifo->receive[fifo->receive_next++];
        }
    }
    return fifo->read(uc, offset, size, user);
}

void ta_uart_write(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
    uart_fifo *fifo = user;
    if (fifo->enabled && size == 4 && offset == fifo->transmit_offset && unsent_bytes(fifo) < TRANSMIT_BYTES) {
        fifo->moved = 1;
        fifo->quiet = 0;
        fifo->transmit[fifo->transmit_head % TRANSMIT_BYTES] = (uint8_t)value;
        __atomic_store_n(&fifo->transmit_head, fifo->transmit_head + 1, __ATOMIC_RELEASE);
        return;
    }
    fifo->write(uc, offset, size, value, user);
}
