/*
 * Late events (DESIGN §6): added to their panes, beside what was on time; the windows that hold those panes
 * are revised later (engine_revise.c). Late counts are kept encoded, since they are few and far apart.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/engine_internal.h"

void engine_late_free(struct series *series)
{
    for (uint32_t i = 0; i < series->late_count; i++)
        for (int part = 0; part < PANE_PART_COUNT; part++)
            free(series->late[i].bytes[part]);
    free(series->late);
}

static bool is_before(const struct late_pane *pane, uint8_t tier, int64_t start_ms)
{
    return pane->tier != tier ? pane->tier < tier : pane->start_ms < start_ms;
}

struct late_pane *engine_late_find(struct series *series, uint8_t tier, int64_t start_ms, bool add)
{
    uint32_t at = series->late_count;
    while (at > 0 && !is_before(&series->late[at - 1], tier, start_ms))
        at--;
    if (at < series->late_count && series->late[at].tier == tier && series->late[at].start_ms == start_ms)
        return &series->late[at];
    if (!add)
        return NULL;
    if (series->late_count == series->late_capacity) {
        struct late_pane *grown = grow_array(series->late, &series->late_capacity, 8, sizeof(*grown));
        if (!grown)
            return NULL;
        series->late = grown;
    }
    memmove(series->late + at + 1, series->late + at, (series->late_count - at) * sizeof(*series->late));
    series->late_count++;
    series->late[at] = (struct late_pane){.start_ms = start_ms, .tier = tier};
    return &series->late[at];
}

/* Adds what the late pane holds to a set. */
int engine_late_add_to(const struct engine *engine, const struct series *series, const struct late_pane *late,
                       struct pane_set *set)
{
    for (int part = 0; part < PANE_PART_COUNT; part++) {
        if (!late->bytes[part])
            continue;
        struct stored_pane stored = {.family = pane_part_number(part),
                                     .grid = late->basis[part],
                                     .bytes = late->bytes[part],
                                     .len = late->len[part]};
        int code =
            pane_set_add_stored(set, &stored, engine_layout(engine, series, stored.family, stored.grid));
        if (code != 0)
            return code;
    }
    return 0;
}

static int late_set(struct engine *engine, struct late_pane *late, const struct pane_set *set)
{
    for (int part = 0; part < PANE_PART_COUNT; part++) {
        strbuf_reset(&engine->scratch);
        if (!pane_set_encode(set, part, &engine->scratch))
            continue;
        char *copy = strbuf_failed(&engine->scratch) ? NULL : malloc(engine->scratch.len);
        if (!copy)
            return ERR_NOMEM;
        memcpy(copy, engine->scratch.bytes, engine->scratch.len);
        free(late->bytes[part]);
        late->bytes[part] = copy;
        late->len[part] = engine->scratch.len;
    }
    memcpy(late->basis, set->basis, sizeof(late->basis));
    late->changed = true;
    return 0;
}

/* Panes that end before are beyond every revision. */
static int64_t late_keep(const struct engine *engine)
{
    return time_minus(engine->closed_until_ms, engine->times.horizon_ms);
}

int engine_late_add(struct engine *engine, struct series *series, const struct delta_cell *cell)
{
    struct pane_set cell_set = {0};
    int code = pane_set_add_cell(&cell_set, cell);
    for (uint8_t tier = 0; code == 0 && tier < engine->times.tier_count; tier++) {
        int64_t start_ms = pane_start(&engine->times, tier, cell->pane_start_ms);
        /* Of a partition that was idle or absent for longer than the horizon: forgotten here already, and
         * what is stored must not be replaced. */
        if (start_ms + engine->times.tiers_ms[tier] <= late_keep(engine)) {
            engine->stats.left_out += tier == 0 && !series->segment[0] ? pane_set_events(&cell_set) : 0;
            continue;
        }
        struct late_pane *late = engine_late_find(series, tier, start_ms, true);
        struct pane_set sum = {0};
        code = late ? engine_late_add_to(engine, series, late, &sum) : ERR_NOMEM;
        if (code == 0)
            code = pane_set_add(&sum, &cell_set);
        if (code == 0)
            code = late_set(engine, late, &sum);
        pane_set_release(&sum);
        if (code == 0)
            code = engine_stale_mark(engine, series, tier, start_ms);
    }
    pane_set_release(&cell_set);
    return code;
}

int engine_late_restore(struct engine *engine, const struct stored_pane *pane, bool revisions_owed)
{
    struct series *series =
        pane->series < engine->by_number_capacity ? engine->by_number[pane->series] : NULL;
    int part = pane_part_of_number(pane->family);
    if (!series || part < 0)
        return 0;
    struct late_pane *late = engine_late_find(series, pane->tier, pane->start_ms, true);
    char *copy = late ? malloc(pane->len ? pane->len : 1) : NULL;
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, pane->bytes, pane->len);
    free(late->bytes[part]);
    late->bytes[part] = copy;
    late->len[part] = pane->len;
    late->basis[part] = pane->grid;
    /* Which revisions were written before the stop is not known: again changes nothing but their number. */
    return revisions_owed ? engine_stale_mark(engine, series, pane->tier, pane->start_ms) : 0;
}

/* Into the batch; what is beyond every revision is forgotten here (it stays in the store). */
void engine_late_put(struct engine *engine)
{
    int64_t keep_ms = late_keep(engine);
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        uint32_t kept = 0;
        for (uint32_t j = 0; j < series->late_count; j++) {
            struct late_pane *late = &series->late[j];
            for (int part = 0; late->changed && part < PANE_PART_COUNT; part++)
                if (late->bytes[part]) {
                    struct stored_pane pane = {.tier = late->tier,
                                               .start_ms = late->start_ms,
                                               .series = series->number,
                                               .family = pane_part_number(part),
                                               .grid = late->basis[part],
                                               .part = PANE_LATE,
                                               .bytes = late->bytes[part],
                                               .len = late->len[part]};
                    store_put_pane(engine->batch, &pane);
                }
            late->changed = false;
            if (late->start_ms + engine->times.tiers_ms[late->tier] > keep_ms) {
                series->late[kept++] = *late;
                continue;
            }
            for (int part = 0; part < PANE_PART_COUNT; part++)
                free(late->bytes[part]);
        }
        series->late_count = kept;
    }
}
