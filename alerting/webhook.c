/*
 * Delivery. One thread, one libcurl multi handle driven by libevent: curl says which sockets to watch and
 * when to wake it, and `wake` begins what has become due. Each request opens its own connection: alerts are
 * rare, the address is checked at every connect, and nothing of one sink is ever reused for another. What a
 * request ended with goes to the caller as an outcome and is persisted there; a crash in between sends the
 * item again with the same id. URLs are secrets beyond scheme and host: nothing here logs or reports more.
 */
#include "alerting/webhook.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "agent/base/arena.h"
#include "alerting/address.h"
#include "alerting/sink.h"

enum {
    CONCURRENCY_DEFAULT = 4,
    QUEUE_DEFAULT = 10000,
    QUEUE_BYTES_MAX = 32 << 20,
    CONNECT_TIMEOUT_MS = 5000,
    RESPONSE_MAX_BYTES = 64 << 10,
    WAKE_MAX_MS = 3600000
};

struct transfer {
    struct webhook *webhook;
    struct sink *sink;
    struct delivery *delivery;
    CURL *easy;
    struct curl_slist *headers;
    size_t received_bytes;
    bool has_headers; /* the last response's headers are complete */
    bool too_big, denied;
    char error[CURL_ERROR_SIZE];
    struct transfer *next;
};

struct watch { /* a socket of curl's */
    struct webhook *webhook;
    struct event *event;
    struct watch *next;
};

struct webhook {
    struct event_base *base;
    struct arena *strings;
    struct sink *sinks;
    uint32_t sink_count, concurrency, queue_max;
    void (*outcome)(void *context, const struct delivery_outcome *outcome);
    void *context;
    const struct clock *clock;
    struct log *log;
    double delay_scale;
    bool has_curl;
    CURLM *multi;
    struct event *timer, *wake;
    struct transfer *transfers;
    struct watch *watches;
};

static int64_t monotonic_ms(const struct webhook *webhook)
{
    return webhook->clock->monotonic_ms(webhook->clock);
}

static int64_t wall_ms(const struct webhook *webhook)
{
    return webhook->clock->wall_ms(webhook->clock);
}

/* ---- curl's callbacks during a request ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    (void)bytes;
    transfer->received_bytes += size * count;
    transfer->too_big = transfer->too_big || transfer->received_bytes > RESPONSE_MAX_BYTES;
    return transfer->too_big ? 0 : size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;
    /* A line that begins another response (after a 1xx) starts over; the empty line ends the headers. */
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        transfer->has_headers = false;
    else if (len <= 2 && (len == 0 || bytes[0] == '\r' || bytes[0] == '\n'))
        transfer->has_headers = true;
    return on_body(bytes, size, count, context);
}

static curl_socket_t on_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    (void)purpose;
    if (!transfer->sink->allow_private && !address_is_public(&address->addr)) {
        transfer->denied = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
}

/* ---- one request ---- */

static bool add_header(struct transfer *transfer, const char *format, ...) PRINTF_LIKE(2, 3);
static bool add_header(struct transfer *transfer, const char *format, ...)
{
    char line[SINK_SIGNATURE_BYTES + 64];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    struct curl_slist *longer =
        len > 0 && (size_t)len < sizeof(line) ? curl_slist_append(transfer->headers, line) : NULL;
    if (!longer)
        return false;
    transfer->headers = longer;
    return true;
}

