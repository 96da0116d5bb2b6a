/* Bring-up firmware: says hello, then answers single-letter commands, echoing everything else. Commands follow an ESC
 * byte: c clock, s free stack, i id, l counted loops, p cycles per millisecond, r reset, u undefined instruction,
 * b breakpoint, n load where memory protection forbids it, o stack overflow, w hang with a watchdog of one second,
 * m read of unmapped memory, g read of an unmodelled register, f write to flash, x call of the boot ROM. */
#include <stdint.h>

#include "csr.h"
#include "fault.h"
#include "stack.h"
#include "tinyanime/fast_code.h"
#include "tinyanime/port.h"

#define ESC 0x1Bu
#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

extern uint32_t __stack_limit[];

static volatile uint32_t initialised = 0x12345678u; /* Proves that .data is copied. */
static uint32_t zeroed;                             /* Proves that .bss is cleared. */

static void put_text(const char *text) {
    while (*text != '\0') {
        ta_port_uart_put((uint8_t)*text++);
    }
}

static void put_number(const char *name, uint32_t value) {
    put_text(name);
    put_text("=");
    char digits[11];
    uint32_t position = sizeof digits - 1;
    digits[position] = '\0';
    do {
        digits[--position] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    put_text(&digits[position]);
    put_text("\n");
}

/* Cycles from one read of the counter to the next: 1 read, 1 load of a constant and 1000 turns of 2 instructions. */
TA_FAST_CODE(hello) __attribute__((naked, noinline)) static uint32_t counted_loop(void) {
    __asm volatile(".option push\n"
                   ".option arch, +zicsr\n"
                   "csrr a0, 0x7E2\n"
                   "li a1, 1000\n"
                   "1: addi a1, a1, -1\n"
                   "bnez a1, 1b\n"
                   "csrr a1, 0x7E2\n"
                   "sub a0, a1, a0\n"
                   "ret\n"
                   ".option pop\n");
}

/* The same without a branch in between: 1 read and 3 other instructions, of 2 and 4 bytes. */
__attribute__((naked, noinline)) static uint32_t counted_line(void) {
    __asm volatile(".option push\n"
                   ".option arch, +zicsr\n"
                   "csrr a0, 0x7E2\n"
                   "c.nop\n"
                   "xori a1, a0, 5\n"
                   "c.nop\n"
                   "csrr a1, 0x7E2\n"
                   "sub a0, a1, a0\n"
                   "ret\n"
                   ".option pop\n");
}

static uint32_t cycles_per_millisecond(void) {
    const uint32_t start = ta_port_millis();
    while (ta_port_millis() == start) {
    }
    const uint32_t first = ta_port_cycles();
    while (ta_port_millis() < start + 4u) {
    }
    return (ta_port_cycles() - first) / 3u;
}

static void introduce(void) {
    const ta_fault_record *fault = ta_fault_last();
    put_text("HELLO over UART\n");
    put_number("data", initialised == 0x12345678u && zeroed == 0);
    put_number("fault", fault == 0 ? 0 : fault->cause);
}

/* Uses up any stack. */
__attribute__((noinline)) static uint32_t dig(uint32_t depth) {
    volatile uint32_t room[64];
    room[depth % 64u] = depth;
    return depth == 0 ? 0 : dig(depth + 1u) + room[depth % 64u];
}

/* Never feeds the watchdog, which has one second now. */
__attribute__((noinline)) static void hang(void) {
    REG32(0x600080A8u) = 0x50D83AA1u;
    REG32(0x60008094u) = 68000u;
    for (;;) {
        __asm volatile(".rept 200\n nop\n .endr\n");
    }
}

static void command_that_ends(uint8_t letter) {
    switch (letter) {
    case 'r':
        ta_port_reset();
        break;
    case 'u':
        __asm volatile(".word 0xFFFFFFFF");
        break;
    case 'b':
        __asm volatile("ebreak");
        break;
    case 'n':
        put_number("value", REG32((uintptr_t)__stack_limit - 4u));
        break;
    case 'o':
        put_number("deep", dig(1));
        break;
    case 'w':
        hang();
        break;
    case 'm':
        put_number("value", REG32(0x50000010u));
        break;
    case 'g':
        put_number("value", REG32(0x60000004u));
        break;
    case 'f':
        REG32(0x3C000100u) = 1;
        break;
    case 'x':
        ((void (*)(void))0x40000018u)();
        break;
    default:
        put_text("?\n");
        break;
    }
}

__attribute__((noinline)) static void command(uint8_t letter) {
    uint8_t id[12];
    switch (letter) {
    case 'c':
        put_number("clock", ta_port_clock_hz());
        break;
    case 's':
        put_number("stack", ta_port_stack_free_bytes());
        break;
    case 'i':
        ta_port_unique_id(id);
        put_number("id1", id[1]);
        break;
    case 'l':
        put_number("loop", counted_loop());
        put_number("line", counted_line());
        break;
    case 'p':
        put_number("cycles", cycles_per_millisecond());
        break;
    default:
        command_that_ends(letter);
        break;
    }
}

int main(void) {
    ta_port_init();
    introduce();
    uint8_t previous = 0;
    for (;;) {
        uint8_t byte;
        if (!ta_port_uart_get(&byte)) {
            ta_port_watchdog_feed();
            continue;
        }
        if (previous == ESC) {
            command(byte);
            byte = 0;
        } else if (byte != ESC) {
            ta_port_uart_put(byte);
        }
        previous = byte;
    }
}
