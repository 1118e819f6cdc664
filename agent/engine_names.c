/* Names and what hangs from them: series, versions, subjects, grids, references; admission under the caps
 * (DESIGN §13). */
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/engine_evidence.h"
#include "agent/engine_labelled.h"
#include "agent/engine_internal.h"
#include "agent/engine_past.h"
#include "agent/engine_sequence.h"

static int compare_series_names(const struct series *series, const char *model, const char *version,
                                const char *segment)
{
    int order = strcmp(series->version->model, model);
    if (order == 0)
        order = strcmp(series->version->name, version);
    return order ? order : strcmp(series->segment, segment);
}

/* Index of the first series that is not before the name. */
static uint32_t series_position(const struct engine *engine, const char *model, const char *version,
                                const char *segment)
{
    uint32_t low = 0, high = engine->series_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_series_names(engine->series[middle], model, version, segment) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct profile *starting_profile(struct engine *engine, struct version *version)
{
    for (uint32_t i = 0; i < engine->book.count; i++) {
        const struct profile_entry *entry = &engine->book.entries[i];
        if (strcmp(entry->model, version->model) == 0 &&
            (!entry->version || strcmp(entry->version, version->name) == 0))
            return entry->profile;
    }
    return engine->book.otherwise(engine->book.context, text_of(version->model), text_of(version->name));
}

static struct known_reference *reference_of_profile(const struct engine *engine,
                                                    const struct profile *profile)
{
    for (struct known_reference *known = engine->references; known; known = known->next)
        if (&known->profile == profile)
            return known;
    return NULL;
}

static bool admits_version(const struct engine *engine, const char *model)
{
    uint32_t models = 0, versions = 0;
    const char *previous = NULL;
    for (uint32_t i = 0; i < engine->version_count; i++) {
        const struct version *version = engine->versions[i];
        if (!previous || strcmp(previous, version->model) != 0)
            models++;
        previous = version->model;
        versions += strcmp(version->model, model) == 0;
    }
    if (versions == 0)
        return models < engine->config->limits.models;
    return versions < engine->config->limits.versions;
}

/* versions[] is sorted by (model, version). */
struct version *engine_version(struct engine *engine, const char *model, const char *name)
{
    uint32_t at = 0;
    for (; at < engine->version_count; at++) {
        int order = strcmp(engine->versions[at]->model, model);
        if (order == 0)
            order = strcmp(engine->versions[at]->name, name);
        if (order == 0)
            return engine->versions[at];
        if (order > 0)
            break;
    }
    if (!admits_version(engine, model))
        return NULL;
    if (engine->version_count == engine->version_capacity) {
        struct version **grown =
            grow_array(engine->versions, &engine->version_capacity, 16, sizeof(struct version *));
        if (!grown)
            return NULL;
        engine->versions = grown;
    }
    struct version *version = calloc(1, sizeof(*version));
    if (!version)
        return NULL;
    version->model = strdup(model);
    version->name = strdup(name);
    if (!version->model || !version->name) {
        free(version->model);
        free(version->name);
        free(version);
        return NULL;
    }
    version->matured_until_ms = version->settled_until_ms = INT64_MIN;
    version->config = config_model(engine->config, text_of(model));
    version->reference_config = config_reference(version->config, text_of(name));
    if (engine_sequence_start(version) != 0) {
        engine_sequence_free(version);
        free(version->model);
        free(version->name);
        free(version);
        return NULL;
    }
    version->profile = starting_profile(engine, version);
    version->reference = reference_of_profile(engine, version->profile);
    if (version->profile->state == PROFILE_WAITING)
        version->capture = CAPTURE_UNSTARTED;
    memmove(engine->versions + at + 1, engine->versions + at,
            (engine->version_count - at) * sizeof(struct version *));
    engine->versions[at] = version;
    engine->version_count++;
    return version;
}

static uint32_t count_segments(const struct engine *engine, const struct version *version)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < engine->series_count; i++)
        count += engine->series[i]->version == version && engine->series[i]->segment[0];
    return count;
}

