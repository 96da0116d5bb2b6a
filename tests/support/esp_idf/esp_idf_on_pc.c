/* What the ESP-IDF port uses of ESP-IDF, on this PC: tasks are threads, descriptors 0 and 1 are the serial port. Names
 * and signatures as in ESP-IDF 5.1 to 5.5. Arguments that ESP-IDF refuses end the program. */
#define _GNU_SOURCE

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "driver/uart.h"
#include "driver/usb_serial_jtag.h"
#include "esp_cpu.h"
#include "esp_mac.h"
#include "esp_random.h"
#include "esp_rom_sys.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"

#define LEAST_STACK_BYTES 2048

void app_main(void);

static _Thread_local StaticTask_t *current;

static int64_t nanoseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Tasks. */

static void *run(void *task) {
    current = task;
    current->code(current->argument);
    return NULL;
}

TaskHandle_t xTaskCreateStaticPinnedToCore(TaskFunction_t code, const char *name, uint32_t stack_depth,
                                           void *parameters, UBaseType_t priority, StackType_t *stack,
                                           StaticTask_t *task, BaseType_t core) {
    assert(strlen(name) < 16 && stack_depth >= LEAST_STACK_BYTES && stack != NULL && priority > tskIDLE_PRIORITY);
    assert(core == 0 || core == 1);
    memset(task, 0, sizeof *task);
    (void)pthread_mutex_init(&task->lock, NULL);
    (void)pthread_cond_init(&task->notified, NULL);
    task->core = core;
    task->code = code;
    task->argument = parameters;
    (void)pthread_create(&task->thread, NULL, run, task);
    return task;
}

TaskHandle_t xTaskGetCurrentTaskHandle(void) {
    return current;
}

UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t task) {
    assert(task == NULL);
    return 4321;
}

void vTaskDelay(TickType_t ticks) {
    (void)usleep(ticks * 1000);
}

void vTaskDelete(TaskHandle_t task) {
    if (task == NULL) {
        pthread_exit(NULL);
    }
    (void)pthread_cancel(task->thread);
}

BaseType_t xTaskNotifyGive(TaskHandle_t task) {
    (void)pthread_mutex_lock(&task->lock);
    task->notifications++;
    (void)pthread_cond_signal(&task->notified);
    (void)pthread_mutex_unlock(&task->lock);
    return pdTRUE;
}

uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks) {
    struct timespec until;
    assert(clear == pdTRUE);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)ticks * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&current->lock);
    while (current->notifications == 0 && pthread_cond_timedwait(&current->notified, &current->lock, &until) == 0) {
    }
    const uint32_t taken = current->notifications;
    current->notifications = 0;
    (void)pthread_mutex_unlock(&current->lock);
    return taken;
}

/* Chip. */

esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void) {
    return (uint32_t)nanoseconds();
}

int esp_cpu_get_core_id(void) {
    return current->core;
}

esp_err_t esp_efuse_mac_get_default(uint8_t *mac) {
    memcpy(mac, "\x24\x0a\xc4\x01\x02\x03", 6);
    return ESP_OK;
}

uint32_t esp_random(void) {
    uint32_t word = 0;
    (void)getrandom(&word, sizeof word, 0);
    return word;
}

uint32_t esp_rom_get_cpu_ticks_per_us(void) {
    return 240;
}

int64_t esp_timer_get_time(void) {
    return nanoseconds() / 1000;
}

void esp_restart(void) {
    (void)execl("/proc/self/exe", "firmware", (char *)NULL);
    abort();
}

esp_err_t esp_task_wdt_add(TaskHandle_t task_handle) {
    assert(task_handle == NULL && !current->watched);
    current->watched = 1;
    return ESP_OK;
}

esp_err_t esp_task_wdt_reset(void) {
    assert(current->watched);
    return ESP_OK;
}

/* Serial ports. */

