#include "agent/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/grow.h"
#include "agent/config.h"
#include "agent/store_pack.h"

/* The coarsest tier first; within it by time. */
static const char pane_sql[] =
    "SELECT p.tier, p.start_ms, p.family, p.grid, p.part, p.bytes FROM series AS s"
    " JOIN pane AS p ON p.series = s.series AND p.tier = ?6 AND p.start_ms >= ?4 AND p.start_ms < ?5"
    " WHERE s.model = ?1 AND s.version = ?2 AND s.segment = ?3 ORDER BY p.start_ms, p.family, p.grid, p.part";
static const char named_reference_sql[] = "SELECT json, grid FROM reference WHERE name = ?1";
static const char newest_reference_sql[] =
    "SELECT json, grid FROM reference WHERE (model = ?1 OR model = 'default') AND version IN ('', ?2)"
    " ORDER BY model = ?1 DESC, version = ?2 DESC, reference DESC LIMIT 1";
static const char versions_sql[] = "SELECT DISTINCT version FROM series WHERE model = ?1 ORDER BY version";

struct span {
    int64_t start_ms, end_ms;
};

struct summing {
    const struct history_query *query;
    struct history *out;
    int64_t tier_ms, closed_until_ms;
    struct span *covered; /* ascending: panes of coarser tiers that are in */
    uint32_t covered_count, covered_capacity;
    uint32_t coarser_count; /* of those, the ones of coarser tiers */
    struct arena *arena;    /* of one pane */
    int code;
};

static bool is_covered(const struct summing *summing, int64_t start_ms)
{
    for (uint32_t i = 0; i < summing->coarser_count; i++)
        if (start_ms >= summing->covered[i].start_ms && start_ms < summing->covered[i].end_ms)
            return true;
    return false;
}

