/* The inner loop of ta_gemm_s16 in instructions of the DSP extension: one word of two columns and four channels each.
 * Private to firmware/kernels. Per word 8 SMLAD and 6 LDR in 8 cycles of a Cortex-M7: every load stands behind a
 * multiplication that it issues together with, and is used two cycles later at the earliest. r0 and r1 point at columns
 * and weights, r2 and r3 are the word of the two columns, r12 and lr hold two of the four weights in turn, r4 to r11
 * the sums. */
#ifndef TA_GEMM_WORDS_H
#define TA_GEMM_WORDS_H

#define TA_GEMM_WORD_BYTES "56" /* of code */

#define TA_GEMM_FIRST_PRODUCTS                                                                                         \
    "smlad r4, r2, r12, r4\n ldr.w lr, [r1], #4\n"                                                                     \
    "smlad r5, r3, r12, r5\n ldr.w r12, [r1], #4\n"                                                                    \
    "smlad r6, r2, lr, r6\n"                                                                                           \
    "smlad r7, r3, lr, r7\n ldr.w lr, [r1], #4\n"
#define TA_GEMM_LAST_PRODUCTS                                                                                          \
    "smlad r8, r2, r12, r8\n"                                                                                          \
    "smlad r9, r3, r12, r9\n ldr.w r12, [r1], #4\n"                                                                    \
    "smlad r10, r2, lr, r10\n ldr.w r2, [r0], #4\n"                                                                    \
    "smlad r11, r3, lr, r11\n ldr.w r3, [r0], #4\n"
#define TA_GEMM_LAST_PRODUCTS_AND_COMPARISON(weights_compared)                                                         \
    "smlad r9, r3, r12, r9\n"                                                                                          \
    "smlad r8, r2, r12, r8\n ldr.w r12, [r1], #4\n"                                                                    \
    "smlad r11, r3, lr, r11\n ldr.w r3, " weights_compared "\n"                                                        \
    "smlad r10, r2, lr, r10\n ldr.w r2, [r0], #4\n"                                                                    \
    "cmp.w r1, r3\n ldr.w r3, [r0], #4\n"

/* 16 words, in which the weight pointer is compared with what `weights_compared` holds: no register is left for a
 * counter, and in the last word but one x1 can wait for that. The flags are for a branch right behind. */
#define TA_GEMM_WORDS(weights_compared)                                                                                \
    ".rept 14\n" TA_GEMM_FIRST_PRODUCTS TA_GEMM_LAST_PRODUCTS ".endr\n" TA_GEMM_FIRST_PRODUCTS                         \
    TA_GEMM_LAST_PRODUCTS_AND_COMPARISON(weights_compared)                                                             \
    TA_GEMM_FIRST_PRODUCTS TA_GEMM_LAST_PRODUCTS

#endif
