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

#elif defined(__riscv) && __riscv_xlen == 32 && defined(__riscv_mul) && !defined(__riscv_32e)

/* LH extends while it loads, so elements are read one by one: two pairs of columns times four channels, 8 loads for 16
 * products and as many additions. No element is needed again, and a product is added behind the next one. Four words
 * are unrolled; where `words` is no multiple of 4, the first pass is half of one.
 * a0 and a2 both pairs of columns, a1 weights, a3 their end, a4 to a7 weights, t0 and t1 columns, t2 and ra products,
 * s0 to s11 and t3 to t6 sums. A last odd pair goes alone, with sums in s0 to s7. gp and tp stay as they are: an
 * operating system may want them in an interrupt. */
/* clang-format off */
#define PAIR_BYTES "0(sp)"
#define WEIGHTS "4(sp)"
#define SUMS "8(sp)"
#define PAIRS_LEFT "12(sp)"
#define LOAD(to, offset, from) "lh " to ", " offset "(" from ")\n"
/* One column's element times those of all channels. */
#define PRODUCTS(column, sum_0, sum_1, sum_2, sum_3)                                                                   \
    "mul t2, " column ", a4\n"                                                                                         \
    "mul ra, " column ", a5\n"                                                                                         \
    "add " sum_0 ", " sum_0 ", t2\n"                                                                                   \
    "add " sum_1 ", " sum_1 ", ra\n"                                                                                   \
    "mul t2, " column ", a6\n"                                                                                         \
    "mul ra, " column ", a7\n"                                                                                         \
    "add " sum_2 ", " sum_2 ", t2\n"                                                                                   \
    "add " sum_3 ", " sum_3 ", ra\n"
#define LOAD_WEIGHTS(at)                                                                                               \
    LOAD("a4", at, "a1") LOAD("a5", at " + 4", "a1") LOAD("a6", at " + 8", "a1") LOAD("a7", at " + 12", "a1")
#define TWO_PAIRS(columns, weights)                                                                                    \
    LOAD_WEIGHTS(weights) LOAD("t0", columns, "a0") LOAD("t1", columns " + 4", "a0")                                   \
    PRODUCTS("t0", "s0", "s2", "s4", "s6") LOAD("t0", columns, "a2")                                                   \
    PRODUCTS("t1", "s1", "s3", "s5", "s7") LOAD("t1", columns " + 4", "a2")                                            \
    PRODUCTS("t0", "s8", "s10", "t3", "t5")                                                                            \
    PRODUCTS("t1", "s9", "s11", "t4", "t6")
#define ONE_PAIR(columns, weights)                                                                                     \
    LOAD_WEIGHTS(weights) LOAD("t0", columns, "a0") LOAD("t1", columns " + 4", "a0")                                   \
    PRODUCTS("t0", "s0", "s2", "s4", "s6")                                                                             \
    PRODUCTS("t1", "s1", "s3", "s5", "s7")
/* Both elements of a word. */
#define WORD(pairs, columns, weights) pairs(columns, weights) pairs(columns " + 2", weights " + 2")
#define CLEAR(register) "li " register ", 0\n"
#define CLEAR_EIGHT(a, b, c, d, e, f, g, h)                                                                            \
    CLEAR(a) CLEAR(b) CLEAR(c) CLEAR(d) CLEAR(e) CLEAR(f) CLEAR(g) CLEAR(h)
#define STORE(register, at) "sw " register ", " at "(t0)\n"
#define SAVED(operation)                                                                                               \
    operation " ra, 16(sp)\n" operation " s0, 20(sp)\n" operation " s1, 24(sp)\n" operation " s2, 28(sp)\n"            \
    operation " s3, 32(sp)\n" operation " s4, 36(sp)\n" operation " s5, 40(sp)\n" operation " s6, 44(sp)\n"            \
    operation " s7, 48(sp)\n" operation " s8, 52(sp)\n" operation " s9, 56(sp)\n" operation " s10, 60(sp)\n"           \
    operation " s11, 64(sp)\n"
