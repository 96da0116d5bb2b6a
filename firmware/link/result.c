/* READ_STEP, READ_OUTPUT, CYCLES: what a run left behind. */
#include "session.h"

/* Whether [offset, offset + length) lies within `available` bytes and a reply can carry it. */
static bool range_is_good(uint32_t offset, uint32_t length, uint32_t available) {
    return length >= 1u && length <= TA_LINK_CHUNK && offset < available && length <= available - offset;
}

void ta_link_on_read_step(ta_link *link, const ta_frame *request) {
    const uint32_t run = ta_read_u32(request->payload);
    const uint32_t index = ta_read_u16(request->payload + 4);
    const uint32_t offset = ta_read_u32(request->payload + 6);
    const uint32_t length = ta_read_u16(request->payload + 10);
    const bool at_rest = link->state == TA_LINK_STATE_STEPPING || link->state == TA_LINK_STATE_DONE;
    if (!ta_link_knows_run(link, run) || !at_rest) {
        ta_link_refuse(link, request, TA_LINK_NO_RESULT, (uint32_t)link->state);
        return;
    }
    /* A next step that waits half way may have overwritten the rows. */
    if (index + 1u != link->executor.next_step || link->executor.next_command != 0u) {
        ta_link_refuse(link, request, TA_LINK_BAD_STEP, link->executor.next_step);
        return;
    }
    const ta_step *step = &link->device->network->steps[index];
    if (!range_is_good(offset, length, step->output_bytes)) {
        ta_link_refuse(link, request, TA_LINK_BAD_RANGE, step->output_bytes);
        return;
    }
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u16(writer, (uint16_t)index);
    ta_frame_u32(writer, offset);
    ta_frame_bytes(writer, step->output + offset, length);
    ta_link_send(link);
}

/* `length` bytes of the output, which lie in memory or in the window. */
static void put_output(ta_frame_writer *writer, const ta_port_tensor *output, uint32_t offset, uint32_t length) {
    const uint32_t room = output->window_bytes > 0u ? output->window_bytes : output->bytes;
    const uint32_t begin = offset % room;
    const uint32_t first = length < room - begin ? length : room - begin;
    ta_frame_bytes(writer, output->data + begin, first);
    ta_frame_bytes(writer, output->data, length - first);
}

void ta_link_on_read_output(ta_link *link, const ta_frame *request) {
    const ta_port_tensor *output = &link->device->network->output;
    const uint32_t run = ta_read_u32(request->payload);
    const uint32_t offset = ta_read_u32(request->payload + 4);
    const uint32_t length = ta_read_u16(request->payload + 8);
    const bool streamed = output->window_bytes > 0u;
    const bool readable = streamed ? link->state != TA_LINK_STATE_FAILED : link->state == TA_LINK_STATE_DONE;
    if (!ta_link_knows_run(link, run) || !readable) {
        ta_link_refuse(link, request, TA_LINK_NO_RESULT, (uint32_t)link->state);
        return;
    }
    const uint32_t begin = streamed ? link->executor.taken : 0u;
    const uint32_t end = streamed ? link->executor.produced : output->bytes;
    if (offset < begin || !range_is_good(offset, length, end)) {
        ta_link_refuse(link, request, TA_LINK_BAD_RANGE, end);
        return;
    }
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u32(writer, offset);
    put_output(writer, output, offset, length);
    ta_link_send(link);
}

void ta_link_on_cycles(ta_link *link, const ta_frame *request) {
    const uint32_t run = ta_read_u32(request->payload);
    const uint32_t first = ta_read_u16(request->payload + 4);
    const uint32_t layers = link->device->network->layer_count;
    if (!ta_link_knows_run(link, run) || ta_link_is_running(link)) {
        ta_link_refuse(link, request, TA_LINK_NO_RESULT, (uint32_t)link->state);
        return;
    }
    if (first >= layers) {
        ta_link_refuse(link, request, TA_LINK_BAD_RANGE, layers);
        return;
    }
    uint32_t end = first + TA_LINK_CYCLES_PER_REPLY;
    end = end < layers ? end : layers;
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u16(writer, (uint16_t)first);
    ta_frame_u16(writer, (uint16_t)layers);
    for (uint32_t layer = first; layer < end; layer++) {
        ta_frame_u32(writer, link->executor.layer_cycles[layer]);
    }
    ta_link_send(link);
}
