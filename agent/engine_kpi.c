/*
 * Business KPIs in the loop: the slots of their names per (model, version), the workers' slots turned into
 * these, and what each KPI was at first (kpi.h). Names and pasts are stored beside the captures, in the
 * transaction of the panes that use them.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/engine_internal.h"
#include "detectors/kpi_tails.h"

/* Keys among the captures, beside CAPTURE_TOTAL (INT64_MIN) and those of engine_labelled.h: of a (model,
 * version), and of a series. */
#define KEY_NAMES (INT64_MIN + 3)
#define KEY_PAST  (INT64_MIN + 4)
#define KEY_TAILS (INT64_MIN + 5)

/* ---- names ---- */

static uint32_t slot_of(const struct engine *engine, struct version *version, struct text name)
{
    uint32_t slot = intern_find(version->kpis, name);
    if (slot != INTERN_NONE)
        return slot;
    if (intern_count(version->kpis) < engine->config->limits.kpis)
        slot = intern_add(version->kpis, name);
    if (slot == INTERN_NONE)
        version->capped = true;
    version->kpis_changed = true;
    return slot;
}

/* Names of the configuration come first. */
static int make_names(const struct engine *engine, struct version *version)
{
    if (version->kpis)
        return 0;
    version->kpis = intern_new(KPI_SLOTS_MAX);
    if (!version->kpis)
        return ERR_NOMEM;
    const struct model_options *options = &version->config->options;
    for (uint32_t i = 0; i < options->kpi_count; i++)
        (void)slot_of(engine, version, text_of(options->kpis[i].name));
    return 0;
}

/* The map of a worker's slots, made when it is new. */
static uint8_t *map_of(struct version *version, uint32_t worker)
{
    if (worker >= version->kpi_map_count) {
        size_t bytes = KPI_SLOTS_MAX;
        uint8_t *grown = realloc(version->kpi_maps, (worker + 1) * bytes);
        if (!grown)
            return NULL;
        memset(grown + version->kpi_map_count * bytes, KPI_NO_SLOT,
               (worker + 1 - version->kpi_map_count) * bytes);
        version->kpi_maps = grown;
        version->kpi_map_count = worker + 1;
    }
    return version->kpi_maps + (size_t)worker * KPI_SLOTS_MAX;
}

static int learn_name(struct engine *engine, uint32_t worker, const struct delta_kpi *kpi)
{
    const struct series *series = engine->workers[worker].series[kpi->series];
    if (!series)
        return 0; /* the model was refused */
    struct version *version = series->version;
    uint8_t *map = make_names(engine, version) == 0 ? map_of(version, worker) : NULL;
    if (!map)
        return ERR_NOMEM;
    uint32_t slot = slot_of(engine, version, text_of(kpi->name));
    map[kpi->slot] = slot == INTERN_NONE ? KPI_NO_SLOT : (uint8_t)slot;
    return 0;
}

int engine_kpi_merge(struct engine *engine, uint32_t worker, const struct delta *delta)
{
    uint32_t count;
    const struct delta_kpi *kpis = delta_new_kpis(delta, &count);
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < count; i++)
        code = learn_name(engine, worker, &kpis[i]);
    for (const struct delta_cell *cell = delta_cells(delta); code == 0 && cell; cell = cell->next) {
        struct tally *tally = cell->counts[COUNT_KPI];
        const struct series *series = engine->workers[worker].series[cell->series];
        if (!series || !tally || tally_is_zero(tally))
            continue;
        const uint8_t *map = map_of(series->version, worker);
        if (!map)
            return ERR_NOMEM;
        kpi_rename(tally, map);
        series->version->capped |= kpi_refused(tally) > 0;
    }
    return code;
}

/* ---- pasts ---- */

static const struct tally *kpis_of(const struct series *series, const struct pane_set *set)
{
    const struct tally *tally = set->parts[PANE_COUNTS + COUNT_KPI];
    bool same = tally && set->basis[PANE_COUNTS + COUNT_KPI] == kpi_basis(&series->version->config->options);
    return same && !tally_is_zero(tally) ? tally : NULL;
}

/* First periods of KPIs that are winsorised, as long as the KPI's own one goes on. */
static int close_tails(struct series *series, const struct open_pane *pane)
{
    const struct model_config *config = series->version->config;
    const struct tally *tally = pane->set.parts[PANE_COUNTS + COUNT_KPI_TAILS];
    const struct kpi_scale *scale;
    if (!tally || pane->set.basis[PANE_COUNTS + COUNT_KPI_TAILS] != kpi_basis(&config->options))
        return 0;
    if (!series->kpi_tails && !(series->kpi_tails = tally_new(tally->size)))
        return ERR_NOMEM;
    for (uint32_t n = 0; (scale = kpi_tails_scale(&config->options, n)); n++) {
        uint32_t slot = intern_find(series->version->kpis, text_of(scale->name));
        if (slot != INTERN_NONE &&
            kpi_past_takes(&series->kpi_past[slot], pane->start_ms, config->kpi_baseline_ms))
            kpi_tails_add(series->kpi_tails, tally, n);
    }
    return 0;
}

