#include "ta_gemm_s16.h"

#include "ta_gemm_words.h"
#include "ta_naked.h"
#include "tinyanime/fast_code.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* 16 words (ta_gemm_words.h) are unrolled; the first pass enters behind those that `words` lacks to a multiple of 16.
 * The weight pointer is compared with its end on the stack, early enough for the branch. Panels of columns follow each
 * other, so the last loads of a pair already are the first word of the next one. */
#define SUMS "[sp]"
#define COLUMNS_END "[sp, #4]" /* Behind the last column and the one word that is read ahead. */
#define WEIGHTS_BEGIN "[sp, #8]"
#define ENTRY "[sp, #12]"
#define WEIGHTS_COMPARED "[sp, #16]" /* What the weight pointer is in the last pass where it is compared. */

#pragma GCC diagnostic ignored "-Wunused-parameter" /* A naked function takes them from the registers. */
TA_NAKED __attribute__((aligned(16)))
TA_FAST_CODE(ta_gemm_s16) void ta_gemm_s16(const uint32_t *columns, const uint32_t *weights, uint32_t words,
                                           uint32_t pairs, int32_t *sums) {
    __asm volatile("push {r4-r11, lr}\n"
                   "ldr r12, [sp, #36]\n" /* sums */
                   "sub sp, #20\n"
                   "mul r4, r2, r3\n"
                   "add r4, r0, r4, lsl #3\n"
                   "adds r4, #8\n"
                   "strd r12, r4, " SUMS "\n"
                   "add r5, r1, r2, lsl #4\n"
                   "subs r5, #12\n"
                   "str r5, " WEIGHTS_COMPARED "\n"
                   "rsb r4, r2, #0\n"
                   "and r4, r4, #15\n"
                   "movs r5, #" TA_GEMM_WORD_BYTES "\n"
                   "adr.w r6, 2f\n"
                   "mla r4, r4, r5, r6\n"
                   "orr lr, r4, #1\n" /* Thumb */
                   "strd r1, lr, " WEIGHTS_BEGIN "\n"
                   "ldr.w r2, [r0], #4\n"
                   "ldr.w r3, [r0], #4\n"
                   ".balign 8\n"
                   "1:\n" /* one pair of columns: r1 is the begin of the weights, lr the entry */
                   "mov.w r4, #0\n"
                   "mov.w r5, #0\n"
                   "mov.w r6, #0\n"
                   "mov.w r7, #0\n"
                   "mov.w r8, #0\n"
                   "ldr.w r12, [r1], #4\n"
                   "mov.w r9, #0\n"
                   "mov.w r10, #0\n"
                   "mov.w r11, #0\n"
                   "bx lr\n"
                   ".balign 8\n"
                   "2:\n" TA_GEMM_WORDS(WEIGHTS_COMPARED) "bne.w 2b\n"
                                                          "ldrd r12, lr, " SUMS "\n"
                                                          "ldr.w r1, " WEIGHTS_BEGIN "\n"
                                                          "cmp.w r0, lr\n"
                                                          "ldr.w lr, " ENTRY "\n"
                                                          "stmia.w r12!, {r4-r11}\n"
                                                          "str r12, " SUMS "\n"
                                                          "bne.w 1b\n"
                                                          "add sp, #20\n"
                                                          "pop {r4-r11, pc}\n");
}

#elif defined(__ARM_ARCH_6M__)

/* Without dual multiplications every element is taken out of its word, and MULS overwrites a factor. Two channels of a
 * pair of columns at a time: 8 products of 29 instructions, with the sums in r8 to r11 (ADD takes any register) and the
 * words in r2 to r5. Four words are unrolled; where `words` is no multiple of 4, the first pass is half of one.
 * r0 columns, r1 weights, r12 end of the weights, lr: 0 for the first two channels, then 1. */
#define COLUMNS "[sp]" /* of the current pair */
#define WEIGHTS "[sp, #4]"
#define WORDS "[sp, #8]"
#define PAIRS "[sp, #12]"
#define SUMS "[sp, #16]"
#define WORD(weight_0, weight_1)                                                                                       \
    "ldmia r0!, {r2, r3}\n"                                                                                            \
    "ldr r4, [r1, #" weight_0 "]\n"                                                                                    \
    "ldr r5, [r1, #" weight_1 "]\n"                                                                                    \
    "sxth r6, r2\n sxth r7, r4\n muls r7, r6\n add r8, r7\n"                                                           \
    "sxth r7, r5\n muls r6, r7\n add r10, r6\n"                                                                        \
    "sxth r6, r3\n muls r7, r6\n add r11, r7\n"                                                                        \
    "sxth r7, r4\n muls r6, r7\n add r9, r6\n"                                                                         \
    "asrs r2, r2, #16\n asrs r3, r3, #16\n asrs r4, r4, #16\n asrs r5, r5, #16\n"                                      \
    "movs r6, r2\n muls r6, r4\n add r8, r6\n"                                                                         \
    "muls r2, r5\n add r10, r2\n"                                                                                      \
    "muls r5, r3\n add r11, r5\n"                                                                                      \
    "muls r3, r4\n add r9, r3\n"

