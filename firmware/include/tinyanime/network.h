/* A compiled network as the runtime and the link see it; generated code defines `ta_network_instance`. */
#ifndef TINYANIME_NETWORK_H
#define TINYANIME_NETWORK_H

#include <stdint.h>

#include "tinyanime/status.h"

/* One operator of the network: `name` is the ONNX node's name, its output is int8 [height, row_bytes]. */
typedef struct {
    const char *name;
    uint16_t height;
    uint32_t row_bytes;
} ta_layer;

/* What the executor does, one after the other; the fields that a kind does not name are 0. */
typedef enum {
    TA_COMMAND_CALL = 0,       /* run(call): one kernel call, on core 0 alone. */
    TA_COMMAND_MOVE = 1,       /* The core copies `bytes` from source to target; may overlap, target < source. */
    TA_COMMAND_START = 2,      /* DMA: `bytes` from source to target on `channel` begin. */
    TA_COMMAND_WAIT = 3,       /* Goes on when the transfer on `channel` has ended. */
    TA_COMMAND_CLEAN = 4,      /* Data cache: writes the lines of [source, source + bytes) back. */
    TA_COMMAND_INVALIDATE = 5, /* Data cache: drops the lines of [target, target + bytes). */
    TA_COMMAND_RECEIVE = 6,    /* The next `bytes` of the input that the link received go to target. */
    TA_COMMAND_SEND = 7,       /* The next `bytes` of the output, at source, go to the link. */
    TA_COMMAND_NONE = 8,       /* Nothing. */
    TA_COMMAND_TEAM = 9        /* run(call) on all cores together (tinyanime/team.h), which divide its work. */
} ta_command_kind;

typedef struct {
    uint8_t kind; /* ta_command_kind */
    uint8_t channel;
    uint16_t call;
    union {
        ta_status (*run)(uint16_t call);
        int8_t *target;
    };
    const int8_t *source;
    uint32_t bytes;
} ta_command;

/* New rows of one layer's output: commands [first_command, first_command + command_count) compute rows
 * [row_begin, row_end) of layer `layer`. After the last one `output` holds exactly these rows (NHWC, int8,
 * `output_bytes` bytes) until the next step runs. */
typedef struct {
    const int8_t *output;
    uint32_t output_bytes;
    uint32_t first_command;
    uint16_t command_count;
    uint16_t layer;
    uint16_t band; /* Number of the step among its layer's. */
    uint16_t row_begin;
    uint16_t row_end;
} ta_step;

/* Network input or output: NHWC int8 of `bytes` bytes, real = scale * (q - zero_point).
 * `window_bytes` 0: it lies at `data` as a whole. Else it is streamed: `data` is a ring of `window_bytes` through
 * which the link and the commands RECEIVE or SEND exchange it; byte i of the tensor lies at data[i % window_bytes].
 * All commands together RECEIVE all of a streamed input and SEND all of a streamed output. */
typedef struct {
    int8_t *data;
    uint32_t bytes;
    uint32_t window_bytes;
    uint16_t height;
    uint16_t width;
    uint16_t channels;
    int16_t zero_point;
    float scale;
} ta_port_tensor;

typedef struct {
    const char *model_name;
    const char *board_name;
    const char *kernels; /* Kernel library and version. */
    uint8_t manifest_sha256[32];
    uint8_t model_sha256[32];
    float picture_black; /* Real value of picture byte 0. */
    float picture_white; /* Real value of picture byte 255. */
    ta_port_tensor input;
    ta_port_tensor output;
    const ta_layer *layers;
    const ta_step *steps;
    const ta_command *commands;
    uint16_t layer_count;
    uint16_t step_count;
    uint32_t free_bytes; /* RAM that neither plan, link nor stack uses, all banks together. */
    /* Compares every kernel's own scratch size with the plan; TA_ERROR_SCRATCH where a kernel asks for more. */
    ta_status (*check_scratch)(void);
} ta_network;

extern const ta_network ta_network_instance;

#endif
