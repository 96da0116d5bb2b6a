/* Input and output that pass through windows while the network runs (docs/link.md, "Streamed pictures"). */
#include <string.h>

#include "session.h"

static bool run_goes_on(const ta_link *link) {
    return ta_link_is_running(link) || link->state == TA_LINK_STATE_STEPPING;
}

bool ta_link_streams(const ta_link *link) {
    const ta_network *network = link->device->network;
    return network->input.window_bytes > 0u || network->output.window_bytes > 0u;
}

bool ta_link_run_takes_input(const ta_link *link) {
    return link->device->network->input.window_bytes > 0u && run_goes_on(link);
}

/* End of the input bytes that there is room for. */
static uint32_t input_end(const ta_link *link) {
    const ta_port_tensor *input = &link->device->network->input;
    const uint32_t consumed = ta_link_run_takes_input(link) ? link->executor.consumed : 0u;
    const uint32_t left = input->bytes - consumed;
    return consumed + (left < input->window_bytes ? left : input->window_bytes);
}

bool ta_link_exchanged(const ta_link *link) {
    const ta_network *network = link->device->network;
    const bool fed = network->input.window_bytes == 0u || link->next_offset == input_end(link);
    return fed && link->executor.taken == link->executor.produced;
}

void ta_link_put_rows(const ta_link *link, ta_frame_writer *writer) {
    const bool takes_input = ta_link_run_takes_input(link);
    ta_frame_u32(writer, takes_input ? link->next_offset : 0u);
    ta_frame_u32(writer, takes_input ? input_end(link) : 0u);
    ta_frame_u32(writer, link->executor.taken);
    ta_frame_u32(writer, link->executor.produced);
}

void ta_link_store_rows(ta_link *link, const uint8_t *bytes, uint32_t count) {
    const ta_port_tensor *input = &link->device->network->input;
    const uint32_t room = input_end(link) - link->next_offset;
    const uint32_t stored = count < room ? count : room;
    uint32_t done = 0;
    while (done < stored) {
        const uint32_t begin = (link->next_offset + done) % input->window_bytes;
        const uint32_t to_end = input->window_bytes - begin;
        const uint32_t part = stored - done < to_end ? stored - done : to_end;
        memcpy(input->data + begin, bytes + done, part);
        link->input_crc = ta_crc32(link->input_crc, (const uint8_t *)input->data + begin, part);
        done += part;
    }
    link->next_offset += stored;
    link->executor.received = link->next_offset;
}

void ta_link_sum_rows(ta_link *link) {
    const ta_port_tensor *output = &link->device->network->output;
    while (link->summed_bytes < link->executor.produced) {
        const uint32_t begin = link->summed_bytes % output->window_bytes;
        const uint32_t to_end = output->window_bytes - begin;
        const uint32_t left = link->executor.produced - link->summed_bytes;
        const uint32_t part = left < to_end ? left : to_end;
        link->summed_crc = ta_crc32(link->summed_crc, (const uint8_t *)output->data + begin, part);
        link->summed_bytes += part;
    }
}

void ta_link_on_take(ta_link *link, const ta_frame *request) {
    const uint32_t run = ta_read_u32(request->payload);
    const uint32_t offset = ta_read_u32(request->payload + 4);
    ta_executor *executor = &link->executor;
    if (!ta_link_knows_run(link, run)) {
        ta_link_refuse(link, request, TA_LINK_NO_RESULT, (uint32_t)link->state);
        return;
    }
    if (offset > executor->produced) {
        ta_link_refuse(link, request, TA_LINK_BAD_RANGE, executor->produced);
        return;
    }
    executor->taken = offset > executor->taken ? offset : executor->taken;
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u32(writer, executor->taken);
    ta_link_send(link);
}
