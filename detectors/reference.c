#include "detectors/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/base/hash.h"
#include "detectors/confidence.h"
#include "detectors/event_outcome.h"
#include "detectors/features_private.h"
#include "detectors/grid_build.h"
#include "detectors/outliers.h"
#include "detectors/reference_multivariate.h"
#include "detectors/reference_private.h"
#include "detectors/sample.h"

/*
 * A reference is built from the rows of a sample in three passes: what types of values each name has; the
 * values of each feature that is kept, which make the grid; counting on the grid. Values are sorted before
 * anything is computed from them, so that the order of rows never matters.
 */

struct weighted {
    double value;
    uint64_t weight;
};

struct category {
    struct text name;
    uint64_t weight, hash;
};

/* One name while it is studied. */
struct column {
    struct text name; /* owned by the builder's intern table, or a literal */
    bool forced_categorical, forced_numeric, excluded;
    enum feature_type type;
    uint64_t numbers, texts, nulls, others; /* values by kind, weighted */
    struct weighted *values;                /* numeric */
    uint32_t value_count, value_capacity;
    struct intern *categories; /* categorical */
    uint64_t *weights;         /* by category id */
    uint32_t weight_capacity;
};

struct study {
    const struct sample *sample;
    const struct reference_options *options;
    struct sample_reader reader;
    struct column *columns; /* the reserved ones (COLUMN_*), then by name id */
    uint32_t column_count, column_capacity;
    int64_t from_ms, to_ms;
};

enum { COLUMN_SCORE, COLUMN_PREDICTION, COLUMN_CONFIDENCE, COLUMN_MARGIN, COLUMN_ENTROPY, COLUMN_NAMES };

void reference_free(struct reference *reference)
{
    if (!reference)
        return;
    free(reference->name);
    free(reference->model);
    free(reference->version);
    free(reference->source);
    tally_free(reference->features);
    reference_free_segments(reference);
    feature_layout_free(reference->coarse);
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++)
        tally_free(reference->counts[family]);
    for (uint32_t i = 0; i < reference->ignored_count; i++)
        free(reference->ignored[i]);
    free(reference->ignored);
    free(reference->dispersion);
    outlier_table_free(reference->outliers);
    labelled_free(reference->labelled);
    multivariate_free(reference->multivariate);
    embeddings_free(reference->embeddings);
    distinct_sketch_free(reference->distinct);
    named_counts_release(&reference->groups);
    feature_layout_free(reference->layout);
    grid_free(reference->grid);
    free(reference);
}

int reference_ignore(struct reference *reference, struct text name)
{
    if (reference->ignored_count == REFERENCE_IGNORED_MAX)
        return 0;
    if (!reference->ignored && !(reference->ignored = calloc(REFERENCE_IGNORED_MAX, sizeof(char *))))
        return ERR_NOMEM;
    char *copy = strndup(name.ptr, name.len);
    if (!copy)
        return ERR_NOMEM;
    uint32_t at = reference->ignored_count++;
    for (; at > 0 && strcmp(reference->ignored[at - 1], copy) > 0; at--)
        reference->ignored[at] = reference->ignored[at - 1];
    reference->ignored[at] = copy;
    return 0;
}

int reference_derive(struct reference *reference)
{
    outlier_table_free(reference->outliers);
    reference->outliers = outlier_table_new(reference->layout, reference->features);
    return reference->outliers ? 0 : ERR_NOMEM;
}

struct reference *reference_of_grid(struct grid *grid)
{
    struct reference *reference = calloc(1, sizeof(*reference));
    if (!reference) {
        grid_free(grid);
        return NULL;
    }
    reference->grid = grid;
    reference->from_ms = reference->to_ms = INT64_MIN;
    reference->layout = feature_layout_new(grid, GRID_FINE);
    reference->coarse = feature_layout_new(grid, GRID_COARSE);
    reference->features = reference->layout ? tally_new(reference->layout->size) : NULL;
    if (!reference->features || !reference->coarse) {
        reference_free(reference);
        return NULL;
    }
    return reference;
}

