#include "agent/engine_versions.h"

#include <stdio.h>
#include <string.h>

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

static int put_pair(struct engine *engine, const struct contender *first, const struct contender *second,
                    const struct window_config *window, int64_t end_ms)
{
    const struct model_options *options = &second->whole->version->config->options;
    struct report_row row;
    char buffer[NAME_BYTES];
    if (!comparison_report_versions(first->outcomes, second->outcomes, NULL, options->unit, options->n_min,
                                    &row))
        return 0;
    row.flags |= REPORT_NO_REFERENCE;
    (void)snprintf(buffer, sizeof(buffer), "%.100s vs %.100s", first->whole->version->name,
                   second->whole->version->name);
    struct text name = text_of(buffer);
    return engine_put_rows(engine, second->whole, window, end_ms, 1, &row, &name, 1);
}

static int report_window(struct engine *engine, struct contender *contenders, uint32_t count,
                         const struct window_config *window, int64_t end_ms)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        if (!contenders[i].outcomes && !(contenders[i].outcomes = tally_new(outcomes_size())))
            return ERR_NOMEM;
        bool late;
        code = engine_outcomes_sum(engine, contenders[i].whole, window, end_ms, false, &late);
        if (code == 0)
            tally_copy(contenders[i].outcomes, engine->outcomes->scratch.tallies[0]);
    }
    for (uint32_t i = 0; code == 0 && i < count; i++)
        for (uint32_t j = i + 1; code == 0 && j < count; j++)
            code = put_pair(engine, &contenders[i], &contenders[j], window, end_ms);
    return code;
}

int engine_versions_report(struct engine *engine, const char *model, int64_t end_ms)
{
    struct contender contenders[VERSIONS_MAX];
    uint32_t count = contenders_of(engine, model, contenders);
    int code = 0;
    for (uint32_t i = 0; code == 0 && count > 1 && i < engine->config->window_count; i++) {
        const struct window_config *window = &engine->config->windows[i];
        if (pane_is_boundary(&engine->times, window->tier, end_ms) &&
            !engine_outcomes_is_beyond_end(engine, window->tier, end_ms))
            code = report_window(engine, contenders, count, window, end_ms);
    }
    for (uint32_t i = 0; i < count; i++)
        tally_free(contenders[i].outcomes);
    return code;
}
