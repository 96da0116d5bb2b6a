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

/* One kernel call: rows [row_begin, row_end) of the output of layer `layer`.
 * After `run(band)` returns TA_OK, `output` holds exactly these rows (NHWC, int8, `output_bytes` bytes) until the
 * next step runs. */
typedef struct {
    ta_status (*run)(uint16_t band);
    const int8_t *output;
    uint32_t output_bytes;
    uint16_t layer;
    uint16_t band;
    uint16_t row_begin;
    uint16_t row_end;
} ta_step;

/* Network input or output: NHWC int8 of `bytes` bytes, real = scale * (q - zero_point). */
typedef struct {
    int8_t *data;
    uint32_t bytes;
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
    uint16_t layer_count;
    uint16_t step_count;
    uint32_t free_bytes; /* RAM that neither plan, link nor stack uses, all banks together. */
    /* Compares every kernel's own scratch size with the plan; TA_ERROR_SCRATCH where a kernel asks for more. */
    ta_status (*check_scratch)(void);
} ta_network;

extern const ta_network ta_network_instance;

#endif
