#include "detectors/tally.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

/*
 * Stored form: format byte, varint counters, varint sums, then all entries in order. An entry that is not
 * zero is a varint (a sum: zig-zag first); a run of zeros, always as long as possible, is a 0 byte and the
 * varint of its length − 1. Every tally has exactly one such form, and the reader accepts no other.
 */
enum { FORMAT = 1, VARINT128_MAX = 19, TALLY_ENTRIES_MAX = 1 << 22, CHUNK_BYTES = 2048 };

struct tally *tally_new(struct tally_size size)
{
    /* Sums in front of counters: they need the stricter alignment. */
    size_t head_bytes = (sizeof(struct tally) + 15) & ~(size_t)15;
    size_t sums_bytes = (size_t)size.sums * sizeof(int128);
    size_t bytes = head_bytes + sums_bytes + (size_t)size.counters * sizeof(uint64_t);
    char *memory = calloc(1, bytes);
    if (!memory)
        return NULL;
    struct tally *tally = (struct tally *)(void *)memory;
    tally->size = size;
    tally->sums = (int128 *)(void *)(memory + head_bytes);
    tally->counters = (uint64_t *)(void *)(memory + head_bytes + sums_bytes);
    return tally;
}

void tally_free(struct tally *tally)
{
    free(tally);
}

static bool same_size(struct tally_size a, struct tally_size b)
{
    return a.counters == b.counters && a.sums == b.sums;
}

void tally_reset(struct tally *tally)
{
    memset(tally->counters, 0, tally->size.counters * sizeof(*tally->counters));
    memset(tally->sums, 0, tally->size.sums * sizeof(*tally->sums));
}

size_t tally_bytes(const struct tally *tally)
{
    return sizeof(*tally) + tally->size.counters * sizeof(uint64_t) + tally->size.sums * sizeof(int128);
}

bool tally_is_zero(const struct tally *tally)
{
    for (uint32_t i = 0; i < tally->size.counters; i++)
        if (tally->counters[i])
            return false;
    for (uint32_t i = 0; i < tally->size.sums; i++)
        if (tally->sums[i])
            return false;
    return true;
}

/* Sums wrap like the counters do, so that adding and subtracting stay inverse whatever was stored. */
static int128 wrap_add(int128 a, int128 b)
{
    return (int128)((uint128)a + (uint128)b);
}

static int128 wrap_subtract(int128 a, int128 b)
{
    return (int128)((uint128)a - (uint128)b);
}

void tally_add(struct tally *into, const struct tally *from)
{
    BUG_ON(!same_size(into->size, from->size));
    for (uint32_t i = 0; i < into->size.counters; i++)
        into->counters[i] += from->counters[i];
    for (uint32_t i = 0; i < into->size.sums; i++)
        into->sums[i] = wrap_add(into->sums[i], from->sums[i]);
}

void tally_subtract(struct tally *from, const struct tally *what)
{
    BUG_ON(!same_size(from->size, what->size));
    for (uint32_t i = 0; i < from->size.counters; i++)
        from->counters[i] -= what->counters[i];
    for (uint32_t i = 0; i < from->size.sums; i++)
        from->sums[i] = wrap_subtract(from->sums[i], what->sums[i]);
}

void tally_copy(struct tally *into, const struct tally *from)
{
    BUG_ON(!same_size(into->size, from->size));
    memcpy(into->counters, from->counters, from->size.counters * sizeof(*from->counters));
    memcpy(into->sums, from->sums, from->size.sums * sizeof(*from->sums));
}

/* Writes through a small buffer: a call per entry into the string buffer would cost more than the entry. */
struct writer {
    struct strbuf *out;
    size_t len;
    unsigned char bytes[CHUNK_BYTES];
};

static void flush(struct writer *writer)
{
    strbuf_add(writer->out, writer->bytes, writer->len);
    writer->len = 0;
}

static void reserve(struct writer *writer)
{
    if (writer->len > CHUNK_BYTES - 2 * VARINT128_MAX)
        flush(writer);
}

static void put_varint(struct writer *writer, uint64_t value)
{
    unsigned char *at = writer->bytes + writer->len;
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    writer->len = (size_t)(at - writer->bytes);
}

static void put_varint128(struct writer *writer, uint128 value)
{
    while (value > UINT64_MAX) {
        writer->bytes[writer->len++] = (unsigned char)((unsigned char)value | 0x80);
        value >>= 7;
    }
    put_varint(writer, (uint64_t)value);
}

static void put_zeros(struct writer *writer, uint64_t count)
{
    writer->bytes[writer->len++] = 0;
    put_varint(writer, count - 1);
}

static void put_counters(struct writer *writer, const uint64_t *counters, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        reserve(writer);
        uint64_t value = counters[i];
        if (value) {
            put_varint(writer, value);
            i++;
            continue;
        }
        uint32_t start = i++;
        while (count - i >= 4 && !(counters[i] | counters[i + 1] | counters[i + 2] | counters[i + 3]))
            i += 4;
        while (i < count && !counters[i])
            i++;
        put_zeros(writer, i - start);
    }
}

static uint128 zigzag(int128 value)
{
    return ((uint128)value << 1) ^ (value < 0 ? ~(uint128)0 : 0);
}

static int128 unzigzag(uint128 raw)
{
    return (int128)((raw >> 1) ^ ((raw & 1) ? ~(uint128)0 : 0));
}

