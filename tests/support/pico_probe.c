/* Exercises start-up, port and both cores of rp2040 through the UART. The commands of port_probe.c that it shares are
 * named as there; those beside them:
 *   'l'           starts core 1; sends 1 where it answers
 *   'm' word      passes a word to core 1 and sends what comes back: twice the word, plus the core's number
 *   's' word      lets core 1 use so many bytes of its stack
 *   'c'           lets core 1 execute an undefined instruction
 *   'u'           executes an undefined instruction
 *   'k'           sends exception and core of the fault before this start, 0 and 0 where there was none
 * It sends 'S' when it starts. */
#include "fault.h"
#include "stack.h"
#include "tinyanime/port.h"

int main(void);

#define USE_STACK (1u << 31)
#define FAULT (1u << 30)

/* What start-up has to prepare. */
volatile uint32_t initialised[3] = {1, 2, 3};
volatile uint32_t zeroed[5];
volatile uint32_t kept __attribute__((section(".noinit")));

/* Runs from RAM, called from flash: the name is that of a function that lies there. */
__attribute__((section(".fast_code.ta_gemm_s16"), noinline)) static uint32_t twice(uint32_t value) {
    return 2u * value;
}

static uint8_t take(void) {
    uint8_t byte = 0;
    while (!ta_port_uart_get(&byte)) {
        ta_port_watchdog_feed();
    }
    return byte;
}

static uint32_t take_word(uint32_t bytes) {
    uint32_t word = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        word |= (uint32_t)take() << (8u * i);
    }
    return word;
}

static void send_u32(uint32_t value) {
    for (uint32_t shift = 0; shift < 32u; shift += 8u) {
        ta_port_uart_put((uint8_t)(value >> shift));
    }
}

static void send_info(void) {
    uint8_t id[12];
    send_u32(ta_port_cycles());
    send_u32(ta_port_millis());
    send_u32(ta_port_clock_hz());
    send_u32(ta_port_stack_free_bytes());
    ta_port_unique_id(id);
    for (uint32_t i = 0; i < sizeof id; i++) {
        ta_port_uart_put(id[i]);
    }
}

static void send_loop_cycles(uint32_t turns) {
    const uint32_t begin = ta_port_cycles();
    __asm volatile("1: subs %0, %0, #1\n bne 1b" : "+l"(turns)::"cc");
    send_u32(ta_port_cycles() - begin);
}

/* Frames of 64 bytes, each of which is touched. */
__attribute__((noinline)) static uint32_t dig(uint32_t bytes) {
    volatile uint32_t room[12];
    room[bytes % 12u] = bytes;
    return bytes < 64u ? room[0] : dig(bytes - 64u) + room[bytes % 12u];
}

static void serve_on_core1(void) {
    for (;;) {
        const uint32_t word = ta_port_core_receive();
        if ((word & FAULT) != 0u) {
            __asm volatile("udf #0");
        }
        if ((word & USE_STACK) != 0u) {
            zeroed[4] = dig(word & ~USE_STACK);
        }
        ta_port_core_send(twice(word) + ta_port_core_index());
    }
}

static void exchange(uint32_t word) {
    ta_port_core_send(word);
    send_u32(ta_port_core_receive());
}

static void obey(uint8_t command) {
    const ta_fault_record *fault = ta_fault_last();
    switch (command) {
    case 'e':
        for (uint32_t left = take_word(2); left > 0u; left--) {
            ta_port_uart_put((uint8_t)~take());
        }
        break;
    case 'f':
        for (uint32_t count = take_word(2), i = 0; i < count; i++) {
            ta_port_uart_put((uint8_t)i);
        }
        break;
    case 'i':
        send_info();
        break;
    case 'n':
        send_loop_cycles(take_word(2));
        break;
    case 'r':
        ta_port_reset();
        break;
    case 'u':
        __asm volatile("udf #0");
        break;
    case 'l':
        ta_port_uart_put(ta_port_core_launch(serve_on_core1) ? 1u : 0u);
        break;
    case 'm':
        exchange(take_word(4));
        break;
    case 's':
        exchange(USE_STACK | take_word(4));
        break;
    case 'c':
        exchange(FAULT);
        break;
    case 'k':
        send_u32(fault == 0 ? 0 : fault->exception);
        send_u32(fault == 0 ? 0 : fault->core);
        break;
    default:
        break;
    }
}

int main(void) {
    zeroed[0] = initialised[0] + kept;
    ta_port_init();
    ta_port_uart_put('S');
    ta_port_uart_flush();
    for (;;) {
        obey(take());
    }
}
