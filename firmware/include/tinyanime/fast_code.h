/* Where the inner loops lie: in the memory for fast code on boards that have one (linker script), else in flash.
 * The linker scripts of NuttX and ESP-IDF know no such section. */
#ifndef TINYANIME_FAST_CODE_H
#define TINYANIME_FAST_CODE_H

#if (defined(__arm__) || defined(__riscv)) && !defined(__NuttX__) && !defined(ESP_PLATFORM)
#define TA_FAST_CODE(name) __attribute__((section(".fast_code." #name)))
#else
#define TA_FAST_CODE(name)
#endif

#endif
