/* Counts how often each block of code runs right behind each other one, apart for every section of a program, from a
 * unicorn block hook.
 *
 * unicorn calls ta_record_block at the start of each translated block, which runs to its end unless it faults. The
 * section is a word that the emulated program writes; where the program cannot, entering one of `marks` sets it. Built
 * by host/kernel_bench/hooks.py. */
#include <stdint.h>

#define SLOTS 8192u /* Of each section; a power of two. */

typedef struct {
    uint32_t from_address; /* The block that ran before; */
    uint32_t from_size;    /* 0: none did. */
    uint32_t address;
    uint32_t size; /* Bytes of code; 0: the slot is free. */
    uint64_t executions;
} block_passage;

/* Shared with Python: the fields in this order (block_recorder.py). */
typedef struct {
    uint32_t *section;       /* The current section's number. */
    block_passage *passages; /* SLOTS of them for each section. */
    const uint32_t *marks;   /* Entering the code at marks[i] begins section i. */
    uint32_t section_count;
    uint32_t mark_count;
    uint32_t marks_begin; /* All marks lie in [marks_begin, marks_end). */
    uint32_t marks_end;
    uint32_t failed;       /* A section has more than SLOTS passages, or there is no such section. */
    uint32_t last_address; /* The block that ran last. */
    uint32_t last_size;
    uint32_t reserved;
} block_recorder;

uint32_t ta_recorder_slots(void) {
    return SLOTS;
}

static void follow_marks(const block_recorder *recorder, uint32_t address) {
    if (address < recorder->marks_begin || address >= recorder->marks_end) {
        return;
    }
    for (uint32_t i = 0; i < recorder->mark_count; i++) {
        if (recorder->marks[i] == address) {
            *recorder->section = i;
        }
    }
}

static void count(block_recorder *recorder, block_passage *passages, uint32_t address, uint32_t size) {
    const uint32_t hash = (address >> 1) * 0x9E3779B1u ^ (recorder->last_address >> 1) * 0x85EBCA77u;
    uint32_t slot = (hash >> 12) % SLOTS;
    for (uint32_t tries = 0; tries < SLOTS; tries++) {
        block_passage *passage = &passages[slot];
        if (passage->size == 0) {
            passage->from_address = recorder->last_address;
            passage->from_size = recorder->last_size;
            passage->address = address;
            passage->size = size;
        }
        if (passage->address == address && passage->size == size && passage->from_address == recorder->last_address &&
            passage->from_size == recorder->last_size) {
            passage->executions++;
            return;
        }
        slot = (slot + 1u) % SLOTS;
    }
    recorder->failed = 1;
}

/* UC_HOOK_BLOCK callback. */
void ta_record_block(void *uc, uint64_t address, uint32_t size, void *user) {
    (void)uc;
    block_recorder *recorder = user;
    follow_marks(recorder, (uint32_t)address);
    const uint32_t section = *recorder->section;
    if (section < recorder->section_count) {
        count(recorder, recorder->passages + (uint64_t)section * SLOTS, (uint32_t)address, size);
    } else {
        recorder->failed = 1;
    }
    recorder->last_address = (uint32_t)address;
    recorder->last_size = size;
}
