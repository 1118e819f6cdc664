#ifndef DRIFTD_AGENT_DEMO_RECEIVER_H
#define DRIFTD_AGENT_DEMO_RECEIVER_H
/* The receiving end of a webhook, on loopback: checks the signature as any Standard Webhooks verifier does
 * and passes the body on. */
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

struct event_base;
struct demo_receiver;

typedef void demo_receiver_fn(void *context, const char *id, bool signature_is_valid, const char *body,
                              size_t body_len);

/* Binds a free port at once (the configuration names it before the loop exists) and answers when it is
 * attached to a loop. */
int demo_receiver_new(struct demo_receiver **out, const char *secret, demo_receiver_fn *fn, void *context,
                      struct err *err) MUST_USE;
int demo_receiver_attach(struct demo_receiver *receiver, struct event_base *base, struct err *err) MUST_USE;
/* Before the loop is freed. */
void demo_receiver_free(struct demo_receiver *receiver);
int demo_receiver_port(const struct demo_receiver *receiver);

#endif
