/* The device's side of the link (docs/link.md): takes bytes, runs the network, answers. No hardware access:
 * everything about the chip comes through ta_link_device, so that the same code runs on the PC, in tests and
 * under the fuzzer. */
#ifndef TINYANIME_LINK_H
#define TINYANIME_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "tinyanime/executor.h"
#include "tinyanime/link_frame.h"
#include "tinyanime/network.h"

/* What the link knows of the device it runs on. The callbacks get `context`. */
typedef struct {
    const ta_network *network;
    const char *firmware_version;
    uint32_t boot_id; /* Another value after each reset. */
    uint32_t clock_hz;
    uint8_t unique_id[12];
    ta_status self_check; /* Runs are refused where it is not TA_OK. */
    void *context;
    ta_frame_sink write;
    uint32_t (*millis)(void *context);           /* Since start; wraps. */
    uint32_t (*stack_free_bytes)(void *context); /* UINT32_MAX where unknown. */
    void (*reset)(void *context);                /* May return in tests: the link goes on as after a reset. */
} ta_link_device;

/* The session: one host, one picture at a time. About 3.2 KB. */
typedef struct {
    const ta_link_device *device;
    ta_frame_reader reader;
    ta_frame_writer writer;
    ta_executor executor;
    ta_link_state state;

    /* The transfer that fills the network's input; valid in RECEIVING and READY, and during a run where the input is
     * streamed. */
    uint32_t transfer;
    uint32_t transfer_crc;
    uint32_t next_offset;   /* Bytes received in order, 0 to input bytes. */
    uint32_t input_crc;     /* Of these, where the input is streamed. */
    bool transfer_used;     /* A run has consumed `used_transfer`. */
    uint32_t used_transfer; /* Number of the transfer consumed last. */

    /* The run that goes on or went on last; valid in RUNNING, WAITING, STEPPING, DONE and FAILED. */
    uint32_t run;
    bool run_used; /* There has been a run. */
    bool stepwise; /* The run goes by STEP. */
    bool waits;    /* The executor cannot go on before rows have been exchanged. */
    uint32_t output_crc;
    uint32_t summed_bytes; /* Bytes of a streamed output in `summed_crc`. */
    uint32_t summed_crc;
    uint32_t step_crc;    /* Of the last step that was asked for by STEP. */
    uint32_t step_cycles; /* Saturates. */
    uint32_t progress_ms; /* Time of the last PROGRESS event. */
    uint16_t events;      /* Sequence number of the next event; wraps. */
} ta_link;

/* Starts a session in state EMPTY; `device` must outlive the link. */
void ta_link_init(ta_link *link, const ta_link_device *device);

/* Takes one byte from the line; true where it ended a frame that was handled (and answered where it was a
 * request). */
bool ta_link_receive(ta_link *link, uint8_t byte);

/* Executes one step where a run goes on and need not wait for the host; true while more can be done at once. */
bool ta_link_work(ta_link *link);

#endif
