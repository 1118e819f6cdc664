/* The hash chain of the audit log. The same bytes are hashed when writing and when verifying. */
#include "agent/store_internal.h"

#include <stdlib.h>

static void put_u64(struct strbuf *out, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        strbuf_addc(out, (char)(unsigned char)(value >> shift));
}

/* A length before every field: without it ("ab","c") and ("a","bc") would hash alike. */
static void put_field(struct strbuf *out, struct text field)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        strbuf_addc(out, (char)(unsigned char)(field.len >> shift));
    if (field.len)
        strbuf_add(out, field.ptr, field.len);
}

int store_audit_hash(const struct audit_entry *entry, unsigned char out[SHA256_BYTES])
{
    struct strbuf bytes;
    strbuf_init(&bytes, (size_t)1 << 28);
    strbuf_addc(&bytes, 1);
    put_u64(&bytes, (uint64_t)entry->seq);
    put_u64(&bytes, (uint64_t)entry->ts_ms);
    put_field(&bytes, entry->actor);
    put_field(&bytes, entry->action);
    put_field(&bytes, entry->subject);
    put_field(&bytes, entry->details);
    strbuf_add(&bytes, entry->previous, SHA256_BYTES);
    int rc = strbuf_failed(&bytes) ? ERR_NOMEM : sha256(bytes.bytes, bytes.len, out);
    strbuf_release(&bytes);
    return rc;
}
