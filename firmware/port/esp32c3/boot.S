/* The first bytes of the flash: what makes the ROM of the ESP32-C3 (from chip revision 3 on) map the flash at
 * 0x42000000 (instructions) and 0x3C000000 (data) and jump to its ninth byte, without a boot loader. README of
 * espressif/esp32c3-direct-boot-example, "Direct boot feature". */

    .section .boot, "ax", @progbits
    .global __boot
__boot:
    .word 0xAEDB041D
    .word 0xAEDB041D
    .option push
    .option norelax
    j Reset_Handler
    .option pop
