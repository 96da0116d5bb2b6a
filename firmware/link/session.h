/* Parts of the session shared by the files of firmware/link; not for others. */
#ifndef TINYANIME_LINK_SESSION_H
#define TINYANIME_LINK_SESSION_H

#include "tinyanime/link.h"

/* Every handler answers exactly once, by a reply or by an error. */
typedef void (*ta_link_handler)(ta_link *link, const ta_frame *request);

/* Starts the reply to `request`; finish with ta_link_send. */
ta_frame_writer *ta_link_reply(ta_link *link, const ta_frame *request);
/* Starts an event; finish with ta_link_send. */
ta_frame_writer *ta_link_event(ta_link *link, ta_link_type type);
void ta_link_send(ta_link *link);
/* Starts the ERROR that answers `request`; finish with ta_link_send. */
ta_frame_writer *ta_link_start_error(ta_link *link, const ta_frame *request, ta_link_error error, uint32_t detail);
/* Answers `request` with ERROR. */
void ta_link_refuse(ta_link *link, const ta_frame *request, ta_link_error error, uint32_t detail);

void ta_link_on_hello(ta_link *link, const ta_frame *request);
void ta_link_on_reset(ta_link *link, const ta_frame *request);

/* stream.c */

/* Whether the input or the output of the network goes through a window. */
bool ta_link_streams(const ta_link *link);
/* Whether a run goes on that takes its input from the transfer while it comes. */
bool ta_link_run_takes_input(const ta_link *link);
/* Whether the host has sent and taken everything that can be exchanged now. */
bool ta_link_exchanged(const ta_link *link);
/* The field `rows` of messages. */
void ta_link_put_rows(const ta_link *link, ta_frame_writer *writer);
/* Puts as many of `count` bytes at the next offset into the input's window as it has room for, and sums them. */
void ta_link_store_rows(ta_link *link, const uint8_t *bytes, uint32_t count);
/* Sums what the network has put into the output's window since the last call. */
void ta_link_sum_rows(ta_link *link);
void ta_link_on_take(ta_link *link, const ta_frame *request);

/* transfer.c */
void ta_link_on_begin(ta_link *link, const ta_frame *request);
void ta_link_on_data(ta_link *link, const ta_frame *request);
void ta_link_on_end(ta_link *link, const ta_frame *request);

/* run.c */
void ta_link_on_run(ta_link *link, const ta_frame *request);
void ta_link_on_status(ta_link *link, const ta_frame *request);
void ta_link_on_step(ta_link *link, const ta_frame *request);

/* result.c */
void ta_link_on_read_step(ta_link *link, const ta_frame *request);
void ta_link_on_read_output(ta_link *link, const ta_frame *request);
void ta_link_on_cycles(ta_link *link, const ta_frame *request);

/* Whether run `run` is the one this session knows (goes on or ended last). */
bool ta_link_knows_run(const ta_link *link, uint32_t run);
/* Whether a run goes on by itself, not by STEP. */
bool ta_link_is_running(const ta_link *link);

#endif
