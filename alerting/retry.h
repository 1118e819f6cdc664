#ifndef DRIFTD_ALERTING_RETRY_H
#define DRIFTD_ALERTING_RETRY_H
/* What an answer means and when to try again (INTEGRATIONS §4.2), as pure functions. backoff_delay_ms is in
 * webhook.h. */
#include <stdbool.h>
#include <stdint.h>

#define RETRY_AFTER_MAX_MS INT64_C(3600000)

enum retry_verdict {
    RETRY_DELIVERED, /* 2xx */
    RETRY_LATER,     /* 408, 425, 429, 500, 502, 503, 504; nothing or nonsense came back (status 0) */
    RETRY_NEVER,     /* any other status: 3xx and 4xx, and a 5xx that waiting does not cure */
    RETRY_GONE       /* 410: nothing more is sent to this receiver */
};
enum retry_verdict retry_verdict_of(int32_t status);

/* The jitter's random number in [0, 1) of one attempt: a function of the item's id, so that two runs agree.
 */
double retry_random(const char *id, uint32_t attempt);

/* The delay before attempt `attempt`, when the receiver asked for `retry_after_s` (0: it did not): never
 * sooner than either wish, the receiver's capped at an hour. −1: give up. */
int64_t retry_delay_ms(const char *id, uint32_t attempt, int64_t retry_after_s);

/*
 * A circuit breaker: after BREAKER_FAILURES in a row nothing is sent for a while, then one probe; its success
 * closes the breaker, its failure opens it for twice as long, up to BREAKER_OPEN_MAX_MS. Times are monotonic.
 */
enum { BREAKER_FAILURES = 5, BREAKER_OPEN_MS = 30000, BREAKER_OPEN_MAX_MS = 600000 };
struct breaker {
    uint32_t failures; /* in a row */
    int64_t open_ms;   /* how long it was opened last; 0: closed */
    int64_t open_until_ms;
    bool probing; /* the probe is under way */
};
/* May a request begin now? Counts as the beginning of the probe when the breaker is half-open. */
bool breaker_admit(struct breaker *breaker, int64_t now_ms);
/* When breaker_admit may say yes: 0 now, INT64_MAX when the probe has to end first. */
int64_t breaker_ready_ms(const struct breaker *breaker);
void breaker_success(struct breaker *breaker);
/* True when this failure opened it. `scale` multiplies the time. */
bool breaker_failure(struct breaker *breaker, int64_t now_ms, double scale);

#endif