static int cover(struct summing *summing, int64_t start_ms)
{
    if (summing->covered_count > summing->coarser_count &&
        summing->covered[summing->covered_count - 1].start_ms == start_ms)
        return 0;
    if (summing->covered_count == summing->covered_capacity) {
        struct span *grown = grow_array(summing->covered, &summing->covered_capacity, 64, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        summing->covered = grown;
    }
    summing->covered[summing->covered_count++] = (struct span){start_ms, start_ms + summing->tier_ms};
    struct history *out = summing->out;
    out->panes++;
    if (out->first_ms == INT64_MIN || start_ms < out->first_ms)
        out->first_ms = start_ms;
    if (out->last_end_ms == INT64_MIN || start_ms + summing->tier_ms > out->last_end_ms)
        out->last_end_ms = start_ms + summing->tier_ms;
    return 0;
}

static int add_pane(void *context, const struct reader_row *row)
{
    struct summing *summing = context;
    struct stored_pane pane = {.tier = (uint8_t)row->cells[0].integer,
                               .start_ms = row->cells[1].integer,
                               .family = (uint8_t)row->cells[2].integer,
                               .grid = (uint32_t)row->cells[3].integer,
                               .part = (uint8_t)row->cells[4].integer};
    if (is_covered(summing, pane.start_ms))
        return 0;
    /* A coarse pane that is not closed has only its late events yet: the finer ones have all. */
    if (pane.tier > 0 && pane.start_ms + summing->tier_ms > summing->closed_until_ms)
        return 0;
    if (pane.start_ms < summing->query->from_ms || pane.start_ms + summing->tier_ms > summing->query->to_ms) {
        summing->out->edges_lost = true; /* unless a finer tier fills it: see history_sum */
        return 0;
    }
    summing->code = cover(summing, pane.start_ms);
    if (summing->code == 0 && pane.family == PANE_FEATURES && pane.grid != summing->query->grid) {
        summing->out->other_grid_panes++;
        return 0;
    }
    struct text packed = row->cells[5].text;
    arena_reset(summing->arena);
    if (summing->code == 0)
        summing->code = store_unpack(packed.ptr, packed.len, summing->arena, &pane.bytes, &pane.len);
    if (summing->code == 0)
        summing->code = pane_set_add_stored(&summing->out->set, &pane,
                                            pane.family == PANE_FEATURES ? summing->query->layout : NULL);
    return summing->code;
}

static int load_tiers(struct reader *reader, int64_t *tiers_ms, uint32_t *out_count, struct err *err)
{
    char text[256];
    if (reader_string(reader, "SELECT value FROM meta WHERE key = 'tiers_ms'", text, sizeof(text)) != 0)
        return err_set(err, ERR_NOT_FOUND, "the store has no history yet");
    *out_count = 0;
    char *save = NULL;
    for (char *item = strtok_r(text, ",", &save); item && *out_count < TIER_MAX;
         item = strtok_r(NULL, ",", &save))
        tiers_ms[(*out_count)++] = strtoll(item, NULL, 10);
    return *out_count ? 0 : err_set(err, ERR_CORRUPT, "the store does not say how long its panes are");
}

/* INT64_MIN: nothing is closed yet. */
static int64_t load_closed_until(struct reader *reader)
{
    char text[64];
    return reader_string(reader, "SELECT value FROM meta WHERE key = 'closed_until_ms'", text,
                         sizeof(text)) == 0
               ? strtoll(text, NULL, 10)
               : INT64_MIN;
}

int history_sum(struct reader *reader, const struct history_query *query, struct history *out,
                struct err *err)
{
    int64_t tiers_ms[TIER_MAX];
    uint32_t tier_count;
    *out = (struct history){.first_ms = INT64_MIN, .last_end_ms = INT64_MIN};
    struct summing summing = {.query = query, .out = out, .arena = arena_new(65536, 0)};
    if (!summing.arena)
        return err_set(err, ERR_NOMEM, "out of memory");
    int code = load_tiers(reader, tiers_ms, &tier_count, err);
    summing.closed_until_ms = load_closed_until(reader);
    for (uint32_t tier = tier_count; code == 0 && tier-- > 0;) {
        summing.tier_ms = tiers_ms[tier];
        summing.coarser_count = summing.covered_count;
        struct reader_cell parameters[] = {
            reader_string_cell(query->model),   reader_string_cell(query->version),
            reader_string_cell(query->segment), reader_integer_cell(query->from_ms - tiers_ms[tier] + 1),
            reader_integer_cell(query->to_ms),  reader_integer_cell((int64_t)tier)};
        struct reader_query sql = {
            .sql = pane_sql, .parameters = parameters, .parameter_count = ARRAY_LEN(parameters)};
        out->edges_lost = false; /* what a coarser pane could not give, this tier may */
        code = reader_query(reader, &sql, add_pane, &summing, NULL, err);
        if (summing.code != 0)
            code = err_set(err, summing.code, "a stored pane cannot be read: %s", err_name(summing.code));
    }
    free(summing.covered);
    arena_free(summing.arena);
    return code;
}

void history_release(struct history *history)
{
    pane_set_release(&history->set);
}

/* ---- references and versions ---- */

struct reference_row {
    struct reference *reference;
    uint32_t grid;
    struct err err;
    int code;
};

static int take_reference(void *context, const struct reader_row *row)
{
    struct reference_row *out = context;
    out->grid = (uint32_t)row->cells[1].integer;
    out->code = reference_read(row->cells[0].text.ptr, row->cells[0].text.len, &out->reference, &out->err);
    return 0;
}

int history_reference(struct reader *reader, const char *name, const char *model, const char *version,
                      struct reference **out, uint32_t *out_grid, struct err *err)
{
    struct reference_row row = {0};
    struct reader_cell parameters[] = {reader_string_cell(name ? name : model), reader_string_cell(version)};
    struct reader_query sql = {.sql = name ? named_reference_sql : newest_reference_sql,
                               .parameters = parameters,
                               .parameter_count = name ? 1 : 2,
                               .rows_max = 1};
    int code = reader_query(reader, &sql, take_reference, &row, NULL, err);
    if (code != 0)
        return code;
    if (row.code != 0)
        return err_set(err, row.code, "the stored reference cannot be read: %s", row.err.message);
    if (!row.reference)
        return name ? err_set(err, ERR_NOT_FOUND,
                              "the store has no reference `%s`; `driftd reference list` shows those it has",
                              name)
                    : err_set(err, ERR_NOT_FOUND, "the store has no reference for model `%s`", model);
    *out = row.reference;
    *out_grid = row.grid;
    return 0;
}

struct versions {
    struct strbuf all;
    char *out;
    size_t out_size;
    uint32_t count;
};

static int take_version(void *context, const struct reader_row *row)
{
    struct versions *versions = context;
    struct text text = row->cells[0].text;
    strbuf_addf(&versions->all, "%s`%.*s`", versions->count++ ? ", " : "", (int)text.len, text.ptr);
    (void)snprintf(versions->out, versions->out_size, "%.*s", (int)text.len, text.ptr);
    return 0;
}

int history_version(struct reader *reader, const char *model, char *out, size_t out_size, struct err *err)
{
    struct versions versions = {.out = out, .out_size = out_size};
    strbuf_init(&versions.all, 4096);
    struct reader_cell parameters[] = {reader_string_cell(model)};
    struct reader_query sql = {
        .sql = versions_sql, .parameters = parameters, .parameter_count = 1, .rows_max = 50};
    int code = reader_query(reader, &sql, take_version, &versions, NULL, err);
    if (code == 0 && versions.count == 0)
        code = err_set(err, ERR_NOT_FOUND, "the store knows no model `%s`", model);
    else if (code == 0 && versions.count > 1)
        code = err_set(err, ERR_INVALID, "model `%s` has several versions; say which with --version: %s",
                       model, versions.all.bytes);
    strbuf_release(&versions.all);
    return code;
}
