/* The second core of the ESP32-S3: a task pinned to it, and a mailbox of one word for each core. A core that waits
 * spins for a while, then sleeps until the other one notifies it: so the idle tasks run between pictures. */
#include "tinyanime/team.h"

#if TA_CORES > 1

#include <stdatomic.h>

#include "board_config.h"
#include "esp_cpu.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "tinyanime/port.h"

#define PRIORITY (tskIDLE_PRIORITY + 2)
#define SPINS 2000u    /* About 100 us at 240 MHz. */
#define SLEEP_TICKS 10 /* A notification ends it earlier. */
#define START_TICKS 20

typedef struct {
    _Atomic uint32_t full;   /* 1: `word` has been sent and not received. */
    _Atomic uint32_t sleeps; /* 1: the core that receives may sleep and wants to be notified. */
    uint32_t word;
    TaskHandle_t task; /* Of the core that receives. */
} mailbox;

static mailbox mailboxes[2];

static StackType_t stack[TA_BOARD_STACK_BYTES] __attribute__((aligned(16)));
static StaticTask_t task;
static _Atomic uint32_t started;

static void run(void *argument) {
    void (*const entry)(void) = *(void (**)(void))argument;
    atomic_store(&started, 1u);
    entry();
    vTaskDelete(NULL);
}

bool ta_port_core_launch(void (*entry)(void)) {
    static void (*to_run)(void);
    to_run = entry;
    mailboxes[0].task = xTaskGetCurrentTaskHandle();
    mailboxes[1].task =
        xTaskCreateStaticPinnedToCore(run, "tinyanime1", sizeof stack, &to_run, PRIORITY, stack, &task, 1);
    for (uint32_t tick = 0; mailboxes[1].task != NULL && tick < START_TICKS; tick++) {
        if (atomic_load(&started) != 0u) {
            return true;
        }
        vTaskDelay(1);
    }
    if (mailboxes[1].task != NULL) {
        vTaskDelete(mailboxes[1].task);
    }
    return false;
}

uint32_t ta_port_core_index(void) {
    return (uint32_t)esp_cpu_get_core_id();
}

void ta_port_core_send(uint32_t word) {
    mailbox *const to = &mailboxes[1u - ta_port_core_index()];
    for (uint32_t spin = 0; atomic_load_explicit(&to->full, memory_order_acquire) != 0u; spin++) {
        if (spin >= SPINS) {
            vTaskDelay(1);
        }
    }
    to->word = word;
    atomic_store(&to->full, 1u);
    if (atomic_load(&to->sleeps) != 0u) {
        (void)xTaskNotifyGive(to->task);
    }
}

/* Until a word is there. The order of the stores to `sleeps` and the loads of `full` (and of the sender's to `full` and
 * from `sleeps`) is total: either this core sees the word, or the sender sees that it has to notify. */
static void wait_for_word(mailbox *own) {
    for (uint32_t spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&own->full, memory_order_acquire) != 0u) {
            return;
        }
    }
    atomic_store(&own->sleeps, 1u);
    while (atomic_load(&own->full) == 0u) {
        (void)ulTaskNotifyTake(pdTRUE, SLEEP_TICKS);
    }
    atomic_store(&own->sleeps, 0u);
}

uint32_t ta_port_core_receive(void) {
    mailbox *const own = &mailboxes[ta_port_core_index()];
    wait_for_word(own);
    const uint32_t word = own->word;
    atomic_store_explicit(&own->full, 0u, memory_order_release);
    return word;
}

#endif