static bool add_headers(struct transfer *transfer)
{
    const struct sink *sink = transfer->sink;
    const struct delivery *delivery = transfer->delivery;
    int64_t timestamp_s = wall_ms(transfer->webhook) / 1000;
    char signature[SINK_SIGNATURE_BYTES];
    if (!add_header(transfer, "Content-Type: application/json") || !add_header(transfer, "Expect:") ||
        !add_header(transfer, "webhook-id: %s", delivery->id) ||
        !add_header(transfer, "webhook-timestamp: %lld", (long long)timestamp_s) ||
        !add_header(transfer, "Idempotency-Key: %s", delivery->id))
        return false;
    if (sink->secrets[0] && (webhook_sign(sink->secrets, delivery->id, timestamp_s, delivery->body,
                                          delivery->body_len, signature, sizeof(signature)) != 0 ||
                             !add_header(transfer, "webhook-signature: %s", signature)))
        return false;
    for (const char **header = sink->headers; *header; header++) {
        struct curl_slist *longer = curl_slist_append(transfer->headers, *header);
        if (!longer)
            return false;
        transfer->headers = longer;
    }
    return true;
}

static bool set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    return !curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) &&
           !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) &&
           !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
           !curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) &&
           !curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) &&
           !curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
}

/* What keeps a request from going anywhere else, or from lasting. */
static bool set_limits(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    const struct sink *sink = transfer->sink;
    long verify = !sink->insecure_tls;
    return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, sink->allow_http ? "https,http" : "https") &&
           !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
           !curl_easy_setopt(easy, CURLOPT_PROXY, "") && /* nor one from the environment */
           !curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) &&
           /* Without it, ending a request whose name is being resolved waits for the resolver's thread. */
           !curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) &&
           !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)sink->timeout_ms) &&
           !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           !curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) &&
           !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L) &&
           (!sink->ca_file || !curl_easy_setopt(easy, CURLOPT_CAINFO, sink->ca_file));
}

static bool set_content(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    return !curl_easy_setopt(easy, CURLOPT_URL, transfer->sink->url) &&
           !curl_easy_setopt(easy, CURLOPT_USERAGENT, "driftd/" DRIFTD_VERSION) &&
           !curl_easy_setopt(easy, CURLOPT_POST, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->delivery->body) &&
           !curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->delivery->body_len) &&
           add_headers(transfer) && !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void transfer_free(struct transfer *transfer)
{
    struct webhook *webhook = transfer->webhook;
    struct transfer **at = &webhook->transfers;
    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    if (transfer->easy) {
        (void)curl_multi_remove_handle(webhook->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(transfer->headers);
    free(transfer);
}

static bool transfer_begin(struct webhook *webhook, struct sink *sink, struct delivery *delivery)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return false;
    transfer->webhook = webhook;
    transfer->sink = sink;
    transfer->delivery = delivery;
    transfer->next = webhook->transfers;
    webhook->transfers = transfer;
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !set_callbacks(transfer) || !set_limits(transfer) || !set_content(transfer) ||
        curl_multi_add_handle(webhook->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return false;
    }
    sink->in_flight++;
    return true;
}

/* ---- outcomes ---- */

struct answer {
    int32_t status; /* 0: none */
    int64_t retry_after_s;
    char error[CURL_ERROR_SIZE + 256];
};

static void explain_failure(const struct transfer *transfer, CURLcode code, struct answer *answer)
{
    const struct sink *sink = transfer->sink;
    size_t room = sizeof(answer->error);
    if (transfer->denied) {
        (void)snprintf(
            answer->error, room,
            "%s is a loopback, link-local or private address; if that is meant, set `allow_private: "
            "true` for this sink",
            sink->origin);
        return;
    }
    if (transfer->too_big) {
        (void)snprintf(answer->error, room, "%s sent more than %d bytes of headers", sink->origin,
                       (int)RESPONSE_MAX_BYTES);
        return;
    }
    /* curl's own words say more, but must not carry what the URL keeps secret. */
    const char *words = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
    if (strlen(sink->location) > 1 && strstr(words, sink->location))
        words = curl_easy_strerror(code);
    (void)snprintf(answer->error, room, "no answer from %s: %s", sink->origin, words);
}

/*
 * The status counts as soon as the headers are complete, whatever becomes of a body that nobody reads: what
 * was accepted must not be sent again because its answer dripped or did not end.
 */
static void read_answer(const struct transfer *transfer, CURLcode code, struct answer *answer)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    *answer = (struct answer){0};
    if (transfer->has_headers &&
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status >= 200)
        answer->status = (int32_t)status;
    if (answer->status == 0) {
        explain_failure(transfer, code, answer);
        return;
    }
    if (curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s) == CURLE_OK)
        answer->retry_after_s = (int64_t)retry_after_s;
    if (status >= 300 && status < 400)
        (void)snprintf(answer->error, sizeof(answer->error),
                       "%s answered %ld: redirects are not followed; configure the final URL",
                       transfer->sink->origin, status);
    else if (status == 410)
        (void)snprintf(answer->error, sizeof(answer->error),
                       "%s answered 410 Gone: nothing more is sent to this sink until driftd starts again",
                       transfer->sink->origin);
    else if (status >= 300)
        (void)snprintf(answer->error, sizeof(answer->error), "%s answered %ld", transfer->sink->origin,
                       status);
}

