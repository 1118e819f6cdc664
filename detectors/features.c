#include "detectors/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"
#include "detectors/confidence.h"
#include "detectors/features_private.h"

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
    if (resolution == GRID_COARSE)
        layout->coarse_map = malloc(256 * ((size_t)count + 1));
    if (!places || (resolution == GRID_COARSE && !layout->coarse_map)) {
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
    for (uint32_t f = 0; f < count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        bool numeric = feature->type == FEATURE_NUMERIC;
        face->clipped_at[f] = numeric ? counters++ : UINT32_MAX;
        face->sums_at[f] = numeric ? sums : UINT32_MAX;
        sums += numeric ? FEATURE_SUMS : 0;
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
    free(face->slot_at);
    free(layout);
}

/* --------------------------------------------------------------------- row */

/* What feature_row_new really allocates: the arrays are padded and follow the struct. */
struct feature_row *feature_row_new(uint32_t feature_count)
{
    size_t padded = feature_padded(feature_count);
    size_t head_bytes = (sizeof(struct feature_row) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t bytes = head_bytes + padded * (2 * sizeof(int64_t) + 3);
    char *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!memory)
        return NULL;
    memset(memory, 0, bytes);
    struct feature_row *row = (struct feature_row *)(void *)memory;
    row->z = (int64_t *)(void *)(memory + head_bytes);
    row->z2 = row->z + padded;
    row->slot = (uint8_t *)(row->z2 + padded);
    row->clipped = row->slot + padded;
    row->outside = row->clipped + padded;
    row->count = feature_count;
    memset(row->slot, SLOT_NONE, padded);
    return row;
}

void feature_row_free(struct feature_row *row)
{
    if (row)
        free(row->odd);
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
        sums[3] += feature_slot_is_above(&face->grid->features[f], slot) ? z : 0;
    }
}

/* ----------------------------------------------------------------- binding */

struct target {
    bool numeric;
    uint8_t missing, invalid;
};

/* What only predictions say. */
enum {
    RESERVED_SCORE,
    RESERVED_PREDICTION,
    RESERVED_CONFIDENCE,
    RESERVED_MARGIN,
    RESERVED_ENTROPY,
    RESERVED_COUNT
};
static const char *const reserved_names[RESERVED_COUNT] = {
    FEATURE_SCORE, FEATURE_PREDICTION, FEATURE_CONFIDENCE, FEATURE_MARGIN, FEATURE_ENTROPY};

struct feature_binding {
    const struct grid *grid;
    const struct bin_kernels *kernels;
    struct bin_plan plan;
    double *numbers;        /* by feature, padded: this event's value; z is 0 when there is no number */
    uint8_t *absent;        /* by feature: the slot when the event lacks it; SLOT_NONE for reserved names */
    struct target *targets; /* by feature */
    uint32_t reserved[RESERVED_COUNT]; /* features, or NAME_FOREIGN */
    bool has_reserved, has_confidence;
    const double **pivots;  /* by feature: its table, NULL for categorical */
    struct bin_name *names; /* the plan's */
    char *const *ignored;   /* names that are neither features nor unknown, ascending */
    uint32_t ignored_count;
    void *memory; /* of the plan's arrays, numbers, no_numbers, absent */
    double *tables_memory;
};

/* Of a categorical feature. */
static uint8_t slot_unseen(const struct target *target)
{
    return (uint8_t)(target->missing - 1);
}

bool feature_name_is_reserved(struct text name)
{
    for (int i = 0; i < RESERVED_COUNT; i++)
        if (text_equal(name, text_of(reserved_names[i])))
            return true;
    return false;
}

/* Doubles of one table: pivots, and blocks with at least one +inf at the end. */
static size_t table_doubles(const struct feature_grid *feature)
{
    return BIN_BLOCK * (feature->edge_count / BIN_BLOCK + 2u);
}

static void fill_table(const struct feature_grid *feature, double *memory)
{
    uint32_t blocks = feature->edge_count / BIN_BLOCK + 1u;
    for (uint32_t i = 0; i < BIN_BLOCK; i++) {
        uint32_t last = i * BIN_BLOCK + BIN_BLOCK - 1;
        memory[i] = last < feature->edge_count ? feature->edges[last] : (double)INFINITY;
    }
    memory += BIN_BLOCK;
    for (uint32_t i = 0; i < blocks * BIN_BLOCK; i++)
        memory[i] = i < feature->edge_count ? feature->edges[i] : (double)INFINITY;
}

