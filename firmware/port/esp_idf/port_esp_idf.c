/* ESP-IDF 5.1 to 5.5 (ESP32-S3, ESP32-C3) as a chip: the firmware's main loop is a task pinned to core 0, its stack is
 * static. Unlike the other ports this one runs beside an operating system: interrupts belong to its drivers. */
#include "tinyanime/port.h"

#include <string.h>

#include "board_config.h"
#include "esp_cpu.h"
#include "esp_err.h"
#include "esp_mac.h"
#include "esp_random.h"
#include "esp_rom_sys.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"
#include "serial.h"

#define HZ_PER_MHZ 1000000u
#define MICROSECONDS_PER_MILLISECOND 1000
#define PRIORITY (tskIDLE_PRIORITY + 2) /* Above that of ESP-IDF's main task, below its drivers' tasks. */

/* Two empty polls closer together than this (20 us at 240 MHz) mean that the caller has nothing else to do. */
#define IDLE_CYCLES 4800u
#define IDLE_WAIT_MS 2u
/* How often the idle task of core 0 gets a tick while a picture is computed: it cleans up after other tasks. */
#define REST_INTERVAL_MS 1000u

#define CHUNK_BYTES 512u
_Static_assert(CHUNK_BYTES <= TA_SERIAL_TX_BYTES / 2, "ta_serial_write takes a chunk");

int main(void);
void app_main(void);

static StackType_t stack[TA_BOARD_STACK_BYTES] __attribute__((aligned(16)));
static StaticTask_t task;

static struct {
    uint8_t bytes[CHUNK_BYTES];
    uint32_t count;
    uint32_t next; /* First byte not taken, 0 to count. */
} rx;

static struct {
    uint8_t bytes[CHUNK_BYTES];
    uint32_t count;
} tx;

static uint32_t cycle_offset; /* Differs after each reset: the counter itself starts at about the same value. */
static uint32_t last_empty_cycles;
static uint32_t last_rest_ms;

static void run(void *argument) {
    (void)argument;
    (void)main();
    vTaskDelete(NULL);
}

void app_main(void) {
    (void)xTaskCreateStaticPinnedToCore(run, "tinyanime", sizeof stack, NULL, PRIORITY, stack, &task, 0);
}

void ta_port_init(void) {
    cycle_offset = esp_random();
    ta_serial_start();
#if CONFIG_ESP_TASK_WDT_INIT
    /* Watches this task; a hang ends in a panic and a reset (sdkconfig.defaults). */
    ESP_ERROR_CHECK(esp_task_wdt_add(NULL));
#endif
}

static void send_buffer(void) {
    if (tx.count != 0) {
        ta_serial_write(tx.bytes, tx.count);
        tx.count = 0;
    }
}

bool ta_port_uart_get(uint8_t *byte) {
    if (rx.next == rx.count) {
        send_buffer();
        const bool idle = ta_port_cycles() - last_empty_cycles < IDLE_CYCLES;
        rx.next = 0;
        rx.count = ta_serial_read(rx.bytes, CHUNK_BYTES, idle ? IDLE_WAIT_MS : 0);
        if (rx.count == 0) {
            last_empty_cycles = ta_port_cycles();
            return false;
        }
    }
    *byte = rx.bytes[rx.next];
    rx.next++;
    return true;
}

/* What arrives meanwhile is kept by the driver's interrupt. */
void ta_port_uart_put(uint8_t byte) {
    tx.bytes[tx.count] = byte;
    tx.count++;
    if (tx.count == CHUNK_BYTES) {
        send_buffer();
    }
}

void ta_port_uart_flush(void) {
    send_buffer();
    ta_serial_drain();
}

/* Of the calling core; the firmware reads it on core 0 only. */
uint32_t ta_port_cycles(void) {
    return esp_cpu_get_cycle_count() + cycle_offset;
}

uint32_t ta_port_millis(void) {
    return (uint32_t)(esp_timer_get_time() / MICROSECONDS_PER_MILLISECOND);
}

uint32_t ta_port_clock_hz(void) {
    return esp_rom_get_cpu_ticks_per_us() * HZ_PER_MHZ;
}

/* The base MAC address from eFuse (6 bytes), then zeros. */
void ta_port_unique_id(uint8_t id[12]) {
    memset(id, 0, 12);
    ESP_ERROR_CHECK(esp_efuse_mac_get_default(id));
}

void ta_port_watchdog_feed(void) {
#if CONFIG_ESP_TASK_WDT_INIT
    (void)esp_task_wdt_reset();
#endif
    const uint32_t now = ta_port_millis();
    if (now - last_rest_ms >= REST_INTERVAL_MS) {
        last_rest_ms = now;
        vTaskDelay(1);
    }
}

void ta_port_reset(void) {
    esp_restart();
}

/* ESP-IDF counts stacks in bytes. */
uint32_t ta_port_stack_free_bytes(void) {
    return uxTaskGetStackHighWaterMark(NULL);
}