static void report(struct webhook *webhook, const struct sink *sink, const struct delivery *delivery,
                   enum delivery_state state, int64_t next_ms, int32_t status, const char *error)
{
    struct delivery_outcome outcome = {.id = delivery->id,
                                       .sink = sink->name,
                                       .state = state,
                                       .next_ms = next_ms,
                                       .attempts = delivery->attempts,
                                       .status = status,
                                       .error = state == DELIVERY_DELIVERED ? NULL : error};
    if (state == DELIVERY_DELIVERED)
        log_write(webhook->log, delivery->attempts > 1 ? LOG_INFO : LOG_DEBUG, "webhook",
                  "delivered %s to sink `%s` (%s) with attempt %u", delivery->id, sink->name, sink->origin,
                  delivery->attempts);
    else if (state == DELIVERY_DEAD)
        log_write(webhook->log, LOG_ERROR, "webhook",
                  "gave up %s for sink `%s` after %u attempts: %s; `driftd outbox retry %s` sends it again",
                  delivery->id, sink->name, delivery->attempts, error, delivery->id);
    else
        log_write(webhook->log, LOG_WARNING, "webhook", "attempt %u to send %s to sink `%s` failed: %s",
                  delivery->attempts, delivery->id, sink->name, error);
    webhook->outcome(webhook->context, &outcome);
}

static void bury(struct webhook *webhook, struct sink *sink, struct delivery *delivery, int32_t status,
                 const char *error)
{
    report(webhook, sink, delivery, DELIVERY_DEAD, 0, status, error);
    lanes_drop(&sink->lanes, delivery);
}

static int64_t scaled(const struct webhook *webhook, int64_t delay_ms)
{
    return (int64_t)((double)delay_ms * webhook->delay_scale);
}

static void try_later(struct webhook *webhook, struct sink *sink, struct delivery *delivery,
                      const struct answer *answer)
{
    int64_t now_ms = monotonic_ms(webhook), now_wall_ms = wall_ms(webhook);
    if (breaker_failure(&sink->breaker, now_ms, webhook->delay_scale))
        log_write(webhook->log, LOG_WARNING, "webhook",
                  "sink `%s` (%s) failed %u times in a row; it is left alone for %lld s, then probed",
                  sink->name, sink->origin, sink->breaker.failures, (long long)sink->breaker.open_ms / 1000);
    int64_t delay_ms = retry_delay_ms(delivery->id, delivery->attempts, answer->retry_after_s);
    if (delay_ms < 0) {
        bury(webhook, sink, delivery, answer->status, answer->error);
        return;
    }
    delay_ms = scaled(webhook, delay_ms);
    /* It asked for peace, not for peace from this one item. */
    if (answer->retry_after_s > 0 && now_ms + delay_ms > sink->not_before_ms)
        sink->not_before_ms = now_ms + delay_ms;
    if (now_wall_ms + delay_ms >= delivery->created_ms + sink->ttl_ms) {
        bury(webhook, sink, delivery, answer->status, answer->error);
        return;
    }
    report(webhook, sink, delivery, DELIVERY_PENDING, now_wall_ms + delay_ms, answer->status, answer->error);
    lanes_retry(&sink->lanes, delivery, now_ms + delay_ms);
}

