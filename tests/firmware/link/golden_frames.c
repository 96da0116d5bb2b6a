/* Reads a file of golden frames (path in argv[1], format: tests/support/golden_conversation.py), takes every
 * frame apart with the firmware's reader and builds it again with its writer: the bytes must be the same.
 * Prints how many. */
#include <stdio.h>
#include <string.h>

#include "tinyanime/link_frame.h"

#define LINE_BYTES 4096u

static uint8_t rebuilt[LINE_BYTES];
static uint32_t rebuilt_count;

static void keep(void *context, const uint8_t *bytes, uint32_t count) {
    (void)context;
    if (count <= LINE_BYTES - rebuilt_count) {
        memcpy(rebuilt + rebuilt_count, bytes, count);
        rebuilt_count += count;
    }
}

static uint32_t parse_hex(const char *text, uint8_t *bytes) {
    uint32_t count = 0;
    unsigned value = 0;
    while (count < LINE_BYTES && sscanf(text + (size_t)2u * count, "%2x", &value) == 1) {
        bytes[count++] = (uint8_t)value;
    }
    return count;
}

static int check_line(const char *name, const uint8_t *wire, uint32_t count) {
    static ta_frame_reader reader;
    static ta_frame_writer writer;
    ta_frame frame = {0};
    bool complete = false;
    for (uint32_t i = 0; i < count; i++) {
        complete = ta_frame_reader_put(&reader, wire[i], &frame);
    }
    if (!complete) {
        fprintf(stderr, "%s: not read as a frame\n", name);
        return 1;
    }
    ta_frame_start(&writer, frame.type, frame.sequence);
    writer.content[0] = frame.version;
    ta_frame_bytes(&writer, frame.payload, frame.payload_bytes);
    rebuilt_count = 0;
    ta_frame_send(&writer, keep, NULL);
    if (rebuilt_count != count || memcmp(rebuilt, wire, count) != 0) {
        fprintf(stderr, "%s: rebuilt differently\n", name);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    static char line[2u * LINE_BYTES + 256u];
    static uint8_t wire[LINE_BYTES];
    int failures = 0;
    int frames = 0;
    FILE *golden = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (golden == NULL) {
        return 2;
    }
    while (fgets(line, (int)sizeof line, golden) != NULL) {
        const char *name = line + 2;
        const char *hex = strchr(name, ' ');
        if (line[0] == '#' || hex == NULL) {
            continue;
        }
        failures += check_line(name, wire, parse_hex(hex + 1, wire));
        frames++;
    }
    fclose(golden);
    printf("%d\n", frames);
    return failures == 0 ? 0 : 1;
}
