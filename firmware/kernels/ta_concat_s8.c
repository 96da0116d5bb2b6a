#include <stddef.h>
#include <string.h>

#include "tinyanime/kernels.h"

#include "ta_rescale_table.h"

ta_status ta_concat_s8(const ta_rescale *rescale, const int8_t *input, uint32_t outer, uint32_t in_inner,
                       uint32_t out_inner, int8_t *output) {
    if (in_inner > out_inner || (rescale != NULL && !ta_rescale_is_valid(rescale))) {
        return TA_ERROR_ARGUMENT;
    }
    if (rescale == NULL) {
        for (uint32_t block = 0; block < outer; block++) {
            memcpy(output + (size_t)block * out_inner, input + (size_t)block * in_inner, in_inner);
        }
        return TA_OK;
    }
    int8_t table[TA_INT8_VALUES];
    ta_rescale_fill_table(rescale, table);
    for (uint32_t block = 0; block < outer; block++) {
        const int8_t *source = input + (size_t)block * in_inner;
        int8_t *target = output + (size_t)block * out_inner;
        for (uint32_t i = 0; i < in_inner; i++) {
            target[i] = table[(uint8_t)source[i]];
        }
    }
    return TA_OK;
}