static void finish(struct transfer *transfer, CURLcode code)
{
    struct webhook *webhook = transfer->webhook;
    struct sink *sink = transfer->sink;
    struct delivery *delivery = transfer->delivery;
    struct answer answer;
    read_answer(transfer, code, &answer);
    transfer_free(transfer);
    sink->in_flight--;
    delivery->attempts++;
    switch (retry_verdict_of(answer.status)) {
    case RETRY_DELIVERED:
        breaker_success(&sink->breaker);
        report(webhook, sink, delivery, DELIVERY_DELIVERED, 0, answer.status, NULL);
        lanes_drop(&sink->lanes, delivery);
        break;
    case RETRY_LATER:
        try_later(webhook, sink, delivery, &answer);
        break;
    case RETRY_GONE:
        sink->is_gone = true;
        bury(webhook, sink, delivery, answer.status, answer.error);
        break;
    case RETRY_NEVER: /* the receiver lives: it is the request that it does not want */
        breaker_success(&sink->breaker);
        bury(webhook, sink, delivery, answer.status, answer.error);
        break;
    }
}

/* ---- scheduling ---- */

/* Begins what is due; false when nothing more of this sink can begin now. */
static bool begin_next(struct webhook *webhook, struct sink *sink)
{
    int64_t now_ms = monotonic_ms(webhook), due_ms = lanes_due_ms(&sink->lanes);
    if (sink->is_gone && due_ms != INT64_MAX) {
        bury(webhook, sink, lanes_take(&sink->lanes, INT64_MAX), 410,
             "the sink answered 410 Gone to an earlier item");
        return true;
    }
    if (sink->in_flight >= webhook->concurrency || due_ms > now_ms || sink->not_before_ms > now_ms ||
        breaker_ready_ms(&sink->breaker) > now_ms)
        return false;
    struct delivery *delivery = lanes_take(&sink->lanes, now_ms);
    if (wall_ms(webhook) >= delivery->created_ms + sink->ttl_ms) {
        bury(webhook, sink, delivery, 0, "it is older than the sink's `ttl`");
        return true;
    }
    if (!breaker_admit(&sink->breaker, now_ms))
        BUG_ON(true); /* it was ready */
    if (!transfer_begin(webhook, sink, delivery)) {
        struct answer answer = {.error = "out of memory for the request"};
        delivery->attempts++;
        try_later(webhook, sink, delivery, &answer);
    }
    return true;
}

static int64_t sink_wake_ms(const struct webhook *webhook, const struct sink *sink)
{
    int64_t wake_ms = lanes_due_ms(&sink->lanes);
    if (wake_ms == INT64_MAX || sink->is_gone)
        return wake_ms == INT64_MAX ? INT64_MAX : 0;
    if (sink->in_flight >= webhook->concurrency)
        return INT64_MAX; /* the end of a request wakes it */
    int64_t ready_ms = breaker_ready_ms(&sink->breaker);
    if (ready_ms > wake_ms)
        wake_ms = ready_ms;
    return sink->not_before_ms > wake_ms ? sink->not_before_ms : wake_ms;
}

static void arm(struct event *event, int64_t delay_ms)
{
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    (void)event_add(event,
                    &delay); /* fails only without memory for the heap of timers; the next call tries again */
}

