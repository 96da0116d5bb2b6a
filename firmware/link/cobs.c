/* Consistent overhead byte stuffing: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM
 * Transactions on Networking 7(2), 1999. */
#include "tinyanime/link_frame.h"

#define COBS_GROUP 254u /* Most data bytes behind one code byte. */

uint32_t ta_cobs_decode(uint8_t *bytes, uint32_t count) {
    uint32_t read = 0;
    uint32_t written = 0;
    if (count == 0u) {
        return UINT32_MAX;
    }
    while (read < count) {
        const uint32_t code = bytes[read];
        if (code == 0u || code > count - read) {
            return UINT32_MAX;
        }
        read++;
        for (uint32_t i = 1; i < code; i++) {
            if (bytes[read] == 0u) {
                return UINT32_MAX;
            }
            bytes[written++] = bytes[read++];
        }
        /* A short group stands for its bytes and a zero; the zero behind the last group is not data. */
        if (code <= COBS_GROUP && read < count) {
            bytes[written++] = 0;
        }
    }
    return written;
}

void ta_cobs_send(const uint8_t *bytes, uint32_t count, ta_frame_sink sink, void *context) {
    const uint8_t delimiter = 0;
    uint32_t begin = 0;
    bool more = true;
    sink(context, &delimiter, 1);
    while (more) {
        uint32_t length = 0;
        while (length < COBS_GROUP && begin + length < count && bytes[begin + length] != 0u) {
            length++;
        }
        const uint8_t code = (uint8_t)(length + 1u);
        sink(context, &code, 1);
        if (length > 0u) {
            sink(context, bytes + begin, length);
        }
        begin += length;
        if (length < COBS_GROUP) {
            /* The group ended at a zero, which it stands for, or at the end of the data. */
            more = begin < count;
            begin++;
        } else {
            more = begin < count;
        }
    }
    sink(context, &delimiter, 1);
}
