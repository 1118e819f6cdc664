#include "alerting/rule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/hash.h"

enum { SERIES_BUCKETS = 1024, MATCH_BUCKETS = 8192 };
enum { SPEC_BLOCK_BYTES = 4096, CACHE_BLOCK_BYTES = 16384, CACHE_MAX_BYTES = 64 << 20 };
static const double CLEAR_RATIO_DEFAULT = 0.8;

struct rules {
    struct arena *specs;
    struct rule *rules;
    uint32_t count;
    struct arena *cache; /* everything below the buckets; dropped as a whole */
    struct rule_series **series;
    struct rule_match **matches;
    uint32_t match_count;
    uint32_t *scratch; /* `count` indices */
};

/* ---- configuration ---- */

static int copy_glob(struct arena *arena, const char *from, const char **to)
{
    *to = NULL;
    if (!from)
        return 0;
    *to = arena_strdup(arena, from);
    return *to ? 0 : ERR_NOMEM;
}

static int sink_mask(const struct rule_spec *spec, const char *const *sinks, uint64_t *out, struct err *err)
{
    uint32_t known = 0;
    while (sinks && sinks[known])
        known++;
    if (known > RULE_SINKS_MAX)
        return err_set(err, ERR_CONFIG, "%u sinks are configured; at most %d are possible", known,
                       RULE_SINKS_MAX);
    *out = known == RULE_SINKS_MAX ? UINT64_MAX : (UINT64_C(1) << known) - 1;
    if (!spec->sinks)
        return 0;
    *out = 0;
    for (char **name = spec->sinks; *name; name++) {
        uint32_t i = 0;
        while (i < known && strcmp(sinks[i], *name) != 0)
            i++;
        if (i == known)
            return err_set(err, ERR_CONFIG, "rule `%s` sends to sink `%s`, which is not configured",
                           spec->name, *name);
        *out |= UINT64_C(1) << i;
    }
    return 0;
}

static int check_spec(const struct rule_spec *spec, const struct metric **out_metric, struct err *err)
{
    if (!spec->name || !*spec->name)
        return err_set(err, ERR_CONFIG, "a rule has no name");
    const struct metric *metric = spec->metric ? metric_find(spec->metric) : NULL;
    if (!metric)
        return err_set(err, ERR_CONFIG, "rule `%s`: there is no metric `%s`", spec->name,
                       spec->metric ? spec->metric : "");
    if (isnan(spec->warning) && isnan(spec->critical))
        return err_set(err, ERR_CONFIG, "rule `%s`: neither `warning` nor `critical` is given", spec->name);
    if (spec->below ? spec->critical > spec->warning : spec->critical < spec->warning)
        return err_set(err, ERR_CONFIG, "rule `%s`: `critical` (%g) is reached before `warning` (%g)",
                       spec->name, spec->critical, spec->warning);
    if (!isnan(spec->max_p) && metric->p_slot < 0)
        return err_set(err, ERR_CONFIG, "rule `%s`: metric `%s` has no p-value, so `max_p` cannot hold",
                       spec->name, metric->name);
    if (spec->clear_ratio > 1)
        return err_set(err, ERR_CONFIG, "rule `%s`: `clear_ratio` (%g) must be in (0, 1]", spec->name,
                       spec->clear_ratio);
    if (spec->for_ms < 0 || spec->window_ms < 0)
        return err_set(err, ERR_CONFIG, "rule `%s`: `for` and `window` cannot be negative", spec->name);
    *out_metric = metric;
    return 0;
}

static int compile(struct rules *rules, const struct rule_spec *spec, const char *const *sinks,
                   struct err *err)
{
    struct rule *rule = &rules->rules[rules->count];
    *rule = (struct rule){.index = rules->count,
                          .window_ms = spec->window_ms,
                          .for_ms = spec->for_ms,
                          .warning = spec->warning,
                          .critical = spec->critical,
                          .max_p = spec->max_p,
                          .clear_ratio = spec->clear_ratio > 0 ? spec->clear_ratio : CLEAR_RATIO_DEFAULT,
                          .below = spec->below,
                          .ignore_noise = spec->ignore_noise,
                          .clear_windows = spec->clear_windows ? spec->clear_windows : 1,
                          .minimum_n = spec->minimum_n};
    int rc = check_spec(spec, &rule->metric, err);
    if (rc == 0)
        rc = sink_mask(spec, sinks, &rule->sinks, err);
    if (rc)
        return rc;
    if (rules_find(rules, spec->name))
        return err_set(err, ERR_CONFIG, "two rules are named `%s`", spec->name);
    rule->name = arena_strdup(rules->specs, spec->name);
    if (!rule->name || copy_glob(rules->specs, spec->model, &rule->model) ||
        copy_glob(rules->specs, spec->version, &rule->version) ||
        copy_glob(rules->specs, spec->segment, &rule->segment) ||
        copy_glob(rules->specs, spec->feature, &rule->feature))
        return err_set(err, ERR_NOMEM, "out of memory for the rules");
    rule->name_hash = rule_name_hash(rule->name);
    rules->count++;
    return 0;
}