int reference_set_texts(struct reference *reference, const char *name, const char *model, const char *version,
                        const char *source)
{
    reference->name = strndup(name ? name : "", REFERENCE_TEXT_MAX);
    reference->model = strndup(model ? model : "", REFERENCE_TEXT_MAX);
    reference->version = strndup(version ? version : "", REFERENCE_TEXT_MAX);
    reference->source = strndup(source ? source : "", REFERENCE_TEXT_MAX);
    return reference->name && reference->model && reference->version && reference->source ? 0 : ERR_NOMEM;
}

/* ------------------------------------------------------------------ columns */

static bool is_listed(const char *const *names, struct text name)
{
    for (; names && *names; names++)
        if (text_equal(text_of(*names), name))
            return true;
    return false;
}

/* `*` means the model's features; the reserved names only leave when a pattern says @. */
bool reference_excludes(const char *const *globs, struct text name)
{
    bool reserved = name.len && name.ptr[0] == '@';
    for (; globs && *globs; globs++)
        if ((!reserved || **globs == '@') && text_glob(*globs, name))
            return true;
    return false;
}

static void column_init(struct column *column, struct text name, bool is_field,
                        const struct reference_options *options)
{
    *column = (struct column){.name = name};
    column->forced_categorical = is_listed(options->categorical, name);
    column->forced_numeric = is_listed(options->numeric, name);
    bool poses = is_field && feature_name_is_reserved(name);
    column->excluded = poses || name.len == 0 || reference_excludes(options->exclude, name);
}

static void study_release(struct study *study)
{
    for (uint32_t i = 0; i < study->column_count; i++) {
        free(study->columns[i].values);
        free(study->columns[i].weights);
        intern_free(study->columns[i].categories);
    }
    free(study->columns);
    sample_reader_release(&study->reader);
}

static struct column *column_of_field(struct study *study, const struct field *field)
{
    uint32_t index = COLUMN_NAMES + field->name_id;
    while (index >= study->column_count) { /* ids are dense: at most one is new */
        if (study->column_count == study->column_capacity) {
            uint32_t capacity = study->column_capacity * 2;
            struct column *columns = realloc(study->columns, capacity * sizeof(*columns));
            if (!columns)
                return NULL;
            study->columns = columns;
            study->column_capacity = capacity;
        }
        struct text name = intern_text(study->reader.names, study->column_count - COLUMN_NAMES);
        column_init(&study->columns[study->column_count++], name, true, study->options);
    }
    return &study->columns[index];
}

typedef int visit_fn(struct column *column, const struct value *value, uint64_t times);

static int visit_event(struct study *study, const struct event *ev, uint64_t times, visit_fn *visit)
{
    int rc = 0;
    if (ev->kind == EVENT_PREDICTION) {
        rc = visit(&study->columns[COLUMN_SCORE], &ev->score, times);
        if (rc == 0)
            rc = visit(&study->columns[COLUMN_PREDICTION], &ev->prediction, times);
        struct confidence_values confidence = confidence_of_event(ev, true);
        if (rc == 0)
            rc = visit(&study->columns[COLUMN_CONFIDENCE], &confidence.maximum, times);
        if (rc == 0)
            rc = visit(&study->columns[COLUMN_MARGIN], &confidence.margin, times);
        if (rc == 0)
            rc = visit(&study->columns[COLUMN_ENTROPY], &confidence.entropy, times);
    }
    for (uint32_t i = 0; i < ev->features.count && rc == 0; i++) {
        struct column *column = column_of_field(study, &ev->features.items[i]);
        rc = column ? visit(column, &ev->features.items[i].value, times) : ERR_NOMEM;
    }
    return rc;
}

