/* Counts the lines that a Cortex-M7's data cache fills and writes back, by section and memory, from unicorn's hooks on
 * loads and stores to cacheable memory.
 *
 * 16 KiB, four ways, lines of 32 bytes: DDI 0489F section 5.1 and DS12110 section 3.3. Write-back with allocation on
 * stores (the default memory map: DDI 0403E B3.1). Which way is replaced is pseudo-random on the chip; here a
 * generator decides that begins the same each time. Built by host/kernel_bench/hooks.py. */
#include <stdint.h>

#define LINE_BYTES 32u
#define WAYS 4u
#define SETS 128u /* 16 KiB in all. */
#define MEMORIES 8u

typedef struct {
    uint32_t line; /* Number of the line plus one; 0: nothing. */
    uint32_t memory;
    uint32_t dirty;
} cache_way;

/* Shared with Python: the fields in this order (line_fills.py). */
typedef struct {
    const uint32_t *section; /* The current section's number. */
    uint64_t *lines;         /* Fills and write-backs: [section][memory]. */
    uint32_t section_count;
    uint32_t random;
    uint32_t bases[MEMORIES]; /* Cacheable memories [base, end). */
    uint32_t ends[MEMORIES];
    cache_way ways[SETS][WAYS];
} line_fills;

uint64_t ta_line_fills_bytes(void) {
    return sizeof(line_fills);
}

static void count_line(line_fills *fills, uint32_t memory) {
    if (*fills->section < fills->section_count) {
        fills->lines[(uint64_t)*fills->section * MEMORIES + memory]++;
    }
}

static uint32_t memory_of(const line_fills *fills, uint32_t address) {
    uint32_t memory = 0;
    while (memory < MEMORIES && !(address >= fills->bases[memory] && address < fills->ends[memory])) {
        memory++;
    }
    return memory;
}

static void touch(line_fills *fills, uint32_t address, uint32_t dirty) {
    const uint32_t line = address / LINE_BYTES + 1u;
    cache_way *ways = fills->ways[line % SETS];
    for (uint32_t way = 0; way < WAYS; way++) {
        if (ways[way].line == line) {
            ways[way].dirty |= dirty;
            return;
        }
    }
    const uint32_t memory = memory_of(fills, address);
    if (memory == MEMORIES) {
        return;
    }
    fills->random = fills->random * 1664525u + 1013904223u;
    cache_way *victim = &ways[fills->random >> 30];
    for (uint32_t way = 0; way < WAYS; way++) {
        if (ways[way].line == 0u) {
            victim = &ways[way];
        }
    }
    if (victim->dirty != 0u) {
        count_line(fills, victim->memory);
    }
    *victim = (cache_way){.line = line, .memory = memory, .dirty = dirty};
    count_line(fills, memory);
}

/* UC_HOOK_MEM_READ and UC_HOOK_MEM_WRITE callback; `type` is a uc_mem_type. */
void ta_touch_line(void *uc, int type, uint64_t address, int size, int64_t value, void *user) {
    const int write = 17; /* UC_MEM_WRITE */
    (void)uc;
    (void)value;
    line_fills *fills = user;
    const uint32_t dirty = type == write ? 1u : 0u;
    const uint32_t first = (uint32_t)address;
    const uint32_t last = first + (uint32_t)size - 1u;
    touch(fills, first, dirty);
    if (first / LINE_BYTES != last / LINE_BYTES) {
        touch(fills, last, dirty);
    }
}
