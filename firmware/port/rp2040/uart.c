/* UART0 polled, with FIFO: RP2040 datasheet 4.2. One status read serves a whole FIFO where it is full or empty. */
#include "board_config.h"
#include "registers.h"
#include "rp2040.h"
#include "tinyanime/port.h"
#include "tinyanime/receive_ring.h"

_Static_assert(TA_BOARD_UART_BAUD * 16u <= TA_BOARD_CLOCK_HZ, "the baud rate is beyond a 16th of the clock: 4.2.7.1");

static ta_receive_ring received;
static uint32_t transmit_room; /* Bytes that the transmit FIFO is known to take. */

void rp2040_uart_init(void) {
    rp2040_reset_peripherals(RESETS_IO_BANK0 | RESETS_PADS_BANK0 | RESETS_UART0);

    /* In units of a 64th: clock / (16 * baud), rounded (4.2.7.1). At least 1: on the oscillators alone, 12 MHz or
     * less, the UART does not come up to the usual baud rate, and nobody hears the board. */
    uint32_t divisor = (rp2040_clock_core_hz() * 8u / TA_BOARD_UART_BAUD + 1u) / 2u;
    divisor = divisor < 64u ? 64u : divisor;
    UART0_IBRD = divisor / 64u;
    UART0_FBRD = divisor % 64u;
    UART0_LCR_H = UART_LCR_H_WLEN_8 | UART_LCR_H_FEN; /* Takes the divisor over: 4.2.7.1. */
    UART0_CR = UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE;

    PADS_BANK0_GPIO0 = PADS_INPUT_ENABLE | PADS_DRIVE_4MA | PADS_SCHMITT;
    PADS_BANK0_GPIO1 = PADS_INPUT_ENABLE | PADS_DRIVE_4MA | PADS_SCHMITT | PADS_PULL_UP; /* An open line is idle. */
    IO_BANK0_GPIO0_CTRL = IO_BANK0_FUNCSEL_UART;
    IO_BANK0_GPIO1_CTRL = IO_BANK0_FUNCSEL_UART;
    ta_receive_ring_clear(&received);
    transmit_room = 0;
}

/* Moves what `flags` say has arrived into the ring; a full ring drops the byte, as an overrun would. The frame's
 * checksum finds bytes that were damaged on the line. */
static void store_received(uint32_t flags) {
    uint32_t waiting = 0;
    if ((flags & UART_FR_RXFF) != 0) {
        waiting = UART_FIFO_BYTES;
    } else if ((flags & UART_FR_RXFE) == 0) {
        waiting = 1;
    }
    for (; waiting > 0; waiting--) {
        ta_receive_ring_store(&received, (uint8_t)UART0_DR);
    }
}

bool ta_port_uart_get(uint8_t *byte) {
    if (ta_receive_ring_take(&received, byte)) {
        return true;
    }
    store_received(UART0_FR);
    return ta_receive_ring_take(&received, byte);
}

void ta_port_uart_put(uint8_t byte) {
    for (uint32_t poll = 0; transmit_room == 0; poll++) {
        if (poll == RP2040_WAIT_POLLS) {
            return; /* The transmitter is dead: drop the byte rather than hang. */
        }
        const uint32_t flags = UART0_FR;
        store_received(flags);
        if ((flags & UART_FR_TXFE) != 0) {
            transmit_room = UART_FIFO_BYTES;
        } else if ((flags & UART_FR_TXFF) == 0) {
            transmit_room = 1;
        }
    }
    UART0_DR = byte;
    transmit_room--;
}

void ta_port_uart_flush(void) {
    for (uint32_t poll = 0; poll < RP2040_WAIT_POLLS; poll++) {
        const uint32_t flags = UART0_FR;
        store_received(flags);
        if ((flags & (UART_FR_TXFE | UART_FR_BUSY)) == UART_FR_TXFE) {
            return;
        }
    }
}