static void rearm(struct webhook *webhook)
{
    int64_t now_ms = monotonic_ms(webhook), wake_ms = INT64_MAX;
    for (uint32_t i = 0; i < webhook->sink_count; i++) {
        int64_t at_ms = sink_wake_ms(webhook, &webhook->sinks[i]);
        wake_ms = at_ms < wake_ms ? at_ms : wake_ms;
    }
    if (wake_ms == INT64_MAX) {
        (void)event_del(webhook->wake);
        return;
    }
    int64_t delay_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
    arm(webhook->wake, delay_ms < WAKE_MAX_MS ? delay_ms : WAKE_MAX_MS);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct webhook *webhook = context;
    (void)fd;
    (void)what;
    for (uint32_t i = 0; i < webhook->sink_count; i++)
        while (begin_next(webhook, &webhook->sinks[i]))
            ;
    rearm(webhook);
}

/* ---- curl and libevent ---- */

static void collect(struct webhook *webhook)
{
    int left = 0;
    bool any = false;
    for (CURLMsg *message; (message = curl_multi_info_read(webhook->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message dies with its handle */
        struct transfer *transfer = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish(transfer, code);
        any = true;
    }
    if (any)
        arm(webhook->wake, 0);
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct webhook *webhook = context;
    int running = 0;
    int action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    (void)curl_multi_socket_action(webhook->multi, fd, action, &running);
    collect(webhook);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct webhook *webhook = context;
    int running = 0;
    (void)fd;
    (void)what;
    (void)curl_multi_socket_action(webhook->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(webhook);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct webhook *webhook = context;
    (void)multi;
    if (timeout_ms < 0)
        (void)event_del(webhook->timer);
    else
        arm(webhook->timer, timeout_ms);
    return 0;
}

static void watch_free(struct watch *watch)
{
    struct watch **at = &watch->webhook->watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
    if (watch->event)
        event_free(watch->event);
    free(watch);
}

static int on_set_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct webhook *webhook = context;
    struct watch *watch = socket_context;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            watch_free(watch);
        (void)curl_multi_assign(webhook->multi, fd, NULL);
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof(*watch));
        if (!watch)
            return -1; /* curl fails its requests with an internal error; they are tried again */
        watch->webhook = webhook;
        watch->next = webhook->watches;
        webhook->watches = watch;
        (void)curl_multi_assign(webhook->multi, fd, watch);
    }
    short events =
        (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    if (watch->event)
        event_free(watch->event);
    watch->event = event_new(webhook->base, fd, events, on_ready, webhook);
    return watch->event && event_add(watch->event, NULL) == 0 ? 0 : -1;
}

/* ---- the face ---- */

static int start_curl(struct webhook *webhook, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_TEMPORARY, "libcurl cannot be initialised");
    webhook->has_curl = true;
    webhook->multi = curl_multi_init();
    webhook->timer = evtimer_new(webhook->base, on_timer, webhook);
    webhook->wake = evtimer_new(webhook->base, on_wake, webhook);
    if (!webhook->multi || !webhook->timer || !webhook->wake ||
        curl_multi_setopt(webhook->multi, CURLMOPT_SOCKETFUNCTION, on_set_socket) ||
        curl_multi_setopt(webhook->multi, CURLMOPT_SOCKETDATA, webhook) ||
        curl_multi_setopt(webhook->multi, CURLMOPT_TIMERFUNCTION, on_set_timer) ||
        curl_multi_setopt(webhook->multi, CURLMOPT_TIMERDATA, webhook))
        return err_set(err, ERR_NOMEM, "out of memory for the webhooks");
    return 0;
}

static void warn_of_insecure(const struct webhook *webhook)
{
    for (const struct sink *sink = webhook->sinks; sink < webhook->sinks + webhook->sink_count; sink++)
        if (sink->insecure_tls)
            log_write(
                webhook->log, LOG_WARNING, "webhook",
                "INSECURE: sink `%s` does not verify the certificate of %s; anybody on the way can read and "
                "change alerts (`insecure_tls: true`)",
                sink->name, sink->origin);
}