static void put_sums(struct writer *writer, const int128 *sums, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        reserve(writer);
        if (sums[i]) {
            put_varint128(writer, zigzag(sums[i++]));
            continue;
        }
        uint32_t start = i++;
        while (i < count && !sums[i])
            i++;
        put_zeros(writer, i - start);
    }
}

void tally_encode(const struct tally *tally, struct strbuf *out)
{
    struct writer writer;
    writer.out = out;
    writer.len = 0;
    writer.bytes[writer.len++] = FORMAT;
    put_varint(&writer, tally->size.counters);
    put_varint(&writer, tally->size.sums);
    put_counters(&writer, tally->counters, tally->size.counters);
    put_sums(&writer, tally->sums, tally->size.sums);
    flush(&writer);
}

/* Only the shortest form of a value is right: a last byte of 0 would be a second way to write it. */
static bool get_varint128(struct cursor *in, unsigned max_bits, uint128 *out)
{
    uint64_t low = 0;
    unsigned shift = 0;
    for (; shift < 63 && in->at < in->end; shift += 7) { /* as long as a word holds them */
        unsigned char byte = *in->at++;
        low |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        *out = low;
        return byte != 0 || shift == 0;
    }
    uint128 value = low;
    for (; shift < max_bits && in->at < in->end; shift += 7) {
        unsigned char byte = *in->at++;
        uint128 part = byte & 0x7f;
        if (max_bits - shift < 7 && part >> (max_bits - shift))
            return false;
        value |= part << shift;
        if (byte & 0x80)
            continue;
        *out = value;
        return byte != 0;
    }
    return false;
}

static inline __attribute__((always_inline)) bool get_varint(struct cursor *in, uint64_t *out)
{
    if (in->at < in->end && *in->at < 0x80) { /* nearly all */
        *out = *in->at++;
        return true;
    }
    uint128 value;
    if (!get_varint128(in, 64, &value))
        return false;
    *out = (uint64_t)value;
    return true;
}

/* The rest of a run of zeros, its first 0 byte read: how many entries it covers, or 0 when it is wrong. */
static uint32_t get_zeros(struct cursor *in, bool after_zeros, uint32_t left)
{
    uint64_t more;
    if (after_zeros || !get_varint(in, &more) || more >= left)
        return 0;
    return (uint32_t)more + 1;
}

static bool read_counters(struct cursor *in, uint64_t *counters, uint32_t count, uint64_t sign)
{
    bool after_zeros = false;
    for (uint32_t i = 0; i < count;) {
        uint64_t value;
        if (!get_varint(in, &value))
            return false;
        if (value) {
            counters[i++] += value * sign;
            after_zeros = false;
            continue;
        }
        uint32_t zeros = get_zeros(in, after_zeros, count - i);
        if (!zeros)
            return false;
        i += zeros;
        after_zeros = true;
    }
    return true;
}

static bool read_sums(struct cursor *in, int128 *sums, uint32_t count, bool negate)
{
    bool after_zeros = false;
    for (uint32_t i = 0; i < count;) {
        uint128 raw;
        if (!get_varint128(in, 128, &raw))
            return false;
        if (raw) {
            int128 value = unzigzag(raw);
            sums[i] = negate ? wrap_subtract(sums[i], value) : wrap_add(sums[i], value);
            i++;
            after_zeros = false;
            continue;
        }
        uint32_t zeros = get_zeros(in, after_zeros, count - i);
        if (!zeros)
            return false;
        i += zeros;
        after_zeros = true;
    }
    return true;
}

static int read_head(struct cursor *in, struct tally_size *out)
{
    uint64_t counters, sums;
    if (in->at == in->end || *in->at++ != FORMAT || !get_varint(in, &counters) || !get_varint(in, &sums) ||
        counters > TALLY_ENTRIES_MAX || sums > TALLY_ENTRIES_MAX)
        return ERR_CORRUPT;
    *out = (struct tally_size){(uint32_t)counters, (uint32_t)sums};
    return 0;
}

static int read_into(const void *bytes, size_t len, struct tally *tally, bool negate, bool may_grow)
{
    if (len == 0)
        return ERR_CORRUPT;
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    struct tally_size size;
    if (read_head(&in, &size) != 0)
        return ERR_CORRUPT;
    bool fits = may_grow && size.counters < tally->size.counters && size.sums == tally->size.sums;
    if (!fits && !same_size(size, tally->size))
        return ERR_CORRUPT;
    if (!read_counters(&in, tally->counters, size.counters, negate ? UINT64_MAX : 1) ||
        !read_sums(&in, tally->sums, size.sums, negate) || in.at != in.end)
        return ERR_CORRUPT;
    return 0;
}

int tally_decode_add(const void *bytes, size_t len, struct tally *into)
{
    return read_into(bytes, len, into, false, false);
}

int tally_decode_grown(const void *bytes, size_t len, struct tally *into)
{
    return read_into(bytes, len, into, false, true);
}

int tally_decode_subtract(const void *bytes, size_t len, struct tally *from)
{
    return read_into(bytes, len, from, true, false);
}

int tally_decode_size(const void *bytes, size_t len, struct tally_size *out)
{
    if (len == 0)
        return ERR_CORRUPT;
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    return read_head(&in, out);
}
