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
    _Alignas(4) int8_t table[TA_INT8_VALUES];
    const bool pays = (uint64_t)outer * in_inner >= TA_TABLE_PAYS;
    if (pays) {
        ta_rescale_fill_table(rescale, table);
    }
    for (uint32_t block = 0; block < outer; block++) {
        const int8_t *source = input + (size_t)block * in_inner;
        int8_t *target = output + (size_t)block * out_inner;
        if (pays) {
            ta_look_up_bytes(table, source, in_inner, target);
        } else {
            ta_rescale_bytes(rescale, source, in_inner, target);
        }
    }
    return TA_OK;
}
