/* The engine's life, its partitions, and the merge of deltas. Closing, reporting and storing are in the other
 * engine_*.c files. */
#include "agent/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/base/json.h"
#include "agent/engine_estimates.h"
#include "agent/engine_internal.h"
#include "agent/engine_outcomes.h"

enum { SUBJECTS_MAX = 1 << 20, SCRATCH_BYTES_MAX = 64 << 20 };

/* One WAITING profile for every reference that is to be captured, made before any worker runs. */
static int make_waiting(struct engine *engine, const struct reference_config *reference)
{
    if (reference->kind != REFERENCE_CAPTURE)
        return 0;
    struct retired_profile *waiting = calloc(1, sizeof(*waiting));
    if (!waiting)
        return ERR_NOMEM;
    waiting->profile = (struct profile){
        .state = PROFILE_WAITING, .capture_ms = reference->capture_ms, .sample = reference->sample};
    waiting->owner = reference;
    waiting->next = engine->retired;
    engine->retired = waiting;
    return 0;
}

static int make_all_waiting(struct engine *engine)
{
    const struct config *config = engine->config;
    int code = make_waiting(engine, &config->model_template.reference);
    for (uint32_t i = 0; code == 0 && i < config->model_count; i++) {
        code = make_waiting(engine, &config->models[i].reference);
        for (uint32_t j = 0; code == 0 && j < config->models[i].version_count; j++)
            code = make_waiting(engine, &config->models[i].versions[j].reference);
    }
    return code;
}

int engine_new(struct engine **out, const struct engine_settings *settings, struct err *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return err_set(err, ERR_NOMEM, "no memory for the engine");
    engine->settings = *settings;
    engine->config = settings->config;
    engine->times = pane_times_of(settings->config);
    engine->drift = (struct drift_options){.n_min = 200, .alpha = 0.001};
    engine->stale_deadline_ms = INT64_MAX;
    engine->watermark_ms = engine->label_watermark_ms = engine->closed_until_ms = engine->last_pane_ms =
        INT64_MIN;
    engine->next_series_number = engine->next_reference_number = engine->next_grid_number = 1;
    engine->profile_none.state = PROFILE_NONE;
    engine->book.otherwise = engine_profile_by_configuration;
    engine->book.context = engine;
    engine->subjects = intern_new(SUBJECTS_MAX);
    engine->batch = store_batch_new();
    engine->committed_at_ms = engine->revised_at_ms = settings->clock->monotonic_ms(settings->clock);
    for (uint32_t i = 0; i < WINDOW_MAX; i++)
        engine->window_low_ms[i] = INT64_MIN;
    strbuf_init(&engine->scratch, SCRATCH_BYTES_MAX);
    if (!engine->subjects || !engine->batch || make_all_waiting(engine) != 0 ||
        engine_outcomes_new(engine) != 0 || family_tools_init(&engine->tools) != 0) {
        engine_free(engine);
        return err_set(err, ERR_NOMEM, "no memory for the engine");
    }
    *out = engine;
    return 0;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    while (engine->outbox) {
        struct outbox_entry *entry = engine->outbox;
        engine->outbox = entry->next;
        free(entry->memory);
        free(entry);
    }
    if (engine->outbox_current) {
        free(engine->outbox_current->memory);
        free(engine->outbox_current);
    }
    engine_outcomes_free(engine);
    engine_groups_free(engine);
    engine_names_free(engine);
    for (uint32_t i = 0; i < engine->stored_offset_count; i++)
        free((void *)(uintptr_t)engine->stored_offsets[i].topic);
    free(engine->stored_offsets);
    for (int tier = 0; tier < TIER_MAX; tier++)
        free(engine->starts[tier].items);
    free(engine->partitions);
    free(engine->stale);
    store_batch_free(engine->batch);
    free(engine->causes);
    family_tools_release(&engine->tools);
    strbuf_release(&engine->scratch);
    free(engine);
}

int engine_failure(const struct engine *engine)
{
    return engine->failed;
}

const struct profile_book *engine_profile_book(const struct engine *engine)
{
    return &engine->book;
}

/* ---- partitions ---- */