static int number_series(struct engine *engine, struct series *series, uint32_t number)
{
    if (number >= engine->by_number_capacity) {
        uint32_t capacity = number + 64;
        struct series **grown = realloc(engine->by_number, capacity * sizeof(struct series *));
        if (!grown)
            return ERR_NOMEM;
        memset(grown + engine->by_number_capacity, 0,
               (capacity - engine->by_number_capacity) * sizeof(struct series *));
        engine->by_number = grown;
        engine->by_number_capacity = capacity;
    }
    engine->by_number[number] = series;
    series->number = number;
    if (number >= engine->next_series_number)
        engine->next_series_number = number + 1;
    return 0;
}

struct series *engine_series(struct engine *engine, const char *model, const char *version_name,
                             const char *segment, bool restoring, uint32_t number)
{
    uint32_t at = series_position(engine, model, version_name, segment);
    if (at < engine->series_count &&
        compare_series_names(engine->series[at], model, version_name, segment) == 0)
        return engine->series[at];
    struct version *version = engine_version(engine, model, version_name);
    if (!version)
        return NULL;
    /* "(other)" of each key is let in above the cap: it takes what the cap refuses. Where there is one, a
     * worker has refused something. */
    bool other = strstr(segment, "=(other)") != NULL;
    version->capped |= other;
    uint64_t limit = engine->config->limits.segments;
    if (segment[0] && !restoring && count_segments(engine, version) >= (other ? 2 * limit + 1 : limit)) {
        version->capped = true;
        return NULL;
    }
    if (engine->series_count == engine->series_capacity) {
        struct series **grown =
            grow_array(engine->series, &engine->series_capacity, 32, sizeof(struct series *));
        if (!grown)
            return NULL;
        engine->series = grown;
    }
    struct series *series = calloc(1, sizeof(*series));
    if (!series)
        return NULL;
    series->version = version;
    series->incomplete_until_ms = INT64_MIN;
    series->segment = strdup(segment);
    if (!series->segment ||
        number_series(engine, series, restoring ? number : engine->next_series_number) != 0) {
        free(series->segment);
        free(series);
        return NULL;
    }
    memmove(engine->series + at + 1, engine->series + at,
            (engine->series_count - at) * sizeof(struct series *));
    engine->series[at] = series;
    engine->series_count++;
    if (engine->step.running && at < engine->step.next_series)
        engine->step
            .next_series++; /* the step has passed its place: a series without panes has nothing to close */
    if (!restoring)
        store_put_series(engine->batch, series->number, text_of(model), text_of(version_name),
                         text_of(segment));
    return series;
}

uint32_t engine_subject(struct engine *engine, struct text name)
{
    uint32_t known = intern_count(engine->subjects);
    uint32_t id = intern_add(engine->subjects, name);
    if (id == INTERN_NONE)
        return 0;
    if (id == known)
        store_put_subject(engine->batch, id + 1, name);
    return id + 1;
}

struct known_grid *engine_grid(const struct engine *engine, uint32_t number)
{
    for (struct known_grid *grid = engine->grids; grid; grid = grid->next)
        if (grid->number == number)
            return grid;
    return NULL;
}

static struct known_grid *grid_by_id(const struct engine *engine, const char *id)
{
    for (struct known_grid *grid = engine->grids; grid; grid = grid->next)
        if (strcmp(grid->id, id) == 0)
            return grid;
    return NULL;
}

/* Finds or makes the grid of a reference; fills what a grid that was only a number in the store lacks. */
static struct known_grid *learn_grid(struct engine *engine, const struct reference *reference,
                                     uint32_t number)
{
    struct known_grid *grid = grid_by_id(engine, reference->grid->id);
    if (!grid) {
        grid = calloc(1, sizeof(*grid));
        if (!grid)
            return NULL;
        memcpy(grid->id, reference->grid->id, sizeof(grid->id));
        grid->number = number ? number : engine->next_grid_number;
        if (grid->number >= engine->next_grid_number)
            engine->next_grid_number = grid->number + 1;
        grid->next = engine->grids;
        engine->grids = grid;
        if (!number)
            store_put_grid(engine->batch, grid->number, grid->id);
    }
    if (!grid->layouts[GRID_FINE]) {
        uint32_t count = reference->grid->feature_count;
        grid->owned_coarse = feature_layout_new(reference->grid, GRID_COARSE);
        grid->subjects = calloc(count ? count : 1, sizeof(*grid->subjects));
        if (!grid->owned_coarse || !grid->subjects)
            return NULL;
        grid->layouts[GRID_FINE] = reference->layout;
        grid->layouts[GRID_COARSE] = grid->owned_coarse;
        for (uint32_t i = 0; i < count; i++)
            grid->subjects[i] = engine_subject(engine, text_of(reference->grid->features[i].name));
    }
    return grid;
}

