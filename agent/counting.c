#include "agent/counting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/intern.h"
#include "agent/class_numbers.h"
#include "agent/combos.h"
#include "agent/outcome_event.h"
#include "detectors/cardinality.h"
#include "detectors/unseen_names.h"

enum { CLASS_NAMES_MAX = 65536, CLASS_MODELS_MAX = 65536, CLASS_BYTES_MAX = 2048 };

struct counting {
    const struct pane_times *times;
    struct feature_row *row;
    uint32_t row_features;
    struct family_tools tools;
    struct combos *combos;
    struct intern *classes; /* "model", NUL, class */
    struct class_numbers *class_numbers;
    struct members *members;                        /* of the event at hand */
    uint32_t value_hints[CARDINALITY_FEATURES_MAX]; /* cardinality.h */
};

struct counting *counting_new(const struct pane_times *times)
{
    struct counting *counting = calloc(1, sizeof(*counting));
    if (!counting)
        return NULL;
    counting->times = times;
    counting->combos = combos_new();
    counting->classes = intern_new(CLASS_NAMES_MAX + CLASS_MODELS_MAX);
    counting->class_numbers = class_numbers_new();
    counting->members = calloc(1, sizeof(*counting->members));
    if (family_tools_init(&counting->tools) != 0 || !counting->combos || !counting->classes ||
        !counting->class_numbers || !counting->members) {
        counting_free(counting);
        return NULL;
    }
    return counting;
}

void counting_free(struct counting *counting)
{
    if (!counting)
        return;
    feature_row_free(counting->row);
    family_tools_release(&counting->tools);
    combos_free(counting->combos);
    intern_free(counting->classes);
    class_numbers_free(counting->class_numbers);
    free(counting->members);
    free(counting);
}

/* ---- features ---- */

static bool has_features(const struct event *ev)
{
    return ev->kind == EVENT_PREDICTION || ev->kind == EVENT_FEATURES;
}

bool counting_is_binned(const struct version_state *state, const struct event *ev)
{
    return has_features(ev) && state->profile->state == PROFILE_READY &&
           ev->ts_ms >= state->profile->effective_from_ms;
}

int counting_resolve(struct counting *counting, struct version_state *state, uint32_t input,
                     const struct event *ev)
{
    const struct grid *grid = state->profile->layouts[GRID_FINE]->grid;
    struct feature_binding **binding = &state->bindings[input];
    if (!*binding) {
        const struct reference *reference = state->profile->reference;
        if (!(*binding = feature_binding_new(grid)))
            return ERR_NOMEM;
        if (reference)
            feature_binding_ignore(*binding, reference->ignored, reference->ignored_count);
    }
    if (grid->feature_count > counting->row_features) {
        feature_row_free(counting->row);
        counting->row = feature_row_new(grid->feature_count);
        counting->row_features = counting->row ? grid->feature_count : 0;
    }
    if (!counting->row)
        return ERR_NOMEM;
    counting->row->count = grid->feature_count;
    return feature_row_resolve(counting->row, *binding, ev);
}

static int count_features(struct counting *counting, struct delta_cell *cell, enum grid_resolution resolution)
{
    if (!cell->features && !(cell->features = feature_cell_new(cell->profile->layouts[resolution])))
        return ERR_NOMEM;
    return feature_cell_add(cell->features, counting->row);
}

static int count_names(struct counting *counting, struct delta_cell *cell)
{
    if (!unseen_names_any(counting->row))
        return 0;
    if (!cell->names && !(cell->names = name_sketch_new()))
        return ERR_NOMEM;
    return unseen_names_add(cell->profile->layouts[GRID_FINE]->grid, counting->row, cell->names);
}

static int count_values(struct counting *counting, struct delta_cell *cell, const char *const *features,
                        const struct event *ev)
{
    if (!cell->distinct && !cardinality_applies(features, counting->value_hints, ev))
        return 0;
    if (!cell->distinct && !(cell->distinct = distinct_sketch_new()))
        return ERR_NOMEM;
    return cardinality_add(cell->distinct, features, counting->value_hints, ev, 1);
}