static const struct stored_offset *stored_offset_of(const struct engine *engine, const char *topic,
                                                    int32_t partition, uint64_t fingerprint)
{
    for (uint32_t i = 0; i < engine->stored_offset_count; i++) {
        const struct stored_offset *stored = &engine->stored_offsets[i];
        if (stored->partition == partition && stored->fingerprint == fingerprint &&
            strcmp(stored->topic, topic) == 0)
            return stored;
    }
    return NULL;
}

static struct engine_partition *new_partition(struct engine *engine)
{
    if (engine->partition_count == engine->partition_capacity) {
        struct engine_partition *grown =
            grow_array(engine->partitions, &engine->partition_capacity, 16, sizeof(*grown));
        if (!grown)
            return NULL;
        engine->partitions = grown;
    }
    struct engine_partition *partition = &engine->partitions[engine->partition_count];
    memset(partition, 0, sizeof(*partition));
    partition->slot = engine->partition_count++;
    return partition;
}

int engine_add_partition(struct engine *engine, uint32_t input, uint32_t worker, const char *topic,
                         int32_t number, uint64_t fingerprint, int64_t start_offset, int64_t end_offset,
                         struct worker_slot *out_slot)
{
    for (uint32_t i = 0; i < engine->partition_count; i++)
        if (engine->partitions[i].partition == number && engine->partitions[i].fingerprint == fingerprint &&
            strcmp(engine->partitions[i].topic, topic) == 0)
            return 1;
    struct engine_partition *partition = new_partition(engine);
    if (!partition)
        return ERR_NOMEM;
    /* What comes through a pipe is never what came through it before. */
    const struct stored_offset *stored =
        strcmp(topic, "file:-") == 0 ? NULL : stored_offset_of(engine, topic, number, fingerprint);
    partition->input = input;
    partition->worker = worker;
    partition->partition = number;
    partition->fingerprint = fingerprint;
    (void)snprintf(partition->topic, sizeof(partition->topic), "%s", topic);
    partition->started_at_ms = partition->progress_at_ms =
        engine->settings.clock->monotonic_ms(engine->settings.clock);
    struct delta_partition *now = &partition->now;
    *now = (struct delta_partition){.slot = partition->slot,
                                    .next_offset = stored ? stored->next_offset : start_offset,
                                    .dedup_offset = stored ? stored->dedup_offset : start_offset,
                                    .clock_ms = {INT64_MIN, INT64_MIN},
                                    .end_offset = -1};
    if (stored) {
        now->records = stored->records;
        now->clock_ms[0] = stored->clock_ms[0];
        now->clock_ms[1] = stored->clock_ms[1];
    }
    partition->durable_offset = now->next_offset;
    *out_slot = (struct worker_slot){.slot = partition->slot,
                                     .input = input,
                                     .partition = number,
                                     .read_offset = now->dedup_offset,
                                     .resume_offset = stored ? now->next_offset : INT64_MIN,
                                     .end_offset = end_offset,
                                     .clock_ms = {now->clock_ms[0], now->clock_ms[1]},
                                     .records = now->records};
    (void)snprintf(out_slot->topic, sizeof(out_slot->topic), "%s", topic);
    return 0;
}

const struct engine_partition *engine_partitions(const struct engine *engine, uint32_t *out_count)
{
    *out_count = engine->partition_count;
    return engine->partitions;
}

void engine_set_assignment(struct engine *engine, bool complete, bool missing)
{
    engine->assignment_complete = complete;
    engine->input_missing = missing;
}

/* ---- merge ---- */

struct open_pane *engine_open_pane(struct engine *engine, struct series *series, int64_t start_ms)
{
    struct open_pane **link = &series->open;
    while (*link && (*link)->start_ms < start_ms)
        link = &(*link)->next;
    struct open_pane *there = *link;
    if (there && there->start_ms == start_ms)
        return there;
    struct open_pane *pane = calloc(1, sizeof(*pane));
    if (!pane)
        return NULL;
    pane->start_ms = start_ms;
    pane->next = there;
    *link = pane;
    if (start_ms > engine->last_pane_ms)
        engine->last_pane_ms = start_ms;
    return pane;
}

/* Said with every row from here on, and once in the log. */
static void note_unchecked(const struct engine *engine, struct version *version)
{
    if (!version->capped)
        log_write(
            engine->settings.log, LOG_WARNING, "dedup",
            "ids of model %s version %s do not fit limits.dedup_bytes: duplicates may count twice, and its "
            "results say `capped`",
            version->model, version->name);
    version->capped = true;
}

