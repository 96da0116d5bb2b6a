/* Where the inner loops lie: in the memory for fast code on boards that have one (linker script), else in flash. */
#ifndef TINYANIME_FAST_CODE_H
#define TINYANIME_FAST_CODE_H

#if defined(__arm__)
#define TA_FAST_CODE(name) __attribute__((section(".fast_code." #name)))
#else
#define TA_FAST_CODE(name)
#endif

#endif