static int make_tables(struct feature_binding *binding)
{
    const struct grid *grid = binding->grid;
    size_t doubles = 0;
    for (uint32_t f = 0; f < grid->feature_count; f++)
        if (grid->features[f].type == FEATURE_NUMERIC)
            doubles += table_doubles(&grid->features[f]);
    binding->pivots = calloc((size_t)grid->feature_count + 1, sizeof(const double *));
    binding->tables_memory = aligned_alloc(ALIGNMENT, (doubles + BIN_BLOCK) * sizeof(double));
    if (!binding->pivots || !binding->tables_memory)
        return ERR_NOMEM;
    double *at = binding->tables_memory;
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        if (feature->type != FEATURE_NUMERIC)
            continue;
        binding->pivots[f] = at;
        fill_table(feature, at);
        at += table_doubles(feature);
    }
    return 0;
}

/* Between low and high a number has neither an outer slot nor a clipped z; what is not there may have both.
 */
static void set_inside(const struct feature_grid *feature, double *low, double *high)
{
    *low = *high = (double)INFINITY;
    if (feature->edge_count == 0)
        return; /* every value is out of range */
    double first = feature->edges[0], last = feature->edges[feature->edge_count - 1];
    if (isinf(first - feature->location) || isinf(last - feature->location))
        return;                                   /* z may be infinite in the midst */
    double reach = (Z_CLIP - 1) * feature->scale; /* less than where z is clipped, whatever is rounded how */
    *low = fmax(first, feature->location - reach);
    *high = fmin(last, feature->location + reach);
}

