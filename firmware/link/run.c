/* RUN, STATUS, STEP: executing the network (docs/link.md, "Run" and "Step by step"). */
#include <stddef.h>

#include "session.h"

bool ta_link_knows_run(const ta_link *link, uint32_t run) {
    return link->state >= TA_LINK_STATE_RUNNING && link->run == run;
}

bool ta_link_is_running(const ta_link *link) {
    return link->state == TA_LINK_STATE_RUNNING || link->state == TA_LINK_STATE_WAITING;
}

static uint32_t output_crc(const ta_link *link) {
    const ta_port_tensor *output = &link->device->network->output;
    if (output->window_bytes > 0u) {
        return link->summed_crc;
    }
    return ta_crc32(0, (const uint8_t *)output->data, output->bytes);
}

/* Number of a failure as the host gets it: which step, and what its kernel answered. */
static uint32_t failure_detail(const ta_link *link) {
    return ((uint32_t)link->executor.next_step << 16) | (uint32_t)link->executor.status;
}

/* Name of the layer whose kernel failed, as the last field of what tells of the failure: 0 to 63 bytes. */
static void put_failed_layer(const ta_link *link, ta_frame_writer *writer) {
    const ta_network *network = link->device->network;
    const uint32_t step = link->executor.next_step;
    const uint32_t layer = step < network->step_count ? network->steps[step].layer : network->layer_count;
    ta_frame_text(writer, layer < network->layer_count ? network->layers[layer].name : NULL);
}

/* Consumes the input for run `run`; answers with the error where that is not possible. */
static bool begin_run(ta_link *link, const ta_frame *request, uint32_t run, ta_link_state state) {
    const ta_link_device *device = link->device;
    if (ta_link_is_running(link)) {
        ta_link_refuse(link, request, TA_LINK_BUSY, link->executor.next_step);
        return false;
    }
    if (device->self_check != TA_OK) {
        ta_link_refuse(link, request, TA_LINK_SELF_CHECK, (uint32_t)device->self_check);
        return false;
    }
    if (link->run_used && link->run == run) {
        ta_link_refuse(link, request, TA_LINK_USED_RUN, run);
        return false;
    }
    const bool streamed = device->network->input.window_bytes > 0u;
    if (link->state != TA_LINK_STATE_READY && !(streamed && link->state == TA_LINK_STATE_RECEIVING)) {
        ta_link_refuse(link, request, TA_LINK_NO_INPUT, (uint32_t)link->state);
        return false;
    }
    const ta_status status = ta_executor_begin(&link->executor, device->network);
    if (status != TA_OK) {
        ta_link_refuse(link, request, TA_LINK_SELF_CHECK, (uint32_t)status);
        return false;
    }
    link->executor.received = link->next_offset;
    link->state = state;
    link->waits = false;
    link->summed_bytes = 0;
    link->summed_crc = 0;
    link->run = run;
    link->run_used = true;
    link->stepwise = state == TA_LINK_STATE_STEPPING;
    link->transfer_used = true;
    link->used_transfer = link->transfer;
    link->output_crc = 0;
    return true;
}

static void send_done(ta_link *link) {
    ta_frame_writer *writer = ta_link_event(link, TA_LINK_DONE);
    ta_frame_u32(writer, link->run);
    ta_frame_u8(writer, (uint8_t)link->executor.status);
    ta_frame_u16(writer, link->executor.next_step);
    ta_frame_u32(writer, link->executor.total_cycles);
    ta_frame_u32(writer, link->executor.stall_cycles);
    ta_frame_u32(writer, link->output_crc);
    if (link->state == TA_LINK_STATE_FAILED) {
        put_failed_layer(link, writer);
    }
    ta_link_send(link);
}

static void send_waiting(ta_link *link) {
    ta_frame_writer *writer = ta_link_event(link, TA_LINK_WAITING);
    ta_frame_u32(writer, link->run);
    ta_frame_u16(writer, link->executor.next_step);
    ta_frame_u16(writer, link->device->network->step_count);
    ta_link_put_rows(link, writer);
    ta_link_send(link);
}

void ta_link_on_run(ta_link *link, const ta_frame *request) {
    const uint32_t run = ta_read_u32(request->payload);
    const bool repeated = ta_link_knows_run(link, run) && link->state != TA_LINK_STATE_STEPPING;
    if (!repeated && !begin_run(link, request, run, TA_LINK_STATE_RUNNING)) {
        return;
    }
    if (!repeated) {
        link->progress_ms = link->device->millis(link->device->context);
    }
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u8(writer, (uint8_t)link->state);
    ta_link_send(link);
    if (link->state == TA_LINK_STATE_WAITING) {
        send_waiting(link);
    } else if (link->state != TA_LINK_STATE_RUNNING) {
        send_done(link);
    }
}

