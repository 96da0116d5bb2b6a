#include "tinyanime/kernels.h"

#include "ta_rescale_table.h"

ta_status ta_requantize_s8(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output) {
    if (!ta_rescale_is_valid(rescale)) {
        return TA_ERROR_ARGUMENT;
    }
    if (count < TA_TABLE_PAYS) {
        ta_rescale_bytes(rescale, input, count, output);
        return TA_OK;
    }
    _Alignas(4) int8_t table[TA_INT8_VALUES];
    ta_rescale_fill_table(rescale, table);
    ta_look_up_bytes(table, input, count, output);
    return TA_OK;
}
