/* Arm MPS2+ with application note AN500 (Cortex-M7), as QEMU's machine mps2-an500 models it.
 *
 * Peripherals are those of the Cortex-M System Design Kit (CMSDK); "CMSDK" below is its technical reference
 * manual, Arm DDI 0479, "AN500" is Arm DAI 0500 with the memory map. The model has no caches: they stay off.
 */
#include "tinyanime/port.h"

#include <string.h>

#include "core_registers.h"
#include "stack.h"

/* AN500, "Clocks": SYSCLK drives core, timers and UARTs. QEMU's machine uses the same 25 MHz. */
#define CLOCK_HZ 25000000u
#define CYCLES_PER_MILLISECOND (CLOCK_HZ / 1000u)
#define BAUD 115200u

/* CMSDK, "APB Components", "APB UART", "Programmers model". */
typedef struct {
    volatile uint32_t data;         /* 0x000 */
    volatile uint32_t state;        /* 0x004 */
    volatile uint32_t control;      /* 0x008 */
    volatile uint32_t interrupt;    /* 0x00C */
    volatile uint32_t baud_divider; /* 0x010, at least 16 */
} cmsdk_uart;

#define UART_INTERRUPT_RX (1u << 1)
#define UART_STATE_TX_FULL (1u << 0)
#define UART_STATE_RX_FULL (1u << 1)
#define UART_CONTROL_TX_ENABLE (1u << 0)
#define UART_CONTROL_RX_ENABLE (1u << 1)
#define UART_CONTROL_RX_INTERRUPT (1u << 3)

/* CMSDK, "APB Components", "APB timer", "Programmers model". */
typedef struct {
    volatile uint32_t control;   /* 0x000 */
    volatile uint32_t value;     /* 0x004, counts down */
    volatile uint32_t reload;    /* 0x008 */
    volatile uint32_t interrupt; /* 0x00C */
} cmsdk_timer;

#define TIMER_CONTROL_ENABLE (1u << 0)
#define TIMER_CONTROL_INTERRUPT (1u << 3)

_Static_assert(sizeof(cmsdk_uart) == 0x14, "register offsets");
_Static_assert(sizeof(cmsdk_timer) == 0x10, "register offsets");

/* AN500, "Memory map": CMSDK APB subsystem. */
#define TIMER0 ((cmsdk_timer *)0x40000000u)
#define TIMER1 ((cmsdk_timer *)0x40001000u)
#define UART0 ((cmsdk_uart *)0x40004000u)

/* AN500, "Interrupts". */
#define IRQ_UART0_RX 0u
#define IRQ_TIMER1 9u
#define WAKING_IRQS ((1u << IRQ_UART0_RX) | (1u << IRQ_TIMER1))

/* Armv7-M Architecture Reference Manual, DDI 0403E B3.4: set-enable and clear-pending of interrupts 0 to 31.
 */
#define NVIC_ISER0 TA_REG32(0xE000E100u)
#define NVIC_ICPR0 TA_REG32(0xE000E280u)

/* Two empty polls closer together than this (20 us) mean that the caller has nothing else to do. */
#define IDLE_CYCLES 500u

#define RX_BUFFER_BYTES 4096u /* A power of two. */
_Static_assert((RX_BUFFER_BYTES & (RX_BUFFER_BYTES - 1u)) == 0u, "the index wraps with the buffer");

static struct {
    uint8_t bytes[RX_BUFFER_BYTES];
    uint32_t head; /* Bytes ever stored. */
    uint32_t tail; /* Bytes ever taken. */
} rx;

static struct {
    uint32_t last_cycles;
    uint32_t rest_cycles; /* Below CYCLES_PER_MILLISECOND. */
    uint32_t milliseconds;
} uptime;

static uint32_t last_empty_cycles;

/* Takes a received byte out of the UART. While the buffer is full the byte stays there; the model then holds
 * the sender back, so nothing is lost. */