int webhook_new(struct webhook **out, struct event_base *base, const struct webhook_settings *settings,
                struct err *err)
{
    struct webhook *webhook = calloc(1, sizeof(*webhook));
    if (!webhook)
        return err_set(err, ERR_NOMEM, "out of memory for the webhooks");
    webhook->base = base;
    webhook->concurrency = settings->sink_concurrency ? settings->sink_concurrency : CONCURRENCY_DEFAULT;
    webhook->queue_max = settings->queue_max ? settings->queue_max : QUEUE_DEFAULT;
    webhook->outcome = settings->outcome;
    webhook->context = settings->context;
    webhook->clock = settings->clock ? settings->clock : &clock_system;
    webhook->log = settings->log;
    webhook->delay_scale = settings->delay_scale > 0 ? settings->delay_scale : 1;
    webhook->strings = arena_new(4096, 0);
    webhook->sinks = calloc((size_t)settings->sink_count + 1, sizeof(*webhook->sinks));
    int rc = 0;
    if (!webhook->strings || !webhook->sinks)
        rc = err_set(err, ERR_NOMEM, "out of memory for the webhooks");
    if (rc == 0)
        rc = start_curl(webhook, err);
    for (uint32_t i = 0; rc == 0 && i < settings->sink_count; i++)
        rc = sink_init(&webhook->sinks[webhook->sink_count++], &settings->sinks[i], webhook->strings, err);
    if (rc) {
        webhook_free(webhook);
        return rc;
    }
    warn_of_insecure(webhook);
    *out = webhook;
    return 0;
}

void webhook_free(struct webhook *webhook)
{
    if (!webhook)
        return;
    while (webhook->transfers)
        transfer_free(webhook->transfers);
    if (webhook->multi)
        (void)curl_multi_cleanup(webhook->multi);
    while (webhook->watches)
        watch_free(webhook->watches);
    if (webhook->timer)
        event_free(webhook->timer);
    if (webhook->wake)
        event_free(webhook->wake);
    for (uint32_t i = 0; i < webhook->sink_count; i++)
        sink_release(&webhook->sinks[i]);
    free(webhook->sinks);
    arena_free(webhook->strings);
    if (webhook->has_curl)
        curl_global_cleanup();
    free(webhook);
}

/* Goes into a header and into the signed text, where dots separate. */
static bool is_good_id(const char *id)
{
    size_t len = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-");
    return len > 0 && len <= DELIVERY_ID_MAX && id[len] == '\0';
}

int webhook_submit(struct webhook *webhook, const char *id, const char *sink_name, const char *entity_key,
                   const char *body, size_t body_len, int64_t created_ms, int64_t not_before_ms,
                   uint32_t attempts)
{
    struct sink *sink = NULL;
    size_t bytes = body_len;
    for (uint32_t i = 0; i < webhook->sink_count; i++) {
        bytes += webhook->sinks[i].lanes.bytes;
        if (strcmp(webhook->sinks[i].name, sink_name) == 0)
            sink = &webhook->sinks[i];
    }
    if (!sink)
        return ERR_NOT_FOUND;
    if (!is_good_id(id))
        return ERR_INVALID;
    if (webhook_pending(webhook) >= webhook->queue_max || bytes > QUEUE_BYTES_MAX)
        return ERR_BUSY;
    /* Times are kept on the clock that does not jump; a wish beyond the ttl is a jump that happened already.
     */
    int64_t wait_ms = not_before_ms - wall_ms(webhook);
    if (not_before_ms <= 0 || wait_ms < 0)
        wait_ms = 0;
    if (wait_ms > sink->ttl_ms)
        wait_ms = sink->ttl_ms;
    int rc = lanes_push(&sink->lanes, id, entity_key, body, body_len, created_ms,
                        monotonic_ms(webhook) + wait_ms, attempts);
    if (rc == 0)
        rearm(webhook); /* never from here: the caller is not ready for outcomes */
    return rc;
}

uint32_t webhook_pending(const struct webhook *webhook)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < webhook->sink_count; i++)
        count += webhook->sinks[i].lanes.count;
    return count;
}