static int visit_all(struct study *study, visit_fn *visit)
{
    for (uint32_t i = 0; i < sample_row_count(study->sample); i++) {
        struct event ev;
        uint64_t times;
        int rc = sample_row_read(study->sample, i, &study->reader, &ev, &times);
        if (rc == 0)
            rc = visit_event(study, &ev, times, visit);
        if (rc != 0)
            return rc;
        if (study->from_ms == INT64_MIN || ev.ts_ms < study->from_ms)
            study->from_ms = ev.ts_ms;
        if (study->to_ms == INT64_MIN || ev.ts_ms > study->to_ms)
            study->to_ms = ev.ts_ms;
    }
    return 0;
}

static int count_types(struct column *column, const struct value *value, uint64_t times)
{
    switch (value->type) {
    case VALUE_ABSENT:
        break;
    case VALUE_NULL:
        column->nulls += times;
        break;
    case VALUE_NUMBER:
        column->numbers += times;
        break;
    case VALUE_STRING:
    case VALUE_BOOL:
        column->texts += times;
        break;
    case VALUE_VECTOR:
    case VALUE_OTHER:
        column->others += times;
        break;
    }
    return 0;
}

/* How often the feature was there; 0 keeps it out of the grid: never seen, or no scalar (an embedding). */
static uint64_t column_weight(const struct column *column)
{
    if (column->excluded || column->others > column->numbers + column->texts)
        return 0;
    return column->numbers + column->texts + column->nulls + column->others;
}

static enum feature_type column_type(const struct column *column)
{
    if (column->forced_numeric || column->forced_categorical)
        return column->forced_categorical ? FEATURE_CATEGORICAL : FEATURE_NUMERIC;
    return column->texts > column->numbers ? FEATURE_CATEGORICAL : FEATURE_NUMERIC;
}

static int collect_number(struct column *column, double number, uint64_t times)
{
    if (!isfinite(number))
        return 0;
    if (column->value_count == column->value_capacity) {
        struct weighted *values = grow_array(column->values, &column->value_capacity, 64, sizeof(*values));
        if (!values)
            return ERR_NOMEM;
        column->values = values;
    }
    column->values[column->value_count++] = (struct weighted){number, times};
    return 0;
}

static int collect_category(struct column *column, struct text name, uint64_t times)
{
    if (!column->categories && !(column->categories = intern_new(GRID_KNOWN_MAX)))
        return ERR_NOMEM;
    uint32_t id = intern_add(column->categories, name);
    if (id == INTERN_NONE)
        return ERR_NOMEM;
    if (id >= column->weight_capacity) {
        uint64_t *weights = grow_zeroed(column->weights, &column->weight_capacity, 32, sizeof(*weights));
        if (!weights)
            return ERR_NOMEM;
        column->weights = weights;
    }
    column->weights[id] += times;
    return 0;
}

static int collect_values(struct column *column, const struct value *value, uint64_t times)
{
    if (column->excluded)
        return 0;
    if (column->type == FEATURE_NUMERIC)
        return value->type == VALUE_NUMBER ? collect_number(column, value->number, times) : 0;
    char buffer[CATEGORY_TEXT_MAX];
    struct text name;
    return feature_category(value, buffer, &name) ? collect_category(column, name, times) : 0;
}

/* ---------------------------------------------------------------- the grid */

static int compare_weighted(const void *a, const void *b)
{
    double x = ((const struct weighted *)a)->value, y = ((const struct weighted *)b)->value;
    return (x > y) - (x < y);
}

static int grid_from_numbers(struct feature_grid *feature, struct column *column)
{
    uint32_t count = column->value_count;
    double *values = malloc(((size_t)count + 1) * sizeof(*values));
    uint64_t *weights = malloc(((size_t)count + 1) * sizeof(*weights));
    int rc = values && weights ? 0 : ERR_NOMEM;
    if (rc == 0) {
        uint32_t distinct = 0;
        if (count)
            qsort(column->values, count, sizeof(*column->values), compare_weighted);
        /* Equal values become one, so that sums do not depend on which of them came first. */
        for (uint32_t i = 0; i < count; i++) {
            const struct weighted *w = &column->values[i];
            if (distinct && values[distinct - 1] == w->value) {
                weights[distinct - 1] += w->weight;
            } else {
                values[distinct] = w->value;
                weights[distinct++] = w->weight;
            }
        }
        rc = feature_grid_from_sorted(feature, values, weights, distinct);
    }
    free(values);
    free(weights);
    return rc;
}

