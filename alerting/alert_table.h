#ifndef DRIFTD_ALERTING_ALERT_TABLE_H
#define DRIFTD_ALERTING_ALERT_TABLE_H
/* The alerts that are not ok, by (rule, model, version, segment, feature, window length). Owns them. */
#include "alerting/alert.h"

struct alert_table {
    struct alert **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count, max;
};

/* What an alert is about. */
struct alert_subject {
    const char *rule;
    struct text model, version, segment, feature;
    int64_t window_ms;
    uint64_t hash; /* alert_hash of all of it */
};
/* `feature_hash` is rule_feature_hash of the names, `rule_hash` hash_text of the rule's name. */
uint64_t alert_hash(uint64_t feature_hash, uint64_t rule_hash, int64_t window_ms);

int alert_table_init(struct alert_table *table, uint32_t max) MUST_USE;
void alert_table_release(struct alert_table *table);
struct alert *alert_table_find(const struct alert_table *table, const struct alert_subject *subject);
/* A new alert in state ok, its names copied, its key computed. ERR_LIMIT when `max` are there. */
int alert_table_add(struct alert_table *table, const char *pipeline, const struct alert_subject *subject,
                    const char *metric, struct alert **out) MUST_USE;
void alert_table_remove(struct alert_table *table, struct alert *alert);

#endif