void ta_link_on_status(ta_link *link, const ta_frame *request) {
    const uint32_t run = ta_read_u32(request->payload);
    if (!ta_link_knows_run(link, run)) {
        ta_link_refuse(link, request, TA_LINK_NO_RESULT, (uint32_t)link->state);
        return;
    }
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u8(writer, (uint8_t)link->state);
    ta_frame_u8(writer, (uint8_t)link->executor.status);
    ta_frame_u16(writer, link->executor.next_step);
    ta_frame_u16(writer, link->device->network->step_count);
    ta_frame_u32(writer, link->executor.total_cycles);
    ta_frame_u32(writer, link->executor.stall_cycles);
    ta_frame_u32(writer, link->output_crc);
    ta_frame_u32(writer, link->reader.dropped);
    ta_link_put_rows(link, writer);
    if (link->state == TA_LINK_STATE_FAILED) {
        put_failed_layer(link, writer);
    }
    ta_link_send(link);
}

/* Executes one step as far as that is possible now, and moves to DONE or FAILED where it was the last or failed. */
static void execute_step(ta_link *link) {
    const ta_status status = ta_executor_step(&link->executor);
    ta_link_sum_rows(link);
    link->waits = status == TA_WAITING;
    if (status == TA_OK) {
        link->output_crc = output_crc(link);
        link->state = TA_LINK_STATE_DONE;
    } else if (status != TA_BUSY && status != TA_WAITING) {
        link->state = TA_LINK_STATE_FAILED;
    }
}

/* Executes the next step of a stepwise run and notes what STEP answers. */
static void execute_asked_step(ta_link *link) {
    const ta_step *step = &link->device->network->steps[link->executor.next_step];
    execute_step(link);
    if (link->state != TA_LINK_STATE_FAILED && !link->waits) {
        link->step_cycles = link->executor.step_cycles;
        link->step_crc = ta_crc32(0, (const uint8_t *)step->output, step->output_bytes);
    }
}

void ta_link_on_step(ta_link *link, const ta_frame *request) {
    const uint32_t run = ta_read_u32(request->payload);
    const uint32_t index = ta_read_u16(request->payload + 4);
    bool repeated = false;
    if (ta_link_knows_run(link, run) && !ta_link_is_running(link)) {
        if (!link->stepwise) {
            ta_link_refuse(link, request, TA_LINK_USED_RUN, run);
            return;
        }
        repeated = link->state != TA_LINK_STATE_FAILED && index + 1u == link->executor.next_step;
        const bool next = link->state == TA_LINK_STATE_STEPPING && index == link->executor.next_step;
        if (!repeated && !next && link->state != TA_LINK_STATE_FAILED) {
            ta_link_refuse(link, request, TA_LINK_BAD_STEP, link->executor.next_step);
            return;
        }
    } else if (index != 0u) {
        ta_link_refuse(link, request, TA_LINK_NO_RESULT, (uint32_t)link->state);
        return;
    } else if (!begin_run(link, request, run, TA_LINK_STATE_STEPPING)) {
        return;
    }
    if (!repeated && link->state == TA_LINK_STATE_STEPPING) {
        execute_asked_step(link);
    }
    if (link->state == TA_LINK_STATE_FAILED) {
        ta_frame_writer *failure = ta_link_start_error(link, request, TA_LINK_KERNEL_FAILED, failure_detail(link));
        put_failed_layer(link, failure);
        ta_link_send(link);
        return;
    }
    if (link->waits && !repeated) {
        ta_link_refuse(link, request, TA_LINK_STEP_WAITS, index);
        return;
    }
    ta_frame_writer *writer = ta_link_reply(link, request);
    ta_frame_u32(writer, run);
    ta_frame_u16(writer, (uint16_t)index);
    ta_frame_u32(writer, link->device->network->steps[index].output_bytes);
    ta_frame_u32(writer, link->step_crc);
    ta_frame_u32(writer, link->step_cycles);
    ta_link_send(link);
}

bool ta_link_work(ta_link *link) {
    const ta_link_device *device = link->device;
    if (!ta_link_is_running(link) || (link->waits && !ta_link_exchanged(link))) {
        return false;
    }
    link->state = TA_LINK_STATE_RUNNING;
    execute_step(link);
    if (link->waits) {
        link->state = TA_LINK_STATE_WAITING;
        send_waiting(link);
        return false;
    }
    if (link->state != TA_LINK_STATE_RUNNING) {
        send_done(link);
        return false;
    }
    const uint32_t now = device->millis(device->context);
    if (now - link->progress_ms >= TA_LINK_PROGRESS_MS) {
        link->progress_ms = now;
        ta_frame_writer *writer = ta_link_event(link, TA_LINK_PROGRESS);
        ta_frame_u32(writer, link->run);
        ta_frame_u16(writer, link->executor.next_step);
        ta_frame_u16(writer, device->network->step_count);
        ta_link_send(link);
    }
    return true;
}