static int waiting(void) {
    int count = 0;
    struct pollfd input = {.fd = 0, .events = POLLIN, .revents = 0};
    (void)ioctl(0, FIONREAD, &count);
    if (count == 0 && poll(&input, 1, 0) > 0 && (input.revents & POLLHUP) != 0) {
        exit(EXIT_SUCCESS);
    }
    return count;
}

static int received(void *buffer, uint32_t length, TickType_t ticks) {
    struct pollfd input = {.fd = 0, .events = POLLIN, .revents = 0};
    if (waiting() == 0 && poll(&input, 1, (int)ticks) <= 0) {
        return 0;
    }
    const ssize_t count = read(0, buffer, length);
    if (count <= 0) {
        exit(EXIT_SUCCESS);
    }
    return (int)count;
}

static void sent(const uint8_t *bytes, size_t size) {
    while (size != 0) {
        const ssize_t count = write(1, bytes, size);
        if (count <= 0) {
            exit(EXIT_SUCCESS);
        }
        bytes += count;
        size -= (size_t)count;
    }
}

static int installed;

esp_err_t uart_driver_install(uart_port_t port, int rx_buffer_size, int tx_buffer_size, int queue_size,
                              QueueHandle_t *queue, int interrupt_flags) {
    assert(port == 0 && rx_buffer_size > UART_HW_FIFO_BYTES && tx_buffer_size > UART_HW_FIFO_BYTES);
    assert(queue_size == 0 && queue == NULL && interrupt_flags == 0 && !installed);
    installed = 1;
    return ESP_OK;
}

esp_err_t uart_set_rx_full_threshold(uart_port_t port, int threshold) {
    return installed && port == 0 && threshold > 0 && threshold <= UART_HW_FIFO_BYTES / 2 ? ESP_OK : ESP_FAIL;
}

esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config) {
    return port == 0 && config->baud_rate == 921600 && config->data_bits == UART_DATA_8_BITS ? ESP_OK : ESP_FAIL;
}

esp_err_t uart_set_pin(uart_port_t port, int tx, int rx, int rts, int cts) {
    return port == 0 && tx == 43 && rx == 44 && rts == UART_PIN_NO_CHANGE && cts == rts ? ESP_OK : ESP_FAIL;
}

esp_err_t uart_get_buffered_data_len(uart_port_t port, size_t *size) {
    *size = (size_t)waiting();
    return port == 0 && installed ? ESP_OK : ESP_FAIL;
}

/* Waits for all of `length`, each time for `ticks` at most. */
int uart_read_bytes(uart_port_t port, void *buffer, uint32_t length, TickType_t ticks) {
    uint32_t taken = 0;
    assert(port == 0);
    while (taken < length) {
        const int count = received((uint8_t *)buffer + taken, length - taken, ticks);
        if (count == 0) {
            break;
        }
        taken += (uint32_t)count;
    }
    return (int)taken;
}

int uart_write_bytes(uart_port_t port, const void *source, size_t size) {
    assert(port == 0 && installed);
    sent(source, size);
    return (int)size;
}

esp_err_t uart_wait_tx_done(uart_port_t port, TickType_t ticks) {
    return port == 0 && ticks != 0 ? ESP_OK : ESP_FAIL;
}

static uint32_t usb_ring_bytes;

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config) {
    assert(config->tx_buffer_size != 0 && config->rx_buffer_size != 0 && usb_ring_bytes == 0);
    usb_ring_bytes = config->tx_buffer_size;
    return ESP_OK;
}

int usb_serial_jtag_read_bytes(void *buffer, uint32_t length, TickType_t ticks) {
    assert(usb_ring_bytes != 0);
    return received(buffer, length, ticks);
}

/* What is larger than the ring is never taken. */
int usb_serial_jtag_write_bytes(const void *source, size_t size, TickType_t ticks) {
    assert(size != 0 && size <= usb_ring_bytes && ticks != 0);
    sent(source, size);
    return (int)size;
}

/* ESP-IDF calls app_main in a task of its own, which may end. */
int main(void) {
    static StaticTask_t main_task;
    current = &main_task;
    app_main();
    for (;;) {
        (void)pause();
    }
}
