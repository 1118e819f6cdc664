#ifndef DRIFTD_ALERTING_SINK_H
#define DRIFTD_ALERTING_SINK_H
/* A receiver of webhooks: its settings, checked and copied, and what waits for it. */
#include "agent/base/arena.h"
#include "alerting/lanes.h"
#include "alerting/retry.h"
#include "alerting/webhook.h"

enum { SINK_SECRETS_MAX = 8, SINK_SIGNATURE_BYTES = 96 * SINK_SECRETS_MAX };

struct sink {
    const char *name, *url, *ca_file;
    const char *origin;              /* scheme://host[:port]: all that is ever shown of the URL */
    const char *location;            /* path and query: to be kept out of messages */
    const char **secrets, **headers; /* NULL-terminated */
    bool allow_http, allow_private, insecure_tls;
    int64_t timeout_ms, ttl_ms;
    struct lanes lanes;
    struct breaker breaker;
    int64_t not_before_ms; /* monotonic: it asked to be left alone */
    uint32_t in_flight;
    bool is_gone; /* answered 410 */
};

/* Strings are copied to `arena`. ERR_CONFIG with a sentence that names the sink but no secret. The sink is to
 * be released even after a failure. */
int sink_init(struct sink *sink, const struct sink_spec *spec, struct arena *arena, struct err *err) MUST_USE;
void sink_release(struct sink *sink);

#endif
