#include "alerting/sink.h"

#include <string.h>
#include <strings.h>

#include "agent/base/strbuf.h"

static const int64_t TIMEOUT_DEFAULT_MS = 15000, TTL_DEFAULT_MS = INT64_C(86400000);
enum { SECONDS_OF_TIMEOUT_MAX = 600 };

static const char **copy_list(struct arena *arena, char *const *from)
{
    uint32_t count = 0;
    while (from && from[count])
        count++;
    const char **to = arena_zalloc(arena, ((size_t)count + 1) * sizeof(*to));
    for (uint32_t i = 0; to && i < count; i++) {
        to[i] = arena_strdup(arena, from[i]);
        if (!to[i])
            return NULL;
    }
    return to;
}

/* A header that a request cannot carry, or that is ours to set. */
static bool is_bad_header(const char *header)
{
    static const char token[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~";
    static const char *const ours[] = {"webhook-id",      "webhook-timestamp", "webhook-signature",
                                       "idempotency-key", "content-type",      "content-length",
                                       "expect",          "transfer-encoding"};
    size_t name = strspn(header, token);
    if (name == 0 || header[name] != ':')
        return true;
    const char *value = header + name + 1;
    if (value[strspn(value, " \t")] == '\0')
        return true;
    for (const char *at = value; *at; at++)
        if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strlen(ours[i]) == name && strncasecmp(header, ours[i], name) == 0)
            return true;
    return false;
}

static int check_headers(const struct sink *sink, struct err *err)
{
    for (int i = 0; sink->headers[i]; i++)
        if (is_bad_header(sink->headers[i]))
            return err_set(
                err, ERR_CONFIG,
                "sink `%s`: header number %d is not `Name: value`, or is one that driftd sets itself",
                sink->name, i + 1);
    return 0;
}

static int check_secrets(const struct sink *sink, struct err *err)
{
    char signature[SINK_SIGNATURE_BYTES];
    int count = 0;
    while (sink->secrets[count])
        count++;
    if (count > SINK_SECRETS_MAX)
        return err_set(err, ERR_CONFIG, "sink `%s` has %d secrets; at most %d sign at a time", sink->name,
                       count, SINK_SECRETS_MAX);
    if (count && webhook_sign(sink->secrets, "check", 0, "", 0, signature, sizeof(signature)) != 0)
        return err_set(err, ERR_CONFIG,
                       "sink `%s`: a secret is not `whsec_` and the base64 of 24 to 64 bytes; make one with "
                       "`echo whsec_$(openssl rand -base64 32)`",
                       sink->name);
    return 0;
}

/*
 * Splits the URL for checks and messages only; libcurl parses it for itself, with the same schemes allowed.
 */
static int read_url(struct sink *sink, struct arena *arena, struct err *err)
{
    size_t scheme = strcspn(sink->url, ":");
    bool is_http = scheme == 4 && strncasecmp(sink->url, "http", 4) == 0;
    bool is_https = scheme == 5 && strncasecmp(sink->url, "https", 5) == 0;
    if ((!is_http && !is_https) || strncmp(sink->url + scheme, "://", 3) != 0)
        return err_set(err, ERR_CONFIG, "sink `%s`: `url` must begin with https://", sink->name);
    if (is_http && !sink->allow_http)
        return err_set(
            err, ERR_CONFIG,
            "sink `%s`: `url` begins with http://; use https://, or set `allow_http: true` to send in "
            "the clear",
            sink->name);
    for (const char *at = sink->url; *at; at++)
        if ((unsigned char)*at <= 0x20 || *at == 0x7f)
            return err_set(err, ERR_CONFIG, "sink `%s`: `url` holds a space or a control character",
                           sink->name);
    const char *authority = sink->url + scheme + 3;
    size_t len = strcspn(authority, "/?#");
    sink->location = authority + len;
    for (size_t i = len; i-- > 0;) {
        if (authority[i] == '@') { /* a user and password before the host */
            authority += i + 1;
            len -= i + 1;
            break;
        }
    }
    if (len == 0)
        return err_set(err, ERR_CONFIG, "sink `%s`: `url` has no host", sink->name);
    struct strbuf origin;
    strbuf_init(&origin, 4096);
    strbuf_addf(&origin, "%s://%.*s", is_https ? "https" : "http", (int)len, authority);
    sink->origin = strbuf_failed(&origin) ? NULL : arena_strdup(arena, origin.bytes);
    strbuf_release(&origin);
    return sink->origin ? 0 : err_set(err, ERR_NOMEM, "out of memory for sink `%s`", sink->name);
}

int sink_init(struct sink *sink, const struct sink_spec *spec, struct arena *arena, struct err *err)
{
    *sink = (struct sink){.name = arena_strdup(arena, spec->name ? spec->name : ""),
                          .url = arena_strdup(arena, spec->url ? spec->url : ""),
                          .ca_file = spec->ca_file ? arena_strdup(arena, spec->ca_file) : NULL,
                          .secrets = copy_list(arena, spec->secrets),
                          .headers = copy_list(arena, spec->headers),
                          .allow_http = spec->allow_http,
                          .allow_private = spec->allow_private,
                          .insecure_tls = spec->insecure_tls,
                          .timeout_ms = spec->timeout_ms > 0 ? spec->timeout_ms : TIMEOUT_DEFAULT_MS,
                          .ttl_ms = spec->ttl_ms > 0 ? spec->ttl_ms : TTL_DEFAULT_MS};
    if (lanes_init(&sink->lanes) || !sink->name || !sink->url || (spec->ca_file && !sink->ca_file) ||
        !sink->secrets || !sink->headers)
        return err_set(err, ERR_NOMEM, "out of memory for the sinks");
    if (sink->timeout_ms > SECONDS_OF_TIMEOUT_MAX * INT64_C(1000))
        return err_set(err, ERR_CONFIG, "sink `%s`: `timeout` is more than ten minutes", sink->name);
    int rc = check_headers(sink, err);
    if (rc == 0)
        rc = check_secrets(sink, err);
    if (rc == 0)
        rc = read_url(sink, arena, err);
    return rc;
}

void sink_release(struct sink *sink)
{
    lanes_release(&sink->lanes);
}
