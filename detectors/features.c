#include "detectors/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/features_private.h"

/* What a name id stands for: the index of a numeric feature, that of a categorical one with the highest bit
 * set, or neither. */
#define NAME_CATEGORICAL (UINT32_C(1) << 31)
#define NAME_UNBOUND     (UINT32_MAX - 1) /* not looked up yet */
#define NAME_FOREIGN     UINT32_MAX       /* not in the grid */

enum { ALIGNMENT = 64 };

/* ------------------------------------------------------------------ layout */

struct feature_layout *feature_layout_new_with(const struct grid *grid, enum grid_resolution resolution,
                                               const struct bin_kernels *kernels)
{
    struct layout *layout = calloc(1, sizeof(*layout));
    if (!layout)
        return NULL;
    uint32_t count = grid->feature_count;
    layout->kernels = kernels;
    layout->padded = feature_padded(count);
    struct feature_layout *face = &layout->face;
    face->grid = grid;
    face->resolution = resolution;
    uint32_t *places = malloc(3 * ((size_t)count + 1) * sizeof(*places));
    face->slot_at = places;
    layout->above = malloc(((size_t)layout->padded + 1) * sizeof(*layout->above));
    if (resolution == GRID_COARSE)
        layout->coarse_map = malloc(256 * ((size_t)count + 1));
    if (!places || !layout->above || (resolution == GRID_COARSE && !layout->coarse_map)) {
        feature_layout_free(face);
        return NULL;
    }
    face->clipped_at = places + count + 1;
    face->sums_at = face->clipped_at + count + 1;
    uint32_t counters = 1, sums = 0;
    for (uint32_t f = 0; f < count; f++) {
        face->slot_at[f] = counters;
        counters += grid->features[f].slot_count[resolution];
    }
    for (uint32_t f = 0; f < layout->padded; f++)
        layout->above[f] = INT64_MAX;
    for (uint32_t f = 0; f < count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        bool numeric = feature->type == FEATURE_NUMERIC;
        face->clipped_at[f] = numeric ? counters++ : UINT32_MAX;
        face->sums_at[f] = numeric ? sums : UINT32_MAX;
        sums += numeric ? FEATURE_SUMS : 0;
        if (numeric && feature->edge_count)
            layout->above[f] = feature->edge_count;
        if (layout->coarse_map)
            memcpy(layout->coarse_map + 256 * (size_t)f, feature->coarse_slot, 256);
    }
    face->size = (struct tally_size){counters, sums};
    return face;
}

struct feature_layout *feature_layout_new(const struct grid *grid, enum grid_resolution resolution)
{
    return feature_layout_new_with(grid, resolution, bin_kernels_best());
}

void feature_layout_free(struct feature_layout *face)
{
    if (!face)
        return;
    struct layout *layout = (struct layout *)(void *)face;
    free(layout->coarse_map);
    free(layout->above);
    free(face->slot_at);
    free(layout);
}

/* --------------------------------------------------------------------- row */

/* What feature_row_new really allocates: the arrays are padded and follow the struct. */
struct feature_row *feature_row_new(uint32_t feature_count)
{
    size_t padded = feature_padded(feature_count);
    size_t head_bytes = (sizeof(struct feature_row) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t bytes = head_bytes + padded * (2 * sizeof(int64_t) + 2);
    char *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!memory)
        return NULL;
    memset(memory, 0, bytes);
    struct feature_row *row = (struct feature_row *)(void *)memory;
    row->z = (int64_t *)(void *)(memory + head_bytes);
    row->z2 = row->z + padded;
    row->slot = (uint8_t *)(row->z2 + padded);
    row->clipped = row->slot + padded;
    row->count = feature_count;
    memset(row->slot, SLOT_NONE, padded);
    return row;
}

void feature_row_free(struct feature_row *row)
{
    free(row);
}

