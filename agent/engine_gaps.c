/* Gaps between groups of a window of outcomes against those of what it is compared with (gap_drift.h). */
#include "agent/engine_labelled.h"
#include "agent/engine_outcomes.h"
#include "detectors/gap_drift.h"

static uint32_t names_of(const struct version *version, struct text names[OUTCOME_GROUPS_MAX])
{
    uint32_t count = intern_count(version->groups);
    for (uint32_t i = 0; i < count; i++)
        names[i] = intern_text(version->groups, i);
    return count;
}

static const struct named_counts *or_none(const struct named_counts *counts)
{
    return counts->count > 0 ? counts : NULL;
}

/* Labelled rates by the groups of whatever labels are compared with; selection rates by those of the
 * reference when it has any. *out_first: some of it is of first outcomes. False: there is nothing to compare
 * with. */
static bool find_reference(const struct version *version, int64_t start_ms, struct gap_reference *out,
                           bool *out_first)
{
    const struct known_reference *known = engine_labelled_known(version, start_ms);
    const struct labelled *labelled = engine_labelled(version, start_ms);
    const struct named_counts *of_reference = known ? or_none(&known->reference->groups) : NULL;
    const struct named_counts *first =
        labelled && labelled == version->labelled ? or_none(&labelled->groups) : NULL;
    out->labels = first ? first : labelled && labelled != version->labelled ? of_reference : NULL;
    out->predictions = of_reference ? of_reference : first;
    *out_first = first != NULL;
    return known || labelled;
}

int engine_gaps_report(struct engine *engine, const struct series *series, const struct window_config *window,
                       int64_t end_ms, uint32_t revision)
{
    const struct outcome_scratch *scratch = &engine->outcomes->scratch;
    const struct version *version = series->version;
    struct text names[OUTCOME_GROUPS_MAX];
    struct gap_reference reference;
    bool of_first;
    if (!scratch->used[OUTCOME_GROUPS] || !version->groups || series->segment[0] ||
        !find_reference(version, end_ms - window->length_ms, &reference, &of_first))
        return 0;
    uint32_t name_count = names_of(version, names);
    int code = engine_prepare_rows(engine, name_count);
    if (code != 0)
        return code;
    uint32_t count = gap_drift_report(scratch->tallies[OUTCOME_GROUPS], names, name_count, &reference,
                                      version->config->labels_min, engine->rows, engine->row_names);
    for (uint32_t i = 0; i < count; i++)
        engine->rows[i].flags |= of_first ? REPORT_NO_REFERENCE : 0u;
    return engine_put_rows(engine, series, window, end_ms, revision, engine->rows, engine->row_names, count);
}

int engine_gaps_mature(const struct engine *engine, struct version *version)
{
    const struct outcome_scratch *scratch = &engine->outcomes->scratch;
    struct text names[OUTCOME_GROUPS_MAX];
    if (!scratch->used[OUTCOME_GROUPS] || !version->groups)
        return 0;
    return group_counts_add_tally(&version->labelled->groups, scratch->tallies[OUTCOME_GROUPS], names,
                                  names_of(version, names));
}
