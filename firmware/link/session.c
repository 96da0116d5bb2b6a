/* Takes frames and hands each request to its handler. */
#include "session.h"

#include <string.h>

typedef struct {
    ta_link_handler handle;
    uint16_t least_bytes; /* Payload bytes the request must have, both ends included. */
    uint16_t most_bytes;
} request_rule;

static const request_rule request_rules[] = {
    [TA_LINK_HELLO] = {ta_link_on_hello, 0, 0},
    [TA_LINK_BEGIN] = {ta_link_on_begin, 12, 12},
    [TA_LINK_DATA] = {ta_link_on_data, 8 + 1, 8 + TA_LINK_CHUNK},
    [TA_LINK_END] = {ta_link_on_end, 4, 4},
    [TA_LINK_RUN] = {ta_link_on_run, 4, 4},
    [TA_LINK_STATUS] = {ta_link_on_status, 4, 4},
    [TA_LINK_STEP] = {ta_link_on_step, 6, 6},
    [TA_LINK_READ_STEP] = {ta_link_on_read_step, 12, 12},
    [TA_LINK_READ_OUTPUT] = {ta_link_on_read_output, 10, 10},
    [TA_LINK_CYCLES] = {ta_link_on_cycles, 6, 6},
    [TA_LINK_RESET] = {ta_link_on_reset, 4, 4},
    [TA_LINK_TAKE] = {ta_link_on_take, 8, 8},
};

_Static_assert(8u + TA_LINK_CHUNK <= TA_LINK_MAX_PAYLOAD, "DATA fits into a frame");
_Static_assert(10u + TA_LINK_CHUNK <= TA_LINK_MAX_PAYLOAD, "a READ_STEP reply fits into a frame");
_Static_assert(8u + 4u * TA_LINK_CYCLES_PER_REPLY <= TA_LINK_MAX_PAYLOAD, "a CYCLES reply fits into a frame");
_Static_assert(154u + 4u * (1u + TA_LINK_MAX_TEXT) <= TA_LINK_MAX_PAYLOAD, "a HELLO reply fits into a frame");

ta_frame_writer *ta_link_reply(ta_link *link, const ta_frame *request) {
    ta_frame_start(&link->writer, (uint8_t)(request->type | (uint32_t)TA_LINK_REPLY), request->sequence);
    return &link->writer;
}

ta_frame_writer *ta_link_event(ta_link *link, ta_link_type type) {
    ta_frame_start(&link->writer, (uint8_t)type, link->events);
    link->events++;
    return &link->writer;
}

void ta_link_send(ta_link *link) {
    ta_frame_send(&link->writer, link->device->write, link->device->context);
}

ta_frame_writer *ta_link_start_error(ta_link *link, const ta_frame *request, ta_link_error error, uint32_t detail) {
    ta_frame_start(&link->writer, (uint8_t)TA_LINK_ERROR, request->sequence);
    ta_frame_u16(&link->writer, (uint16_t)error);
    ta_frame_u32(&link->writer, detail);
    return &link->writer;
}

void ta_link_refuse(ta_link *link, const ta_frame *request, ta_link_error error, uint32_t detail) {
    (void)ta_link_start_error(link, request, error, detail);
    ta_link_send(link);
}

static void put_tensor(ta_frame_writer *writer, const ta_port_tensor *tensor) {
    ta_frame_u32(writer, tensor->bytes);
    ta_frame_u32(writer, tensor->window_bytes);
    ta_frame_u16(writer, tensor->height);
    ta_frame_u16(writer, tensor->width);
    ta_frame_u16(writer, tensor->channels);
    ta_frame_u16(writer, (uint16_t)tensor->zero_point);
    ta_frame_f32(writer, tensor->scale);
}

void ta_link_on_hello(ta_link *link, const ta_frame *request) {
    const ta_link_device *device = link->device;
    const ta_network *network = device->network;
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u16(writer, (uint16_t)TA_LINK_CHUNK);
    ta_frame_u16(writer, (uint16_t)TA_LINK_WINDOW);
    ta_frame_u32(writer, device->boot_id);
    ta_frame_u32(writer, device->millis(device->context));
    ta_frame_u32(writer, device->clock_hz);
    ta_frame_u32(writer, network->free_bytes);
    ta_frame_u32(writer, device->stack_free_bytes(device->context));
    ta_frame_bytes(writer, device->unique_id, sizeof device->unique_id);
    ta_frame_u16(writer, network->layer_count);
    ta_frame_u16(writer, network->step_count);
    ta_frame_u8(writer, (uint8_t)device->self_check);
    ta_frame_u8(writer, (uint8_t)link->state);
    ta_frame_f32(writer, network->picture_black);
    ta_frame_f32(writer, network->picture_white);
    put_tensor(writer, &network->input);
    put_tensor(writer, &network->output);
    ta_frame_bytes(writer, network->manifest_sha256, sizeof network->manifest_sha256);
    ta_frame_bytes(writer, network->model_sha256, sizeof network->model_sha256);
    ta_frame_text(writer, device->firmware_version);
    ta_frame_text(writer, network->board_name);
    ta_frame_text(writer, network->model_name);
    ta_frame_text(writer, network->kernels);
    ta_link_send(link);
}

void ta_link_on_reset(ta_link *link, const ta_frame *request) {
    const ta_link_device *device = link->device;
    if (ta_read_u32(request->payload) != device->boot_id) {
        ta_link_refuse(link, request, TA_LINK_WRONG_BOOT, device->boot_id);
        return;
    }
    ta_frame_u32(ta_link_reply(link, request), device->boot_id);
    ta_link_send(link);
    device->reset(device->context);
    ta_link_init(link, device);
}

static void link_handle(ta_link *link, const ta_frame *request) {
    /* Replies and events are never answered: two devices or an echo would talk for ever. */
    if (request->type >= (uint8_t)TA_LINK_REPLY) {
        return;
    }
    if (request->version != TA_LINK_VERSION) {
        ta_link_refuse(link, request, TA_LINK_UNSUPPORTED_VERSION, TA_LINK_VERSION);
        return;
    }
    const uint32_t rules = (uint32_t)(sizeof request_rules / sizeof request_rules[0]);
    if (request->type >= rules || request_rules[request->type].handle == NULL) {
        ta_link_refuse(link, request, TA_LINK_UNKNOWN_TYPE, request->type);
        return;
    }
    const request_rule *rule = &request_rules[request->type];
    if (request->payload_bytes < rule->least_bytes || request->payload_bytes > rule->most_bytes) {
        ta_link_refuse(link, request, TA_LINK_MALFORMED, request->payload_bytes);
        return;
    }
    rule->handle(link, request);
}

void ta_link_init(ta_link *link, const ta_link_device *device) {
    memset(link, 0, sizeof *link);
    link->device = device;
    link->state = TA_LINK_STATE_EMPTY;
}

bool ta_link_receive(ta_link *link, uint8_t byte) {
    ta_frame frame;
    if (!ta_frame_reader_put(&link->reader, byte, &frame)) {
        return false;
    }
    link_handle(link, &frame);
    return true;
}
