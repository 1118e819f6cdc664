/* From the sums of a window of outcomes to stored rows and judged findings. */
#include "agent/engine_outcomes.h"

static struct outcome_options options_of(const struct engine *engine, const struct version *version)
{
    const struct outcome_scratch *scratch = &engine->outcomes->scratch;
    const struct model_config *config = version->config;
    return (struct outcome_options){
        .n_min = config->labels_min,
        .unit = config->options.unit,
        .facets = config->facets,
        .facet_count = config->facet_count,
        .residual_layout = scratch->residuals,
        .residuals = scratch->tallies[OUTCOME_RESIDUALS],
        .class_scores = scratch->used[OUTCOME_CLASS_SCORES] ? scratch->tallies[OUTCOME_CLASS_SCORES] : NULL};
}

/* Rows of the scratch tallies into the engine's, from `at` on; returns how many there are then. */
static uint32_t group_rows(struct engine *engine, const struct version *version,
                           const struct outcome_options *options, uint32_t at)
{
    struct text names[OUTCOME_GROUPS_MAX];
    uint32_t count = intern_count(version->groups);
    for (uint32_t i = 0; i < count; i++)
        names[i] = intern_text(version->groups, i);
    return at + outcome_groups_report(engine->outcomes->scratch.tallies[OUTCOME_GROUPS], names, count,
                                      options, engine->rows + at, engine->row_names + at);
}

static uint32_t class_rows(struct engine *engine, struct version *version,
                           const struct outcome_options *options, uint32_t at)
{
    struct text names[OUTCOME_CLASS_SLOTS];
    uint32_t count = outcome_class_names(engine->outcomes->classes, version->model, names);
    /* Which classes found a slot was a matter of order: no row is sure from here on. */
    if (count == OUTCOME_CLASS_SLOTS &&
        outcome_classes_have_other(engine->outcomes->scratch.tallies[OUTCOME_CLASSES]))
        version->capped = true;
    return at + outcome_classes_report(engine->outcomes->scratch.tallies[OUTCOME_CLASSES], names, count,
                                       options, engine->rows + at, engine->row_names + at);
}

int engine_outcomes_write(struct engine *engine, const struct series *series,
                          const struct window_config *window, int64_t end_ms, uint32_t revision)
{
    const struct outcome_scratch *scratch = &engine->outcomes->scratch;
    struct version *version = series->version;
    struct outcome_options options = options_of(engine, version);
    bool with_groups = scratch->used[OUTCOME_GROUPS] && version->groups && !series->segment[0];
    uint32_t most = OUTCOME_ROWS_MAX + OUTCOME_CLASS_ROWS_MAX;
    most += with_groups ? outcome_group_rows_max(intern_count(version->groups)) : 0;
    int code = engine_prepare_rows(engine, most);
    if (code != 0)
        return code;
    uint32_t count = 0;
    if (scratch->used[OUTCOME_SCORES])
        count = outcomes_report(scratch->tallies[OUTCOME_SCORES], &options, engine->rows, engine->row_names);
    if (with_groups)
        count = group_rows(engine, version, &options, count);
    if (scratch->used[OUTCOME_CLASSES])
        count = class_rows(engine, version, &options, count);
    return engine_put_rows(engine, series, window, end_ms, revision, engine->rows, engine->row_names, count);
}