/* Names too long to be kept as text behind all others; then by weight, then by name. */
static int compare_categories(const void *a, const void *b)
{
    const struct category *x = a, *y = b;
    bool x_long = x->name.len > GRID_CATEGORY_BYTES_MAX, y_long = y->name.len > GRID_CATEGORY_BYTES_MAX;
    if (x_long != y_long)
        return x_long ? 1 : -1;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return text_compare(x->name, y->name);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int grid_from_categories(struct feature_grid *feature, const struct column *column)
{
    uint32_t count = column->categories ? intern_count(column->categories) : 0;
    struct category *all = malloc(((size_t)count + 1) * sizeof(*all));
    uint64_t *known = malloc(((size_t)count + 1) * sizeof(*known));
    int rc = all && known ? 0 : ERR_NOMEM;
    if (rc == 0) {
        for (uint32_t id = 0; id < count; id++)
            all[id] = (struct category){intern_text(column->categories, id), column->weights[id], 0};
        qsort(all, count, sizeof(*all), compare_categories);
        struct text top[GRID_CATEGORIES_MAX];
        uint32_t top_count = 0, known_count = 0;
        while (top_count < count && top_count < GRID_CATEGORIES_MAX &&
               all[top_count].name.len <= GRID_CATEGORY_BYTES_MAX) {
            top[top_count] = all[top_count].name;
            top_count++;
        }
        for (uint32_t i = top_count; i < count; i++)
            known[known_count++] = hash_text(all[i].name, 0);
        qsort(known, known_count, sizeof(*known), compare_hashes);
        rc = feature_grid_set_categories(feature, top, top_count, known, known_count);
    }
    free(all);
    free(known);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return text_compare(*x, *y);
}

static int compare_columns(const void *a, const void *b)
{
    const struct column *x = *(struct column *const *)a, *y = *(struct column *const *)b;
    uint64_t x_weight = column_weight(x), y_weight = column_weight(y);
    return x_weight != y_weight ? (x_weight > y_weight ? -1 : 1) : compare_names(&x->name, &y->name);
}

/* The columns that become features: when names are too many, those that are there most often. */
static struct column **chosen_columns(struct study *study, uint32_t *out_count)
{
    struct column **chosen = malloc(((size_t)study->column_count + 1) * sizeof(struct column *));
    uint32_t count = 0;
    for (uint32_t i = 0; chosen && i < study->column_count; i++)
        if (column_weight(&study->columns[i]))
            chosen[count++] = &study->columns[i];
    if (chosen)
        qsort(chosen, count, sizeof(struct column *), compare_columns);
    for (; chosen && count > GRID_FEATURES_MAX; count--)
        chosen[count - 1]->excluded = true;
    *out_count = count;
    return chosen;
}

static int build_grid(struct study *study, struct grid **out, struct err *err)
{
    uint32_t count = 0;
    struct column **chosen = chosen_columns(study, &count);
    int rc = chosen ? 0 : ERR_NOMEM;
    if (rc == 0 && count == 0)
        rc = err_set(
            err, ERR_INVALID,
            "none of the %u sampled events has a feature, score or prediction to build a reference from",
            (unsigned)sample_row_count(study->sample));
    for (uint32_t i = 0; i < study->column_count; i++)
        study->columns[i].type = column_type(&study->columns[i]);
    if (rc == 0)
        rc = visit_all(study, collect_values);
    struct grid *grid = rc == 0 ? grid_new(count) : NULL;
    if (rc == 0 && !grid)
        rc = ERR_NOMEM;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        struct feature_grid *feature = &grid->features[i];
        feature->name = strndup(chosen[i]->name.ptr, chosen[i]->name.len);
        if (!feature->name)
            rc = ERR_NOMEM;
        else
            rc = chosen[i]->type == FEATURE_NUMERIC ? grid_from_numbers(feature, chosen[i])
                                                    : grid_from_categories(feature, chosen[i]);
    }
    if (rc == 0)
        rc = grid_finish(grid);
    free(chosen);
    if (rc != 0) {
        grid_free(grid);
        grid = NULL;
    }
    *out = grid;
    return rc;
}

