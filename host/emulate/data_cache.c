/* What the data cache and a DMA make of memory that both use, checked access by access.
 *
 * Cacheable RAM is mapped into unicorn as if it were registers: each load and store of the core ends in ta_cached_read
 * or ta_cached_write, all other memory keeps its speed. There is no cache here: the bytes are always the newest ones.
 * Instead each line remembers what a real cache could do to it, and an access whose outcome would depend on that stops
 * the emulation. Built together with block_counter.c by host/emulate/block_counter.py. */
#include <stdint.h>
#include <string.h>

#define LINE_SHIFT 5u /* 32 bytes: DUI 0646 4.8 */
#define LINE_BYTES (1u << LINE_SHIFT)
#define MAX_BANKS 16u

/* Flags of a line; data_cache.py has the first two as well. */
#define CACHED 0x01u     /* The core reads it through the cache. */
#define WRITE_BACK 0x02u /* Stores stay in the cache. */
#define DIRTY 0x04u      /* The core has stored to it since the cache last wrote it back. */
#define STALE 0x08u      /* A DMA may have written it since the cache last dropped it. */
#define FLIGHT 0x10u     /* A transfer that nobody has waited for writes it. */

/* What was wrong; the same numbers in data_cache.py. */
enum {
    NOTHING = 0,
    READ_STALE = 1,
    WRITE_STALE = 2,
    READ_IN_FLIGHT = 3,
    WRITE_IN_FLIGHT = 4,
    READ_LOST = 5,
    DMA_READS_DIRTY = 6,
    DMA_READS_LOST = 7,
    DMA_WRITES_DIRTY = 8,
};

typedef int (*emulation_stop)(void *uc);
typedef void (*mmio_write)(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user);

struct data_cache;

/* One contiguous memory. `dirty` and `lost` have a bit per byte of a line: stored since the last write-back; dropped
 * by an invalidate before it was written back, or written by a DMA beside a later store to the same stale line. */
typedef struct {
    struct data_cache *cache;
    uint32_t base;
    uint32_t size;
    uint8_t *bytes;
    uint8_t *flags;
    uint32_t *dirty;
    uint32_t *lost;
} cached_bank;

/* Shared with Python: the fields before `banks`, in this order (data_cache.py). */
typedef struct data_cache {
    uint32_t violation; /* The first one. */
    uint32_t address;   /* Where it was ... */
    uint32_t size;      /* ... and of how many bytes; of the line where a DMA is to blame. */
    uint32_t noise;     /* State of the generator of what lost bytes read as. */
    uint32_t bank_count;
    uint32_t clean_offset; /* Of the maintenance registers, from the start of their page. */
    uint32_t invalidate_offset;
    uint32_t both_offset;
    emulation_stop stop;
    mmio_write write; /* Takes what is written to the other registers of that page. */
    cached_bank banks[MAX_BANKS];
} data_cache;

uint64_t ta_data_cache_bytes(void) {
    return sizeof(data_cache);
}

/* The new bank, as the callbacks take it; 0 where there is no room for another. */
void *ta_data_cache_add(data_cache *cache, uint32_t base, uint32_t size, uint8_t *bytes, uint8_t *flags,
                        uint32_t *dirty, uint32_t *lost) {
    if (cache->bank_count == MAX_BANKS) {
        return 0;
    }
    cached_bank *bank = &cache->banks[cache->bank_count++];
    *bank = (cached_bank){cache, base, size, bytes, flags, dirty, lost};
    return bank;
}

static void report(data_cache *cache, uint32_t violation, uint32_t address, uint32_t size) {
    if (cache->violation == NOTHING) {
        cache->violation = violation;
        cache->address = address;
        cache->size = size;
    }
}

/* Bits of the bytes [begin, end) of a bank that lie in `line`, which they touch. */
static uint32_t byte_mask(uint32_t line, uint32_t begin, uint32_t end) {
    const uint32_t start = line << LINE_SHIFT;
    const uint32_t first = begin > start ? begin - start : 0;
    const uint32_t last = end - start < LINE_BYTES ? end - start : LINE_BYTES;
    const uint32_t below = first == 0 ? 0 : UINT32_MAX >> (LINE_BYTES - first);
    return (UINT32_MAX >> (LINE_BYTES - last)) & ~below;
}