static int merge_cell(struct engine *engine, struct series *series, const struct delta_cell *cell)
{
    if (cell->unchecked)
        note_unchecked(engine, series->version);
    bool closed = cell->pane_start_ms < engine->closed_until_ms;
    if (cell->late || closed) {
        /* On time for its partition, but the pane is closed: the partition had been idle or absent. */
        if (!cell->late && cell->pane_start_ms + engine->times.tiers_ms[0] > series->incomplete_until_ms)
            series->incomplete_until_ms = cell->pane_start_ms + engine->times.tiers_ms[0];
        /* Late for its partition is late, also while the pane is still open for others. */
        return engine_late_add(engine, series, cell);
    }
    struct open_pane *pane = engine_open_pane(engine, series, cell->pane_start_ms);
    if (!pane)
        return ERR_NOMEM;
    size_t before = pane_set_bytes(&pane->set);
    int code = pane_set_add_cell(&pane->set, cell);
    engine->open_bytes += pane_set_bytes(&pane->set) - before;
    pane->changed = true;
    if (code == 0 && cell->sample) {
        if (!pane->sample)
            pane->sample = sample_new(series->version->reference_config->sample);
        code = pane->sample ? sample_merge(pane->sample, cell->sample) : ERR_NOMEM;
        pane->sample_changed = true;
    }
    return code;
}

static int learn_series(struct engine *engine, uint32_t worker, const struct delta *delta)
{
    if (worker >= engine->worker_count) {
        void *grown = realloc(engine->workers, (worker + 1) * sizeof(*engine->workers));
        if (!grown)
            return ERR_NOMEM;
        engine->workers = grown;
        memset(engine->workers + engine->worker_count, 0,
               (worker + 1 - engine->worker_count) * sizeof(*engine->workers));
        engine->worker_count = worker + 1;
    }
    uint32_t count;
    const struct delta_series *names = delta_new_series(delta, &count);
    if (count == 0)
        return 0;
    uint32_t total = names[count - 1].series + 1;
    struct series **grown = realloc(engine->workers[worker].series, total * sizeof(struct series *));
    if (!grown)
        return ERR_NOMEM;
    engine->workers[worker].series = grown;
    engine->workers[worker].count = total;
    for (uint32_t i = 0; i < count; i++)
        grown[names[i].series] =
            engine_series(engine, names[i].model, names[i].version, names[i].segment, false, 0);
    return 0;
}

static void add_count(void *context, const struct delta_count *count)
{
    struct engine *engine = context;
    uint32_t at = count->fate == FATE_REJECTED ? FATE_COUNT + (uint32_t)count->reject : (uint32_t)count->fate;
    engine->counts[count->input][at] += count->n;
    engine->counts_changed[count->input] = true;
    engine->stats.events[count->fate] += count->n;
    engine->stats.records += count->n;
}

/* Records that nobody will read, or a partition that stops: whoever reads the results later has to know. */
static void put_gap(struct engine *engine, const struct engine_partition *partition)
{
    char subject[300];
    struct strbuf details;
    strbuf_init(&details, 8192);
    struct json json;
    json_init(&json, &details);
    json_object_begin(&json);
    json_member_string(&json, "detail", partition->now.detail);
    json_object_end(&json);
    (void)snprintf(subject, sizeof(subject), "%s[%d]", partition->topic, (int)partition->partition);
    engine_put_audit(engine, "driftd", partition->now.failed ? "input.stopped" : "input.gap", subject,
                     strbuf_failed(&details) ? "{}" : details.bytes);
    strbuf_release(&details);
}

static void merge_partitions(struct engine *engine, const struct delta *delta)
{
    uint32_t count;
    const struct delta_partition *entries = delta_partitions(delta, &count);
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    for (uint32_t i = 0; i < count; i++) {
        BUG_ON(entries[i].slot >= engine->partition_count);
        struct engine_partition *partition = &engine->partitions[entries[i].slot];
        if (entries[i].records != partition->now.records || !partition->now.started)
            partition->progress_at_ms = now_ms;
        if (entries[i].detail[0])
            log_write(engine->settings.log, LOG_WARNING, "input", "%s[%d]: %s", partition->topic,
                      (int)partition->partition, entries[i].detail);
        partition->now = entries[i];
        if (entries[i].reset || (entries[i].failed && entries[i].detail[0]))
            put_gap(engine, partition);
        /* Before the first record the start may be only a wish ("beginning"): not an offset to store. */
        if (entries[i].next_offset >= 0)
            partition->changed = true;
    }
}

