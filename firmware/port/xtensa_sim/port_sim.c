/* A simulated Xtensa core (QEMU machine `sim`) as a chip: the QEMU process's descriptors 0 and 1 are the UART, the
 * core's cycle counter counts instructions. It runs what an ESP32-S3 project has besides ESP-IDF.
 *
 * Descriptors 0 and 1 should be pipes: a pipe that can be written takes PIPE_BUF bytes without waiting. The program
 * ends with status 0 when its input or output is closed. */
#include "tinyanime/port.h"

#include <string.h>

#include "board_config.h"
#include "sim_calls.h"
#include "start.h"

/* QEMU's CPU lx106 has a clock of 40 MHz (target/xtensa/core-lx106.c); under `-icount shift=5` an instruction takes
 * 32 ns, so 25 instructions are 32 ticks of CCOUNT. qemu_xtensa.py starts QEMU so. */
#define TICKS_PER_25_INSTRUCTIONS 32u
#define INSTRUCTIONS_PER_32_TICKS 25u

/* An instruction is taken for a cycle of the board's clock. */
#define CYCLES_PER_MILLISECOND (TA_BOARD_CLOCK_HZ / 1000u)

#define RX_BUFFER_BYTES 8192u /* Holds what arrives while the output is stuck; a power of two. */
#define TX_BUFFER_BYTES 512u
#define PIPE_BUFFER_BYTES 4096u /* PIPE_BUF of Linux. */

/* Two empty polls closer together than this mean that the caller has nothing else to do. */
#define IDLE_CYCLES 5000u
#define IDLE_WAIT_US 1000u
#define OUTPUT_WAIT_US 20000u

_Static_assert((RX_BUFFER_BYTES & (RX_BUFFER_BYTES - 1u)) == 0u, "the index wraps with the buffer");
_Static_assert(TX_BUFFER_BYTES <= PIPE_BUFFER_BYTES, "one write of the whole buffer must not wait");

static struct {
    uint8_t bytes[RX_BUFFER_BYTES];
    uint32_t head; /* Bytes ever stored. */
    uint32_t tail; /* Bytes ever taken. */
} rx;

static struct {
    uint8_t bytes[TX_BUFFER_BYTES];
    uint32_t count;
} tx;

static struct {
    uint32_t last_ticks;
    uint32_t rest_ticks;  /* Below TICKS_PER_25_INSTRUCTIONS. */
    uint32_t cycles;      /* Wraps. */
    uint32_t rest_cycles; /* Below CYCLES_PER_MILLISECOND. */
    uint32_t milliseconds;
} counter;

static uint32_t waited_ms; /* The core's clock stands still while it waits for the host. */
static uint32_t last_empty_cycles;

/* Takes over what CCOUNT has counted since the last call. */
static void advance(void) {
    uint32_t now;
    __asm volatile("rsr.ccount %0" : "=r"(now));
    const uint32_t elapsed = now - counter.last_ticks;
    const uint32_t rest = counter.rest_ticks + elapsed % TICKS_PER_25_INSTRUCTIONS;
    const uint32_t cycles =
        (elapsed / TICKS_PER_25_INSTRUCTIONS + rest / TICKS_PER_25_INSTRUCTIONS) * INSTRUCTIONS_PER_32_TICKS;
    counter.last_ticks = now;
    counter.rest_ticks = rest % TICKS_PER_25_INSTRUCTIONS;
    counter.cycles += cycles;
    counter.rest_cycles += cycles;
    counter.milliseconds += counter.rest_cycles / CYCLES_PER_MILLISECOND;
    counter.rest_cycles %= CYCLES_PER_MILLISECOND;
}

/* Moves waiting input into `rx`, as much as one read gives. Call only where input can be read or is at its end. */
static void receive(void) {
    const uint32_t at = rx.head % RX_BUFFER_BYTES;
    const uint32_t space = RX_BUFFER_BYTES - (rx.head - rx.tail);
    const uint32_t to_end = RX_BUFFER_BYTES - at;
    const int32_t got = ta_sim_read(TA_SIM_INPUT, &rx.bytes[at], space < to_end ? space : to_end);
    if (got <= 0) {
        /* The other side is gone: nobody can ask for anything any more. */
        ta_sim_exit(0u);
    }
    rx.head += (uint32_t)got;
}

static void receive_waiting(uint32_t timeout_us) {
    if (rx.head - rx.tail == RX_BUFFER_BYTES) {
        return;
    }
    if (ta_sim_ready(TA_SIM_INPUT, false, timeout_us)) {
        receive();
    } else {
        waited_ms += timeout_us / 1000u;
    }
}

static void send_buffer(void) {
    uint32_t sent = 0;
    while (sent < tx.count) {
        if (!ta_sim_ready(TA_SIM_OUTPUT, true, OUTPUT_WAIT_US)) {
            receive_waiting(0u);
            continue;
        }
        const int32_t taken = ta_sim_write(TA_SIM_OUTPUT, &tx.bytes[sent], tx.count - sent);
        if (taken <= 0) {
            ta_sim_exit(0u);
        }
        sent += (uint32_t)taken;
    }
    tx.count = 0;
}

void ta_port_init(void) {
    advance();
}

bool ta_port_uart_get(uint8_t *byte) {
    if (rx.head == rx.tail) {
        send_buffer();
        const bool idle = ta_port_cycles() - last_empty_cycles < IDLE_CYCLES;
        receive_waiting(idle ? IDLE_WAIT_US : 0u);
        last_empty_cycles = ta_port_cycles();
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

/* Instructions executed, to within 25. Must be called at least every 3.3 billion of them to notice each wrap of CCOUNT;
 * the executor does, around each command. */
uint32_t ta_port_cycles(void) {
    advance();
    return counter.cycles;
}

uint32_t ta_port_millis(void) {
    advance();
    return counter.milliseconds + waited_ms;
}

uint32_t ta_port_clock_hz(void) {
    return TA_BOARD_CLOCK_HZ;
}

/* All zero: a simulated core has no id. */
void ta_port_unique_id(uint8_t id[12]) {
    memset(id, 0, 12);
}

/* There is no watchdog: whoever started the simulator can end it. */
void ta_port_watchdog_feed(void) {
}

/* Memory is started anew by the reset code; input that was read and not yet taken is lost, as in a chip. */
void ta_port_reset(void) {
    send_buffer();
    Reset_Handler();
}

uint32_t ta_port_stack_free_bytes(void) {
    return ta_sim_stack_free_bytes();
}

#if TA_CORES > 1

/* QEMU's machine has one core: it is one that does not answer, and the team stays at one member. */
bool ta_port_core_launch(void (*entry)(void)) {
    (void)entry;
    return false;
}

uint32_t ta_port_core_index(void) {
    return 0;
}

void ta_port_core_send(uint32_t word) {
    (void)word;
}

/* Never called: there is nobody to wait for. */
uint32_t ta_port_core_receive(void) {
    return 0;
}

#endif
