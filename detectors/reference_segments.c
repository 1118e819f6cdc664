/* The segments that a reference knows: what the search of causes compares with. */
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "detectors/features_private.h"
#include "detectors/reference_private.h"
#include "detectors/sample.h"

enum { SEGMENT_NAME_MAX = 512 };

void reference_free_segments(struct reference *reference)
{
    for (uint32_t i = 0; i < reference->segment_count; i++) {
        free(reference->segments[i].name);
        tally_free(reference->segments[i].features);
    }
    free(reference->segments);
    reference->segments = NULL;
    reference->segment_count = 0;
}

const struct reference_segment *reference_segment(const struct reference *reference, struct text name)
{
    uint32_t low = 0, high = reference->segment_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = text_compare(text_of(reference->segments[middle].name), name);
        if (order == 0)
            return &reference->segments[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct reference_segment *reference_add_segment(struct reference *reference, struct text name)
{
    if (reference->segment_count == REFERENCE_SEGMENTS_MAX || name.len == 0 || name.len > SEGMENT_NAME_MAX)
        return NULL;
    if (!reference->segments)
        reference->segments = calloc(REFERENCE_SEGMENTS_MAX, sizeof(*reference->segments));
    if (!reference->segments)
        return NULL;
    struct reference_segment *last =
        reference->segment_count ? &reference->segments[reference->segment_count - 1] : NULL;
    if (last && text_compare(text_of(last->name), name) >= 0)
        return NULL;
    struct reference_segment *segment = &reference->segments[reference->segment_count];
    segment->name = strndup(name.ptr, name.len);
    segment->features = tally_new(reference->coarse->size);
    if (!segment->name || !segment->features) {
        free(segment->name);
        tally_free(segment->features);
        *segment = (struct reference_segment){0};
        return NULL;
    }
    reference->segment_count++;
    return segment;
}

/* ---- from a sample ---- */

struct counted_segment {
    struct text name;
    uint64_t rows;
};

struct segment_study {
    struct intern *names; /* "key=value" */
    uint64_t *rows;       /* by id of `names` */
    uint32_t capacity;
};

/* "key=value" of a field, in `buffer`; false when its value is no scalar or the name is too long. */
static bool segment_name(const struct field *field, char buffer[SEGMENT_NAME_MAX], struct text *out)
{
    char category[CATEGORY_TEXT_MAX];
    struct text value;
    if (!feature_category(&field->value, category, &value) ||
        (size_t)field->name.len + 1 + value.len > SEGMENT_NAME_MAX)
        return false;
    memcpy(buffer, field->name.ptr, field->name.len);
    buffer[field->name.len] = '=';
    if (value.len)
        memcpy(buffer + field->name.len + 1, value.ptr, value.len);
    *out = (struct text){buffer, field->name.len + 1 + value.len};
    return true;
}

static int note_segment(struct segment_study *study, struct text name, uint64_t times)
{
    uint32_t id = intern_add(study->names, name);
    if (id == INTERN_NONE)
        return ERR_NOMEM;
    if (id >= study->capacity) {
        uint64_t *rows = grow_zeroed(study->rows, &study->capacity, 64, sizeof(*rows));
        if (!rows)
            return ERR_NOMEM;
        study->rows = rows;
    }
    study->rows[id] += times;
    return 0;
}

static int note_event(void *context, const struct event *ev, uint64_t times)
{
    int rc = 0;
    for (uint32_t s = 0; rc == 0 && s < ev->segments.count; s++) {
        char buffer[SEGMENT_NAME_MAX];
        struct text name;
        if (segment_name(&ev->segments.items[s], buffer, &name))
            rc = note_segment(context, name, times);
    }
    return rc;
}

static int compare_sizes(const void *a, const void *b)
{
    const struct counted_segment *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows > y->rows ? -1 : 1;
    return text_compare(x->name, y->name);
}

static int compare_names(const void *a, const void *b)
{
    return text_compare(((const struct counted_segment *)a)->name, ((const struct counted_segment *)b)->name);
}

static int choose(const struct segment_study *study, struct reference *reference)
{
    uint32_t count = intern_count(study->names), kept = 0;
    struct counted_segment *all = calloc((size_t)count + 1, sizeof(*all));
    if (!all)
        return ERR_NOMEM;
    for (uint32_t id = 0; id < count; id++)
        if (study->rows[id] >= REFERENCE_SEGMENT_ROWS)
            all[kept++] = (struct counted_segment){intern_text(study->names, id), study->rows[id]};
    qsort(all, kept, sizeof(*all), compare_sizes);
    if (kept > REFERENCE_SEGMENTS_MAX)
        kept = REFERENCE_SEGMENTS_MAX;
    qsort(all, kept, sizeof(*all), compare_names);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < kept; i++)
        rc = reference_add_segment(reference, all[i].name) ? 0 : ERR_NOMEM;
    free(all);
    return rc;
}

struct segment_counter {
    const struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
};

static int count_event(void *context, const struct event *ev, uint64_t times)
{
    const struct segment_counter *counter = context;
    int rc = ev->segments.count ? feature_row_resolve(counter->row, counter->binding, ev) : 0;
    for (uint32_t s = 0; rc == 0 && s < ev->segments.count; s++) {
        char buffer[SEGMENT_NAME_MAX];
        struct text name;
        if (!segment_name(&ev->segments.items[s], buffer, &name))
            continue;
        const struct reference_segment *segment = reference_segment(counter->reference, name);
        if (segment)
            feature_row_tally(counter->reference->coarse, counter->row, times, segment->features);
    }
    return rc;
}

static int count_all(const struct reference *reference, const struct sample *sample)
{
    struct segment_counter counter = {.reference = reference,
                                      .binding = feature_binding_new(reference->grid),
                                      .row = feature_row_new(reference->grid->feature_count)};
    int rc = counter.binding && counter.row ? sample_each(sample, count_event, &counter) : ERR_NOMEM;
    feature_row_free(counter.row);
    feature_binding_free(counter.binding);
    return rc;
}

int reference_count_segments(struct reference *reference, const struct sample *sample)
{
    struct segment_study study = {.names = intern_new(UINT32_C(1) << 24)};
    int rc = study.names ? sample_each(sample, note_event, &study) : ERR_NOMEM;
    if (rc == 0)
        rc = choose(&study, reference);
    if (rc == 0 && reference->segment_count)
        rc = count_all(reference, sample);
    intern_free(study.names);
    free(study.rows);
    return rc;
}
