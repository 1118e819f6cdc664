#include "agent/engine_versions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/engine_outcomes.h"
#include "detectors/comparison.h"

enum { VERSIONS_MAX = 8, NAME_BYTES = 256 };

struct contender {
    struct series *whole;
    struct tally *outcomes;
};

static uint32_t contenders_of(struct engine *engine, const char *model,
                              struct contender contenders[VERSIONS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < engine->version_count && count < VERSIONS_MAX; i++) {
        struct version *version = engine->versions[i];
        if (version->whole && version->whole->outcomes.count && strcmp(version->model, model) == 0)
            contenders[count++] = (struct contender){version->whole, NULL};
    }
    return count;
}

/* ---- the same ids ---- */

struct pairing {
    const struct contender *contenders;
    uint32_t count;
    struct paired_counts counts[VERSIONS_MAX][VERSIONS_MAX]; /* [second][first] */
};

static uint32_t contender_of(const struct pairing *pairing, uint32_t owner)
{
    uint32_t i = 0;
    while (i < pairing->count && pairing->contenders[i].whole->number != owner)
        i++;
    return i;
}

static void count_pair(void *context, const struct join_entry *prediction, const struct join_entry *other,
                       const struct join_entry *label)
{
    struct pairing *pairing = context;
    uint32_t second = contender_of(pairing, prediction->owner);
    uint32_t first = contender_of(pairing, other->owner);
    if (first >= second || second == pairing->count || prediction->kind != OUTCOME_BINARY ||
        other->kind != OUTCOME_BINARY)
        return;
    bool right = prediction->predicted == (label->value > 0.5);
    bool other_right = other->predicted == (label->value > 0.5);
    struct paired_counts *counts = &pairing->counts[second][first];
    counts->both_right += right && other_right;
    counts->only_first += !right && other_right;
    counts->only_second += right && !other_right;
    counts->both_wrong += !right && !other_right;
}

static int keep_pane(struct version *version, const struct paired_pane *pane)
{
    if (version->paired_count == version->paired_capacity) {
        struct paired_pane *grown =
            grow_array(version->paired, &version->paired_capacity, 64, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        version->paired = grown;
    }
    version->paired[version->paired_count++] = *pane;
    return 0;
}

static struct paired_counts sum_pairs(const struct version *version, uint8_t tier, uint32_t other,
                                      int64_t from_ms, int64_t to_ms)
{
    struct paired_counts sum = {0};
    for (uint32_t i = 0; i < version->paired_count; i++) {
        const struct paired_pane *pane = &version->paired[i];
        if (pane->tier != tier || pane->other != other || pane->start_ms < from_ms || pane->start_ms >= to_ms)
            continue;
        sum.both_right += pane->counts.both_right;
        sum.only_first += pane->counts.only_first;
        sum.only_second += pane->counts.only_second;
        sum.both_wrong += pane->counts.both_wrong;
    }
    return sum;
}

static int put_pane(struct engine *engine, struct version *version, const struct paired_pane *pane)
{
    const struct paired_counts *counts = &pane->counts;
    if (counts->both_right + counts->only_first + counts->only_second + counts->both_wrong == 0)
        return 0;
    strbuf_reset(&engine->scratch);
    strbuf_add_varint(&engine->scratch, counts->both_right);
    strbuf_add_varint(&engine->scratch, counts->only_first);
    strbuf_add_varint(&engine->scratch, counts->only_second);
    strbuf_add_varint(&engine->scratch, counts->both_wrong);
    struct stored_pane stored = {.tier = pane->tier,
                                 .start_ms = pane->start_ms,
                                 .series = version->whole->number,
                                 .family = PANE_PAIRED,
                                 .grid = pane->other,
                                 .part = PANE_ON_TIME,
                                 .bytes = engine->scratch.bytes,
                                 .len = engine->scratch.len};
    store_put_pane(engine->batch, &stored);
    return keep_pane(version, pane);
}

static void forget_panes(const struct engine *engine, struct version *version, int64_t end_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < version->paired_count; i++)
        if (version->paired[i].start_ms >=
            time_minus(end_ms, engine_outcomes_keep_ms(engine, version->paired[i].tier)))
            version->paired[kept++] = version->paired[i];
    version->paired_count = kept;
}

/* The finest pane that ends here, and the coarser ones that end with it. */
static int put_panes(struct engine *engine, struct version *version, uint32_t other,
                     const struct paired_counts *counts, int64_t end_ms)
{
    struct paired_pane pane = {
        .start_ms = end_ms - engine->times.tiers_ms[0], .other = other, .counts = *counts};
    int code = put_pane(engine, version, &pane);
    for (uint8_t tier = 1;
         code == 0 && tier < engine->times.tier_count && pane_is_boundary(&engine->times, tier, end_ms);
         tier++) {
        pane.tier = tier;
        pane.start_ms = end_ms - engine->times.tiers_ms[tier];
        pane.counts = sum_pairs(version, (uint8_t)(tier - 1), other, pane.start_ms, end_ms);
        code = put_pane(engine, version, &pane);
    }
    return code;
}