static void store_received(void) {
    if ((UART0->state & UART_STATE_RX_FULL) != 0u && rx.head - rx.tail < RX_BUFFER_BYTES) {
        rx.bytes[rx.head % RX_BUFFER_BYTES] = (uint8_t)UART0->data;
        rx.head++;
    }
}

void ta_port_init(void) {
    /* With the largest reload value the period is 2^32 cycles, so the inverted value is a free-running
     * counter. */
    TIMER0->control = 0u;
    TIMER0->reload = UINT32_MAX;
    TIMER0->value = UINT32_MAX;
    TIMER0->control = TIMER_CONTROL_ENABLE;

    /* Interrupts stay masked (start-up): they only end a wait, a received byte or else the next millisecond.
     */
    TIMER1->reload = CYCLES_PER_MILLISECOND - 1u;
    TIMER1->value = CYCLES_PER_MILLISECOND - 1u;
    TIMER1->control = TIMER_CONTROL_ENABLE | TIMER_CONTROL_INTERRUPT;
    NVIC_ISER0 = WAKING_IRQS;

    UART0->baud_divider = CLOCK_HZ / BAUD;
    UART0->control = UART_CONTROL_TX_ENABLE | UART_CONTROL_RX_ENABLE | UART_CONTROL_RX_INTERRUPT;
    /* Drops what came before a reset. QEMU also needs it: only this read makes it look for input again. */
    (void)UART0->data;
}

/* Sleeps until a byte is received, at most a millisecond: spinning on the UART would hold QEMU's input back.
 */
static void wait_for_byte(void) {
    UART0->interrupt = UART_INTERRUPT_RX;
    TIMER1->interrupt = 1u;
    NVIC_ICPR0 = WAKING_IRQS;
    ta_barrier_data();
    if ((UART0->state & UART_STATE_RX_FULL) == 0u) {
        __asm volatile("wfi" ::: "memory");
    }
}

bool ta_port_uart_get(uint8_t *byte) {
    store_received();
    if (rx.head == rx.tail) {
        if (ta_port_cycles() - last_empty_cycles < IDLE_CYCLES) {
            wait_for_byte();
            store_received();
        }
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
    while ((UART0->state & UART_STATE_TX_FULL) != 0u) {
        store_received();
    }
    UART0->data = byte;
}

void ta_port_uart_flush(void) {
    while ((UART0->state & UART_STATE_TX_FULL) != 0u) {
        store_received();
    }
}

/* Ticks of timer 0. Where QEMU counts instructions (-icount shift=6: one takes 64 ns), one is 1.6 ticks. */
uint32_t ta_port_cycles(void) {
    return ~TIMER0->value;
}

/* Must be called at least every 2^32 cycles (171 s) to notice each wrap; every time-out of the link does. */
uint32_t ta_port_millis(void) {
    const uint32_t now = ta_port_cycles();
    const uint32_t elapsed = now - uptime.last_cycles;
    const uint32_t rest = uptime.rest_cycles + elapsed % CYCLES_PER_MILLISECOND;
    uptime.last_cycles = now;
    uptime.milliseconds += elapsed / CYCLES_PER_MILLISECOND + rest / CYCLES_PER_MILLISECOND;
    uptime.rest_cycles = rest % CYCLES_PER_MILLISECOND;
    return uptime.milliseconds;
}

/* Fixed by the FPGA image: there is no register to read it back from. */
uint32_t ta_port_clock_hz(void) {
    return CLOCK_HZ;
}

/* All zero: the FPGA board has no unique id. */
void ta_port_unique_id(uint8_t id[12]) {
    memset(id, 0, 12);
}

/* The CMSDK watchdog stays off: nothing can hang but the emulator, which can be stopped. */
void ta_port_watchdog_feed(void) {
}

void ta_port_reset(void) {
    ta_port_uart_flush();
    ta_barrier_data();
    SCB_AIRCR = SCB_AIRCR_KEY | SCB_AIRCR_SYSRESETREQ;
    for (;;) {
    }
}

uint32_t ta_port_stack_free_bytes(void) {
    return ta_stack_free_bytes();
}
