#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/features.h"
#include "detectors/features_private.h"

/*
 * Few events: rows of slots, as they came. From the (ROWS_MAX + 1)th on: counters. Sums are lanes of 64 bits
 * in both states: 2^13 additions of at most 2^48 leave room to spare, then they spill.
 */
enum { ROWS_FIRST = 8, ROWS_MAX = 64, SPILL_EVENTS = 1 << 13, ALIGNMENT = 64 };

struct feature_cell {
    const struct layout *layout;
    uint32_t events;
    uint32_t lane_events; /* since the last spill */
    bool dense;
    uint32_t row_capacity;
    uint32_t counter_count; /* [0] is where slots that say nothing go */
    int64_t *lanes;         /* BIN_SUMS × padded */
    uint32_t *clipped;      /* padded */
    uint8_t *rows;          /* while not dense: feature_count slots an event */
    uint32_t *counters;     /* when dense: as in the tally, without `clipped` */
    int128 *spilled;        /* NULL before the first spill */
};

static uint32_t feature_count_of(const struct feature_cell *cell)
{
    return cell->layout->face.grid->feature_count;
}

struct feature_cell *feature_cell_new(const struct feature_layout *face)
{
    const struct layout *layout = layout_of(face);
    size_t lanes_bytes = (size_t)layout->padded * BIN_SUMS * sizeof(int64_t);
    size_t head_bytes = (sizeof(struct feature_cell) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t bytes = head_bytes + lanes_bytes + layout->padded * sizeof(uint32_t);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *memory = aligned_alloc(ALIGNMENT, bytes);
    if (!memory)
        return NULL;
    memset(memory, 0, bytes);
    struct feature_cell *cell = (struct feature_cell *)(void *)memory;
    cell->layout = layout;
    cell->lanes = (int64_t *)(void *)(memory + head_bytes);
    cell->clipped = (uint32_t *)(void *)(memory + head_bytes + lanes_bytes);
    cell->counter_count = 1;
    for (uint32_t f = 0; f < face->grid->feature_count; f++)
        cell->counter_count += face->grid->features[f].slot_count[face->resolution];
    return cell;
}

void feature_cell_free(struct feature_cell *cell)
{
    if (!cell)
        return;
    free(cell->rows);
    free(cell->counters);
    free(cell->spilled);
    free(cell);
}

void feature_cell_reset(struct feature_cell *cell)
{
    size_t padded = cell->layout->padded;
    cell->events = cell->lane_events = 0;
    cell->dense = false;
    memset(cell->lanes, 0, padded * BIN_SUMS * sizeof(*cell->lanes));
    memset(cell->clipped, 0, padded * sizeof(*cell->clipped));
    if (cell->spilled)
        memset(cell->spilled, 0, padded * BIN_SUMS * sizeof(*cell->spilled));
}

uint64_t feature_cell_events(const struct feature_cell *cell)
{
    return cell->events;
}

const struct feature_layout *feature_cell_layout(const struct feature_cell *cell)
{
    return &cell->layout->face;
}

size_t feature_cell_bytes(const struct feature_cell *cell)
{
    size_t padded = cell->layout->padded;
    return sizeof(*cell) + padded * (BIN_SUMS * sizeof(int64_t) + sizeof(uint32_t)) +
           (size_t)cell->row_capacity * feature_count_of(cell) +
           (cell->counters ? cell->counter_count * sizeof(*cell->counters) : 0) +
           (cell->spilled ? padded * BIN_SUMS * sizeof(*cell->spilled) : 0);
}

static void count_coarse(const struct layout *layout, const uint8_t *slot, uint32_t feature_count,
                         uint32_t *counters)
{
    const uint32_t *slot_at = layout->face.slot_at;
    const uint8_t *map = layout->coarse_map;
    for (uint32_t f = 0; f < feature_count; f++, map += 256)
        counters[slot_at[f] + map[slot[f]]]++;
}

static void count_fine(const struct layout *layout, const uint8_t *slot, uint32_t feature_count,
                       uint32_t *counters)
{
    const uint32_t *slot_at = layout->face.slot_at;
    for (uint32_t f = 0; f < feature_count; f++)
        counters[slot_at[f] + slot[f]]++;
}

static void count_slots(const struct layout *layout, const uint8_t *slot, bool complete,
                        uint32_t feature_count, uint32_t *counters)
{
    const uint8_t *map = layout->coarse_map;
    if (complete && map) {
        count_coarse(layout, slot, feature_count, counters);
    } else if (complete) {
        count_fine(layout, slot, feature_count, counters);
    } else {
        for (uint32_t f = 0; f < feature_count; f++)
            if (slot[f] != SLOT_NONE)
                counters[layout->face.slot_at[f] + (map ? map[256 * (size_t)f + slot[f]] : slot[f])]++;
    }
}

static int make_dense(struct feature_cell *cell)
{
    if (!cell->counters) {
        cell->counters = malloc(cell->counter_count * sizeof(*cell->counters));
        if (!cell->counters)
            return ERR_NOMEM;
    }
    memset(cell->counters, 0, cell->counter_count * sizeof(*cell->counters));
    uint32_t count = feature_count_of(cell);
    for (uint32_t i = 0; i < cell->events; i++)
        count_slots(cell->layout, cell->rows + (size_t)i * count, false, count, cell->counters);
    cell->dense = true;
    return 0;
}

static int make_room(struct feature_cell *cell)
{
    if (cell->events == UINT32_MAX)
        return ERR_NOMEM; /* a 32-bit counter might not hold one more */
    if (cell->dense)
        return 0;
    if (cell->events == ROWS_MAX)
        return make_dense(cell);
    if (cell->events < cell->row_capacity)
        return 0;
    uint32_t capacity = cell->row_capacity ? cell->row_capacity * 2 : ROWS_FIRST;
    uint8_t *rows = realloc(cell->rows, (size_t)capacity * feature_count_of(cell) + 1);
    if (!rows)
        return ERR_NOMEM;
    cell->rows = rows;
    cell->row_capacity = capacity;
    return 0;
}

static int spill(struct feature_cell *cell)
{
    size_t count = (size_t)cell->layout->padded * BIN_SUMS;
    if (!cell->spilled) {
        cell->spilled = calloc(count + 1, sizeof(*cell->spilled));
        if (!cell->spilled)
            return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        cell->spilled[i] += cell->lanes[i];
    memset(cell->lanes, 0, count * sizeof(*cell->lanes));
    cell->lane_events = 0;
    return 0;
}

/* Values outside the range and clipped ones are rare: eight features are dismissed at a time. */
static void add_outside(struct feature_cell *cell, const struct feature_row *row)
{
    const struct feature_grid *features = cell->layout->face.grid->features;
    size_t padded = cell->layout->padded;
    int64_t *below = cell->lanes + 2 * padded, *above = below + padded;
    for (size_t block = 0; block < padded / BIN_LANES; block++) {
        for (unsigned bits = row->outside[block]; UNLIKELY(bits); bits &= bits - 1) {
            size_t f = block * BIN_LANES + (unsigned)__builtin_ctz(bits);
            cell->clipped[f] += row->clipped[f];
            below[f] += row->slot[f] == 0 ? row->z[f] : 0;
            above[f] += feature_slot_is_above(&features[f], row->slot[f]) ? row->z[f] : 0;
        }
    }
}

int feature_cell_add(struct feature_cell *cell, const struct feature_row *row)
{
    const struct layout *layout = cell->layout;
    uint32_t count = feature_count_of(cell);
    BUG_ON(row->count != count);
    if ((!cell->dense || UNLIKELY(cell->events == UINT32_MAX)) && make_room(cell) != 0)
        return ERR_NOMEM;
    if (UNLIKELY(cell->lane_events == SPILL_EVENTS) && spill(cell) != 0)
        return ERR_NOMEM;
    if (cell->dense)
        count_slots(layout, row->slot, row->complete, count, cell->counters);
    else
        memcpy(cell->rows + (size_t)cell->events * count, row->slot, count);
    layout->kernels->add_sums(layout->padded, row->z, row->z2, cell->lanes);
    add_outside(cell, row);
    cell->events++;
    cell->lane_events++;
    return 0;
}

static void merge_rows(const struct feature_cell *cell, uint64_t *counters)
{
    const struct layout *layout = cell->layout;
    uint32_t count = feature_count_of(cell);
    for (uint32_t i = 0; i < cell->events; i++) {
        const uint8_t *slot = cell->rows + (size_t)i * count;
        for (uint32_t f = 0; f < count; f++)
            if (slot[f] != SLOT_NONE)
                counters[layout->face.slot_at[f] +
                         (layout->coarse_map ? layout->coarse_map[256 * (size_t)f + slot[f]] : slot[f])]++;
    }
}

static void merge_sums(const struct feature_cell *cell, struct tally *into)
{
    const struct feature_layout *face = &cell->layout->face;
    size_t padded = cell->layout->padded;
    for (uint32_t f = 0; f < face->grid->feature_count; f++) {
        if (face->sums_at[f] == UINT32_MAX)
            continue;
        into->counters[face->clipped_at[f]] += cell->clipped[f];
        for (size_t k = 0; k < BIN_SUMS; k++) {
            size_t lane = k * padded + f;
            int128 *sum = &into->sums[face->sums_at[f] + k];
            int128 more = (cell->spilled ? cell->spilled[lane] : 0) + cell->lanes[lane];
            *sum = (int128)((uint128)*sum + (uint128)more);
        }
    }
}

void feature_cell_merge(const struct feature_cell *cell, struct tally *into)
{
    const struct feature_layout *face = &cell->layout->face;
    BUG_ON(into->size.counters != face->size.counters || into->size.sums != face->size.sums);
    into->counters[0] += cell->events;
    if (cell->dense)
        for (uint32_t i = 1; i < cell->counter_count; i++)
            into->counters[i] += cell->counters[i];
    else
        merge_rows(cell, into->counters);
    merge_sums(cell, into);
}