/* All words; `back` and `forth` move the other pair's pointer where there is one. */
#define PASS(pairs, back, forth)                                                                                       \
    "andi t0, t2, 2\n"                                                                                                 \
    "beqz t0, 3f\n"                                                                                                    \
    "addi a0, a0, -16\n" back                                                                                          \
    "addi a1, a1, -32\n"                                                                                               \
    "j 4f\n"                                                                                                           \
    "3:\n" WORD(pairs, "0", "0") WORD(pairs, "8", "16")                                                                \
    "4:\n" WORD(pairs, "16", "32") WORD(pairs, "24", "48")                                                             \
    "addi a1, a1, 64\n"                                                                                                \
    "addi a0, a0, 32\n" forth                                                                                          \
    "bne a1, a3, 3b\n"
#define STORE_FIRST_PAIR                                                                                               \
    "lw t0, " SUMS "\n" STORE("s0", "0") STORE("s1", "4") STORE("s2", "8") STORE("s3", "12") STORE("s4", "16")         \
    STORE("s5", "20") STORE("s6", "24") STORE("s7", "28")
#define STORE_OTHER_PAIR                                                                                               \
    STORE("s8", "32") STORE("s9", "36") STORE("s10", "40") STORE("s11", "44") STORE("t3", "48") STORE("t4", "52")       \
    STORE("t5", "56") STORE("t6", "60")
#define ENTER                                                                                                          \
    "addi sp, sp, -80\n"                                                                                               \
    SAVED("sw")                                                                                                        \
    "slli t0, a2, 3\n"                                                                                                 \
    "sw t0, " PAIR_BYTES "\n"                                                                                          \
    "sw a1, " WEIGHTS "\n"                                                                                             \
    "sw a4, " SUMS "\n"                                                                                                \
    "sw a3, " PAIRS_LEFT "\n"                                                                                          \
    "slli a3, a2, 4\n"                                                                                                 \
    "add a3, a3, a1\n"
#define NEXT_TWO_PAIRS                                                                                                 \
    "lw t0, " PAIRS_LEFT "\n"                                                                                          \
    "lw a1, " WEIGHTS "\n"                                                                                             \
    "lw t1, " PAIR_BYTES "\n"                                                                                          \
    "addi t0, t0, -2\n"                                                                                                \
    "sw t0, " PAIRS_LEFT "\n"                                                                                          \
    "srli t2, t1, 3\n" /* words */                                                                                     \
    CLEAR_EIGHT("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7")                                                        \
    "bltz t0, 2f\n"                                                                                                    \
    "add a2, a0, t1\n"                                                                                                 \
    CLEAR_EIGHT("s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6")
#define MULTIPLY                                                                                                       \
    ENTER                                                                                                              \
    "1:\n"                                                                                                             \
    NEXT_TWO_PAIRS                                                                                                     \
    PASS(TWO_PAIRS, "addi a2, a2, -16\n", "addi a2, a2, 32\n")                                                         \
    STORE_FIRST_PAIR                                                                                                   \
    STORE_OTHER_PAIR                                                                                                   \
    "mv a0, a2\n"                                                                                                      \
    "lw t1, " PAIRS_LEFT "\n"                                                                                          \
    "addi t0, t0, 64\n"                                                                                                \
    "sw t0, " SUMS "\n"                                                                                                \
    "bnez t1, 1b\n"                                                                                                    \
    "j 6f\n"                                                                                                           \
    "2:\n"                                                                                                             \
    PASS(ONE_PAIR, "", "")                                                                                             \
    STORE_FIRST_PAIR                                                                                                   \
    "6:\n"                                                                                                             \
    SAVED("lw")                                                                                                        \
    "addi sp, sp, 80\n"                                                                                                \
    "ret\n"
/* clang-format on */

#pragma GCC diagnostic ignored "-Wunused-parameter" /* A naked function takes them from the registers. */
TA_NAKED TA_FAST_CODE(ta_gemm_s16) void ta_gemm_s16(const uint32_t *columns, const uint32_t *weights, uint32_t words,
                                                    uint32_t pairs, int32_t *sums) {
    __asm volatile(MULTIPLY);
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
