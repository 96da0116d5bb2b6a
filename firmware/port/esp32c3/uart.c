/* UART0 polled, with its FIFOs of 128 bytes: TRM chapter 26. One look at the status serves all bytes that wait. */
#include "board_config.h"
#include "esp32c3.h"
#include "registers.h"
#include "tinyanime/port.h"
#include "tinyanime/receive_ring.h"

#define TAKE_OVER_POLLS 1000u /* It takes some cycles of the 40 MHz clock. */

_Static_assert(TA_BOARD_UART_BAUD * 16u <= ESP32C3_XTAL_HZ, "the baud rate is beyond a 16th of the crystal");

static ta_receive_ring received;
static uint32_t transmit_room; /* Bytes that the transmit FIFO is known to take. */

/* Clock divider in sixteenths: CLKDIV has the whole part, FRAG the rest. The crystal clocks the port: its baud rate
 * does not depend on the core's clock. */
static uint32_t clock_divider(void) {
    const uint32_t sixteenths = (ESP32C3_XTAL_HZ * 16u + TA_BOARD_UART_BAUD / 2u) / TA_BOARD_UART_BAUD;
    return (sixteenths >> 4) | ((sixteenths & 0xFu) << UART0_CLKDIV_FRAG_SHIFT);
}

void esp32c3_uart_init(void) {
    IO_MUX_GPIO21 = IO_MUX_MCU_SEL_UART0 | IO_MUX_FUN_DRV_20MA;
    IO_MUX_GPIO20 = IO_MUX_MCU_SEL_UART0 | IO_MUX_FUN_IE | IO_MUX_FUN_WPU; /* An open line is idle. */
    SYSTEM_PERIP_CLK_EN0 |= SYSTEM_PERIP0_UART | SYSTEM_PERIP0_UART_MEM;
    SYSTEM_PERIP_RST_EN0 &= ~(SYSTEM_PERIP0_UART | SYSTEM_PERIP0_UART_MEM);

    /* The port's core is held in reset meanwhile: otherwise it sends rubbish (IDF uart_ll.h). */
    UART0_CLK_CONF |= UART_CLK_CONF_RST_CORE;
    SYSTEM_PERIP_RST_EN0 |= SYSTEM_PERIP0_UART;
    SYSTEM_PERIP_RST_EN0 &= ~SYSTEM_PERIP0_UART;
    UART0_CLK_CONF =
        UART_CLK_CONF_SCLK_XTAL | UART_CLK_CONF_SCLK_EN | UART_CLK_CONF_TX_SCLK_EN | UART_CLK_CONF_RX_SCLK_EN;

    UART0_CLKDIV = clock_divider();
    UART0_CONF0 = UART_CONF0_8N1 | UART_CONF0_MEM_CLK_EN | UART_CONF0_RXFIFO_RST | UART_CONF0_TXFIFO_RST;
    UART0_CONF0 = UART_CONF0_8N1 | UART_CONF0_MEM_CLK_EN;
    UART0_ID |= UART_ID_REG_UPDATE; /* The port's core, in another clock domain, takes all of this over. */
    for (uint32_t poll = 0; poll < TAKE_OVER_POLLS && (UART0_ID & UART_ID_REG_UPDATE) != 0; poll++) {
    }
    ta_receive_ring_clear(&received);
    transmit_room = 0;
}

/* Moves what `status` says has arrived into the ring; a full ring drops the byte, as an overrun would. */
static void store_received(uint32_t status) {
    for (uint32_t waiting = status & UART_STATUS_RXFIFO_CNT_MASK; waiting > 0; waiting--) {
        ta_receive_ring_store(&received, (uint8_t)UART0_FIFO);
    }
}

static uint32_t bytes_to_send(uint32_t status) {
    return (status >> UART_STATUS_TXFIFO_CNT_SHIFT) & UART_STATUS_TXFIFO_CNT_MASK;
}

bool ta_port_uart_get(uint8_t *byte) {
    if (ta_receive_ring_take(&received, byte)) {
        return true;
    }
    store_received(UART0_STATUS);
    return ta_receive_ring_take(&received, byte);
}

void ta_port_uart_put(uint8_t byte) {
    for (uint32_t poll = 0; transmit_room == 0; poll++) {
        if (poll == ESP32C3_WAIT_POLLS) {
            return; /* The transmitter is dead: drop the byte rather than hang. */
        }
        const uint32_t status = UART0_STATUS;
        const uint32_t unsent = bytes_to_send(status);
        store_received(status);
        transmit_room = unsent < UART_TXFIFO_BYTES ? UART_TXFIFO_BYTES - unsent : 0;
    }
    UART0_FIFO = byte;
    transmit_room--;
}

void ta_port_uart_flush(void) {
    for (uint32_t poll = 0; poll < ESP32C3_WAIT_POLLS; poll++) {
        const uint32_t status = UART0_STATUS;
        store_received(status);
        if (bytes_to_send(status) == 0 && (UART0_FSM_STATUS & UART_FSM_STATUS_TX_MASK) == 0) {
            return;
        }
    }
}
