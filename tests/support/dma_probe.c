/* Does with memory, DMA and cache what the UART says; each kind of work in a function of its own name, for messages:
 *   'w' address count, then bytes       the core stores them one by one
 *   'r' address count                   the core loads and sends them
 *   's' channel target source count     sends the status of ta_port_dma_start
 *   'a' channel                         sends the status of ta_port_dma_wait
 *   'c' address count                   cleans
 *   'i' address count                   invalidates
 *   'm' address value                   stores a word, e.g. to a register
 *   'n' turns                           computes: so many turns of a short loop
 * Numbers are u32, little-endian. */
#include "tinyanime/port.h"

int main(void);

static uint8_t take(void) {
    uint8_t byte = 0;
    while (!ta_port_uart_get(&byte)) {
        ta_port_watchdog_feed();
    }
    return byte;
}

static uint32_t take_number(void) {
    uint32_t number = 0;
    for (uint32_t shift = 0; shift < 32u; shift += 8u) {
        number |= (uint32_t)take() << shift;
    }
    return number;
}

/* Address 0 is memory here, which the compiler shall not know. */
static void *take_address(void) {
    void *address;
    const uintptr_t number = take_number();
    __asm volatile("" : "=r"(address) : "0"(number));
    return address;
}

__attribute__((noinline)) static void core_stores(volatile uint8_t *target, uint8_t byte) {
    *target = byte;
}

__attribute__((noinline)) static uint8_t core_loads(const volatile uint8_t *source) {
    return *source;
}

__attribute__((noinline)) static void core_sets_word(volatile uint32_t *target, uint32_t value) {
    *target = value;
}

__attribute__((noinline)) static void compute(uint32_t turns) {
    for (volatile uint32_t left = turns; left > 0u; left = left - 1u) {
    }
}

static void obey(uint8_t command) {
    uint8_t *address;
    uint32_t count;
    switch (command) {
    case 'w':
        address = take_address();
        count = take_number();
        for (uint32_t i = 0; i < count; i++) {
            core_stores(&address[i], take());
        }
        break;
    case 'r':
        address = take_address();
        count = take_number();
        for (uint32_t i = 0; i < count; i++) {
            ta_port_uart_put(core_loads(&address[i]));
        }
        break;
    case 's': {
        const uint8_t channel = take();
        address = take_address();
        const void *source = take_address();
        ta_port_uart_put((uint8_t)ta_port_dma_start(channel, address, source, take_number()));
        break;
    }
    case 'a':
        ta_port_uart_put((uint8_t)ta_port_dma_wait(take()));
        break;
    case 'c':
        address = take_address();
        ta_port_cache_clean(address, take_number());
        break;
    case 'i':
        address = take_address();
        ta_port_cache_invalidate(address, take_number());
        break;
    case 'm':
        address = take_address();
        core_sets_word((volatile uint32_t *)(void *)address, take_number());
        break;
    case 'n':
        compute(take_number());
        break;
    default:
        break;
    }
}

int main(void) {
    ta_port_init();
    for (;;) {
        obey(take());
    }
}
