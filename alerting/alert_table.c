#include "alerting/alert_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "alerting/identity.h"

enum { BUCKETS_MIN = 64 };

uint64_t alert_hash(uint64_t feature_hash, uint64_t rule_hash, int64_t window_ms)
{
    return hash_mix(feature_hash ^ hash_mix(rule_hash + (uint64_t)window_ms));
}

int alert_table_init(struct alert_table *table, uint32_t max)
{
    *table = (struct alert_table){.bucket_count = BUCKETS_MIN, .max = max};
    table->buckets = calloc(BUCKETS_MIN, sizeof(struct alert *));
    return table->buckets ? 0 : ERR_NOMEM;
}

static void alert_free(struct alert *alert)
{
    if (!alert)
        return;
    free(alert->names);
    free(alert);
}

void alert_table_release(struct alert_table *table)
{
    for (uint32_t i = 0; table->buckets && i < table->bucket_count; i++) {
        for (struct alert *at = table->buckets[i], *next; at; at = next) {
            next = at->next;
            alert_free(at);
        }
    }
    free(table->buckets);
    *table = (struct alert_table){0};
}

static struct alert **bucket_of(const struct alert_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

struct alert *alert_table_find(const struct alert_table *table, const struct alert_subject *subject)
{
    for (struct alert *at = *bucket_of(table, subject->hash); at; at = at->next)
        if (at->hash == subject->hash && at->window_ms == subject->window_ms &&
            strcmp(at->rule_name, subject->rule) == 0 && text_equal(at->model, subject->model) &&
            text_equal(at->version, subject->version) && text_equal(at->segment, subject->segment) &&
            text_equal(at->feature, subject->feature))
            return at;
    return NULL;
}

/* Not growing is no failure: chains get longer. */
static void grow(struct alert_table *table)
{
    uint32_t wanted = table->bucket_count * 2;
    struct alert **buckets = calloc(wanted, sizeof(struct alert *));
    if (!buckets)
        return;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (struct alert *at = table->buckets[i], *next; at; at = next) {
            next = at->next;
            struct alert **to = &buckets[at->hash & (wanted - 1)];
            at->next = *to;
            *to = at;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = wanted;
}

static char *put(char *to, const char *bytes, size_t len)
{
    if (len)
        memcpy(to, bytes, len);
    to[len] = '\0';
    return to + len + 1;
}

/* All names in one block, each followed by a NUL. */
static bool copy_names(struct alert *alert, const struct alert_subject *subject, const char *metric)
{
    struct text from[6] = {text_of(subject->rule), text_of(metric),  subject->model,
                           subject->version,       subject->segment, subject->feature};
    size_t size = 0;
    for (size_t i = 0; i < ARRAY_LEN(from); i++)
        size += (size_t)from[i].len + 1;
    char *at = malloc(size);
    if (!at)
        return false;
    alert->names = at;
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        char *end = put(at, from[i].ptr, from[i].len);
        from[i].ptr = at;
        at = end;
    }
    alert->rule_name = alert->names;
    alert->metric_name = alert->names + from[0].len + 1;
    alert->model = from[2];
    alert->version = from[3];
    alert->segment = from[4];
    alert->feature = from[5];
    return true;
}

int alert_table_add(struct alert_table *table, const char *pipeline, const struct alert_subject *subject,
                    const char *metric, struct alert **out)
{
    if (table->count >= table->max)
        return ERR_LIMIT;
    struct alert *alert = calloc(1, sizeof(*alert));
    if (!alert)
        return ERR_NOMEM;
    int rc = copy_names(alert, subject, metric) ? 0 : ERR_NOMEM;
    if (rc == 0)
        rc = identity_alert_key(pipeline, subject, alert->key);
    if (rc) {
        alert_free(alert);
        return rc;
    }
    alert->hash = subject->hash;
    alert->window_ms = subject->window_ms;
    alert->state = ALERT_OK;
    alert->since_ms = alert->fired_ms = alert->resolved_ms = alert->last_window_end_ms = INT64_MIN;
    alert->peak_ms = INT64_MIN;
    alert->value = alert->threshold = alert->peak_value = NAN;
    if (table->count >= table->bucket_count)
        grow(table);
    struct alert **bucket = bucket_of(table, alert->hash);
    alert->next = *bucket;
    *bucket = alert;
    table->count++;
    *out = alert;
    return 0;
}

void alert_table_remove(struct alert_table *table, struct alert *alert)
{
    struct alert **at = bucket_of(table, alert->hash);
    while (*at && *at != alert)
        at = &(*at)->next;
    BUG_ON(!*at);
    *at = alert->next;
    table->count--;
    alert_free(alert);
}
