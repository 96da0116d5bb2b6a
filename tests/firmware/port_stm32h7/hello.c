/* Bring-up firmware: says hello, then answers single-letter commands, echoing everything else.
 * Commands follow an ESC byte: h hello again, c clock, s free stack, n next fault, i id, r reset, u undefined
 * instruction, m read of unmapped memory, g read of an unmodelled register, f write to flash, l counted
 * loops, w hang (watchdog), d write to D2 memory, t milliseconds, b busy loop of 100 million instructions, o
 * stack overflow. */
#include <stdint.h>

#include "core_registers.h"
#include "fault.h"
#include "stack.h"
#include "tinyanime/port.h"

#define ESC 0x1Bu

static volatile uint32_t initialised = 0x12345678u; /* Proves that .data is copied. */
static uint32_t zeroed;                             /* Proves that .bss is cleared. */
static uint8_t d2_arena[64] __attribute__((section(".arena.d2"), aligned(32)));

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

/* Cycles from one load of the counter to the next: 1 load, 1 move and 10000 turns of 2 instructions. Runs
 * from ITCM. */
__attribute__((naked, noinline, section(".fast_code"))) static uint32_t counted_loop(volatile uint32_t *counter
                                                                                     __attribute__((unused))) {
    __asm volatile("ldr r1, [r0]\n"
                   "movw r2, #10000\n"
                   "1: subs r2, #1\n"
                   "bne 1b\n"
                   "ldr r2, [r0]\n"
                   "subs r0, r2, r1\n"
                   "bx lr\n");
}

/* The same without a branch in between: 1 load and 4 other instructions, of 2 and 4 bytes. */
__attribute__((naked, noinline)) static uint32_t counted_line(volatile uint32_t *counter __attribute__((unused))) {
    __asm volatile("ldr r1, [r0]\n"
                   "nop\n"
                   "nop.w\n"
                   "it eq\n"
                   "moveq r2, #1\n"
                   "ldr r2, [r0]\n"
                   "subs r0, r2, r1\n"
                   "bx lr\n");
}

static void introduce(void) {
    const ta_fault_record *fault = ta_fault_last();
    put_text("HELLO over UART\n");
    put_number("data", initialised == 0x12345678u && zeroed == 0);
    put_number("fault", fault == 0 ? 0 : fault->exception);
}

/* 3 instructions per turn. */
__attribute__((noinline)) static void busy(uint32_t turns) {
    __asm volatile("1: nop\n"
                   "subs %0, #1\n"
                   "bne 1b\n"
                   : "+r"(turns)::"cc");
}

/* Uses up any stack. */
__attribute__((noinline)) static uint32_t dig(uint32_t depth) {
    volatile uint32_t room[64];
    room[depth % 64u] = depth;
    return depth == 0 ? 0 : dig(depth + 1u) + room[depth % 64u];
}

/* Never feeds the watchdog. In long blocks: an emulator gets through them faster. */
__attribute__((noinline)) static void hang(void) {
    for (;;) {
        __asm volatile(".rept 200\n nop\n .endr\n");
    }
}

__attribute__((noinline)) static void command(uint8_t letter) {
    switch (letter) {
    case 'h':
        introduce();
        put_text("ready\n");
        break;
    case 'c':
        put_number("clock", ta_port_clock_hz());
        break;
    case 's':
        put_number("stack", ta_port_stack_free_bytes());
        break;
    case 't':
        put_number("millis", ta_port_millis());
        break;
    case 'l':
        put_number("loop", counted_loop(&DWT_CYCCNT));
        put_number("line", counted_line(&DWT_CYCCNT));
        break;
    case 'd':
        d2_arena[5] = 77;
        put_number("d2", ((volatile uint8_t *)d2_arena)[5]);
        break;
    case 'i': {
        uint8_t id[12];
        ta_port_unique_id(id);
        put_number("id0", id[0]);
        break;
    }
    case 'r':
        ta_port_reset();
        break;
    case 'u':
        __asm volatile("udf #0");
        break;
    case 'm':
        put_number("value", TA_REG32(0x50000010u));
        break;
    case 'g':
        put_number("value", TA_REG32(0x40004830u));
        break;
    case 'f':
        TA_REG32(0x08000100u) = 1;
        break;
    case 'b':
        busy(33333333u);
        put_text("busy\n");
        break;
    case 'o':
        put_number("deep", dig(1));
        break;
    case 'w':
        hang();
        break;
    default:
        put_text("?\n");
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