/* Did any event have this field? Names of classes, groups and segments share the numbers of names: between
 * those of fields there are columns that no field has, which ones depends on the order of the events. */
static bool is_field(const struct column *column)
{
    return column->nulls + column->numbers + column->texts + column->others > 0;
}

/* Fields of the sample that are no features: left out on purpose, or nothing that can be binned. Names come
 * in any order, so of too many those that are kept would depend on it: by name, then. */
static int note_ignored(const struct study *study, struct reference *reference)
{
    uint32_t count = 0;
    struct text *names = malloc(((size_t)study->column_count + 1) * sizeof(*names));
    int rc = names ? 0 : ERR_NOMEM;
    for (uint32_t i = COLUMN_NAMES; names && i < study->column_count; i++)
        if (is_field(&study->columns[i]) && study->columns[i].name.len &&
            grid_find(reference->grid, study->columns[i].name) == UINT32_MAX)
            names[count++] = study->columns[i].name;
    if (count)
        qsort(names, count, sizeof(*names), compare_names);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = reference_ignore(reference, names[i]);
    free(names);
    return rc;
}

/* ---------------------------------------------------------------- counting */

struct counter {
    struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
    struct family_tools tools;
    struct model_options options;
};

static int count_features(struct counter *counter, const struct event *ev, uint64_t times)
{
    (void)ev;
    struct reference *reference = counter->reference;
    feature_row_tally(reference->layout, counter->row, times, reference->features);
    return 0;
}

static int count_families(struct counter *counter, const struct event *ev, uint64_t times)
{
    struct count_input input = {.event = ev,
                                .options = &counter->options,
                                .tools = &counter->tools,
                                .reference = counter->reference,
                                .row = counter->row,
                                .binding = counter->binding};
    return families_add(counter->reference->counts, &input, times, false);
}

static int count_pass(struct study *study, struct counter *counter,
                      int (*count)(struct counter *counter, const struct event *ev, uint64_t times))
{
    int rc = 0;
    for (uint32_t i = 0; i < sample_row_count(study->sample) && rc == 0; i++) {
        struct event ev;
        uint64_t times;
        rc = sample_row_read(study->sample, i, &study->reader, &ev, &times);
        if (rc == 0)
            rc = feature_row_resolve(counter->row, counter->binding, &ev);
        if (rc == 0)
            rc = count(counter, &ev, times);
    }
    return rc;
}

/* The labels of a sample, on their way to the labelled reference. */
struct labels {
    struct labelled_row *rows;
    size_t count;
    struct label_classes classes;
};

static int take_label(struct labels *labels, const struct event *ev, uint64_t hash, uint64_t times,
                      const struct model_options *options)
{
    struct labelled_row *row = &labels->rows[labels->count];
    *row = (struct labelled_row){.ts_ms = ev->ts_ms, .hash = hash, .times = times};
    bool predicts = event_prediction(ev, options, &row->outcome);
    if (predicts && row->outcome.kind == OUTCOME_MULTICLASS)
        return ev->label.type >= VALUE_NUMBER && ev->label.type <= VALUE_BOOL
                   ? label_classes_add(&labels->classes, ev->label.text, times)
                   : 0;
    if (!predicts || !event_label(ev, options, &row->outcome.truth) ||
        !label_fits((enum outcome_kind)row->outcome.kind, row->outcome.truth))
        return 0;
    row->outcome.labelled = true;
    labels->count++;
    return 0;
}