/* Loads and stores never cross a line: unicorn splits those that are not aligned. */
uint64_t ta_cached_read(void *uc, uint64_t offset, unsigned size, void *user) {
    const cached_bank *bank = user;
    const uint32_t at = (uint32_t)offset;
    const uint32_t line = at >> LINE_SHIFT;
    uint64_t value = 0;
    memcpy(&value, bank->bytes + at, size);
    uint32_t violation = NOTHING;
    if ((bank->flags[line] & (STALE | FLIGHT)) != 0) {
        violation = (bank->flags[line] & FLIGHT) != 0 ? READ_IN_FLIGHT : READ_STALE;
    } else if (bank->lost[line] != 0 && (bank->lost[line] & byte_mask(line, at, at + size)) != 0) {
        violation = READ_LOST;
    }
    if (violation != NOTHING) {
        report(bank->cache, violation, bank->base + at, size);
        bank->cache->stop(uc);
    }
    return value;
}

void ta_cached_write(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
    const cached_bank *bank = user;
    const uint32_t at = (uint32_t)offset;
    const uint32_t line = at >> LINE_SHIFT;
    memcpy(bank->bytes + at, &value, size);
    const uint8_t flags = bank->flags[line];
    if ((flags & FLIGHT) != 0 || ((flags & STALE) != 0 && (flags & WRITE_BACK) == 0)) {
        report(bank->cache, (flags & FLIGHT) != 0 ? WRITE_IN_FLIGHT : WRITE_STALE, bank->base + at, size);
        bank->cache->stop(uc);
        return;
    }
    if ((flags & WRITE_BACK) != 0) {
        const uint32_t mask = byte_mask(line, at, at + size);
        if ((flags & STALE) != 0) {
            /* The cache may hold the line as it was before the transfer, and will write all of it back. */
            bank->lost[line] = UINT32_MAX;
        }
        bank->flags[line] = (uint8_t)((flags & ~STALE) | DIRTY);
        bank->dirty[line] |= mask;
        bank->lost[line] &= ~mask;
    }
}

static cached_bank *bank_at(data_cache *cache, uint32_t address) {
    for (uint32_t i = 0; i < cache->bank_count; i++) {
        if (address - cache->banks[i].base < cache->banks[i].size) {
            return &cache->banks[i];
        }
    }
    return 0;
}

/* xorshift32 */
static uint8_t next_noise(data_cache *cache) {
    cache->noise ^= cache->noise << 13;
    cache->noise ^= cache->noise >> 17;
    cache->noise ^= cache->noise << 5;
    return (uint8_t)(cache->noise >> 24);
}

static void clean_line(cached_bank *bank, uint32_t line) {
    bank->flags[line] &= (uint8_t)~DIRTY;
    bank->dirty[line] = 0;
}

/* What was not written back is gone: memory holds older bytes, here noise. A line that a transfer still writes stays
 * stale, since the core may fetch it again before the transfer ends. */
static void invalidate_line(cached_bank *bank, uint32_t line) {
    for (uint32_t byte = 0; byte < LINE_BYTES; byte++) {
        if ((bank->dirty[line] >> byte & 1u) != 0) {
            bank->bytes[(line << LINE_SHIFT) + byte] = next_noise(bank->cache);
        }
    }
    bank->lost[line] |= bank->dirty[line];
    clean_line(bank, line);
    if ((bank->flags[line] & FLIGHT) == 0) {
        bank->flags[line] &= (uint8_t)~STALE;
    }
}

/* Write callback of the page with the maintenance registers: operations by address are done here. */
void ta_maintenance_write(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
    data_cache *cache = user;
    const int clean = offset == cache->clean_offset || offset == cache->both_offset;
    const int invalidate = offset == cache->invalidate_offset || offset == cache->both_offset;
    if (size != 4 || !(clean || invalidate)) {
        cache->write(uc, offset, size, value, 0);
        return;
    }
    cached_bank *bank = bank_at(cache, (uint32_t)value);
    if (bank == 0) {
        return; /* Flash holds no stores, and what is not cached needs no maintenance. */
    }
    const uint32_t line = ((uint32_t)value - bank->base) >> LINE_SHIFT;
    if (clean) {
        clean_line(bank, line);
    }
    if (invalidate) {
        invalidate_line(bank, line);
    }
}

