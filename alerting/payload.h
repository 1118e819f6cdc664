#ifndef DRIFTD_ALERTING_PAYLOAD_H
#define DRIFTD_ALERTING_PAYLOAD_H
/*
 * The body of one group of transitions: Standard Webhooks' {type, timestamp, data}, always below
 * PAYLOAD_MAX_BYTES (alerting/README.md is its reference). A pure function of its input: no clock, so a
 * replay writes the same bytes.
 */
#include "agent/base/strbuf.h"
#include "alerting/group.h"

enum { PAYLOAD_MAX_BYTES = 20000 };

struct payload {
    const char *pipeline, *store_hint, *external_url; /* the last two may be NULL */
    struct text model;
    int64_t window_end_ms;
    struct member *const *members; /* at least one, sorted by member_compare_worst */
    uint32_t count;
    uint32_t still_firing; /* alerts of the model that fire after this group */
};

/* Appends the body. ERR_NOMEM when memory is out or `out` has not that much room. */
int payload_write(const struct payload *payload, struct strbuf *out) MUST_USE;

/* "driftd.alert.firing", or "driftd.alert.resolved" when nothing in the group is worse than that. */
const char *payload_type(const struct payload *payload);

#endif