static int keep_classes(struct labels *labels, double unit, struct reference *reference)
{
    if (labels->classes.names.count == 0)
        return 0;
    bool alone = !reference->labelled;
    if (alone && !(reference->labelled = labelled_new(unit)))
        return ERR_NOMEM;
    label_classes_keep(&labels->classes, LABEL_CLASSES_MAX);
    reference->labelled->classes = labels->classes;
    labels->classes = (struct label_classes){0};
    return alone ? labelled_finish(reference->labelled) : 0;
}

static int count_labels(struct study *study, const struct model_options *options, struct reference *reference)
{
    uint32_t count = sample_row_count(study->sample);
    struct labels labels = {.rows = calloc((size_t)count + 1, sizeof(struct labelled_row))};
    int rc = labels.rows ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        struct event ev;
        uint64_t times;
        rc = sample_row_read(study->sample, i, &study->reader, &ev, &times);
        if (rc == 0)
            rc = take_label(&labels, &ev, sample_row_hash(study->sample, i), times, options);
    }
    if (rc == 0)
        rc = labelled_from_rows(labels.rows, labels.count, options->unit, &reference->labelled);
    if (rc == 0)
        rc = keep_classes(&labels, options->unit, reference);
    label_classes_release(&labels.classes);
    free(labels.rows);
    return rc;
}

/* In two passes: families may count by what the features' counts say. */
static int count_rows(struct study *study, struct reference *reference)
{
    static const struct model_options defaults = {.n_min = 200, .threshold = 0.5, .unit = 1};
    struct counter counter = {.reference = reference,
                              .binding = feature_binding_new(reference->grid),
                              .row = feature_row_new(reference->grid->feature_count),
                              .options = study->options->options ? *study->options->options : defaults};
    int rc = family_tools_init(&counter.tools);
    if (rc == 0 && (!counter.binding || !counter.row))
        rc = ERR_NOMEM;
    if (rc == 0) {
        feature_binding_ignore(counter.binding, reference->ignored, reference->ignored_count);
        rc = count_pass(study, &counter, count_features);
    }
    if (rc == 0)
        rc = reference_derive(reference);
    if (rc == 0)
        rc = count_pass(study, &counter, count_families);
    if (rc == 0)
        rc = count_labels(study, &counter.options, reference);
    if (rc == 0)
        rc = reference_count_groups(reference, study->sample, &counter.options, study->options);
    reference->rows = reference->features->counters[0];
    reference->from_ms = study->from_ms;
    reference->to_ms = study->to_ms;
    feature_row_free(counter.row);
    feature_binding_free(counter.binding);
    family_tools_release(&counter.tools);
    return rc;
}

static int study_init(struct study *study, const struct sample *sample,
                      const struct reference_options *options)
{
    *study = (struct study){.sample = sample, .options = options, .from_ms = INT64_MIN, .to_ms = INT64_MIN};
    study->column_capacity = 64;
    study->columns = malloc(study->column_capacity * sizeof(*study->columns));
    if (sample_reader_init(&study->reader) != 0 || !study->columns)
        return ERR_NOMEM;
    column_init(&study->columns[COLUMN_SCORE], text_of(FEATURE_SCORE), false, options);
    column_init(&study->columns[COLUMN_PREDICTION], text_of(FEATURE_PREDICTION), false, options);
    column_init(&study->columns[COLUMN_CONFIDENCE], text_of(FEATURE_CONFIDENCE), false, options);
    column_init(&study->columns[COLUMN_MARGIN], text_of(FEATURE_MARGIN), false, options);
    column_init(&study->columns[COLUMN_ENTROPY], text_of(FEATURE_ENTROPY), false, options);
    study->column_count = COLUMN_NAMES;
    return 0;
}

static bool wants_multivariate(const struct reference_options *options)
{
    return options->multivariate || (options->options && options->options->multivariate != MULTIVARIATE_OFF);
}

