/*
 * tool_send URL SECRET [--ca FILE] [--insecure] [--public]: delivers standard input as one webhook with the
 * real sender and prints each outcome as "state status error". Exit 0 when it was delivered. Waits between
 * attempts are a millionth of the real ones.
 */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "alerting/webhook.h"

struct result {
    struct event_base *base;
    bool delivered;
};

static void on_outcome(void *context, const struct delivery_outcome *outcome)
{
    static const char *const states[] = {"pending", "delivered", "dead"};
    struct result *result = context;
    (void)printf("%s %d %s\n", states[outcome->state], outcome->status, outcome->error ? outcome->error : "");
    result->delivered = outcome->state == DELIVERY_DELIVERED;
    if (outcome->state != DELIVERY_PENDING)
        (void)event_base_loopbreak(result->base);
}

static int send_body(const struct sink_spec *sink, const char *body, size_t len)
{
    struct result result = {.base = event_base_new()};
    struct webhook *webhook = NULL;
    struct err err = {0};
    const struct webhook_settings settings = {
        .sinks = sink, .sink_count = 1, .outcome = on_outcome, .context = &result, .delay_scale = 1e-6};
    int rc = result.base ? webhook_new(&webhook, result.base, &settings, &err) : ERR_NOMEM;
    if (rc == 0)
        rc = webhook_submit(webhook, "0123456789abcdef0123456789abcdef", "sink", "entity", body, len,
                            clock_system.wall_ms(&clock_system), 0, 0);
    if (rc == 0)
        (void)event_base_dispatch(result.base);
    else
        (void)fprintf(stderr, "tool_send: %s\n", err.message);
    webhook_free(webhook);
    if (result.base)
        event_base_free(result.base);
    return result.delivered ? 0 : 1;
}

int main(int argc, char **argv)
{
    static char body[1 << 20], name[] = "sink";
    if (argc < 3) {
        (void)fputs("usage: tool_send URL SECRET [--ca FILE] [--insecure] [--public]\n", stderr);
        return 2;
    }
    char *secrets[] = {argv[2], NULL};
    struct sink_spec sink = {.name = name,
                             .url = argv[1],
                             .secrets = secrets,
                             .allow_http = true,
                             .allow_private = true,
                             .timeout_ms = 3000};
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            sink.ca_file = argv[++i];
        else if (strcmp(argv[i], "--insecure") == 0)
            sink.insecure_tls = true;
        else if (strcmp(argv[i], "--public") == 0)
            sink.allow_private = false;
    }
    return send_body(&sink, body, fread(body, 1, sizeof(body), stdin));
}
