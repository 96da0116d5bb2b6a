/* The link on the test networks, with checks on everything it sends and on its own state after every byte. */
#ifndef TINYANIME_FUZZ_DEVICE_H
#define TINYANIME_FUZZ_DEVICE_H

#include <stddef.h>

#include "stream_network.h"
#include "test_network.h"
#include "tinyanime/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Starts the device as after power-up, with the test network. */
void fuzz_boot(void);
/* The same with the streamed network (stream_network.h). */
void fuzz_boot_streamed(uint32_t input_window_bytes, uint32_t output_window_bytes);
/* What the device would exchange now, as a host sees it. */
const ta_link *fuzz_session(void);
/* One byte from the line; aborts where an invariant is broken. */
bool fuzz_receive(uint8_t byte);
/* One step of a run, where one goes on. */
bool fuzz_work(void);
/* Sends one good frame to the link and checks that it is answered exactly as the protocol says: one reply or
 * error with the same sequence number for a request, nothing for types from 0x80 on. */
void fuzz_request(uint8_t version, uint8_t type, const uint8_t *payload, uint32_t count);
/* Lets a run that goes on come to its end. */
void fuzz_finish(void);

#endif
