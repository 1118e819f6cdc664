#include "collectors/kafka_wake.h"

#include <stdlib.h>
#include <string.h>

#include "collectors/kafka_conf.h"

enum { WAKE_BYTES = 1 << 20, BACKOFF_SINCE = 0x020200ff };

struct kafka_waker {
    rd_kafka_t *rk;
    size_t taken_bytes; /* since they were last woken */
    char *user, *password;
};

static char *property_copy(const struct kafka_settings *settings, const char *name)
{
    const char *value = kafka_property(settings, name);
    return strdup(value ? value : "");
}

struct kafka_waker *kafka_waker_new(rd_kafka_t *rk, const struct kafka_settings *settings)
{
    struct kafka_waker *waker = calloc(1, sizeof(*waker));

    if (!waker)
        return NULL;
    waker->rk = rd_kafka_version() < BACKOFF_SINCE ? rk : NULL;
    waker->user = property_copy(settings, "sasl.username");
    waker->password = property_copy(settings, "sasl.password");
    if (!waker->user || !waker->password) {
        kafka_waker_free(waker);
        return NULL;
    }
    return waker;
}

void kafka_waker_free(struct kafka_waker *waker)
{
    if (!waker)
        return;
    if (waker->password)
        explicit_bzero(waker->password, strlen(waker->password));
    free(waker->password);
    free(waker->user);
    free(waker);
}

void kafka_waker_took(struct kafka_waker *waker, size_t bytes)
{
    waker->taken_bytes += bytes;
    if (!waker->rk || waker->taken_bytes < WAKE_BYTES)
        return;
    waker->taken_bytes = 0;
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(waker->rk, waker->user, waker->password);
    if (error)
        rd_kafka_error_destroy(error); /* it only refuses NULL */
}