/* Offsets [begin, end) of a bank that [begin, end) of the address space covers; empty where they do not meet. */
typedef struct {
    uint32_t begin;
    uint32_t end;
} bank_range;

static bank_range covered(const cached_bank *bank, uint64_t begin, uint64_t end) {
    const uint64_t bank_end = (uint64_t)bank->base + bank->size;
    const uint64_t first = begin > bank->base ? begin : bank->base;
    const uint64_t last = end < bank_end ? end : bank_end;
    if (first >= last) {
        return (bank_range){0, 0};
    }
    return (bank_range){(uint32_t)(first - bank->base), (uint32_t)(last - bank->base)};
}

static uint32_t end_line(bank_range range) {
    return (range.end + LINE_BYTES - 1u) >> LINE_SHIFT;
}

/* Sets CACHED and WRITE_BACK of the lines in [begin, end) to `attributes` and forgets all else about them. */
void ta_data_cache_attributes(data_cache *cache, uint64_t begin, uint64_t end, uint8_t attributes) {
    for (uint32_t i = 0; i < cache->bank_count; i++) {
        const cached_bank *bank = &cache->banks[i];
        const bank_range range = covered(bank, begin, end);
        for (uint32_t line = range.begin >> LINE_SHIFT; line < end_line(range); line++) {
            bank->flags[line] = attributes;
            bank->dirty[line] = 0;
            bank->lost[line] = 0;
        }
    }
}

/* As if the core had stored to all of every line that it would keep in the cache. */
void ta_data_cache_make_dirty(data_cache *cache) {
    for (uint32_t i = 0; i < cache->bank_count; i++) {
        const cached_bank *bank = &cache->banks[i];
        for (uint32_t line = 0; line < bank->size >> LINE_SHIFT; line++) {
            if ((bank->flags[line] & WRITE_BACK) != 0) {
                bank->flags[line] |= DIRTY;
                bank->dirty[line] = UINT32_MAX;
            }
        }
    }
}

/* A DMA reads [begin, end); 0 where it may. */
uint32_t ta_dma_reads(data_cache *cache, uint64_t begin, uint64_t end) {
    for (uint32_t i = 0; i < cache->bank_count; i++) {
        const cached_bank *bank = &cache->banks[i];
        const bank_range range = covered(bank, begin, end);
        for (uint32_t line = range.begin >> LINE_SHIFT; line < end_line(range); line++) {
            const uint32_t start = bank->base + (line << LINE_SHIFT);
            if ((bank->flags[line] & DIRTY) != 0) {
                report(cache, DMA_READS_DIRTY, start, LINE_BYTES);
            } else if ((bank->lost[line] & byte_mask(line, range.begin, range.end)) != 0) {
                report(cache, DMA_READS_LOST, start, LINE_BYTES);
            }
        }
    }
    return cache->violation;
}

/* A DMA begins to write [begin, end); 0 where it may. */
uint32_t ta_dma_writes(data_cache *cache, uint64_t begin, uint64_t end) {
    for (uint32_t i = 0; i < cache->bank_count; i++) {
        const cached_bank *bank = &cache->banks[i];
        const bank_range range = covered(bank, begin, end);
        for (uint32_t line = range.begin >> LINE_SHIFT; line < end_line(range); line++) {
            if ((bank->flags[line] & DIRTY) != 0) {
                report(cache, DMA_WRITES_DIRTY, bank->base + (line << LINE_SHIFT), LINE_BYTES);
            }
            bank->lost[line] &= ~byte_mask(line, range.begin, range.end);
            if ((bank->flags[line] & CACHED) != 0) {
                bank->flags[line] |= STALE | FLIGHT;
            }
        }
    }
    return cache->violation;
}

/* The core has seen that the transfer to [begin, end) has ended. */
void ta_dma_ended(data_cache *cache, uint64_t begin, uint64_t end) {
    for (uint32_t i = 0; i < cache->bank_count; i++) {
        const cached_bank *bank = &cache->banks[i];
        const bank_range range = covered(bank, begin, end);
        for (uint32_t line = range.begin >> LINE_SHIFT; line < end_line(range); line++) {
            bank->flags[line] &= (uint8_t)~FLIGHT;
        }
    }
}
