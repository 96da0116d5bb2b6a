/* The driver that carries the link's bytes: serial_uart.c or serial_usb.c, as Kconfig says (menu "tinyanime"). */
#ifndef ESP_IDF_SERIAL_H
#define ESP_IDF_SERIAL_H

#include <stdint.h>

#define TA_SERIAL_RX_BYTES 8192 /* Of the driver, from the heap. */
#define TA_SERIAL_TX_BYTES 2048

/* Installs the driver; ends in a panic where ESP-IDF refuses it. */
void ta_serial_start(void);

/* Bytes taken from those that have arrived (0 to `count`); where there are none, waits at most `wait_ms` for one. */
uint32_t ta_serial_read(uint8_t *bytes, uint32_t count, uint32_t wait_ms);

/* Hands all bytes to the driver, `count` at most TA_SERIAL_TX_BYTES / 2. Waits while its buffer is full; over USB, what
 * the host does not take within a second is lost. */
void ta_serial_write(const uint8_t *bytes, uint32_t count);

/* Waits until everything written has left the chip, at most a second. */
void ta_serial_drain(void);

#endif