void feature_row_tally(const struct feature_layout *face, const struct feature_row *row, uint64_t times,
                       struct tally *into)
{
    const struct layout *layout = layout_of(face);
    into->counters[0] += times;
    for (uint32_t f = 0; f < row->count; f++) {
        uint8_t slot = row->slot[f];
        if (slot == SLOT_NONE)
            continue;
        into->counters[face->slot_at[f] + (layout->coarse_map ? layout->coarse_map[256 * f + slot] : slot)] +=
            times;
        if (face->sums_at[f] == UINT32_MAX)
            continue;
        into->counters[face->clipped_at[f]] += row->clipped[f] * times;
        int128 *sums = &into->sums[face->sums_at[f]];
        int128 z = (int128)row->z[f] * (int128)times;
        sums[0] += z;
        sums[1] += (int128)row->z2[f] * (int128)times;
        sums[2] += slot == 0 ? z : 0;
        sums[3] += slot == layout->above[f] ? z : 0;
    }
}

/* ----------------------------------------------------------------- binding */

struct target {
    bool numeric;
    uint8_t missing, invalid;
};

struct feature_binding {
    const struct grid *grid;
    const struct bin_kernels *kernels;
    struct bin_plan plan;
    double *numbers;         /* by feature: this event's value, NaN when there is no number; padded */
    double *no_numbers;      /* all NaN */
    uint8_t *absent;         /* by feature: the slot when the event lacks it; SLOT_NONE for reserved names */
    struct target *targets;  /* by feature */
    uint32_t score, outcome; /* the features @score and @prediction, or NAME_FOREIGN */
    uint32_t *feature_of;    /* by name id */
    uint32_t name_count;
    void *memory; /* of location, scale, numbers, no_numbers, absent */
    double *tables_memory;
};

static bool is_reserved(struct text name)
{
    return text_equal(name, text_of(FEATURE_SCORE)) || text_equal(name, text_of(FEATURE_PREDICTION));
}

/* Doubles of one table: pivots unless a single block will do, and blocks with at least one +inf at the end.
 */
static size_t table_doubles(const struct feature_grid *feature)
{
    size_t blocks = feature->edge_count / BIN_BLOCK + 1u;
    return BIN_BLOCK * (blocks == 1 ? 1 : blocks + 1);
}

static void fill_table(struct bin_table *table, const struct feature_grid *feature, double *memory)
{
    uint32_t blocks = feature->edge_count / BIN_BLOCK + 1u;
    table->pivots = NULL;
    if (blocks > 1) {
        table->pivots = memory;
        for (uint32_t i = 0; i < BIN_BLOCK; i++) {
            uint32_t last = i * BIN_BLOCK + BIN_BLOCK - 1;
            memory[i] = last < feature->edge_count ? feature->edges[last] : (double)INFINITY;
        }
        memory += BIN_BLOCK;
    }
    table->blocks = memory;
    for (uint32_t i = 0; i < blocks * BIN_BLOCK; i++)
        memory[i] = i < feature->edge_count ? feature->edges[i] : (double)INFINITY;
}

static int make_tables(struct feature_binding *binding)
{
    const struct grid *grid = binding->grid;
    size_t doubles = 0;
    uint32_t singles = 0, tables = 0;
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        if (feature->type != FEATURE_NUMERIC)
            continue;
        doubles += table_doubles(feature);
        tables++;
        singles += feature->edge_count < BIN_BLOCK;
    }
    struct bin_table *list = calloc((size_t)tables + 1, sizeof(*list));
    binding->plan.tables = list;
    binding->tables_memory = aligned_alloc(ALIGNMENT, (doubles + BIN_BLOCK) * sizeof(double));
    if (!list || !binding->tables_memory)
        return ERR_NOMEM;
    double *at = binding->tables_memory;
    uint32_t next[2] = {0, singles};
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        if (feature->type != FEATURE_NUMERIC)
            continue;
        struct bin_table *table = &list[next[feature->edge_count >= BIN_BLOCK]++];
        table->feature = f;
        fill_table(table, feature, at);
        at += table_doubles(feature);
    }
    binding->plan.single_count = singles;
    binding->plan.table_count = tables;
    return 0;
}