static struct count_input family_input(const struct counting *counting, const struct version_state *state,
                                       const struct counted_event *counted)
{
    struct count_input input = {.event = counted->event,
                                .options = &state->config->options,
                                .tools = &counting->tools,
                                .record_ms = counted->record_ms};
    if (counted->binned) {
        input.reference = state->profile->reference;
        input.row = counting->row;
        input.binding = state->bindings[counted->input];
    }
    return input;
}

static int take_sample(struct delta_cell *cell, const struct model_options *options, const struct event *ev)
{
    if (!cell->sample) {
        if (!(cell->sample = sample_new(cell->profile->sample)))
            return ERR_NOMEM;
        if (options->multivariate != MULTIVARIATE_OFF)
            sample_keep_vectors(cell->sample);
    }
    return sample_add(cell->sample, ev);
}

/* ---- labels ---- */

/* "model", NUL, class: the class, or NULL when there is none (or no room for another name). The loop reads it
 * as long as this worker lives. */
static int remember_class(struct counting *counting, struct text model, struct text class,
                          const char **out_model, const char **out_class)
{
    char bytes[CLASS_BYTES_MAX];
    *out_class = NULL;
    if (!class.ptr)
        return 0;
    size_t len = (size_t)model.len + 1 + class.len;
    if (len > sizeof(bytes))
        return ERR_LIMIT;
    memcpy(bytes, model.ptr, model.len);
    bytes[model.len] = '\0';
    memcpy(bytes + model.len + 1, class.ptr, class.len);
    struct text whole = {bytes, (uint32_t)len};
    uint32_t name = intern_find(counting->classes, whole);
    if (name == INTERN_NONE) {
        if (intern_count(counting->classes) >= CLASS_NAMES_MAX) /* all further ones are one class */
            whole.len = model.len + 1u;
        name = intern_add(counting->classes, whole);
    }
    if (name == INTERN_NONE)
        return ERR_LIMIT;
    *out_model = intern_text(counting->classes, name).ptr;
    *out_class = *out_model + model.len + 1;
    return 0;
}

/* What an event that brings its label says, if it says anything about its prediction. */
static int take_label(struct counting *counting, const struct version_state *state, const struct event *ev,
                      struct delta_waiting *waiting)
{
    struct outcome_label label;
    if (!outcome_of_label(ev, state->config, &label))
        return 0;
    struct join_entry entry = {.value = label.value,
                               .predicted = !label.class.ptr   ? OUTCOME_CLASS_NONE
                                            : label.name_alone ? OUTCOME_NAME_ALONE
                                                               : 0};
    if (!join_may_pair(&waiting->entry, &entry))
        return 0;
    waiting->kind = WAITING_OUTCOME;
    waiting->truth = label.value;
    if (waiting->entry.kind != OUTCOME_MULTICLASS)
        return 0;
    return remember_class(counting, ev->model, label.class, &waiting->model, &waiting->label_class);
}

static int wait_for_label(struct counting *counting, struct delta *delta, const struct version_state *state,
                          const struct counted_event *counted)
{
    const struct event *ev = counted->event;
    struct delta_waiting waiting = {.kind = WAITING_PREDICTION};
    struct text class;
    bool has_groups = ev->groups.count > 0; /* selection rates need no label */
    if (state->dormant && ev->label.type == VALUE_ABSENT && !has_groups)
        return 0;
    if (!outcome_of_prediction(ev, state->config, counting->times, &waiting.entry, &class))
        return 0;
    int code = remember_class(counting, ev->model, class, &waiting.model, &waiting.predicted_class);
    if (code == 0)
        code = take_label(counting, state, ev, &waiting);
    if (code != 0)
        return code == ERR_LIMIT ? 0 : code;
    if (waiting.kind == WAITING_PREDICTION && (state->dormant || !ev->id.ptr)) {
        if (!has_groups || waiting.entry.kind != OUTCOME_BINARY)
            return 0;
        waiting.kind = WAITING_OUTCOME;
        waiting.truth = (double)NAN;
    }
    if (ev->id.ptr)
        waiting.entry.id_hash = outcome_id_hash(ev);
    if (ev->id.ptr && !outcome_is_sampled(state->config, waiting.entry.id_hash))
        return 0;
    if (waiting.entry.kind == OUTCOME_MULTICLASS &&
        class_numbers_take(counting->class_numbers, delta, ev, &waiting) != 0)
        return ERR_NOMEM;
    members_add_groups(counting->members, &ev->groups);
    waiting.entry.combo = combos_number(counting->combos, delta, counting->members);
    waiting.entry.owner = state->series;
    waiting.entry.late = counted->late;
    return waiting.entry.combo == COMBO_NONE ? ERR_NOMEM : delta_add_waiting(delta, &waiting);
}

