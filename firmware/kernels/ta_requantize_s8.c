#include "tinyanime/kernels.h"

#include "ta_rescale_table.h"

ta_status ta_requantize_s8(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output) {
    if (!ta_rescale_is_valid(rescale)) {
        return TA_ERROR_ARGUMENT;
    }
    if (count < TA_INT8_VALUES) {
        for (uint32_t i = 0; i < count; i++) {
            output[i] = ta_rescale_one(rescale, input[i]);
        }
        return TA_OK;
    }
    int8_t table[TA_INT8_VALUES];
    ta_rescale_fill_table(rescale, table);
    for (uint32_t i = 0; i < count; i++) {
        output[i] = table[(uint8_t)input[i]];
    }
    return TA_OK;
}