static int count_pairs(struct engine *engine, const struct contender *contenders, uint32_t count,
                       int64_t end_ms)
{
    struct pairing pairing = {.contenders = contenders, .count = count};
    join_each_shared(engine->outcomes->join, end_ms - engine->times.tiers_ms[0], end_ms, count_pair,
                     &pairing);
    int code = 0;
    for (uint32_t second = 1; code == 0 && second < count; second++) {
        struct version *version = contenders[second].whole->version;
        for (uint32_t first = 0; code == 0 && first < second; first++)
            code = put_panes(engine, version, contenders[first].whole->number, &pairing.counts[second][first],
                             end_ms);
        forget_panes(engine, version, end_ms);
    }
    return code;
}

int engine_versions_restore(struct version *version, const struct stored_pane *stored)
{
    struct cursor in = {stored->bytes, (const unsigned char *)stored->bytes + stored->len, false};
    struct paired_pane pane = {.start_ms = stored->start_ms, .tier = stored->tier, .other = stored->grid};
    pane.counts.both_right = cursor_varint(&in);
    pane.counts.only_first = cursor_varint(&in);
    pane.counts.only_second = cursor_varint(&in);
    pane.counts.both_wrong = cursor_varint(&in);
    return in.failed ? ERR_CORRUPT : keep_pane(version, &pane);
}

/* ---- rows ---- */

static int put_pair(struct engine *engine, const struct contender *first, const struct contender *second,
                    const struct window_config *window, int64_t end_ms, uint32_t revision)
{
    const struct model_options *options = &second->whole->version->config->options;
    struct report_row row;
    char buffer[NAME_BYTES];
    struct paired_counts pairs = sum_pairs(second->whole->version, window->tier, first->whole->number,
                                           end_ms - window->length_ms, end_ms);
    if (!comparison_report_versions(first->outcomes, second->outcomes, &pairs, options->unit, options->n_min,
                                    &row))
        return 0;
    row.flags |= REPORT_NO_REFERENCE;
    (void)snprintf(buffer, sizeof(buffer), "%.100s vs %.100s", first->whole->version->name,
                   second->whole->version->name);
    struct text name = text_of(buffer);
    return engine_put_rows(engine, second->whole, window, end_ms, revision, &row, &name, 1);
}

/* Pairs of a window; only those of `one` when it is not NULL. */
static int report_window(struct engine *engine, struct contender *contenders, uint32_t count,
                         const struct window_config *window, int64_t end_ms, const struct series *one)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        if (!contenders[i].outcomes && !(contenders[i].outcomes = tally_new(outcomes_size())))
            return ERR_NOMEM;
        bool late;
        code = engine_outcomes_sum(engine, contenders[i].whole, window, end_ms, one != NULL, &late);
        if (code == 0)
            tally_copy(contenders[i].outcomes, engine->outcomes->scratch.tallies[0]);
    }
    for (uint32_t i = 0; code == 0 && i < count; i++)
        for (uint32_t j = i + 1; code == 0 && j < count; j++)
            if (!one || contenders[i].whole == one || contenders[j].whole == one)
                code = put_pair(engine, &contenders[i], &contenders[j], window, end_ms, one ? 2 : 1);
    return code;
}

static void forget_contenders(struct contender *contenders, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        tally_free(contenders[i].outcomes);
}

int engine_versions_report(struct engine *engine, const char *model, int64_t end_ms)
{
    struct contender contenders[VERSIONS_MAX];
    uint32_t count = contenders_of(engine, model, contenders);
    int code = count > 1 ? count_pairs(engine, contenders, count, end_ms) : 0;
    for (uint32_t i = 0; code == 0 && count > 1 && i < engine->config->window_count; i++) {
        const struct window_config *window = &engine->config->windows[i];
        if (pane_is_boundary(&engine->times, window->tier, end_ms) &&
            !engine_outcomes_is_beyond_end(engine, window->tier, end_ms))
            code = report_window(engine, contenders, count, window, end_ms, NULL);
    }
    forget_contenders(contenders, count);
    return code;
}

/* Was the version compared when the window matured? */
static bool had_outcomes(const struct series *whole, const struct window_config *window, int64_t end_ms)
{
    const struct outcome_panes *panes = &whole->outcomes;
    uint32_t to = outcome_panes_position(panes, window->tier, end_ms);
    for (uint32_t i = outcome_panes_position(panes, window->tier, end_ms - window->length_ms); i < to; i++)
        if (!outcome_part_is_empty(&panes->items[i]->parts[PANE_ON_TIME]))
            return true;
    return false;
}

int engine_versions_revise(struct engine *engine, const struct series *whole,
                           const struct window_config *window, int64_t end_ms)
{
    struct contender contenders[VERSIONS_MAX];
    uint32_t count = contenders_of(engine, whole->version->model, contenders), kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (had_outcomes(contenders[i].whole, window, end_ms))
            contenders[kept++] = contenders[i];
    if (kept < 2 || !had_outcomes(whole, window, end_ms))
        return 0;
    int code = report_window(engine, contenders, kept, window, end_ms, whole);
    forget_contenders(contenders, kept);
    return code;
}
