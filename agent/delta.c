#include "agent/delta.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/grow.h"
#include "agent/base/hash.h"

enum { CELL_SLOTS_MIN = 256, WAITING_HAS_MORE = 0x80 };

/* What few of those that wait have, beside their entry. */
struct waiting_more {
    double truth;
    const char *model, *predicted_class, *label_class;
    uint32_t score_count;
    bool scores_refused;
};

struct delta {
    struct delta_cell *cells;     /* in use */
    struct delta_cell **reusable; /* by series: cells of earlier rounds */
    uint32_t reusable_count;
    struct delta_cell **table; /* open addressing on (series, pane, late) */
    uint32_t table_mask, cell_count;
    struct delta_cell *last; /* the cell of the event before: most often the one of this event too */

    struct arena *names;
    struct delta_series *series;
    uint32_t series_count, series_capacity;

    struct delta_combo *combos;
    uint32_t combo_count, combo_capacity;
    struct delta_kpi *kpis;
    uint32_t kpi_count, kpi_capacity;
    struct join_entry *waiting; /* `state` says the kind, and whether there is more of it */
    size_t waiting_count, waiting_capacity;
    struct waiting_more *more; /* of those that have more, in their order */
    size_t more_count, more_capacity;
    struct delta_score *scores; /* of those that have some, in their order */
    size_t score_count, score_capacity;
    struct delta_class *classes;
    uint32_t class_count, class_capacity;

    struct delta_partition *partitions;
    uint32_t partition_count, partition_capacity;

    uint64_t counts[DELTA_INPUTS_MAX]
                   [FATE_COUNT + REJECT_COUNT]; /* fates but rejected, then rejects by reason */
    uint32_t inputs_used;
    bool counted;
};

struct delta *delta_new(void)
{
    struct delta *delta = calloc(1, sizeof(*delta));
    if (!delta)
        return NULL;
    delta->names = arena_new(4096, 0);
    delta->table_mask = CELL_SLOTS_MIN - 1;
    delta->table = calloc(CELL_SLOTS_MIN, sizeof(struct delta_cell *));
    if (!delta->names || !delta->table) {
        delta_free(delta);
        return NULL;
    }
    return delta;
}

static void counts_free(struct delta_cell *cell)
{
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        tally_free(cell->counts[family]);
        cell->counts[family] = NULL;
    }
}

static void cells_free(struct delta_cell *cell)
{
    for (struct delta_cell *next; cell; cell = next) {
        next = cell->next;
        feature_cell_free(cell->features);
        sample_free(cell->sample);
        name_sketch_free(cell->names);
        distinct_sketch_free(cell->distinct);
        counts_free(cell);
        free(cell);
    }
}

void delta_free(struct delta *delta)
{
    if (!delta)
        return;
    cells_free(delta->cells);
    for (uint32_t i = 0; i < delta->reusable_count; i++)
        cells_free(delta->reusable[i]);
    free(delta->reusable);
    free(delta->table);
    arena_free(delta->names);
    free(delta->series);
    free(delta->combos);
    free(delta->kpis);
    free(delta->waiting);
    free(delta->more);
    free(delta->scores);
    free(delta->classes);
    free(delta->partitions);
    free(delta);
}

/* A cell goes back to its series; with it the dense counters, which fit the same grid next time. */
static void cell_recycle(struct delta *delta, struct delta_cell *cell)
{
    if (cell->series >= delta->reusable_count) {
        uint32_t count = cell->series + 16;
        struct delta_cell **reusable = realloc(delta->reusable, count * sizeof(struct delta_cell *));
        if (!reusable) {
            cell->next = NULL;
            cells_free(cell);
            return;
        }
        memset(reusable + delta->reusable_count, 0,
               (count - delta->reusable_count) * sizeof(struct delta_cell *));
        delta->reusable = reusable;
        delta->reusable_count = count;
    }
    if (cell->features)
        feature_cell_reset(cell->features);
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++)
        if (cell->counts[family])
            tally_reset(cell->counts[family]);
    sample_free(cell->sample);
    cell->sample = NULL;
    name_sketch_free(cell->names);
    cell->names = NULL;
    distinct_sketch_free(cell->distinct);
    cell->distinct = NULL;
    cell->next = delta->reusable[cell->series];
    delta->reusable[cell->series] = cell;
}

