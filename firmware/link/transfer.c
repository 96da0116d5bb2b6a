/* BEGIN, DATA, END: the picture into the network's input (docs/link.md, "Upload"). */
#include <string.h>

#include "session.h"

static bool transfer_is(const ta_link *link, uint32_t transfer) {
    const bool filling = link->state == TA_LINK_STATE_RECEIVING || link->state == TA_LINK_STATE_READY;
    return (filling || ta_link_run_takes_input(link)) && link->transfer == transfer;
}

/* Whether the run that used the streamed input of `transfer` is over: DATA of it may still be repeated. */
static bool transfer_was(const ta_link *link, uint32_t transfer) {
    const bool over = link->state == TA_LINK_STATE_DONE || link->state == TA_LINK_STATE_FAILED;
    return over && link->device->network->input.window_bytes > 0u && link->transfer == transfer;
}

static void reply_next_offset(ta_link *link, const ta_frame *request) {
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, link->transfer);
    ta_frame_u32(writer, link->next_offset);
    ta_link_send(link);
}

void ta_link_on_begin(ta_link *link, const ta_frame *request) {
    const uint32_t transfer = ta_read_u32(request->payload);
    const uint32_t size = ta_read_u32(request->payload + 4);
    const uint32_t crc = ta_read_u32(request->payload + 8);
    const uint32_t expected = link->device->network->input.bytes;
    if (link->state == TA_LINK_STATE_RUNNING && !ta_link_streams(link)) {
        ta_link_refuse(link, request, TA_LINK_BUSY, link->executor.next_step);
        return;
    }
    if (size != expected) {
        ta_link_refuse(link, request, TA_LINK_BAD_SIZE, expected);
        return;
    }
    const bool known = transfer_is(link, transfer) && link->transfer_crc == crc;
    if (!known && link->transfer_used && transfer == link->used_transfer) {
        ta_link_refuse(link, request, TA_LINK_USED_TRANSFER, transfer);
        return;
    }
    if (!known) {
        ta_executor_stop(&link->executor);
        link->transfer = transfer;
        link->transfer_crc = crc;
        link->next_offset = 0;
        link->input_crc = 0;
        link->state = TA_LINK_STATE_RECEIVING;
    }
    reply_next_offset(link, request);
}

/* Whether the CRC of a streamed input fits, once all of it has come; answers and gives the transfer up where not. */
static bool stream_is_good(ta_link *link, const ta_frame *request) {
    const ta_port_tensor *input = &link->device->network->input;
    if (link->next_offset < input->bytes || link->input_crc == link->transfer_crc) {
        return true;
    }
    ta_executor_stop(&link->executor);
    link->state = TA_LINK_STATE_EMPTY;
    ta_link_refuse(link, request, TA_LINK_BAD_CRC, link->input_crc);
    return false;
}

/* Takes `count` bytes at the next offset; false where it has refused them. */
static bool take_data(ta_link *link, const ta_frame *request, uint32_t count) {
    const ta_port_tensor *input = &link->device->network->input;
    if (count > input->bytes - link->next_offset) {
        ta_link_refuse(link, request, TA_LINK_BAD_RANGE, input->bytes);
        return false;
    }
    if (input->window_bytes > 0u) {
        ta_link_store_rows(link, request->payload + 8, count);
        return stream_is_good(link, request);
    }
    memcpy(input->data + link->next_offset, request->payload + 8, count);
    link->next_offset += count;
    return true;
}

void ta_link_on_data(ta_link *link, const ta_frame *request) {
    const uint32_t transfer = ta_read_u32(request->payload);
    const uint32_t offset = ta_read_u32(request->payload + 4);
    const uint32_t count = request->payload_bytes - 8u;
    const bool repeated = transfer_was(link, transfer) && offset < link->next_offset;
    if (!transfer_is(link, transfer) && !repeated) {
        ta_link_refuse(link, request, TA_LINK_NO_TRANSFER, (uint32_t)link->state);
        return;
    }
    if (offset == link->next_offset && !take_data(link, request, count)) {
        return;
    }
    reply_next_offset(link, request);
}

void ta_link_on_end(ta_link *link, const ta_frame *request) {
    const ta_port_tensor *input = &link->device->network->input;
    if (!transfer_is(link, ta_read_u32(request->payload))) {
        ta_link_refuse(link, request, TA_LINK_NO_TRANSFER, (uint32_t)link->state);
        return;
    }
    if (link->next_offset != input->bytes) {
        ta_link_refuse(link, request, TA_LINK_INCOMPLETE, link->next_offset);
        return;
    }
    const bool streamed = input->window_bytes > 0u; /* Its CRC was checked as its last byte came. */
    const uint32_t crc = streamed ? link->input_crc : ta_crc32(0, (const uint8_t *)input->data, input->bytes);
    if (crc != link->transfer_crc) {
        link->state = TA_LINK_STATE_EMPTY;
        ta_link_refuse(link, request, TA_LINK_BAD_CRC, crc);
        return;
    }
    if (link->state == TA_LINK_STATE_RECEIVING) {
        link->state = TA_LINK_STATE_READY;
    }
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, link->transfer);
    ta_frame_u32(writer, crc);
    ta_link_send(link);
}