int rules_new(struct rules **out, const struct rule_spec *specs, uint32_t count, const char *const *sinks,
              struct err *err)
{
    struct rules *rules = calloc(1, sizeof(*rules));
    if (!rules)
        return err_set(err, ERR_NOMEM, "out of memory for the rules");
    rules->specs = arena_new(SPEC_BLOCK_BYTES, 0);
    rules->cache = arena_new(CACHE_BLOCK_BYTES, CACHE_MAX_BYTES);
    rules->series = calloc(SERIES_BUCKETS, sizeof(struct rule_series *));
    rules->matches = calloc(MATCH_BUCKETS, sizeof(struct rule_match *));
    rules->rules = calloc((size_t)count + 1, sizeof(*rules->rules));
    rules->scratch = calloc((size_t)count + 1, sizeof(*rules->scratch));
    int rc = 0;
    if (!rules->specs || !rules->cache || !rules->series || !rules->matches || !rules->rules ||
        !rules->scratch)
        rc = err_set(err, ERR_NOMEM, "out of memory for the rules");
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = compile(rules, &specs[i], sinks, err);
    if (rc) {
        rules_free(rules);
        return rc;
    }
    *out = rules;
    return 0;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    arena_free(rules->specs);
    arena_free(rules->cache);
    free(rules->series);
    free(rules->matches);
    free(rules->rules);
    free(rules->scratch);
    free(rules);
}

uint32_t rules_count(const struct rules *rules)
{
    return rules->count;
}

const struct rule *rules_at(const struct rules *rules, uint32_t index)
{
    return &rules->rules[index];
}

const struct rule *rules_find(const struct rules *rules, const char *name)
{
    for (uint32_t i = 0; i < rules->count; i++)
        if (strcmp(rules->rules[i].name, name) == 0)
            return &rules->rules[i];
    return NULL;
}

/* ---- matching ---- */

static bool glob(const char *pattern, struct text text)
{
    return !pattern || text_glob(pattern, text);
}

static bool matches_series(const struct rule *rule, struct text model, struct text version,
                           struct text segment)
{
    return glob(rule->model, model) && glob(rule->version, version) && glob(rule->segment, segment);
}

bool rule_matches(const struct rule *rule, struct text model, struct text version, struct text segment,
                  struct text feature)
{
    return matches_series(rule, model, version, segment) && glob(rule->feature, feature);
}

uint64_t rule_series_hash(struct text model, struct text version, struct text segment)
{
    return hash_text(segment, hash_text(version, hash_text(model, 0x616c657274)));
}

uint64_t rule_name_hash(const char *rule)
{
    return hash_text(text_of(rule), 0);
}

uint64_t rule_feature_hash(uint64_t series_hash, struct text feature)
{
    return hash_text(feature, series_hash);
}

static void forget(struct rules *rules)
{
    memset(rules->series, 0, SERIES_BUCKETS * sizeof(struct rule_series *));
    memset(rules->matches, 0, MATCH_BUCKETS * sizeof(struct rule_match *));
    rules->match_count = 0;
    arena_reset(rules->cache);
}

static bool keep_text(struct arena *arena, struct text from, struct text *to)
{
    const char *copy = arena_text(arena, from);
    *to = (struct text){copy, from.len};
    return copy != NULL;
}

static const uint32_t *keep_indices(struct rules *rules, uint32_t count)
{
    uint32_t *kept = arena_alloc(rules->cache, count * sizeof(*kept));
    if (kept && count)
        memcpy(kept, rules->scratch, count * sizeof(*kept));
    return kept;
}

const struct rule_series *rules_series(struct rules *rules, struct text model, struct text version,
                                       struct text segment)
{
    if (rules->match_count >= RULE_CACHE_MAX || arena_bytes(rules->cache) > CACHE_MAX_BYTES / 2)
        forget(rules);
    uint64_t hash = rule_series_hash(model, version, segment);
    struct rule_series **bucket = &rules->series[hash % SERIES_BUCKETS];
    for (const struct rule_series *at = *bucket; at; at = at->next)
        if (at->hash == hash && text_equal(at->model, model) && text_equal(at->version, version) &&
            text_equal(at->segment, segment))
            return at;
    struct rule_series *series = arena_zalloc(rules->cache, sizeof(*series));
    if (!series || !keep_text(rules->cache, model, &series->model) ||
        !keep_text(rules->cache, version, &series->version) ||
        !keep_text(rules->cache, segment, &series->segment))
        return NULL;
    for (uint32_t i = 0; i < rules->count; i++)
        if (matches_series(&rules->rules[i], model, version, segment))
            rules->scratch[series->rule_count++] = i;
    series->rules = keep_indices(rules, series->rule_count);
    if (!series->rules)
        return NULL;
    series->hash = hash;
    series->next = *bucket;
    *bucket = series;
    rules->match_count++; /* so that many series without features count as well */
    return series;
}

