/* Numbers of the link protocol; their meaning is defined in docs/link.md. */
#ifndef TINYANIME_LINK_PROTOCOL_H
#define TINYANIME_LINK_PROTOCOL_H

#define TA_LINK_VERSION 2u
#define TA_LINK_MAX_PAYLOAD 1040u /* Bytes. */
#define TA_LINK_CHUNK 1024u       /* Most bytes in one DATA or READ. */
#define TA_LINK_WINDOW 4u         /* Most DATA frames on the way without acknowledgement. */
#define TA_LINK_MAX_TEXT 63u      /* Most bytes of one string in HELLO. */
#define TA_LINK_CYCLES_PER_REPLY 256u
#define TA_LINK_PROGRESS_MS 50u /* Least time between two PROGRESS events. */

typedef enum {
    TA_LINK_HELLO = 0x01,
    TA_LINK_BEGIN = 0x02,
    TA_LINK_DATA = 0x03,
    TA_LINK_END = 0x04,
    TA_LINK_RUN = 0x05,
    TA_LINK_STATUS = 0x06,
    TA_LINK_STEP = 0x07,
    TA_LINK_READ_STEP = 0x08,
    TA_LINK_READ_OUTPUT = 0x09,
    TA_LINK_CYCLES = 0x0A,
    TA_LINK_RESET = 0x0B,
    TA_LINK_TAKE = 0x0C,
    TA_LINK_REPLY = 0x80, /* Added to the request's type. */
    TA_LINK_PROGRESS = 0xC0,
    TA_LINK_DONE = 0xC1,
    TA_LINK_WAITING = 0xC2,
    TA_LINK_ERROR = 0xFF
} ta_link_type;

typedef enum {
    TA_LINK_UNSUPPORTED_VERSION = 1,
    TA_LINK_UNKNOWN_TYPE = 2,
    TA_LINK_MALFORMED = 3,
    TA_LINK_BUSY = 4,
    TA_LINK_BAD_SIZE = 5,
    TA_LINK_NO_TRANSFER = 6,
    TA_LINK_USED_TRANSFER = 7,
    TA_LINK_INCOMPLETE = 8,
    TA_LINK_BAD_CRC = 9,
    TA_LINK_NO_INPUT = 10,
    TA_LINK_USED_RUN = 11,
    TA_LINK_NO_RESULT = 12,
    TA_LINK_BAD_STEP = 13,
    TA_LINK_BAD_RANGE = 14,
    TA_LINK_KERNEL_FAILED = 15,
    TA_LINK_SELF_CHECK = 16,
    TA_LINK_WRONG_BOOT = 17,
    TA_LINK_STEP_WAITS = 18
} ta_link_error;

typedef enum {
    TA_LINK_STATE_EMPTY = 0,
    TA_LINK_STATE_RECEIVING = 1,
    TA_LINK_STATE_READY = 2,
    TA_LINK_STATE_RUNNING = 3,
    TA_LINK_STATE_STEPPING = 4,
    TA_LINK_STATE_DONE = 5,
    TA_LINK_STATE_FAILED = 6,
    TA_LINK_STATE_WAITING = 7
} ta_link_state;

#endif
