/* The link over a UART: ESP-IDF's driver (API reference, "Universal Asynchronous Receiver/Transmitter"). */
#include "serial.h"

#include "sdkconfig.h"

#if CONFIG_TINYANIME_LINK_UART

#include "driver/uart.h"
#include "esp_err.h"
#include "freertos/FreeRTOS.h"

#if CONFIG_ESP_CONSOLE_UART && CONFIG_ESP_CONSOLE_UART_NUM == CONFIG_TINYANIME_UART_NUM
#error "Logs would mix with the link's frames: choose another channel for console output (idf.py menuconfig)."
#endif

#define UART ((uart_port_t)CONFIG_TINYANIME_UART_NUM)
#define DRAIN_MS 1000
#define RECEIVE_THRESHOLD 64 /* Bytes in the FIFO at which the driver fetches them. */

void ta_serial_start(void) {
    const uart_config_t line = {
        .baud_rate = CONFIG_TINYANIME_UART_BAUD,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
        .source_clk = UART_SCLK_DEFAULT,
    };
    ESP_ERROR_CHECK(uart_driver_install(UART, TA_SERIAL_RX_BYTES, TA_SERIAL_TX_BYTES, 0, NULL, 0));
    /* The driver's own threshold, 120 of 128 bytes, leaves its interrupt 87 us at 921,600 baud. */
    ESP_ERROR_CHECK(uart_set_rx_full_threshold(UART, RECEIVE_THRESHOLD));
    ESP_ERROR_CHECK(uart_param_config(UART, &line));
    ESP_ERROR_CHECK(uart_set_pin(UART, CONFIG_TINYANIME_UART_TX_GPIO, CONFIG_TINYANIME_UART_RX_GPIO, UART_PIN_NO_CHANGE,
                                 UART_PIN_NO_CHANGE));
}

uint32_t ta_serial_read(uint8_t *bytes, uint32_t count, uint32_t wait_ms) {
    size_t waiting = 0;
    if (uart_get_buffered_data_len(UART, &waiting) != ESP_OK) {
        return 0;
    }
    if (waiting == 0 && wait_ms == 0) {
        return 0;
    }
    /* The driver waits for as many bytes as it is asked for. */
    const uint32_t wanted = waiting == 0 ? 1 : (waiting < count ? (uint32_t)waiting : count);
    const int taken = uart_read_bytes(UART, bytes, wanted, pdMS_TO_TICKS(wait_ms));
    return taken < 0 ? 0 : (uint32_t)taken;
}

void ta_serial_write(const uint8_t *bytes, uint32_t count) {
    (void)uart_write_bytes(UART, bytes, count);
}

void ta_serial_drain(void) {
    (void)uart_wait_tx_done(UART, pdMS_TO_TICKS(DRAIN_MS));
}

#endif