int engine_merge(struct engine *engine, uint32_t worker, const struct delta *delta)
{
    int code = learn_series(engine, worker, delta);
    if (code == 0)
        code = engine_kpi_merge(engine, worker, delta);
    for (const struct delta_cell *cell = delta_cells(delta); code == 0 && cell; cell = cell->next) {
        struct series *series = engine->workers[worker].series[cell->series];
        if (series)
            code = merge_cell(engine, series, cell);
    }
    if (code == 0)
        code = engine_outcomes_merge(engine, worker, delta);
    if (code != 0) {
        engine->failed = code;
        return code;
    }
    delta_each_count(delta, add_count, engine);
    merge_partitions(engine, delta);
    engine->dirty = true;
    return 0;
}

/* ---- limits ---- */

static int64_t first_open_ms(const struct engine *engine)
{
    int64_t first_ms = INT64_MAX;
    for (uint32_t i = 0; i < engine->series_count; i++)
        if (engine->series[i]->open && engine->series[i]->open->start_ms < first_ms)
            first_ms = engine->series[i]->open->start_ms;
    return first_ms;
}

/* Hold back what runs ahead while open panes take more than their share; let go at half of it (DESIGN §6). */
static int64_t ahead_limit(struct engine *engine)
{
    uint64_t bound = engine->config->limits.open_pane_bytes;
    if (engine->open_bytes > bound)
        engine->held_back = true;
    else if (engine->open_bytes < bound / 2)
        engine->held_back = false;
    if (!engine->held_back)
        return INT64_MAX;
    int64_t base_ms = engine->closed_until_ms;
    if (engine->watermark_ms > base_ms)
        base_ms = engine->watermark_ms;
    if (base_ms == INT64_MIN) /* no watermark yet: a partition or a topic is still awaited */
        base_ms = first_open_ms(engine);
    if (base_ms == INT64_MIN || base_ms == INT64_MAX)
        return INT64_MAX;
    return pane_end(&engine->times, 0, base_ms + engine->times.tiers_ms[0] + engine->times.lateness_ms);
}

/* A capture that is not announced yet cannot start before this. Not the watermark: that runs ahead of what is
 * closed, and what a worker reads too far is counted without a grid. */
static int64_t undecided_from(const struct engine *engine)
{
    if (engine->watermark_ms == INT64_MIN || engine->watermark_ms == INT64_MAX)
        return engine->watermark_ms;
    int64_t from_ms = pane_start(&engine->times, 0, engine->watermark_ms);
    int64_t first_ms = engine_first_open(engine);
    return first_ms < from_ms ? first_ms : from_ms;
}

bool engine_limits(struct engine *engine, int64_t *out_undecided_ms, int64_t *out_ahead_ms)
{
    engine_update_watermark(engine);
    *out_undecided_ms = undecided_from(engine);
    *out_ahead_ms = ahead_limit(engine);
    bool changed = !engine->limits_sent || *out_undecided_ms != engine->sent_undecided_ms ||
                   *out_ahead_ms != engine->sent_ahead_ms;
    engine->sent_undecided_ms = *out_undecided_ms;
    engine->sent_ahead_ms = *out_ahead_ms;
    engine->limits_sent = true;
    return changed;
}

bool engine_is_finished(const struct engine *engine)
{
    return engine->endless && !engine->step.running && engine->stale_count == 0 && !engine->revising &&
           engine_outcomes_is_idle(engine) && !engine_estimates_owed(engine);
}

void engine_get_stats(const struct engine *engine, struct engine_stats *out)
{
    *out = engine->stats;
    out->watermark_ms = engine->watermark_ms;
    out->closed_until_ms = engine->closed_until_ms;
    out->open_bytes = engine->open_bytes;
    out->series = engine->series_count;
    out->models = engine->version_count;
}
