/* Counts executed instructions, and their cycles, from a unicorn block hook.
 *
 * unicorn calls ta_count_block at the start of each translated block, which runs to its end unless it faults.
 * The number of instructions in a block is found once by decoding the lengths of its instructions and kept in
 * a table, and so are its cycles: by a table of costs, or one per instruction. Code that changes under an address is
 * re-decoded after ta_forget_code. With a profile, executions are kept per pair of successive blocks too. Built by
 * host/emulate/block_counter.py. */
#include <stdint.h>
#include <string.h>

#define TABLE_ENTRIES 65536u /* A power of two. */
#define CHUNK_BYTES 512u
#define PROFILE_ENTRIES 65536u /* A power of two. */

/* Instruction sets; the same numbers in block_counter.py. */
#define THUMB 0u
#define RISCV 1u

/* An entry of a table of costs: cycles, whether it sends an event to the other core, whether a branch that is taken
 * adds a cycle. The same numbers in block_counter.py. */
#define COST_CYCLES 0x3Fu
#define COST_EVENT 0x40u
#define COST_TAKEN 0x80u

typedef int (*memory_read)(void *uc, uint64_t address, void *bytes, uint64_t size);
typedef int (*emulation_stop)(void *uc);
typedef void (*alarm_bell)(void);

typedef struct {
    uint32_t address;
    uint32_t size; /* 0: free */
    uint32_t instructions;
    uint32_t cycles;
    uint16_t taken_cycles; /* More where the block is not left at its end. */
    uint16_t sends_event;
} block_entry;

/* How often the block at `address` was executed right behind the one at `from_address`. Shared with Python. */
typedef struct {
    uint32_t from_address;
    uint32_t from_size; /* 0: nothing was executed before. */
    uint32_t address;
    uint32_t size; /* 0: free */
    uint64_t executions;
} block_passage;

typedef struct {
    uint64_t lost; /* Executions that found the table full. */
    block_passage table[PROFILE_ENTRIES];
} block_profile;

/* Shared with Python: the fields in this order (block_counter.py). */
typedef struct {
    uint64_t instructions; /* Executed, the whole current block included. */
    uint64_t cycles;       /* Of these; as many where there is no table of costs. */
    uint64_t deadline;     /* Cycles: the emulation stops at the first block that begins at or behind it. */
    uint64_t alarm;        /* Cycles: `ring` is called at the first block that begins at or behind it, once. */
    uint64_t block_begin;  /* Address of the current block ... */
    uint64_t block_end;    /* ... and behind it. */
    uint32_t deadline_met;
    uint32_t instruction_set;
    uint64_t taken_cycles; /* Of the current block, if it is not left at its end. */
    uint64_t event_cycles; /* `cycles` in the last block that sent an event. */
    memory_read read;
    emulation_stop stop;
    alarm_bell ring;
    block_profile *profile; /* NULL: passages are not counted. */
    const uint8_t *costs;   /* By the first half-word of an instruction; NULL: one cycle each. */
    block_entry table[TABLE_ENTRIES];
} block_counter;

uint64_t ta_block_counter_bytes(void) {
    return sizeof(block_counter);
}

uint64_t ta_block_profile_bytes(void) {
    return sizeof(block_profile);
}

/* Bytes of the instruction that begins with these two. Thumb: a first half-word of 0b11101, 0b11110 or 0b11111 begins
 * one of 32 bits (DDI 0403E A5.1); RISC-V: one that ends in 0b11 does (The RISC-V Instruction Set Manual, 1.5). */
static uint32_t instruction_bytes(const block_counter *counter, const uint8_t *bytes) {
    if (counter->instruction_set == RISCV) {
        return (bytes[0] & 3) == 3 ? 4 : 2;
    }
    return (bytes[1] >> 3) >= 0x1D ? 4 : 2;
}

/* Describes the code [begin, end). */
static block_entry decode(const block_counter *counter, void *uc, uint64_t begin, uint64_t end) {
    uint8_t bytes[CHUNK_BYTES];
    block_entry entry = {(uint32_t)begin, (uint32_t)(end - begin), 0, 0, 0, 0};
    uint64_t address = begin;
    while (address < end) {
        const uint64_t chunk = end - address < CHUNK_BYTES ? end - address : CHUNK_BYTES;
        if (chunk < 2 || counter->read(uc, address, bytes, chunk) != 0) {
            break;
        }
        uint64_t offset = 0;
        while (offset + 1 < chunk) {
            const uint32_t cost = counter->costs ? counter->costs[bytes[offset + 1] << 8 | bytes[offset]] : 1;
            entry.instructions++;
            entry.cycles += cost & COST_CYCLES;
            entry.taken_cycles = (cost & COST_TAKEN) != 0;
            entry.sends_event |= (cost & COST_EVENT) != 0;
            offset += instruction_bytes(counter, bytes + offset);
        }
        address += offset;
    }
    return entry;
}

/* Instructions in [begin, end). */
uint32_t ta_count_between(const block_counter *counter, void *uc, uint64_t begin, uint64_t end) {
    return decode(counter, uc, begin, end).instructions;
}

/* Cycles of the code [begin, end) where its last instruction is no branch that is taken. */
uint32_t ta_cycles_between(const block_counter *counter, void *uc, uint64_t begin, uint64_t end) {
    return decode(counter, uc, begin, end).cycles;
}

void ta_forget_code(block_counter *counter) {
    memset(counter->table, 0, sizeof counter->table);
}

static void count_passage(block_profile *profile, uint32_t from_address, uint32_t from_size, uint32_t address,
                          uint32_t size) {
    const uint32_t hash = (address >> 1) * 0x9E3779B1u ^ (from_address >> 1) * 0x85EBCA6Bu;
    for (uint32_t probe = 0; probe < PROFILE_ENTRIES; probe++) {
        block_passage *passage = &profile->table[((hash >> 8) + probe) % PROFILE_ENTRIES];
        if (passage->size == 0) {
            *passage = (block_passage){from_address, from_size, address, size, 0};
        }
        if (passage->address == address && passage->size == size && passage->from_address == from_address &&
            passage->from_size == from_size) {
            passage->executions++;
            return;
        }
    }
    profile->lost++;
}

/* UC_HOOK_BLOCK callback. */
void ta_count_block(void *uc, uint64_t address, uint32_t size, void *user) {
    block_counter *counter = user;
    if (counter->block_end != address) {
        counter->cycles += counter->taken_cycles;
    }
    counter->taken_cycles = 0;
    if (counter->cycles >= counter->deadline) {
        counter->deadline_met = 1;
        counter->stop(uc);
        return;
    }
    if (counter->cycles >= counter->alarm) {
        counter->alarm = UINT64_MAX;
        counter->ring();
    }
    block_entry *entry = &counter->table[(uint32_t)(address >> 1) % TABLE_ENTRIES];
    if (entry->address != (uint32_t)address || entry->size != size) {
        *entry = decode(counter, uc, address, address + size);
    }
    counter->instructions += entry->instructions;
    counter->cycles += entry->cycles;
    counter->taken_cycles = entry->taken_cycles;
    if (entry->sends_event) {
        counter->event_cycles = counter->cycles;
    }
    if (counter->profile) {
        count_passage(counter->profile, (uint32_t)counter->block_begin,
                      (uint32_t)(counter->block_end - counter->block_begin), (uint32_t)address, size);
    }
    counter->block_begin = address;
    counter->block_end = address + size;
}