bool counting_label(struct counting *counting, struct delta *delta, const struct model_config *config,
                    const struct event *ev, bool late, int64_t clock_ms, struct delta_waiting *out)
{
    struct outcome_label label;
    int64_t ahead_s = clock_ms > ev->ts_ms ? (clock_ms - ev->ts_ms + 999) / 1000 : 0;
    *out = (struct delta_waiting){.kind = WAITING_LABEL,
                                  .entry = {.id_hash = outcome_id_hash(ev),
                                            .ts_ms = ev->ts_ms,
                                            .wait_s = outcome_label_wait_s(config, counting->times),
                                            .owner = ahead_s < UINT32_MAX ? (uint32_t)ahead_s : UINT32_MAX,
                                            .kind = config->last_label ? JOIN_LAST : JOIN_FIRST,
                                            .late = late}};
    if (!outcome_of_label(ev, config, &label))
        return false;
    out->entry.value = label.value;
    out->entry.predicted = label.name_alone ? OUTCOME_NAME_ALONE : 0;
    out->entry.combo = combos_model(counting->combos, delta, ev->model);
    return remember_class(counting, ev->model, label.class, &out->model, &out->label_class) == 0;
}

/* ---- one event ---- */

int counting_add(struct counting *counting, struct delta *delta, struct versions *versions,
                 struct version_state *state, const struct counted_event *counted)
{
    const struct event *ev = counted->event;
    const struct profile *profile = state->profile;
    struct delta_cell *cell = delta_cell(delta, state->series, counted->pane_ms, counted->late, profile);
    if (!cell)
        return ERR_NOMEM;
    struct count_input input = family_input(counting, state, counted);
    if (ev->kind == EVENT_KPI && versions_kpis(versions, state, ev, &input.kpis, &cell->kpi_basis) != 0)
        return ERR_NOMEM;
    uint32_t kpi_basis = cell->kpi_basis;
    members_begin(counting->members, state->series);
    cell->activity[ev->kind]++;
    cell->unchecked |= counted->unchecked;
    int code = 0;
    if (counted->binned)
        code = count_features(counting, cell, GRID_FINE);
    else if (has_features(ev) && !counted->late &&
             (profile->state == PROFILE_WAITING || profile->state == PROFILE_CAPTURE))
        code = take_sample(cell, &state->config->options, ev);
    if (code == 0 && counted->binned)
        code = count_names(counting, cell);
    if (code == 0 && state->config->options.cardinality && has_features(ev))
        code = count_values(counting, cell, state->config->options.cardinality, ev);
    if (code == 0)
        code = families_add(cell->counts, &input, 1, false);
    for (uint32_t i = 0; code == 0 && i < ev->segments.count; i++) {
        uint32_t series = versions_segment(versions, state, ev, &ev->segments.items[i]);
        if (series == UINT32_MAX)
            continue;
        cell = delta_cell(delta, series, counted->pane_ms, counted->late, profile);
        if (!cell)
            return ERR_NOMEM;
        cell->activity[ev->kind]++;
        cell->kpi_basis = kpi_basis;
        members_add_series(counting->members, series);
        if (counted->binned)
            code = count_features(counting, cell, GRID_COARSE);
        if (code == 0)
            code = families_add(cell->counts, &input, 1, true);
    }
    if (code == 0 && ev->kind == EVENT_PREDICTION && state->config->options.task != TASK_NONE)
        code = wait_for_label(counting, delta, state, counted);
    return code;
}

int counting_add_duplicate(struct delta *delta, const struct version_state *state, const struct event *ev,
                           int64_t pane_ms)
{
    struct delta_cell *cell = delta_cell(delta, state->series, pane_ms, false, state->profile);
    return cell ? families_add_duplicate(cell->counts, ev->kind) : ERR_NOMEM;
}
