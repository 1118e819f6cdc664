#include <stddef.h>
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "alerting/retry.h"
#include "alerting/webhook.h"

static const double JITTER = 0.2;

int64_t backoff_delay_ms(uint32_t attempt, double random)
{
    static const int64_t delays_ms[] = {0, 5000, 30000, 120000, 600000, 1800000, 7200000, 21600000};
    if (attempt >= ARRAY_LEN(delays_ms))
        return -1;
    return (int64_t)((double)delays_ms[attempt] * (1 + JITTER * (2 * random - 1)));
}

double retry_random(const char *id, uint32_t attempt)
{
    uint64_t bits = hash_mix(hash64(id, strlen(id), attempt));
    return (double)(bits >> 11) * 0x1p-53;
}

int64_t retry_delay_ms(const char *id, uint32_t attempt, int64_t retry_after_s)
{
    int64_t delay_ms = backoff_delay_ms(attempt, retry_random(id, attempt));
    if (delay_ms < 0 || retry_after_s <= 0)
        return delay_ms;
    int64_t asked_ms = retry_after_s > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : retry_after_s * 1000;
    return asked_ms > delay_ms ? asked_ms : delay_ms;
}

enum retry_verdict retry_verdict_of(int32_t status)
{
    if (status >= 200 && status < 300)
        return RETRY_DELIVERED;
    switch (status) {
    case 0:
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return RETRY_LATER;
    case 410:
        return RETRY_GONE;
    default:
        return RETRY_NEVER;
    }
}

bool breaker_admit(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->open_ms == 0)
        return true;
    if (breaker->probing || now_ms < breaker->open_until_ms)
        return false;
    breaker->probing = true;
    return true;
}

int64_t breaker_ready_ms(const struct breaker *breaker)
{
    if (breaker->open_ms == 0)
        return 0;
    return breaker->probing ? INT64_MAX : breaker->open_until_ms;
}

void breaker_success(struct breaker *breaker)
{
    *breaker = (struct breaker){0};
}

bool breaker_failure(struct breaker *breaker, int64_t now_ms, double scale)
{
    breaker->failures++;
    bool was_open = breaker->open_ms != 0;
    /* A request that began before the breaker opened says nothing about the half-open state. */
    if (was_open ? !breaker->probing : breaker->failures < BREAKER_FAILURES)
        return false;
    breaker->open_ms = was_open ? breaker->open_ms * 2 : BREAKER_OPEN_MS;
    if (breaker->open_ms > BREAKER_OPEN_MAX_MS)
        breaker->open_ms = BREAKER_OPEN_MAX_MS;
    breaker->open_until_ms = now_ms + (int64_t)((double)breaker->open_ms * scale);
    breaker->probing = false;
    return true;
}