#pragma GCC diagnostic ignored "-Wunused-parameter" /* A naked function takes them from the registers. */
TA_NAKED TA_FAST_CODE(ta_gemm_s16) void ta_gemm_s16(const uint32_t *columns, const uint32_t *weights, uint32_t words,
                                                    uint32_t pairs, int32_t *sums) {
    __asm volatile(".syntax unified\n"
                   "push {r4-r7, lr}\n"
                   "mov r4, r8\n"
                   "mov r5, r9\n"
                   "mov r6, r10\n"
                   "mov r7, r11\n"
                   "push {r4-r7}\n"
                   "ldr r4, [sp, #36]\n" /* sums */
                   "sub sp, #20\n"
                   "str r4, " SUMS "\n"
                   "str r1, " WEIGHTS "\n"
                   "str r2, " WORDS "\n"
                   "str r3, " PAIRS "\n"
                   "1:\n" /* a pair of columns */
                   "str r0, " COLUMNS "\n"
                   "ldr r1, " WEIGHTS "\n"
                   "movs r2, #0\n"
                   "mov lr, r2\n"
                   "2:\n" /* two channels of it */
                   "movs r2, #0\n"
                   "mov r8, r2\n"
                   "mov r9, r2\n"
                   "mov r10, r2\n"
                   "mov r11, r2\n"
                   "ldr r2, " WORDS "\n"
                   "lsls r3, r2, #4\n"
                   "adds r3, r3, r1\n"
                   "mov r12, r3\n"
                   "lsrs r2, r2, #2\n" /* carry: two words behind the last multiple of 4 */
                   "bcc 3f\n"
                   "subs r1, #32\n"
                   "b 4f\n"
                   "3:\n" WORD("0", "4") WORD("16", "20") "4:\n" WORD("32", "36")
                       WORD("48", "52") "adds r1, #64\n"
                                        "cmp r1, r12\n"
                                        "bne 3b\n"
                                        "ldr r7, " SUMS "\n"
                                        "mov r2, r8\n"
                                        "mov r3, r9\n"
                                        "mov r4, r10\n"
                                        "mov r5, r11\n"
                                        "stmia r7!, {r2-r5}\n"
                                        "str r7, " SUMS "\n"
                                        "mov r2, lr\n"
                                        "cmp r2, #0\n"
                                        "bne 5f\n"
                                        "movs r2, #1\n"
                                        "mov lr, r2\n"
                                        "ldr r0, " COLUMNS "\n"
                                        "ldr r1, " WEIGHTS "\n"
                                        "adds r1, #8\n"
                                        "b 2b\n"
                                        "5:\n"
                                        "ldr r2, " PAIRS "\n"
                                        "subs r2, #1\n"
                                        "str r2, " PAIRS "\n"
                                        "beq 6f\n"
                                        "b 1b\n"
                                        "6:\n"
                                        "add sp, #20\n"
                                        "pop {r4-r7}\n"
                                        "mov r8, r4\n"
                                        "mov r9, r5\n"
                                        "mov r10, r6\n"
                                        "mov r11, r7\n"
                                        "pop {r4-r7, pc}\n");
}

#else

/* Low and high int16 element of a word. */
static inline int32_t low(uint32_t word) {
    return (int16_t)(word & 0xFFFFu);
}

static inline int32_t high(uint32_t word) {
    return (int16_t)(word >> 16);
}

static inline uint32_t product(uint32_t x, uint32_t w) {
    return (uint32_t)(low(x) * low(w)) + (uint32_t)(high(x) * high(w));
}

void ta_gemm_s16(const uint32_t *columns, const uint32_t *weights, uint32_t words, uint32_t pairs, int32_t *sums) {
    for (uint32_t pair = 0; pair < pairs; pair++) {
        uint32_t sum[TA_PANEL_CHANNELS][TA_PANEL_COLUMNS] = {{0}};
        for (uint32_t word = 0; word < words; word++) {
            for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
                const uint32_t weight = weights[TA_PANEL_CHANNELS * word + channel];
                sum[channel][0] += product(columns[0], weight);
                sum[channel][1] += product(columns[1], weight);
            }
            columns += TA_PANEL_COLUMNS;
        }
        for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
            *sums++ = (int32_t)sum[channel][0];
            *sums++ = (int32_t)sum[channel][1];
        }
    }
}

#endif
