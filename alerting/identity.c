#include "alerting/identity.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/digest.h"

enum { FIELDS_MAX_BYTES = 1 << 20 };

static void add_u64(struct strbuf *out, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 7; i >= 0; i--) {
        bytes[i] = (unsigned char)value;
        value >>= 8;
    }
    strbuf_add(out, bytes, sizeof(bytes));
}

static void add_text(struct strbuf *out, struct text text)
{
    add_u64(out, text.len);
    strbuf_add(out, text.ptr, text.len);
}

static int finish(struct strbuf *fields, unsigned char out[IDENTITY_BYTES])
{
    unsigned char digest[SHA256_BYTES];
    int rc = strbuf_failed(fields) ? ERR_NOMEM : sha256(fields->bytes, fields->len, digest);
    if (rc == 0)
        memcpy(out, digest, IDENTITY_BYTES);
    strbuf_release(fields);
    return rc;
}

int identity_alert_key(const char *pipeline, const struct alert_subject *subject, char out[IDENTITY_HEX])
{
    struct strbuf fields;
    strbuf_init(&fields, FIELDS_MAX_BYTES);
    add_text(&fields, text_of("driftd.alert.key.1"));
    add_text(&fields, text_of(pipeline));
    add_text(&fields, text_of(subject->rule));
    add_text(&fields, subject->model);
    add_text(&fields, subject->version);
    add_text(&fields, subject->segment);
    add_text(&fields, subject->feature);
    add_u64(&fields, (uint64_t)subject->window_ms);
    unsigned char id[IDENTITY_BYTES];
    int rc = finish(&fields, id);
    if (rc == 0)
        hex_encode(id, IDENTITY_BYTES, out);
    return rc;
}

int identity_transition(const char *pipeline, const struct alert *alert, enum alert_change change,
                        enum severity severity, int64_t window_end_ms, unsigned char out[IDENTITY_BYTES])
{
    struct strbuf fields;
    strbuf_init(&fields, FIELDS_MAX_BYTES);
    add_text(&fields, text_of("driftd.alert.transition.1"));
    add_text(&fields, text_of(pipeline));
    add_text(&fields, alert->model);
    add_text(&fields, alert->version);
    add_text(&fields, alert->segment);
    add_text(&fields, alert->feature);
    add_text(&fields, text_of(alert->rule_name));
    add_u64(&fields, (uint64_t)alert->window_ms);
    add_u64(&fields, (uint64_t)window_end_ms);
    add_text(&fields, text_of(alert_change_name(change)));
    add_text(&fields, text_of(severity_name(severity)));
    return finish(&fields, out);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, IDENTITY_BYTES);
}

int identity_group(unsigned char *ids, size_t count, char out[IDENTITY_HEX])
{
    struct strbuf fields;
    strbuf_init(&fields, FIELDS_MAX_BYTES + count * IDENTITY_BYTES);
    qsort(ids, count, IDENTITY_BYTES, compare_ids);
    add_text(&fields, text_of("driftd.alert.group.1"));
    add_u64(&fields, count);
    strbuf_add(&fields, ids, count * IDENTITY_BYTES);
    unsigned char id[IDENTITY_BYTES];
    int rc = finish(&fields, id);
    if (rc == 0)
        hex_encode(id, IDENTITY_BYTES, out);
    return rc;
}
