/* A network of two layers whose pictures pass through windows, strip by strip, with a lag of a row. */
#ifndef TINYANIME_STREAM_NETWORK_H
#define TINYANIME_STREAM_NETWORK_H

#include "tinyanime/network.h"

#define STREAM_HEIGHT 40u
#define STREAM_ROW_BYTES 144u
#define STREAM_BYTES (STREAM_HEIGHT * STREAM_ROW_BYTES)
#define STREAM_STRIP_ROWS 2u
#define STREAM_STRIPS (STREAM_HEIGHT / STREAM_STRIP_ROWS)
#define STREAM_STEPS (2u * STREAM_STRIPS)

/* Strip whose first layer answers TA_ERROR_KERNEL; anything beyond the strips lets all work. */
extern unsigned stream_failing_strip;

/* The network with windows of these sizes, at least two rows and at most the picture; 0: the tensor lies whole in
 * memory. Valid until the next call. Layer "blur": row r is the sum of the input rows r - 1, r, r, r + 1 (those
 * outside are 0) modulo 256; layer "mark": byte i of the output is byte i of that xor i, modulo 256. */
const ta_network *stream_network(uint32_t input_window_bytes, uint32_t output_window_bytes);

#endif