const struct rule_match *rules_match(struct rules *rules, const struct rule_series *series,
                                     struct text feature)
{
    uint64_t hash = rule_feature_hash(series->hash, feature);
    struct rule_match **bucket = &rules->matches[hash % MATCH_BUCKETS];
    for (const struct rule_match *at = *bucket; at; at = at->next)
        if (at->hash == hash && at->series == series && text_equal(at->feature, feature))
            return at;
    struct rule_match *match = arena_zalloc(rules->cache, sizeof(*match));
    if (!match || !keep_text(rules->cache, feature, &match->feature))
        return NULL;
    for (uint32_t i = 0; i < series->rule_count; i++)
        if (glob(rules->rules[series->rules[i]].feature, feature))
            rules->scratch[match->rule_count++] = series->rules[i];
    match->rules = keep_indices(rules, match->rule_count);
    if (!match->rules)
        return NULL;
    match->series = series;
    match->hash = hash;
    match->next = *bucket;
    *bucket = match;
    rules->match_count++;
    return match;
}

/* ---- judging ---- */

static double slot(const struct report_row *row, int index)
{
    return index < 0 ? NAN : row->slots[index];
}

static bool reaches(const struct rule *rule, double value, double threshold)
{
    return rule->below ? value <= threshold : value >= threshold; /* false for a NaN threshold */
}

/*
 * Where a band is clear again. For the usual positive threshold of an upper bound this is ratio · threshold;
 * for a lower bound threshold / ratio, but for thresholds between 0 and 1 at most half the way to 1: most
 * such metrics are ratios that end at 1, and an alert at 0.95 has to be able to end.
 */
static double clear_level(const struct rule *rule, double threshold)
{
    if (!rule->below)
        return threshold - (1 - rule->clear_ratio) * fabs(threshold);
    double step = (1 / rule->clear_ratio - 1) * fabs(threshold);
    if (threshold > 0 && threshold < 1)
        step = fmin(step, (1 - threshold) / 2);
    return threshold + step;
}

static bool is_clear(const struct rule *rule, double value, double level)
{
    return rule->below ? value > level : value < level;
}

static bool is_unknown(const struct rule *rule, const struct report_row *row, const struct judgement *out)
{
    if (isnan(out->value) || (row->flags & REPORT_GRID_MISMATCH) || row->n < rule->minimum_n)
        return true;
    if ((row->flags & REPORT_INSUFFICIENT) && rule->metric->has_minimum_n)
        return true;
    return !isnan(rule->max_p) && isnan(out->p_value);
}

void rule_judge(const struct rule *rule, const struct report_row *row, struct judgement *out)
{
    const struct metric *metric = rule->metric;
    bool subject = row->family == metric->family &&
                   (metric->kinds & (row->flags & REPORT_CATEGORICAL ? METRIC_CATEGORICAL : METRIC_NUMERIC));
    *out = (struct judgement){.verdict = VERDICT_UNKNOWN,
                              .value = subject ? row->slots[metric->slot] : NAN,
                              .p_value = slot(row, metric->p_slot),
                              .low = slot(row, metric->low_slot),
                              .high = slot(row, metric->high_slot),
                              .noise_floor = slot(row, metric->floor_slot) * metric->floor_scale,
                              .threshold = NAN,
                              .clear_level = NAN};
    if (is_unknown(rule, row, out))
        return;
    bool floored = !rule->below && !rule->ignore_noise && !isnan(out->noise_floor);
    double warning = rule->warning, critical = rule->critical;
    if (floored && !isnan(warning))
        warning = fmax(warning, out->noise_floor);
    if (floored && !isnan(critical))
        critical = fmax(critical, out->noise_floor);
    double lowest = isnan(warning) ? critical : warning;
    out->clear_level = clear_level(rule, lowest);
    out->threshold = lowest;
    out->left_critical = isnan(critical) || is_clear(rule, out->value, clear_level(rule, critical));
    bool significant = isnan(rule->max_p) || out->p_value < rule->max_p;
    if (reaches(rule, out->value, lowest) && significant) {
        bool is_critical = reaches(rule, out->value, critical);
        out->verdict = VERDICT_BREACH;
        out->severity = is_critical ? SEVERITY_CRITICAL : SEVERITY_WARNING;
        out->threshold = is_critical ? critical : lowest;
    } else {
        out->verdict = is_clear(rule, out->value, out->clear_level) ? VERDICT_CLEAR : VERDICT_HOLD;
    }
}

double rule_excess(const struct rule *rule, double value, double threshold)
{
    double ratio = rule->below ? threshold / value : value / threshold;
    return isnan(ratio) ? 0 : ratio;
}
