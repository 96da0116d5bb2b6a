/* USART3 polled, with FIFO: RM0433 48.5. One status read serves up to half a FIFO of bytes. */
#include "board_config.h"
#include "registers.h"
#include "stm32h7.h"
#include "tinyanime/port.h"
#include "tinyanime/receive_ring.h"

#define PIN8_ALTERNATE7 (7u << 0)
#define PIN9_ALTERNATE7 (7u << 4)

static ta_receive_ring received;
static uint32_t transmit_room; /* Bytes that the transmit FIFO is known to take. */

void stm32h7_uart_init(void) {
    RCC_AHB4ENR |= RCC_AHB4ENR_GPIODEN;
    RCC_D2CCIP2R &= ~RCC_D2CCIP2R_USART234578SEL_MASK;
    RCC_APB1LENR |= RCC_APB1LENR_USART3EN;
    (void)RCC_APB1LENR;

    GPIOD_AFRH = (GPIOD_AFRH & ~0xFFu) | PIN8_ALTERNATE7 | PIN9_ALTERNATE7;
    GPIOD_OSPEEDR = (GPIOD_OSPEEDR & ~(0xFu << 16)) | (0x5u << 16); /* medium */
    GPIOD_PUPDR = (GPIOD_PUPDR & ~(0xFu << 16)) | (0x4u << 16);     /* RX pulled up: an open line is idle */
    GPIOD_MODER = (GPIOD_MODER & ~(0xFu << 16)) | (0xAu << 16);     /* alternate function */

    USART3_CR1 = 0;
    USART3_CR2 = 0;
    USART3_CR3 = USART_CR3_RXFTCFG_HALF | USART_CR3_TXFTCFG_HALF;
    USART3_PRESC = 0;
    USART3_BRR = (stm32h7_clock_apb1_hz() + TA_BOARD_UART_BAUD / 2u) / TA_BOARD_UART_BAUD;
    USART3_CR1 = USART_CR1_FIFOEN | USART_CR1_UE;
    USART3_CR1 = USART_CR1_FIFOEN | USART_CR1_UE | USART_CR1_TE | USART_CR1_RE;
    (void)stm32h7_wait(&USART3_ISR, USART_ISR_TEACK | USART_ISR_REACK, USART_ISR_TEACK | USART_ISR_REACK);
    USART3_ICR = USART_ISR_RX_ERRORS;
    ta_receive_ring_clear(&received);
    transmit_room = 0;
}

/* Moves what `status` says has arrived into the ring; a full ring drops the byte, as an overrun would. */
static void store_received(uint32_t status) {
    if ((status & USART_ISR_RX_ERRORS) != 0) {
        USART3_ICR = status & USART_ISR_RX_ERRORS; /* The frame's checksum finds the damage. */
    }
    uint32_t waiting = 0;
    if ((status & USART_ISR_RXFT) != 0) {
        waiting = USART_FIFO_HALF;
    } else if ((status & USART_ISR_RXFNE) != 0) {
        waiting = 1;
    }
    for (; waiting > 0; waiting--) {
        ta_receive_ring_store(&received, (uint8_t)USART3_RDR);
    }
}

bool ta_port_uart_get(uint8_t *byte) {
    if (ta_receive_ring_take(&received, byte)) {
        return true;
    }
    store_received(USART3_ISR);
    return ta_receive_ring_take(&received, byte);
}

void ta_port_uart_put(uint8_t byte) {
    for (uint32_t poll = 0; transmit_room == 0; poll++) {
        if (poll == STM32H7_WAIT_POLLS) {
            return; /* The transmitter is dead: drop the byte rather than hang. */
        }
        const uint32_t status = USART3_ISR;
        store_received(status);
        if ((status & USART_ISR_TXFT) != 0) {
            transmit_room = USART_FIFO_HALF;
        } else if ((status & USART_ISR_TXFNF) != 0) {
            transmit_room = 1;
        }
    }
    USART3_TDR = byte;
    transmit_room--;
}

void ta_port_uart_flush(void) {
    for (uint32_t poll = 0; poll < STM32H7_WAIT_POLLS; poll++) {
        const uint32_t status = USART3_ISR;
        store_received(status);
        if ((status & USART_ISR_TC) != 0) {
            return;
        }
    }
}
