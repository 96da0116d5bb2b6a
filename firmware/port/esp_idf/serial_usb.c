/* The link over the chip's USB Serial/JTAG controller: ESP-IDF's driver (API guide, "USB Serial/JTAG Controller
 * Console"; driver/usb_serial_jtag.h). */
#include "serial.h"

#include "sdkconfig.h"

#if CONFIG_TINYANIME_LINK_USB_SERIAL_JTAG

#include "driver/usb_serial_jtag.h"
#include "esp_err.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#if CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG || CONFIG_ESP_CONSOLE_SECONDARY_USB_SERIAL_JTAG
#error "Logs would mix with the link's frames: choose another channel for console output (idf.py menuconfig)."
#endif

#define WRITE_MS 1000
#define DRAIN_MS 50 /* ESP-IDF 5.1 cannot tell when the host has taken everything. */

void ta_serial_start(void) {
    usb_serial_jtag_driver_config_t sizes = {
        .tx_buffer_size = TA_SERIAL_TX_BYTES,
        .rx_buffer_size = TA_SERIAL_RX_BYTES,
    };
    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&sizes));
}

uint32_t ta_serial_read(uint8_t *bytes, uint32_t count, uint32_t wait_ms) {
    const int taken = usb_serial_jtag_read_bytes(bytes, count, pdMS_TO_TICKS(wait_ms));
    return taken < 0 ? 0 : (uint32_t)taken;
}

void ta_serial_write(const uint8_t *bytes, uint32_t count) {
    if (count != 0) {
        (void)usb_serial_jtag_write_bytes(bytes, count, pdMS_TO_TICKS(WRITE_MS));
    }
}

void ta_serial_drain(void) {
    vTaskDelay(pdMS_TO_TICKS(DRAIN_MS));
}

#endif
