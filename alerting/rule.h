#ifndef DRIFTD_ALERTING_RULE_H
#define DRIFTD_ALERTING_RULE_H
/*
 * Rules: what is configured (alerting.h: struct rule_spec), checked and copied once, matched against names
 * and applied to one report row. Judging is a pure function of the rule and the row; the state that follows
 * from a row of judgements is alert.h's business.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/text.h"
#include "alerting/alerting.h"
#include "detectors/report.h"

enum { RULE_SINKS_MAX = 64, RULE_CACHE_MAX = 32768 };

struct rule {
    const char *name;
    const char *model, *version, *segment, *feature; /* globs; NULL: anything */
    const struct metric *metric;
    uint32_t index; /* position in the configuration */
    uint64_t name_hash;
    int64_t window_ms, for_ms;
    double warning, critical, max_p, clear_ratio;
    bool below, ignore_noise;
    uint32_t clear_windows;
    uint64_t minimum_n;
    uint64_t sinks; /* bit i: the i-th configured sink */
};

struct rules;

/* Copies the specifications. ERR_CONFIG with a sentence naming the rule when one makes no sense. */
int rules_new(struct rules **out, const struct rule_spec *specs, uint32_t count, const char *const *sinks,
              struct err *err) MUST_USE;
void rules_free(struct rules *rules);
uint32_t rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, uint32_t index);
/* NULL when there is none of that name. */
const struct rule *rules_find(const struct rules *rules, const char *name);
bool rule_matches(const struct rule *rule, struct text model, struct text version, struct text segment,
                  struct text feature);

/* One series with the rules whose model, version and segment globs match it. */
struct rule_series {
    struct text model, version, segment; /* copies owned by the cache */
    uint64_t hash;
    const uint32_t *rules; /* ascending indices */
    uint32_t rule_count;
    struct rule_series *next;
};
/* The rules of one feature of a series. */
struct rule_match {
    const struct rule_series *series;
    struct text feature;
    uint64_t hash;         /* of series and feature */
    const uint32_t *rules; /* ascending indices */
    uint32_t rule_count;
    struct rule_match *next;
};

/*
 * Globs are tried once per series and once per feature and remembered: O(1) afterwards. The memory holds at
 * most about RULE_CACHE_MAX matches; when it is full, rules_series forgets everything first, so what it and
 * rules_match returned is valid until the next call of rules_series. NULL when out of memory.
 */
const struct rule_series *rules_series(struct rules *rules, struct text model, struct text version,
                                       struct text segment);
const struct rule_match *rules_match(struct rules *rules, const struct rule_series *series,
                                     struct text feature);
/* Hashes of names, the same as in the cache. */
uint64_t rule_series_hash(struct text model, struct text version, struct text segment);
uint64_t rule_name_hash(const char *rule);
uint64_t rule_feature_hash(uint64_t series_hash, struct text feature);

enum verdict {
    VERDICT_UNKNOWN, /* undefined, insufficient, another grid: says nothing either way */
    VERDICT_CLEAR,   /* beyond the clear level */
    VERDICT_HOLD,    /* between the clear level and the threshold, or not significant */
    VERDICT_BREACH
};

struct judgement {
    enum verdict verdict;
    enum severity severity; /* of a breach */
    bool left_critical;     /* the value is beyond the clear level of the critical band */
    double value;
    double threshold;   /* effective; of the severity when breached, else of the lowest band */
    double clear_level; /* beyond it the lowest band is clear */
    double noise_floor, p_value, low, high; /* NaN: none */
};

/*
 * Effective threshold = max(band, noise floor): below the floor a value says nothing but the sample size
 * (METHODS §3.2, §15). A rule that fires below a level has no floor; neither has a window whose floor is
 * undefined: there the band alone decides.
 */
void rule_judge(const struct rule *rule, const struct report_row *row, struct judgement *out);

/* How far beyond its threshold, for sorting: 1 is on it; NaN counts as 0. */
double rule_excess(const struct rule *rule, double value, double threshold);

#endif