static int make_arrays(struct feature_binding *binding)
{
    const struct grid *grid = binding->grid;
    size_t padded = feature_padded(grid->feature_count);
    double *doubles = aligned_alloc(ALIGNMENT, (padded * (5 * sizeof(double) + 1) + 2 * ALIGNMENT - 1) /
                                                   ALIGNMENT * ALIGNMENT);
    binding->memory = doubles;
    binding->targets = calloc(padded + 1, sizeof(*binding->targets));
    if (!doubles || !binding->targets)
        return ERR_NOMEM;
    double *location = doubles, *scale = location + padded, *low = scale + padded, *high = low + padded;
    binding->numbers = high + padded;
    binding->absent = (uint8_t *)(binding->numbers + padded);
    binding->plan = (struct bin_plan){
        .padded = (uint32_t)padded, .location = location, .scale = scale, .low = low, .high = high};
    for (uint32_t f = 0; f < padded; f++) {
        location[f] = 0;
        scale[f] = 1;
        low[f] = -(double)INFINITY;
        high[f] = (double)INFINITY;
        binding->absent[f] = SLOT_NONE;
    }
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        bool numeric = feature->type == FEATURE_NUMERIC;
        if (numeric) {
            location[f] = feature->location;
            scale[f] = feature->scale;
            set_inside(feature, &low[f], &high[f]);
        }
        binding->targets[f] = (struct target){numeric, (uint8_t)feature_slot_missing(feature, GRID_FINE),
                                              (uint8_t)feature_slot_invalid(feature, GRID_FINE)};
        if (!feature_name_is_reserved(text_of(feature->name)))
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
    for (int i = 0; i < RESERVED_COUNT; i++) {
        binding->reserved[i] = grid_find(grid, text_of(reserved_names[i]));
        binding->has_reserved |= binding->reserved[i] != NAME_FOREIGN;
    }
    binding->has_confidence = binding->reserved[RESERVED_CONFIDENCE] != NAME_FOREIGN ||
                              binding->reserved[RESERVED_MARGIN] != NAME_FOREIGN ||
                              binding->reserved[RESERVED_ENTROPY] != NAME_FOREIGN;
    if (make_arrays(binding) != 0 || make_tables(binding) != 0) {
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
    free(binding->pivots);
    free(binding->tables_memory);
    free(binding->memory);
    free(binding->targets);
    free(binding->names);
    free(binding);
}

void feature_binding_ignore(struct feature_binding *binding, char *const *names, uint32_t count)
{
    binding->ignored = names;
    binding->ignored_count = count;
}

static bool is_ignored(const struct feature_binding *binding, struct text name)
{
    uint32_t low = 0, high = binding->ignored_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(text_of(binding->ignored[middle]), name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static uint32_t find_feature(const struct feature_binding *binding, struct text name)
{
    if (feature_name_is_reserved(name))
        return NAME_FOREIGN;
    uint32_t f = grid_find(binding->grid, name);
    return f != NAME_FOREIGN || is_ignored(binding, name) ? f : NAME_UNKNOWN;
}

uint32_t feature_binding_find(const struct feature_binding *binding, const struct field *field)
{
    uint32_t f =
        field->name_id < binding->plan.name_count ? binding->names[field->name_id].feature : NAME_UNBOUND;
    if (f == NAME_UNBOUND)
        f = find_feature(binding, field->name);
    return f == NAME_UNKNOWN ? NAME_FOREIGN : f;
}

/* A name for the first time: remembers its feature. */
static int bind_name(struct feature_binding *binding, const struct field *field)
{
    uint32_t id = field->name_id, known = binding->plan.name_count;
    if (id >= known) {
        size_t count = known ? known : 32;
        while (count <= id)
            count *= 2;
        struct bin_name *names = realloc(binding->names, count * sizeof(*names));
        if (!names)
            return ERR_NOMEM;
        for (size_t i = known; i < count; i++)
            names[i] = (struct bin_name){NULL, NAME_UNBOUND};
        binding->plan.names = binding->names = names;
        binding->plan.name_count = (uint32_t)count;
    }
    uint32_t f = find_feature(binding, field->name);
    binding->names[id] = (struct bin_name){f >= NAME_UNKNOWN ? NULL : binding->pivots[f], f};
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

static int put_odd(struct feature_row *row, uint32_t f, struct text name, const struct value *value)
{
    if (row->odd_count == row->odd_capacity) {
        struct odd_value *odd = grow_array(row->odd, &row->odd_capacity, 8, sizeof(*odd));
        if (!odd)
            return ERR_NOMEM;
        row->odd = odd;
    }
    row->odd[row->odd_count++] = (struct odd_value){f, name, value};
    return 0;
}

static bool is_nothing(const struct value *value)
{
    return value->type == VALUE_NULL || value->type == VALUE_ABSENT;
}

/* Everything but a number for a numeric feature. */
static void put_other(const struct feature_binding *binding, uint32_t f, const struct value *value,
                      uint8_t *slot)
{
    const struct target *target = &binding->targets[f];
    char buffer[CATEGORY_TEXT_MAX];
    struct text category;
    if (is_nothing(value))
        slot[f] = target->missing;
    else if (target->numeric || !feature_category(value, buffer, &category))
        slot[f] = target->invalid;
    else
        slot[f] = (uint8_t)grid_category_slot(&binding->grid->features[f], category);
}

static void put_number(struct feature_binding *binding, uint32_t f, double number, uint8_t *slot)
{
    if (isnan(number))
        return; /* as if it were not there */
    binding->numbers[f] = number;
    slot[f] = (uint8_t)binding->kernels->lookup(binding->pivots[f], number);
}

static int put_reserved(struct feature_binding *binding, uint32_t f, const struct value *value,
                        struct feature_row *row)
{
    if (f == NAME_FOREIGN)
        return 0;
    if (value->type != VALUE_NUMBER || !binding->targets[f].numeric) {
        put_other(binding, f, value, row->slot);
        bool usual = value->type == VALUE_STRING && !binding->targets[f].numeric &&
                     row->slot[f] != slot_unseen(&binding->targets[f]);
        return usual || is_nothing(value) ? 0
                                          : put_odd(row, f, text_of(binding->grid->features[f].name), value);
    }
    row->slot[f] = binding->targets[f].missing; /* stays only if the number is NaN */
    put_number(binding, f, value->number, row->slot);
    return 0;
}

/* What follows from other values; what is odd about those is noted with them. */
static void put_derived(struct feature_binding *binding, uint32_t f, const struct value *value,
                        struct feature_row *row)
{
    if (f == NAME_FOREIGN)
        return;
    if (value->type == VALUE_NUMBER && binding->targets[f].numeric)
        put_number(binding, f, value->number, row->slot);
    else
        put_other(binding, f, value, row->slot);
}

/* The usual case of what confidence_of_event says: one score, of a probability. */
static bool put_binary_confidence(struct feature_binding *binding, const struct event *ev, uint8_t *slot)
{
    double p = ev->score.number;
    uint32_t confidence = binding->reserved[RESERVED_CONFIDENCE];
    if (ev->score.type != VALUE_NUMBER || !(p >= 0 && p <= 1) || ev->scores.count ||
        confidence == NAME_FOREIGN || !binding->targets[confidence].numeric)
        return false;
    put_number(binding, confidence, p >= 0.5 ? p : 1 - p, slot);
    for (int i = RESERVED_MARGIN; i <= RESERVED_ENTROPY; i++) /* binary events have neither */
        if (binding->reserved[i] != NAME_FOREIGN)
            slot[binding->reserved[i]] = binding->targets[binding->reserved[i]].missing;
    return true;
}

static int put_prediction(struct feature_binding *binding, const struct event *ev, struct feature_row *row)
{
    int code = put_reserved(binding, binding->reserved[RESERVED_SCORE], &ev->score, row);
    if (code == 0)
        code = put_reserved(binding, binding->reserved[RESERVED_PREDICTION], &ev->prediction, row);
    if (code != 0 || !binding->has_confidence)
        return code;
    if (LIKELY(put_binary_confidence(binding, ev, row->slot)))
        return 0;
    struct confidence_values values =
        confidence_of_event(ev, binding->reserved[RESERVED_ENTROPY] != NAME_FOREIGN);
    put_derived(binding, binding->reserved[RESERVED_CONFIDENCE], &values.maximum, row);
    put_derived(binding, binding->reserved[RESERVED_MARGIN], &values.margin, row);
    put_derived(binding, binding->reserved[RESERVED_ENTROPY], &values.entropy, row);
    return 0;
}

static int feature_of_field(struct feature_binding *binding, const struct field *field, uint32_t *out)
{
    uint32_t id = field->name_id;
    if (id == UINT32_MAX) { /* the decoder gave it no number */
        *out = find_feature(binding, field->name);
        return 0;
    }
    bool unbound = id >= binding->plan.name_count || binding->names[id].feature == NAME_UNBOUND;
    if (UNLIKELY(unbound) && bind_name(binding, field) != 0)
        return ERR_NOMEM;
    *out = binding->names[id].feature;
    return 0;
}

static int put_field(struct feature_binding *binding, const struct field *field, struct feature_row *row)
{
    uint32_t f;
    uint8_t *slot = row->slot;
    if (feature_of_field(binding, field, &f) != 0)
        return ERR_NOMEM;
    if (UNLIKELY(f >= NAME_UNKNOWN))
        return f == NAME_UNKNOWN ? put_odd(row, FEATURE_UNKNOWN, field->name, &field->value) : 0;
    const struct target *target = &binding->targets[f];
    if (LIKELY(!target->numeric && field->value.type == VALUE_STRING)) {
        slot[f] = (uint8_t)grid_category_slot(&binding->grid->features[f], field->value.text);
        return LIKELY(slot[f] != slot_unseen(target)) ? 0 : put_odd(row, f, field->name, &field->value);
    }
    if (target->numeric && field->value.type == VALUE_NUMBER) {
        put_number(binding, f, field->value.number, slot);
        return 0;
    }
    put_other(binding, f, &field->value, slot);
    return is_nothing(&field->value) ? 0 : put_odd(row, f, field->name, &field->value);
}

/* Slots are those of an event that lacks everything when this begins. */
static int put_fields(struct feature_binding *binding, const struct fields *fields, struct feature_row *row)
{
    const struct field *field = fields->items, *end = field + fields->count;
    while (field < end) {
        if (field->value.type == VALUE_NUMBER)
            field += binding->kernels->put_numbers(&binding->plan, field, (uint32_t)(end - field),
                                                   binding->numbers, row->slot);
        if (field < end && put_field(binding, field++, row) != 0)
            return ERR_NOMEM;
    }
    return 0;
}

/* Which of the few that are outside are clipped? */
static void find_clipped(const struct feature_binding *binding, struct feature_row *row)
{
    const struct bin_plan *plan = &binding->plan;
    memset(row->clipped, 0, plan->padded);
    for (uint32_t block = 0; block < plan->padded / BIN_LANES; block++) {
        for (unsigned bits = row->outside[block]; UNLIKELY(bits); bits &= bits - 1) {
            uint32_t f = block * BIN_LANES + (uint32_t)__builtin_ctz(bits);
            double z = (binding->numbers[f] - plan->location[f]) / plan->scale[f];
            row->clipped[f] = z > Z_CLIP || z < -Z_CLIP;
        }
    }
}

int feature_row_resolve(struct feature_row *row, struct feature_binding *binding, const struct event *ev)
{
    BUG_ON(row->count != binding->grid->feature_count);
    size_t padded = binding->plan.padded;
    bool prediction = ev->kind == EVENT_PREDICTION;
    row->complete = ev->features.count > 0 && (prediction || !binding->has_reserved);
    row->odd_count = 0;
    memcpy(binding->numbers, binding->plan.location, padded * sizeof(*binding->numbers));
    if (ev->features.count)
        memcpy(row->slot, binding->absent, padded);
    else
        memset(row->slot, SLOT_NONE, padded);
    if (prediction && put_prediction(binding, ev, row) !=
                          0) /* first: their slots are then stored when wide loads want them */
        return ERR_NOMEM;
    if (put_fields(binding, &ev->features, row) != 0)
        return ERR_NOMEM;
    binding->kernels->standardise(&binding->plan, binding->numbers, row->z, row->z2, row->outside);
    find_clipped(binding, row);
    return 0;
}

double feature_mean(const struct feature_layout *layout, const struct tally *tally, uint32_t feature,
                    bool standardised)
{
    const struct feature_grid *grid = &layout->grid->features[feature];
    if (grid->type != FEATURE_NUMERIC)
        return (double)NAN;
    const uint64_t *slots = tally->counters + layout->slot_at[feature];
    uint64_t n = 0;
    for (unsigned i = 0; i < feature_slot_missing(grid, layout->resolution); i++)
        n += slots[i];
    if (n == 0)
        return (double)NAN;
    long double z = (long double)tally->sums[layout->sums_at[feature]] / (long double)Z_UNIT / (long double)n;
    return (double)(standardised ? z : (long double)grid->location + (long double)grid->scale * z);
}

static void add_sums(const struct feature_layout *from_layout, const struct tally *from,
                     const struct feature_layout *into_layout, struct tally *into, uint32_t feature, int sign)
{
    if (from_layout->grid->features[feature].type != FEATURE_NUMERIC)
        return;
    uint64_t clipped = from->counters[from_layout->clipped_at[feature]];
    into->counters[into_layout->clipped_at[feature]] += sign > 0 ? clipped : -clipped;
    for (uint32_t i = 0; i < FEATURE_SUMS; i++)
        into->sums[into_layout->sums_at[feature] + i] += sign * from->sums[from_layout->sums_at[feature] + i];
}

void feature_tally_add(const struct feature_layout *layout, const struct tally *from, struct tally *into,
                       uint32_t feature, int sign)
{
    uint32_t at = layout->slot_at[feature];
    uint32_t count = layout->grid->features[feature].slot_count[layout->resolution];
    for (uint32_t slot = at; slot < at + count; slot++)
        into->counters[slot] += sign > 0 ? from->counters[slot] : -from->counters[slot];
    add_sums(layout, from, layout, into, feature, sign);
}

void feature_tally_coarsen(const struct feature_layout *fine, const struct tally *from,
                           const struct feature_layout *coarse, struct tally *into)
{
    into->counters[0] += from->counters[0];
    for (uint32_t f = 0; f < fine->grid->feature_count; f++) {
        const struct feature_grid *grid = &fine->grid->features[f];
        const uint64_t *slots = from->counters + fine->slot_at[f];
        uint64_t *out = into->counters + coarse->slot_at[f];
        for (uint32_t slot = 0; slot < grid->slot_count[GRID_FINE]; slot++)
            out[grid->type == FEATURE_CATEGORICAL ? slot : grid->coarse_slot[slot]] += slots[slot];
        add_sums(fine, from, coarse, into, f, 1);
    }
}
