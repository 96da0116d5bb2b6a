/* BEGIN, DATA, END: the picture into the network's input (docs/link.md, "Upload"). */
#include <string.h>

#include "session.h"

static bool transfer_is(const ta_link *link, uint32_t transfer) {
    return (link->state == TA_LINK_STATE_RECEIVING || link->state == TA_LINK_STATE_READY) && link->transfer == transfer;
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
    if (link->state == TA_LINK_STATE_RUNNING) {
        ta_link_refuse(link, request, TA_LINK_BUSY, link->executor.next_step);
        return;
    }
    if (size != expected) {
        ta_link_refuse(link, request, TA_LINK_BAD_SIZE, expected);
        return;
    }
    if (link->transfer_used && transfer == link->used_transfer) {
        ta_link_refuse(link, request, TA_LINK_USED_TRANSFER, transfer);
        return;
    }
    if (!transfer_is(link, transfer) || link->transfer_crc != crc) {
        link->transfer = transfer;
        link->transfer_crc = crc;
        link->next_offset = 0;
        link->state = TA_LINK_STATE_RECEIVING;
    }
    reply_next_offset(link, request);
}

void ta_link_on_data(ta_link *link, const ta_frame *request) {
    const ta_port_tensor *input = &link->device->network->input;
    const uint32_t offset = ta_read_u32(request->payload + 4);
    const uint32_t count = request->payload_bytes - 8u;
    if (!transfer_is(link, ta_read_u32(request->payload))) {
        ta_link_refuse(link, request, TA_LINK_NO_TRANSFER, (uint32_t)link->state);
        return;
    }
    if (offset == link->next_offset) {
        if (count > input->bytes - link->next_offset) {
            ta_link_refuse(link, request, TA_LINK_BAD_RANGE, input->bytes);
            return;
        }
        memcpy(input->data + link->next_offset, request->payload + 8, count);
        link->next_offset += count;
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
    const uint32_t crc = ta_crc32(0, (const uint8_t *)input->data, input->bytes);
    if (crc != link->transfer_crc) {
        link->state = TA_LINK_STATE_EMPTY;
        ta_link_refuse(link, request, TA_LINK_BAD_CRC, crc);
        return;
    }
    link->state = TA_LINK_STATE_READY;
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, link->transfer);
    ta_frame_u32(writer, crc);
    ta_link_send(link);
}