static int make_arrays(struct feature_binding *binding)
{
    const struct grid *grid = binding->grid;
    size_t padded = feature_padded(grid->feature_count);
    double *doubles = aligned_alloc(ALIGNMENT, (padded * (4 * sizeof(double) + 1) + 2 * ALIGNMENT - 1) /
                                                   ALIGNMENT * ALIGNMENT);
    binding->memory = doubles;
    binding->targets = calloc(padded + 1, sizeof(*binding->targets));
    if (!doubles || !binding->targets)
        return ERR_NOMEM;
    double *location = doubles, *scale = location + padded;
    binding->numbers = scale + padded;
    binding->no_numbers = binding->numbers + padded;
    binding->absent = (uint8_t *)(binding->no_numbers + padded);
    binding->plan.location = location;
    binding->plan.scale = scale;
    binding->plan.padded = (uint32_t)padded;
    for (uint32_t f = 0; f < padded; f++) {
        bool real = f < grid->feature_count;
        const struct feature_grid *feature = real ? &grid->features[f] : NULL;
        bool numeric = real && feature->type == FEATURE_NUMERIC;
        location[f] = numeric ? feature->location : 0;
        scale[f] = numeric ? feature->scale : 1;
        binding->numbers[f] = binding->no_numbers[f] = (double)NAN;
        binding->absent[f] = SLOT_NONE;
        if (!real)
            continue;
        binding->targets[f] = (struct target){numeric, (uint8_t)feature_slot_missing(feature, GRID_FINE),
                                              (uint8_t)feature_slot_invalid(feature, GRID_FINE)};
        if (!is_reserved(text_of(feature->name)))
            binding->absent[f] = binding->targets[f].missing;
    }
    return 0;
}

struct feature_binding *feature_binding_new_with(const struct grid *grid, const struct bin_kernels *kernels)
{
    struct feature_binding *binding = calloc(1, sizeof(*binding));
    if (!binding)
        return NULL;
    binding->grid = grid;
    binding->kernels = kernels;
    binding->score = grid_find(grid, text_of(FEATURE_SCORE));
    binding->outcome = grid_find(grid, text_of(FEATURE_PREDICTION));
    if (make_tables(binding) != 0 || make_arrays(binding) != 0) {
        feature_binding_free(binding);
        return NULL;
    }
    return binding;
}

struct feature_binding *feature_binding_new(const struct grid *grid)
{
    return feature_binding_new_with(grid, bin_kernels_best());
}

void feature_binding_free(struct feature_binding *binding)
{
    if (!binding)
        return;
    free((struct bin_table *)(uintptr_t)binding->plan.tables);
    free(binding->tables_memory);
    free(binding->memory);
    free(binding->targets);
    free(binding->feature_of);
    free(binding);
}

static uint32_t find_feature(const struct feature_binding *binding, struct text name)
{
    uint32_t f = is_reserved(name) ? NAME_FOREIGN : grid_find(binding->grid, name);
    return f == NAME_FOREIGN || binding->targets[f].numeric ? f : f | NAME_CATEGORICAL;
}

/* A name for the first time: remembers its feature. */
static int bind_name(struct feature_binding *binding, const struct field *field)
{
    uint32_t id = field->name_id;
    if (id >= binding->name_count) {
        size_t count = binding->name_count ? binding->name_count : 32;
        while (count <= id)
            count *= 2;
        uint32_t *feature_of = realloc(binding->feature_of, count * sizeof(*feature_of));
        if (!feature_of)
            return ERR_NOMEM;
        for (size_t i = binding->name_count; i < count; i++)
            feature_of[i] = NAME_UNBOUND;
        binding->feature_of = feature_of;
        binding->name_count = (uint32_t)count;
    }
    binding->feature_of[id] = find_feature(binding, field->name);
    return 0;
}

/* ----------------------------------------------------------------- resolve */

static struct text integer_text(int64_t value, char buffer[CATEGORY_TEXT_MAX])
{
    char *end = buffer + CATEGORY_TEXT_MAX, *at = end;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    if (value < 0)
        *--at = '-';
    return (struct text){at, (uint32_t)(end - at)};
}