void delta_reset(struct delta *delta)
{
    for (struct delta_cell *cell = delta->cells, *next; cell; cell = next) {
        next = cell->next;
        cell_recycle(delta, cell);
    }
    delta->cells = NULL;
    delta->last = NULL;
    delta->cell_count = 0;
    memset(delta->table, 0, ((size_t)delta->table_mask + 1) * sizeof(struct delta_cell *));
    arena_reset(delta->names);
    delta->series_count = 0;
    delta->combo_count = 0;
    delta->kpi_count = 0;
    delta->waiting_count = 0;
    delta->more_count = 0;
    delta->score_count = 0;
    delta->class_count = 0;
    delta->partition_count = 0;
    memset(delta->counts, 0, sizeof(delta->counts[0]) * delta->inputs_used);
    delta->inputs_used = 0;
    delta->counted = false;
}

static uint64_t cell_hash(uint32_t series, int64_t pane_start_ms, bool late)
{
    return hash_mix((uint64_t)pane_start_ms * 2 + late + ((uint64_t)series << 48));
}

static bool table_grow(struct delta *delta)
{
    uint32_t mask = delta->table_mask * 2 + 1;
    struct delta_cell **table = calloc((size_t)mask + 1, sizeof(struct delta_cell *));
    if (!table)
        return false;
    for (struct delta_cell *cell = delta->cells; cell; cell = cell->next) {
        uint32_t at = (uint32_t)cell_hash(cell->series, cell->pane_start_ms, cell->late) & mask;
        while (table[at])
            at = (at + 1) & mask;
        table[at] = cell;
    }
    free(delta->table);
    delta->table = table;
    delta->table_mask = mask;
    return true;
}

/* Dense counters are kept only when they are counted by the same profile. */
static struct delta_cell *cell_take(struct delta *delta, uint32_t series, const struct profile *profile)
{
    struct delta_cell *cell = series < delta->reusable_count ? delta->reusable[series] : NULL;
    if (cell) {
        delta->reusable[series] = cell->next;
        if (cell->profile != profile) {
            feature_cell_free(cell->features);
            cell->features = NULL;
            counts_free(cell);
        }
        struct delta_cell kept = {.features = cell->features};
        memcpy(kept.counts, cell->counts, sizeof(kept.counts));
        *cell = kept;
        return cell;
    }
    return calloc(1, sizeof(*cell));
}

struct delta_cell *delta_cell(struct delta *delta, uint32_t series, int64_t pane_start_ms, bool late,
                              const struct profile *profile)
{
    struct delta_cell *last = delta->last;
    if (last && last->series == series && last->pane_start_ms == pane_start_ms && last->late == late)
        return last;
    uint32_t at = (uint32_t)cell_hash(series, pane_start_ms, late) & delta->table_mask;
    for (; delta->table[at]; at = (at + 1) & delta->table_mask) {
        struct delta_cell *cell = delta->table[at];
        if (cell->series == series && cell->pane_start_ms == pane_start_ms && cell->late == late)
            return delta->last = cell;
    }
    if ((delta->cell_count + 1) * 2 > delta->table_mask) {
        if (!table_grow(delta))
            return NULL;
        at = (uint32_t)cell_hash(series, pane_start_ms, late) & delta->table_mask;
        while (delta->table[at])
            at = (at + 1) & delta->table_mask;
    }
    struct delta_cell *cell = cell_take(delta, series, profile);
    if (!cell)
        return NULL;
    cell->series = series;
    cell->pane_start_ms = pane_start_ms;
    cell->late = late;
    cell->profile = profile;
    cell->next = delta->cells;
    delta->cells = cell;
    delta->table[at] = cell;
    delta->cell_count++;
    return delta->last = cell;
}

