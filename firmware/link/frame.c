#include "tinyanime/link_frame.h"

#include <string.h>

static bool frame_parse(ta_frame_reader *reader, ta_frame *frame) {
    const uint32_t count = ta_cobs_decode(reader->bytes, reader->count);
    if (count == UINT32_MAX || count < TA_FRAME_HEADER_BYTES + TA_FRAME_CRC_BYTES || count > TA_FRAME_CONTENT_BYTES) {
        return false;
    }
    const uint32_t checked = count - TA_FRAME_CRC_BYTES;
    if (ta_crc32(0, reader->bytes, checked) != ta_read_u32(reader->bytes + checked)) {
        return false;
    }
    frame->version = reader->bytes[0];
    frame->type = reader->bytes[1];
    frame->sequence = ta_read_u16(reader->bytes + 2);
    frame->payload = reader->bytes + TA_FRAME_HEADER_BYTES;
    frame->payload_bytes = checked - TA_FRAME_HEADER_BYTES;
    return true;
}

bool ta_frame_reader_put(ta_frame_reader *reader, uint8_t byte, ta_frame *frame) {
    bool complete = false;
    if (byte != 0u) {
        if (reader->count < TA_FRAME_ENCODED_BYTES) {
            reader->bytes[reader->count++] = byte;
        } else {
            reader->overflow = true;
        }
        return false;
    }
    if (reader->count > 0u) {
        complete = !reader->overflow && frame_parse(reader, frame);
        reader->dropped += complete ? 0u : 1u;
    }
    reader->count = 0;
    reader->overflow = false;
    return complete;
}

/* Room is kept for the CRC, which ta_frame_send adds. */
void ta_frame_bytes(ta_frame_writer *writer, const void *bytes, uint32_t count) {
    if (count > TA_FRAME_CONTENT_BYTES - TA_FRAME_CRC_BYTES - writer->count) {
        return;
    }
    if (count > 0u) {
        memcpy(writer->content + writer->count, bytes, count);
        writer->count += count;
    }
}

void ta_frame_u8(ta_frame_writer *writer, uint8_t value) {
    ta_frame_bytes(writer, &value, 1);
}

void ta_frame_u16(ta_frame_writer *writer, uint16_t value) {
    const uint8_t bytes[2] = {(uint8_t)(value & 0xFFu), (uint8_t)(value >> 8)};
    ta_frame_bytes(writer, bytes, sizeof bytes);
}

void ta_frame_u32(ta_frame_writer *writer, uint32_t value) {
    ta_frame_u16(writer, (uint16_t)(value & 0xFFFFu));
    ta_frame_u16(writer, (uint16_t)(value >> 16));
}

void ta_frame_f32(ta_frame_writer *writer, float value) {
    uint32_t bits;
    _Static_assert(sizeof bits == sizeof value, "float is IEEE 754 binary32");
    memcpy(&bits, &value, sizeof bits);
    ta_frame_u32(writer, bits);
}

void ta_frame_text(ta_frame_writer *writer, const char *text) {
    uint32_t length = 0;
    while (text != NULL && length < TA_LINK_MAX_TEXT && text[length] != '\0') {
        length++;
    }
    ta_frame_u8(writer, (uint8_t)length);
    ta_frame_bytes(writer, text, length);
}

void ta_frame_start(ta_frame_writer *writer, uint8_t type, uint16_t sequence) {
    writer->count = 0;
    ta_frame_u8(writer, (uint8_t)TA_LINK_VERSION);
    ta_frame_u8(writer, type);
    ta_frame_u16(writer, sequence);
}

void ta_frame_send(ta_frame_writer *writer, ta_frame_sink sink, void *context) {
    const uint32_t crc = ta_crc32(0, writer->content, writer->count);
    for (uint32_t i = 0; i < TA_FRAME_CRC_BYTES; i++) {
        writer->content[writer->count++] = (uint8_t)((crc >> (8u * i)) & 0xFFu);
    }
    ta_cobs_send(writer->content, writer->count, sink, context);
}
