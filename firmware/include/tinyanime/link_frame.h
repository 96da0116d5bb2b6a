/* Frames of the link (docs/link.md): COBS, CRC-32, and the reader and writer built on them. No hardware
 * access. */
#ifndef TINYANIME_LINK_FRAME_H
#define TINYANIME_LINK_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "tinyanime/link_protocol.h"

#define TA_FRAME_HEADER_BYTES 4u
#define TA_FRAME_CRC_BYTES 4u
#define TA_FRAME_CONTENT_BYTES (TA_FRAME_HEADER_BYTES + TA_LINK_MAX_PAYLOAD + TA_FRAME_CRC_BYTES)
/* COBS adds one byte per started group of 254. */
#define TA_FRAME_ENCODED_BYTES (TA_FRAME_CONTENT_BYTES + (TA_FRAME_CONTENT_BYTES + 253u) / 254u)

/* CRC-32 of zlib, continued: `crc` is 0 for the first part, then the value returned for the part before. */
uint32_t ta_crc32(uint32_t crc, const uint8_t *bytes, uint32_t count);

/* Decodes `count` COBS bytes (without the delimiter) in place; returns the bytes decoded, UINT32_MAX where
 * the input is not valid COBS (empty, a zero inside, a group beyond the end). */
uint32_t ta_cobs_decode(uint8_t *bytes, uint32_t count);

/* Sends bytes to the line; `count` >= 1. Blocks until they are taken. */
typedef void (*ta_frame_sink)(void *context, const uint8_t *bytes, uint32_t count);

/* Writes `count` bytes COBS-encoded to the sink, with a zero before and behind. */
void ta_cobs_send(const uint8_t *bytes, uint32_t count, ta_frame_sink sink, void *context);

/* A received frame; `payload` points into the reader and is valid until its next byte. */
typedef struct {
    uint8_t version;
    uint8_t type;
    uint16_t sequence;
    const uint8_t *payload;
    uint32_t payload_bytes; /* 0 to TA_LINK_MAX_PAYLOAD. */
} ta_frame;

/* Collects bytes up to a delimiter. Zero-initialised is ready. */
typedef struct {
    uint8_t bytes[TA_FRAME_ENCODED_BYTES];
    uint32_t count;   /* Bytes collected; at most TA_FRAME_ENCODED_BYTES. */
    bool overflow;    /* More came than a frame may have: dropped at the delimiter. */
    uint32_t dropped; /* Frames dropped so far; wraps. */
} ta_frame_reader;

/* Takes one byte from the line; true where it ended a good frame, which is then in `frame`. */
bool ta_frame_reader_put(ta_frame_reader *reader, uint8_t byte, ta_frame *frame);

/* A frame being built. Values are little-endian. What does not fit any more is left out (a programming error:
 * the sizes of all messages are checked by static assertions and tests). */
typedef struct {
    uint8_t content[TA_FRAME_CONTENT_BYTES];
    uint32_t count;
} ta_frame_writer;

void ta_frame_start(ta_frame_writer *writer, uint8_t type, uint16_t sequence);
void ta_frame_u8(ta_frame_writer *writer, uint8_t value);
void ta_frame_u16(ta_frame_writer *writer, uint16_t value);
void ta_frame_u32(ta_frame_writer *writer, uint32_t value);
void ta_frame_f32(ta_frame_writer *writer, float value);
void ta_frame_bytes(ta_frame_writer *writer, const void *bytes, uint32_t count);
/* A length byte and at most TA_LINK_MAX_TEXT bytes of `text`; NULL is the empty string. */
void ta_frame_text(ta_frame_writer *writer, const char *text);
/* Adds the CRC and sends the frame. */
void ta_frame_send(ta_frame_writer *writer, ta_frame_sink sink, void *context);

/* Little-endian fields of a received payload. */
static inline uint16_t ta_read_u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | ((uint32_t)bytes[1] << 8));
}

static inline uint32_t ta_read_u32(const uint8_t *bytes) {
    return (uint32_t)ta_read_u16(bytes) | ((uint32_t)ta_read_u16(bytes + 2) << 16);
}

#endif
