/* Functions that are assembly from their first instruction on. Private to firmware/kernels. */
#ifndef TA_NAKED_H
#define TA_NAKED_H

/* Such a function takes its arguments from the registers: the compiler must neither inline it nor leave out arguments
 * that it sees no use of. */
#if defined(__clang__)
#define TA_NAKED __attribute__((naked, noinline))
#else
#define TA_NAKED __attribute__((naked, noipa))
#endif

#endif