bool feature_category(const struct value *value, char buffer[CATEGORY_TEXT_MAX], struct text *out)
{
    if (value->type == VALUE_STRING) {
        *out = value->text;
        return true;
    }
    if (value->type == VALUE_BOOL) {
        *out = text_of(value->number != 0 ? "true" : "false");
        return true;
    }
    const double exact_max = 9007199254740992.0; /* 2^53: above it different integers are one double */
    if (value->type != VALUE_NUMBER || !(value->number >= -exact_max && value->number <= exact_max))
        return false;
    int64_t integer = (int64_t)value->number;
    if ((double)integer != value->number)
        return false;
    *out = integer_text(integer, buffer);
    return true;
}

/* Everything but a number for a numeric feature. */
static void put_other(const struct feature_binding *binding, uint32_t f, const struct value *value,
                      uint8_t *slot)
{
    const struct target *target = &binding->targets[f];
    char buffer[CATEGORY_TEXT_MAX];
    struct text category;
    if (value->type == VALUE_NULL || value->type == VALUE_ABSENT)
        slot[f] = target->missing;
    else if (target->numeric || !feature_category(value, buffer, &category))
        slot[f] = target->invalid;
    else
        slot[f] = (uint8_t)grid_category_slot(&binding->grid->features[f], category);
}

static void put_reserved(struct feature_binding *binding, uint32_t f, const struct value *value,
                         uint8_t *slot)
{
    if (f == NAME_FOREIGN)
        return;
    if (value->type != VALUE_NUMBER || !binding->targets[f].numeric) {
        put_other(binding, f, value, slot);
        return;
    }
    slot[f] = binding->targets[f].missing; /* stays only if the number is NaN */
    binding->numbers[f] = value->number;
}

/* The feature of a name that is not known to be a numeric one. */
static int look_up(struct feature_binding *binding, const struct field *field, uint32_t *out)
{
    if (field->name_id == UINT32_MAX) { /* the decoder gave it no number */
        *out = find_feature(binding, field->name);
        return 0;
    }
    bool unbound =
        field->name_id >= binding->name_count || binding->feature_of[field->name_id] == NAME_UNBOUND;
    if (unbound && bind_name(binding, field) != 0)
        return ERR_NOMEM;
    *out = binding->feature_of[field->name_id];
    return 0;
}

/* Slots are those of an event that lacks everything when this begins. */
static int put_fields(struct feature_binding *binding, const struct fields *fields, uint8_t *slot)
{
    const struct field *field = fields->items, *end = field + fields->count;
    for (; field < end; field++) {
        uint32_t f = NAME_UNBOUND;
        if (LIKELY(field->name_id < binding->name_count))
            f = binding->feature_of[field->name_id];
        if (LIKELY(f < NAME_CATEGORICAL && field->value.type == VALUE_NUMBER)) {
            binding->numbers[f] = field->value.number;
            continue;
        }
        if (f >= NAME_UNBOUND && look_up(binding, field, &f) != 0)
            return ERR_NOMEM;
        if (f == NAME_FOREIGN)
            continue;
        f &= ~NAME_CATEGORICAL;
        if (binding->targets[f].numeric && field->value.type == VALUE_NUMBER)
            binding->numbers[f] = field->value.number;
        else
            put_other(binding, f, &field->value, slot);
    }
    return 0;
}

int feature_row_resolve(struct feature_row *row, struct feature_binding *binding, const struct event *ev)
{
    BUG_ON(row->count != binding->grid->feature_count);
    size_t padded = binding->plan.padded;
    memcpy(binding->numbers, binding->no_numbers, padded * sizeof(*binding->numbers));
    if (ev->features.count) {
        memcpy(row->slot, binding->absent, padded);
        if (put_fields(binding, &ev->features, row->slot) != 0)
            return ERR_NOMEM;
    } else {
        memset(row->slot, SLOT_NONE, padded);
    }
    if (ev->kind == EVENT_PREDICTION) {
        put_reserved(binding, binding->score, &ev->score, row->slot);
        put_reserved(binding, binding->outcome, &ev->prediction, row->slot);
    }
    binding->kernels->lookup(&binding->plan, binding->numbers, row->slot);
    binding->kernels->standardise(&binding->plan, binding->numbers, row->z, row->z2, row->clipped);
    return 0;
}
