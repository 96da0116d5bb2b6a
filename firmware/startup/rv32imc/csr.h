/* Control and status registers of a RISC-V core in machine mode: The RISC-V Instruction Set Manual, volume II
 * (privileged architecture 1.11), 2.2 (numbers), 3.1 (traps), 3.6 (physical memory protection). */
#ifndef TINYANIME_CSR_H
#define TINYANIME_CSR_H

#include <stdint.h>

#define TA_CSR_MEPC 0x341
#define TA_CSR_MCAUSE 0x342
#define TA_CSR_MTVAL 0x343
#define TA_CSR_PMPCFG0 0x3A0
#define TA_CSR_PMPADDR0 0x3B0

/* Fields of a pmpcfg byte: 3.6.1, figure 3.27. */
#define TA_PMP_NAPOT (3u << 3)  /* A naturally aligned power of two. */
#define TA_PMP_LOCKED (1u << 7) /* Holds for machine mode too, until the next reset. */

#define TA_CSR_TEXT_(number) #number
#define TA_CSR_TEXT(number) TA_CSR_TEXT_(number)

/* The assembler wants the extensions named: GCC 12 has no libraries for an -march with them. */
#define TA_CSR_ASSEMBLY(instruction) ".option push\n.option arch, +zicsr\n" instruction "\n.option pop\n"

#define TA_FETCH_ANEW() __asm volatile(".option push\n.option arch, +zifencei\nfence.i\n.option pop\n" ::: "memory")

#define TA_CSR_WRITE(number, value)                                                                                    \
    __asm volatile(TA_CSR_ASSEMBLY("csrw " TA_CSR_TEXT(number) ", %0")::"r"((uint32_t)(value)) : "memory")

#define TA_CSR_READ(number)                                                                                            \
    __extension__({                                                                                                    \
        uint32_t value_;                                                                                               \
        __asm volatile(TA_CSR_ASSEMBLY("csrr %0, " TA_CSR_TEXT(number)) : "=r"(value_)::"memory");                     \
        value_;                                                                                                        \
    })

#endif