static int build_reference(struct study *study, struct reference **out, struct err *err)
{
    const struct reference_options *options = study->options;
    struct grid *grid = NULL;
    int rc = visit_all(study, count_types);
    if (rc != 0)
        return rc;
    if (options->keep_grid && sample_row_count(study->sample))
        rc = (grid = grid_copy(options->keep_grid)) ? 0 : ERR_NOMEM;
    else
        rc = build_grid(study, &grid, err);
    if (rc != 0)
        return rc;
    struct reference *reference = reference_of_grid(grid);
    if (!reference)
        return ERR_NOMEM;
    rc = reference_set_texts(reference, options->name, options->model, options->version, options->source);
    if (rc == 0)
        rc = note_ignored(study, reference);
    if (rc == 0)
        rc = count_rows(study, reference);
    if (rc == 0 && wants_multivariate(options))
        rc = reference_build_multivariate(reference, study->sample, options);
    if (rc == 0 && wants_multivariate(options))
        rc = reference_build_embeddings(reference, study->sample, options);
    if (options->duplicates)
        reference->duplicates = *options->duplicates;
    if (rc == 0)
        rc = reference_count_values(reference, study->sample, options);
    if (rc == 0)
        rc = reference_count_segments(reference, study->sample);
    if (rc == 0)
        rc = reference_build_dispersion(reference, study->sample, options);
    if (rc == 0)
        rc = reference_seal(reference);
    if (rc == 0)
        *out = reference;
    else
        reference_free(reference);
    return rc;
}

int reference_from_sample(const struct sample *sample, const struct reference_options *options,
                          struct reference **out, struct err *err)
{
    struct study study;
    int rc = study_init(&study, sample, options);
    if (rc == 0)
        rc = build_reference(&study, out, err);
    if (rc == ERR_NOMEM)
        (void)err_set(err, rc, "out of memory while building a reference from %u sampled events",
                      (unsigned)sample_row_count(sample));
    study_release(&study);
    return rc;
}

/* ----------------------------------------------------------------- builder */

struct reference_builder {
    struct reference_options options; /* what it points to stays the caller's */
    struct sample *sample;
    struct distinct_sketch *ids; /* of its events, as if they were one feature */
};

struct reference_builder *reference_builder_new(const struct reference_options *options)
{
    struct reference_builder *builder = calloc(1, sizeof(*builder));
    if (!builder)
        return NULL;
    builder->options = *options;
    builder->sample = sample_new(options->sample_max);
    builder->ids = distinct_sketch_new();
    if (!builder->sample || !builder->ids) {
        reference_builder_free(builder);
        return NULL;
    }
    if (wants_multivariate(options))
        sample_keep_vectors(builder->sample);
    return builder;
}

void reference_builder_free(struct reference_builder *builder)
{
    if (!builder)
        return;
    sample_free(builder->sample);
    distinct_sketch_free(builder->ids);
    free(builder);
}

int reference_builder_add(struct reference_builder *builder, const struct event *ev)
{
    builder->options.total_events += ev->kind == EVENT_PREDICTION || ev->kind == EVENT_FEATURES;
    int rc = 0;
    if (ev->id.ptr && ev->kind != EVENT_LABEL)
        rc = distinct_sketch_add(builder->ids, (struct text){"", 0},
                                 hash_text(ev->id, hash_text(ev->version, (uint64_t)ev->kind)), 1);
    return rc ? rc : sample_add(builder->sample, ev);
}

int reference_builder_finish(struct reference_builder *builder, struct reference **out, struct err *err)
{
    struct distinct_values ids;
    struct duplicate_counts duplicates = {0, 0};
    if (distinct_sketch_values(builder->ids, (struct text){"", 0}, &ids))
        for (uint32_t i = 0; i < ids.count; i++) {
            duplicates.events += ids.entries[i].times;
            duplicates.again += ids.entries[i].times - 1;
        }
    struct reference_options options = builder->options;
    if (duplicates.events)
        options.duplicates = &duplicates;
    return reference_from_sample(builder->sample, &options, out, err);
}
