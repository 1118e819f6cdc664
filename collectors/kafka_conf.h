#ifndef DRIFTD_COLLECTORS_KAFKA_CONF_H
#define DRIFTD_COLLECTORS_KAFKA_CONF_H
/* From configured properties to librdkafka's own configuration object. Internal to collectors/kafka*.c. */
#include <librdkafka/rdkafka.h>

#include "agent/base/strbuf.h"
#include "collectors/kafka.h"

enum kafka_role {
    KAFKA_CONSUMER,
    KAFKA_ADMIN, /* a consumer that has nothing to do with the group */
    KAFKA_PRODUCER
};

/*
 * Our defaults, then the properties as configured, then what driftd decides itself; a property that is ours
 * to decide is refused unless it says the same. ERR_CONFIG names the property, never its value when that is a
 * secret.
 */
int kafka_conf_new(rd_kafka_conf_t **out, const struct kafka_settings *settings, enum kafka_role role,
                   struct err *err) MUST_USE;

/* The configured value, or NULL. */
const char *kafka_property(const struct kafka_settings *settings, const char *name);

/* Whether a property's value must never be printed. */
bool kafka_property_is_secret(const char *name);

/* A copy of what must not be printed, for the life of a handle. */
struct kafka_secrets;
struct kafka_secrets *kafka_secrets_new(const struct kafka_settings *settings);
void kafka_secrets_free(struct kafka_secrets *secrets);
/* Appends `text` to `out` with every secret replaced by "***" and line ends by spaces. */
void kafka_redact(const struct kafka_secrets *secrets, const char *text, struct strbuf *out);

#endif
