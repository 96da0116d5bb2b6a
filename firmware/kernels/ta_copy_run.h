/* Copies of short runs of bytes, for which a call of memcpy takes longer than the copy. Private to firmware/kernels. */
#ifndef TA_COPY_RUN_H
#define TA_COPY_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TA_SHORT_RUN 16u

/* Whether runs of `bytes` that begin at both addresses, or whole runs further, are short ones of whole words. */
static inline bool ta_is_word_run(const void *to, const void *from, size_t bytes) {
    return bytes <= TA_SHORT_RUN && (((uintptr_t)to | (uintptr_t)from | bytes) & 3u) == 0;
}

/* Copies a run that does not overlap; `words` is what ta_is_word_run says of it. */
static inline void ta_copy_run(int8_t *to, const int8_t *from, size_t bytes, bool words) {
    if (!words) {
        memcpy(to, from, bytes);
        return;
    }
    for (const int8_t *const end = from + bytes; from != end; from += 4) {
        uint32_t word;
        memcpy(&word, __builtin_assume_aligned(from, 4), sizeof word);
        __asm("" : "+r"(word)); /* Else compilers make a call of memcpy of the loop. */
        memcpy(__builtin_assume_aligned(to, 4), &word, sizeof word);
        to += 4;
    }
}

#endif