int engine_kpi_close(struct engine *engine, struct series *series, const struct open_pane *pane)
{
    const struct tally *tally = kpis_of(series, &pane->set);
    if (!tally)
        return 0;
    if (!series->kpi_past && !(series->kpi_past = calloc(KPI_SLOTS_MAX, sizeof(*series->kpi_past))))
        return ERR_NOMEM;
    if (close_tails(series, pane) != 0)
        return ERR_NOMEM;
    kpi_past_add(series->kpi_past, tally, pane->start_ms, pane->start_ms + engine->times.tiers_ms[0],
                 series->version->config->kpi_baseline_ms);
    series->kpi_past_changed = true;
    return 0;
}

bool engine_kpi_view(const struct series *series, const struct pane_set *set, int64_t end_ms,
                     uint32_t revision, struct kpi_view *out)
{
    *out = (struct kpi_view){.names = series->version->kpis,
                             .past = series->kpi_past,
                             .window_end_ms = end_ms,
                             .tails = series->kpi_tails,
                             .running = revision == 1};
    return kpis_of(series, set) != NULL;
}

/* ---- store ---- */

static void put(struct engine *engine, const struct series *series, int64_t key_ms)
{
    if (strbuf_failed(&engine->scratch))
        engine->failed = ERR_NOMEM;
    else
        store_put_capture(engine->batch, series->number, key_ms, engine->scratch.bytes, engine->scratch.len);
}

static void put_names(struct engine *engine, const struct series *series)
{
    const struct intern *names = series->version->kpis;
    strbuf_reset(&engine->scratch);
    strbuf_add_varint(&engine->scratch, intern_count(names));
    for (uint32_t slot = 0; slot < intern_count(names); slot++) {
        struct text name = intern_text(names, slot);
        strbuf_add_varint(&engine->scratch, name.len);
        strbuf_add(&engine->scratch, name.ptr, name.len);
    }
    put(engine, series, KEY_NAMES);
}

void engine_kpi_put(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        if (!series->segment[0] && series->version->kpis_changed) {
            put_names(engine, series);
            series->version->kpis_changed = false;
        }
        if (!series->kpi_past_changed)
            continue;
        strbuf_reset(&engine->scratch);
        strbuf_add_varint(&engine->scratch, kpi_basis(&series->version->config->options));
        kpi_past_encode(series->kpi_past, &engine->scratch);
        put(engine, series, KEY_PAST);
        if (series->kpi_tails) {
            strbuf_reset(&engine->scratch);
            strbuf_add_varint(&engine->scratch, kpi_basis(&series->version->config->options));
            tally_encode(series->kpi_tails, &engine->scratch);
            put(engine, series, KEY_TAILS);
        }
        series->kpi_past_changed = false;
    }
}

static int restore_names(struct version *version, struct cursor *in)
{
    uint64_t count = cursor_varint(in);
    if (count > KPI_SLOTS_MAX || version->kpis)
        return ERR_CORRUPT;
    if (!(version->kpis = intern_new(KPI_SLOTS_MAX)))
        return ERR_NOMEM;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = cursor_varint(in);
        const char *bytes = cursor_bytes(in, len);
        if (!bytes || intern_add(version->kpis, (struct text){bytes, (uint32_t)len}) != i)
            return ERR_CORRUPT;
    }
    return 0;
}

static int restore_past(struct series *series, struct cursor *in)
{
    if (cursor_varint(in) != kpi_basis(&series->version->config->options))
        return 0; /* other units or limits: the KPIs begin anew */
    if (!series->kpi_past && !(series->kpi_past = calloc(KPI_SLOTS_MAX, sizeof(*series->kpi_past))))
        return ERR_NOMEM;
    return kpi_past_decode(in, series->kpi_past);
}

static int restore_tails(const struct engine *engine, struct series *series, struct cursor *in)
{
    if (cursor_varint(in) != kpi_basis(&series->version->config->options))
        return 0;
    tally_free(series->kpi_tails);
    series->kpi_tails = tally_new(kpi_tails_family.size(&engine->tools, NULL));
    return series->kpi_tails ? tally_decode_add(in->at, (size_t)(in->end - in->at), series->kpi_tails)
                             : ERR_NOMEM;
}

static int restore_one(void *context, uint32_t number, int64_t key_ms, const void *bytes, size_t len)
{
    const struct engine *engine = context;
    struct series *series = number < engine->by_number_capacity ? engine->by_number[number] : NULL;
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    if (!series || (key_ms != KEY_NAMES && key_ms != KEY_PAST && key_ms != KEY_TAILS))
        return 0;
    if (key_ms == KEY_TAILS)
        return restore_tails(engine, series, &in);
    return key_ms == KEY_NAMES ? restore_names(series->version, &in) : restore_past(series, &in);
}

int engine_kpi_restore(struct engine *engine, struct err *err)
{
    int code = store_load_captures(engine->settings.store, restore_one, engine, err);
    if (code == ERR_CORRUPT)
        return err_set(err, ERR_CORRUPT, "what the store holds of KPIs does not decode");
    for (uint32_t i = 0; code == 0 && i < engine->version_count; i++) {
        struct version *version = engine->versions[i];
        const struct model_options *options = &version->config->options;
        for (uint32_t k = 0; version->kpis && k < options->kpi_count; k++)
            (void)slot_of(engine, version, text_of(options->kpis[k].name)); /* new in the configuration */
    }
    return code;
}
