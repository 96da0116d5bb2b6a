/* A network computed once at the ESP32-S3's own addresses, without ESP-IDF: the core starts at Reset_Handler, and the
 * test reads result and output from memory. */
#include "tinyanime/executor.h"
#include "tinyanime/port.h"

#define CLOCK_HZ 240000000u
#define RUNNING 1u
#define DONE 0x600Du
#define FAILED 0xBAD0u

void Reset_Handler(void);
void ta_tile_run(void);

volatile uint32_t ta_tile_result;
const int8_t *volatile ta_tile_output;
static ta_executor executor;

uint32_t ta_port_cycles(void) {
    uint32_t now;
    __asm volatile("rsr.ccount %0" : "=r"(now));
    return now;
}

uint32_t ta_port_clock_hz(void) {
    return CLOCK_HZ;
}

uint32_t ta_port_millis(void) {
    return ta_port_cycles() / (CLOCK_HZ / 1000u);
}

void ta_port_watchdog_feed(void) {
}

void ta_tile_run(void) {
    const ta_network *network = &ta_network_instance;
    ta_tile_result = RUNNING;
    for (uint32_t i = 0; i < network->input.bytes; i++) {
        network->input.data[i] = (int8_t)(uint8_t)(i * 7u + i / 64u);
    }
    ta_status status = network->check_scratch();
    if (status == TA_OK) {
        status = ta_executor_begin(&executor, network);
    }
    while (status == TA_OK && executor.next_step < network->step_count) {
        const ta_status step = ta_executor_step(&executor);
        status = step == TA_BUSY ? TA_OK : step;
    }
    ta_tile_output = network->output.data;
    ta_tile_result = status == TA_OK ? DONE : (FAILED | (uint32_t)status);
    for (;;) {
    }
}

__asm(".section .reset, \"ax\"\n"
      ".global Reset_Handler\n"
      ".type Reset_Handler, @function\n"
      ".literal_position\n"
      ".align 4\n"
      "Reset_Handler:\n"
      "    movi a2, 0x20\n"
      "    wsr.ps a2\n"
      "    rsync\n"
      "    movi a1, __stack_top\n"
      "    call0 ta_tile_run\n"
      ".text\n");