int delta_add_series(struct delta *delta, uint32_t series, struct text model, struct text version,
                     struct text segment)
{
    if (delta->series_count == delta->series_capacity) {
        struct delta_series *grown = grow_array(delta->series, &delta->series_capacity, 16, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->series = grown;
    }
    struct delta_series entry = {series, arena_text(delta->names, model), arena_text(delta->names, version),
                                 arena_text(delta->names, segment)};
    if (!entry.model || !entry.version || !entry.segment)
        return ERR_NOMEM;
    delta->series[delta->series_count++] = entry;
    return 0;
}

int delta_add_kpi(struct delta *delta, uint32_t series, uint32_t slot, struct text name)
{
    if (delta->kpi_count == delta->kpi_capacity) {
        struct delta_kpi *grown = grow_array(delta->kpis, &delta->kpi_capacity, 16, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->kpis = grown;
    }
    struct delta_kpi kpi = {series, slot, arena_text(delta->names, name)};
    if (!kpi.name)
        return ERR_NOMEM;
    delta->kpis[delta->kpi_count++] = kpi;
    return 0;
}

static int copy_groups(struct delta *delta, const struct delta_combo *combo, const char *const **out)
{
    const char **groups = arena_alloc(delta->names, (combo->group_count + 1) * sizeof(char *));
    if (!groups)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < combo->group_count; i++)
        if (!(groups[i] = arena_strdup(delta->names, combo->groups[i])))
            return ERR_NOMEM;
    *out = groups;
    return 0;
}

int delta_add_combo(struct delta *delta, const struct delta_combo *combo)
{
    if (delta->combo_count == delta->combo_capacity) {
        struct delta_combo *grown = grow_array(delta->combos, &delta->combo_capacity, 16, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->combos = grown;
    }
    struct delta_combo entry = *combo;
    uint32_t *series = arena_alloc(delta->names, combo->series_count * sizeof(*series));
    if (!series || copy_groups(delta, combo, &entry.groups) != 0)
        return ERR_NOMEM;
    if (combo->series_count)
        memcpy(series, combo->series, combo->series_count * sizeof(*series));
    entry.series = series;
    delta->combos[delta->combo_count++] = entry;
    return 0;
}

int delta_add_class(struct delta *delta, const struct delta_class *class)
{
    if (delta->class_count == delta->class_capacity) {
        struct delta_class *grown = grow_array(delta->classes, &delta->class_capacity, 16, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->classes = grown;
    }
    delta->classes[delta->class_count++] = *class;
    return 0;
}

static int add_scores(struct delta *delta, const struct delta_waiting *waiting)
{
    if (delta->score_count + waiting->score_count > delta->score_capacity) {
        size_t capacity = 2 * delta->score_capacity + 64 + waiting->score_count;
        struct delta_score *grown = realloc(delta->scores, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->scores = grown;
        delta->score_capacity = capacity;
    }
    if (waiting->score_count)
        memcpy(delta->scores + delta->score_count, waiting->scores,
               waiting->score_count * sizeof(*delta->scores));
    delta->score_count += waiting->score_count;
    return 0;
}

static int add_more(struct delta *delta, const struct delta_waiting *waiting)
{
    if (delta->more_count == delta->more_capacity) {
        size_t capacity = delta->more_capacity ? delta->more_capacity * 2 : 64;
        struct waiting_more *grown = realloc(delta->more, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->more = grown;
        delta->more_capacity = capacity;
    }
    if (add_scores(delta, waiting) != 0)
        return ERR_NOMEM;
    delta->more[delta->more_count++] = (struct waiting_more){.truth = waiting->truth,
                                                             .model = waiting->model,
                                                             .predicted_class = waiting->predicted_class,
                                                             .label_class = waiting->label_class,
                                                             .score_count = waiting->score_count,
                                                             .scores_refused = waiting->scores_refused};
    return 0;
}

int delta_add_waiting(struct delta *delta, const struct delta_waiting *waiting)
{
    bool more = waiting->kind == WAITING_OUTCOME || waiting->model;
    if (delta->waiting_count == delta->waiting_capacity) {
        size_t capacity = delta->waiting_capacity ? delta->waiting_capacity * 2 : 64;
        struct join_entry *grown = realloc(delta->waiting, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->waiting = grown;
        delta->waiting_capacity = capacity;
    }
    if (more && add_more(delta, waiting) != 0)
        return ERR_NOMEM;
    struct join_entry *entry = &delta->waiting[delta->waiting_count++];
    *entry = waiting->entry;
    entry->state = (uint8_t)((unsigned)waiting->kind | (more ? WAITING_HAS_MORE : 0));
    return 0;
}

int delta_set_partition(struct delta *delta, const struct delta_partition *partition)
{
    if (delta->partition_count == delta->partition_capacity) {
        struct delta_partition *grown =
            grow_array(delta->partitions, &delta->partition_capacity, 16, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        delta->partitions = grown;
    }
    delta->partitions[delta->partition_count++] = *partition;
    return 0;
}

void delta_count(struct delta *delta, uint32_t input, enum fate fate, enum reject reject)
{
    BUG_ON(input >= DELTA_INPUTS_MAX);
    delta->counts[input][fate == FATE_REJECTED ? FATE_COUNT + (uint32_t)reject : (uint32_t)fate]++;
    if (input >= delta->inputs_used)
        delta->inputs_used = input + 1;
    delta->counted = true;
}

void delta_each_count(const struct delta *delta, void (*fn)(void *context, const struct delta_count *count),
                      void *context)
{
    for (uint32_t input = 0; input < delta->inputs_used; input++)
        for (uint32_t i = 0; i < FATE_COUNT + REJECT_COUNT; i++)
            if (delta->counts[input][i]) {
                bool rejected = i >= FATE_COUNT;
                struct delta_count count = {input, rejected ? FATE_REJECTED : (enum fate)i,
                                            rejected ? (enum reject)(i - FATE_COUNT) : REJECT_NONE,
                                            delta->counts[input][i]};
                fn(context, &count);
            }
}

static size_t counts_bytes(const struct delta_cell *cell)
{
    size_t bytes = 0;
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++)
        if (cell->counts[family])
            bytes += tally_bytes(cell->counts[family]);
    return bytes;
}

size_t delta_bytes(const struct delta *delta)
{
    size_t bytes = arena_bytes(delta->names) + delta->waiting_count * sizeof(*delta->waiting) +
                   delta->more_count * sizeof(*delta->more) + delta->score_count * sizeof(*delta->scores);
    for (const struct delta_cell *cell = delta->cells; cell; cell = cell->next)
        bytes += sizeof(*cell) + counts_bytes(cell) +
                 (cell->features ? feature_cell_bytes(cell->features) : 0) +
                 (cell->names ? name_sketch_bytes(cell->names) : 0) +
                 (cell->distinct ? distinct_sketch_bytes(cell->distinct) : 0) +
                 (cell->sample ? sample_bytes(cell->sample) : 0);
    return bytes;
}

bool delta_is_empty(const struct delta *delta)
{
    return !delta->cells && delta->series_count == 0 && delta->combo_count == 0 && delta->kpi_count == 0 &&
           delta->class_count == 0 && delta->waiting_count == 0 && delta->partition_count == 0 &&
           !delta->counted;
}

const struct delta_cell *delta_cells(const struct delta *delta)
{
    return delta->cells;
}

const struct delta_series *delta_new_series(const struct delta *delta, uint32_t *out_count)
{
    *out_count = delta->series_count;
    return delta->series;
}

const struct delta_combo *delta_new_combos(const struct delta *delta, uint32_t *out_count)
{
    *out_count = delta->combo_count;
    return delta->combos;
}

const struct delta_kpi *delta_new_kpis(const struct delta *delta, uint32_t *out_count)
{
    *out_count = delta->kpi_count;
    return delta->kpis;
}

const struct delta_class *delta_new_classes(const struct delta *delta, uint32_t *out_count)
{
    *out_count = delta->class_count;
    return delta->classes;
}

size_t delta_waiting_count(const struct delta *delta)
{
    return delta->waiting_count;
}

uint64_t delta_waiting_hash(const struct delta *delta, size_t at)
{
    return delta->waiting[at].id_hash;
}

bool delta_next_waiting(const struct delta *delta, struct delta_waiting_reader *reader,
                        struct delta_waiting *out)
{
    if (reader->at == delta->waiting_count)
        return false;
    const struct join_entry *entry = &delta->waiting[reader->at++];
    *out = (struct delta_waiting){.entry = *entry,
                                  .kind = (enum waiting_kind)(entry->state & ~WAITING_HAS_MORE)};
    out->entry.state = 0;
    if (entry->state & WAITING_HAS_MORE) {
        const struct waiting_more *more = &delta->more[reader->more_at++];
        out->truth = more->truth;
        out->model = more->model;
        out->predicted_class = more->predicted_class;
        out->label_class = more->label_class;
        out->scores = more->score_count ? delta->scores + reader->score_at : NULL;
        out->score_count = more->score_count;
        out->scores_refused = more->scores_refused;
        reader->score_at += more->score_count;
    }
    return true;
}

const struct delta_partition *delta_partitions(const struct delta *delta, uint32_t *out_count)
{
    *out_count = delta->partition_count;
    return delta->partitions;
}
