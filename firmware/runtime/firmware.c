/* Connects link, network and port. */
#include "tinyanime/firmware.h"

#include "tinyanime/link.h"
#include "tinyanime/port.h"

#ifndef TA_FIRMWARE_VERSION
#define TA_FIRMWARE_VERSION "0.1.0"
#endif

/* Memory that a reset leaves alone: the linker script keeps .noinit out of what start-up clears. Its first value is
 * whatever the RAM held at power-up. The linker scripts of NuttX know no such section. */
#if (defined(__arm__) || defined(__riscv)) && !defined(__NuttX__)
__attribute__((section(".noinit"))) static uint32_t boot_count;
#else
static uint32_t boot_count;
#endif

static ta_link_device device;
static ta_link session;

static void uart_write(void *context, const uint8_t *bytes, uint32_t count) {
    (void)context;
    for (uint32_t i = 0; i < count; i++) {
        ta_port_uart_put(bytes[i]);
    }
}

static uint32_t port_millis(void *context) {
    (void)context;
    return ta_port_millis();
}

static uint32_t port_stack_free_bytes(void *context) {
    (void)context;
    return ta_port_stack_free_bytes();
}

/* The answer to RESET leaves the chip first. */
static void port_reset(void *context) {
    (void)context;
    ta_port_uart_flush();
    ta_port_reset();
}

/* The counter makes it differ after a reset, the clocks where RAM does not survive one (a new process). */
static uint32_t make_boot_id(void) {
    boot_count++;
    const uint32_t words[3] = {boot_count, ta_port_cycles(), ta_port_millis()};
    return ta_crc32(0, (const uint8_t *)words, sizeof words);
}

static void describe_device(void) {
    device.network = &ta_network_instance;
    device.firmware_version = TA_FIRMWARE_VERSION;
    device.boot_id = make_boot_id();
    device.clock_hz = ta_port_clock_hz();
    ta_port_unique_id(device.unique_id);
    device.self_check = ta_network_instance.check_scratch();
    device.write = uart_write;
    device.millis = port_millis;
    device.stack_free_bytes = port_stack_free_bytes;
    device.reset = port_reset;
}

void ta_firmware_start(void) {
    describe_device();
    ta_link_init(&session, &device);
}

bool ta_firmware_turn(void) {
    uint8_t byte;
    while (ta_port_uart_get(&byte)) {
        if (ta_link_receive(&session, byte)) {
            ta_port_watchdog_feed();
        }
    }
    const bool more = ta_link_work(&session);
    ta_port_watchdog_feed();
    return more;
}