int engine_learn_reference(struct engine *engine, struct reference *reference, uint32_t number,
                           uint32_t grid_number, int64_t effective_from_ms, struct known_reference **out)
{
    struct known_reference *known = calloc(1, sizeof(*known));
    struct known_grid *grid = known ? learn_grid(engine, reference, grid_number) : NULL;
    if (!grid) {
        free(known);
        reference_free(reference);
        return ERR_NOMEM;
    }
    known->number = number ? number : engine->next_reference_number;
    if (known->number >= engine->next_reference_number)
        engine->next_reference_number = known->number + 1;
    known->reference = reference;
    known->grid = grid;
    known->effective_from_ms = effective_from_ms;
    known->profile = (struct profile){.state = PROFILE_READY,
                                      .effective_from_ms = effective_from_ms,
                                      .grid = grid->number,
                                      .reference_number = known->number,
                                      .reference = reference,
                                      .layouts = {grid->layouts[GRID_FINE], grid->layouts[GRID_COARSE]}};
    known->next = engine->references;
    engine->references = known;
    *out = known;
    uint32_t rows = families_rows_max(reference), features = reference->grid->feature_count;
    return engine_prepare_rows(engine, rows > features ? rows : features);
}

int engine_prepare_rows(struct engine *engine, uint32_t count)
{
    if (count <= engine->row_capacity)
        return 0;
    struct report_row *rows = realloc(engine->rows, count * sizeof(*rows));
    if (rows)
        engine->rows = rows;
    struct text *names = realloc(engine->row_names, count * sizeof(*names));
    if (names)
        engine->row_names = names;
    if (!rows || !names)
        return ERR_NOMEM;
    engine->row_capacity = count;
    return 0;
}

static void series_free(struct series *series)
{
    for (struct open_pane *pane = series->open, *next; pane; pane = next) {
        next = pane->next;
        pane_set_release(&pane->set);
        sample_free(pane->sample);
        free(pane);
    }
    for (int tier = 0; tier < TIER_MAX; tier++)
        pane_set_release(&series->coarse[tier]);
    for (int window = 0; window < WINDOW_MAX; window++)
        pane_set_release(&series->windows[window].set);
    engine_late_free(series);
    engine_unions_drop(series);
    volume_free(series->volume);
    outcome_panes_release(&series->outcomes);
    free(series->kpi_past);
    tally_free(series->kpi_tails);
    free(series->segment);
    free(series);
}

void engine_names_free(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->series_count; i++)
        series_free(engine->series[i]);
    free(engine->series);
    free(engine->by_number);
    for (uint32_t i = 0; i < engine->version_count; i++) {
        sample_free(engine->versions[i]->sample);
        intern_free(engine->versions[i]->groups);
        intern_free(engine->versions[i]->kpis);
        free(engine->versions[i]->kpi_maps);
        engine_labelled_free(engine->versions[i]);
        free(engine->versions[i]->paired);
        engine_sequence_free(engine->versions[i]);
        engine_past_free(engine->versions[i]);
        engine_evidence_free(engine->versions[i]);
        free(engine->versions[i]->model);
        free(engine->versions[i]->name);
        free(engine->versions[i]);
    }
    free(engine->versions);
    for (uint32_t i = 0; i < engine->worker_count; i++)
        free(engine->workers[i].series);
    free(engine->workers);
    for (struct known_grid *grid = engine->grids, *next; grid; grid = next) {
        next = grid->next;
        feature_layout_free(grid->owned_coarse);
        free(grid->subjects);
        free(grid);
    }
    for (struct known_reference *known = engine->references, *next; known; known = next) {
        next = known->next;
        if (!known->alias)
            reference_free(known->reference);
        free(known);
    }
    for (struct retired_profile *retired = engine->retired, *next; retired; retired = next) {
        next = retired->next;
        free(retired);
    }
    for (uint32_t i = 0; i < engine->book.count; i++) {
        free((void *)(uintptr_t)engine->book_entries[i].model);
        free((void *)(uintptr_t)engine->book_entries[i].version);
    }
    free(engine->book_entries);
    intern_free(engine->subjects);
    free(engine->rows);
    free(engine->row_names);
}
