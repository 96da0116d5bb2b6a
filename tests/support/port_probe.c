/* Exercises a port through its UART, one command byte at a time:
 *   'e' lo hi   takes that many bytes and sends each inverted
 *   'f' lo hi   sends that many bytes 0, 1, 2, ... without reading meanwhile
 *   'i'         sends cycles, milliseconds, clock in Hz, free stack (u32, little-endian), then the 12 bytes
 * of the id 'd'         sends 1.5 * 1.5 as a double (the FPU must be on) 'n' lo hi   sends the cycles (u32)
 * that so many turns of a loop take, two instructions each on a Cortex-M 'r'         resets 'x' writes to an
 * address where the board has no memory It sends 'S' when it starts. */
#include "tinyanime/port.h"

#include <string.h>

int main(void);

static uint8_t take(void) {
    uint8_t byte = 0;
    while (!ta_port_uart_get(&byte)) {
        ta_port_watchdog_feed();
    }
    return byte;
}

static uint32_t take_count(void) {
    const uint32_t low = take();
    return low | (uint32_t)take() << 8;
}

static void send_u32(uint32_t value) {
    for (uint32_t shift = 0; shift < 32; shift += 8) {
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
    for (size_t i = 0; i < sizeof(id); i++) {
        ta_port_uart_put(id[i]);
    }
}

static void send_product(void) {
    volatile double factor = 1.5;
    const double product = factor * factor;
    uint8_t bytes[sizeof(product)];
    memcpy(bytes, &product, sizeof(product));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        ta_port_uart_put(bytes[i]);
    }
}

static void send_loop_cycles(uint32_t turns) {
    const uint32_t begin = ta_port_cycles();
#ifdef __arm__
    __asm volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(turns)::"cc");
#elif defined(__xtensa__)
    __asm volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(turns));
#else
    for (volatile uint32_t left = turns; left > 0u; left = left - 1u) {
    }
#endif
    send_u32(ta_port_cycles() - begin);
}

static void obey(uint8_t command) {
    uint32_t count;
    switch (command) {
    case 'e':
        count = take_count();
        for (uint32_t i = 0; i < count; i++) {
            ta_port_uart_put((uint8_t)~take());
        }
        break;
    case 'f':
        count = take_count();
        for (uint32_t i = 0; i < count; i++) {
            ta_port_uart_put((uint8_t)i);
        }
        break;
    case 'i':
        send_info();
        break;
    case 'd':
        send_product();
        break;
    case 'n':
        send_loop_cycles(take_count());
        break;
    case 'r':
        ta_port_reset();
        break;
    case 'x':
        *(volatile uint32_t *)(uintptr_t)0xF0000000u = 1u;
        break;
    default:
        break;
    }
}

int main(void) {
    ta_port_init();
    ta_port_uart_put('S');
    ta_port_uart_flush();
    for (;;) {
        obey(take());
    }
}
