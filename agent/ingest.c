#include "agent/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/base/intern.h"
#include "agent/dedup.h"

enum role { ROLE_DATA, ROLE_LABELS };
enum { SEGMENT_BYTES_MAX = 512, KEY_BYTES_MAX = 1024 };
static const char SEGMENT_OTHER[] = "(other)";

struct partition {
    bool used;
    struct worker_slot origin; /* as it was given */
    int64_t next_offset;
    int64_t clock_ms[2];
    uint64_t records;
    bool started, at_end, held, finished, failed;
    bool changed;       /* since the last flush */
    bool reset;         /* since the last flush: offsets were lost */
    int64_t end_offset; /* of the log, at the last flush */
    struct dedup *dedup;
    char detail[512];
};

/* What is known of one (model, version). */
struct version_state {
    uint32_t series; /* of the whole model */
    const struct profile *profile;
    const struct model_config *config;
    uint64_t identity_seeds[EVENT_KIND_COUNT];
    struct feature_binding **bindings; /* by input: name ids belong to a decoder; for profile's grid */
    struct intern *segments;           /* "key=value" */
    uint32_t *segment_series;          /* by id of `segments` */
    uint32_t segment_capacity;
};

struct ingest {
    const struct config *config;
    struct pane_times times;
    int64_t event_pane_ms, open_pane_ms; /* finest panes of the event before, and of clock − lateness */
    struct profile_book book;
    struct decoder *decoders[DELTA_INPUTS_MAX];
    uint32_t input_count;
    bool files;
    int (*dead_letter)(void *context, uint32_t input, const struct record *record, enum reject reject,
                       const char *detail);
    void *dead_letter_context;

    struct source_sink sink;
    struct delta *delta;
    int64_t wall_ms;
    int64_t undecided_ms, ahead_ms;
    bool urgent;

    struct partition *partitions; /* by slot */
    uint32_t partition_count, slots_used;
    size_t dedup_budget;

    struct intern *models;
    uint32_t *versions_of_model;     /* by id of `models` */
    struct intern *keys;             /* model \x1f version */
    struct version_state **versions; /* by id of `keys` */
    uint32_t version_capacity;
    struct version_state *recent; /* the version of the event before */
    struct text recent_model, recent_version;
    uint32_t series_count;

    struct worker_command_profile *overrides; /* profiles that came after the start */
    uint32_t override_count;

    struct feature_row *row;
    uint32_t row_features;
};

struct worker_command_profile {
    struct worker_command_profile *next;
    char *model, *version;
    const struct profile *profile;
};

/* ---- life cycle ---- */

static enum source_verdict deliver(void *context, uint32_t slot, const struct record *record);
static void on_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail);

int ingest_new(struct ingest **out, const struct worker_settings *settings, struct err *err)
{
    struct ingest *ingest = calloc(1, sizeof(*ingest));
    if (!ingest)
        return err_set(err, ERR_NOMEM, "no memory for a worker");
    const struct config *config = settings->config;
    *ingest = (struct ingest){.config = config,
                              .times = pane_times_of(config),
                              .event_pane_ms = config->origin_ms,
                              .open_pane_ms = config->origin_ms,
                              .book = *settings->book,
                              .input_count = settings->input_count,
                              .files = settings->files,
                              .dead_letter = settings->dead_letter,
                              .dead_letter_context = settings->dead_letter_context,
                              .sink = {deliver, on_signal, ingest},
                              .undecided_ms = INT64_MIN,
                              .ahead_ms = INT64_MAX,
                              .dedup_budget = (size_t)config->limits.dedup_bytes};
    ingest->models = intern_new(config->limits.models);
    ingest->keys = intern_new(UINT32_MAX - 1);
    ingest->versions_of_model = calloc((size_t)config->limits.models + 1, sizeof(*ingest->versions_of_model));
    int code = ingest->models && ingest->keys && ingest->versions_of_model ? 0 : ERR_NOMEM;
    for (uint32_t input = 0; code == 0 && input < settings->input_count; input++)
        code = decoder_new(&ingest->decoders[input], settings->mappings[input], &config->limits.decode);
    if (code != 0) {
        ingest_free(ingest);
        return err_set(err, code, "no memory for a worker's decoders");
    }
    *out = ingest;
    return 0;
}

static void version_free(struct version_state *version, uint32_t input_count)
{
    if (!version)
        return;
    for (uint32_t input = 0; version->bindings && input < input_count; input++)
        feature_binding_free(version->bindings[input]);
    free(version->bindings);
    intern_free(version->segments);
    free(version->segment_series);
    free(version);
}

void ingest_free(struct ingest *ingest)
{
    if (!ingest)
        return;
    for (uint32_t i = 0; i < ingest->partition_count; i++)
        dedup_free(ingest->partitions[i].dedup);
    free(ingest->partitions);
    for (uint32_t i = 0; ingest->keys && i < intern_count(ingest->keys) && i < ingest->version_capacity; i++)
        version_free(ingest->versions[i], ingest->input_count);
    free(ingest->versions);
    for (uint32_t input = 0; input < ingest->input_count; input++)
        decoder_free(ingest->decoders[input]);
    for (struct worker_command_profile *at = ingest->overrides, *next; at; at = next) {
        next = at->next;
        free(at->model);
        free(at->version);
        free(at);
    }
    intern_free(ingest->models);
    intern_free(ingest->keys);
    free(ingest->versions_of_model);
    feature_row_free(ingest->row);
    free(ingest);
}

int ingest_add_slot(struct ingest *ingest, const struct worker_slot *slot)
{
    if (slot->slot >= ingest->partition_count) {
        uint32_t count = slot->slot + 16;
        struct partition *grown = realloc(ingest->partitions, count * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        memset(grown + ingest->partition_count, 0, (count - ingest->partition_count) * sizeof(*grown));
        ingest->partitions = grown;
        ingest->partition_count = count;
    }
    struct partition *partition = &ingest->partitions[slot->slot];
    *partition = (struct partition){.used = true,
                                    .origin = *slot,
                                    .next_offset = slot->resume_offset >= 0 ? slot->resume_offset
                                                   : slot->read_offset >= 0 ? slot->read_offset
                                                                            : INT64_MIN,
                                    .end_offset = -1,
                                    .clock_ms = {slot->clock_ms[0], slot->clock_ms[1]},
                                    .records = slot->records};
    if (ingest->config->dedup) {
        partition->dedup = dedup_new(&ingest->dedup_budget);
        if (!partition->dedup)
            return ERR_NOMEM;
    }
    ingest->slots_used++;
    return 0;
}

bool ingest_has_slots(const struct ingest *ingest)
{
    return ingest->slots_used > 0;
}

bool ingest_is_holding(const struct ingest *ingest)
{
    for (uint32_t i = 0; i < ingest->partition_count; i++)
        if (ingest->partitions[i].held)
            return true;
    return false;
}

void ingest_set_limits(struct ingest *ingest, int64_t undecided_ms, int64_t ahead_ms)
{
    ingest->undecided_ms = undecided_ms;
    ingest->ahead_ms = ahead_ms;
}

void ingest_release_held(struct ingest *ingest, struct source *source)
{
    for (uint32_t i = 0; i < ingest->partition_count; i++)
        if (ingest->partitions[i].held) {
            ingest->partitions[i].held = false;
            source_release(source, i);
        }
}

void ingest_set_delta(struct ingest *ingest, struct delta *delta)
{
    ingest->delta = delta;
}

void ingest_begin_batch(struct ingest *ingest, int64_t wall_ms)
{
    ingest->wall_ms = wall_ms;
}

const struct source_sink *ingest_sink(struct ingest *ingest)
{
    return &ingest->sink;
}

bool ingest_is_urgent(const struct ingest *ingest)
{
    return ingest->urgent;
}

size_t ingest_delta_bytes(const struct ingest *ingest)
{
    return ingest->delta ? delta_bytes(ingest->delta) : 0;
}

uint64_t ingest_fallbacks(const struct ingest *ingest)
{
    uint64_t sum = 0;
    for (uint32_t input = 0; input < ingest->input_count; input++)
        sum += decoder_fallbacks(ingest->decoders[input]);
    return sum;
}

/* ---- partitions ---- */

/* Offsets begin anew: none that comes was counted before, and none of the old ones may be asked for again. */
static void reset_partition(struct ingest *ingest, struct partition *partition)
{
    partition->reset = true;
    partition->origin.resume_offset = INT64_MIN;
    partition->next_offset = INT64_MIN;
    ingest->urgent = true;
    if (partition->dedup) {
        dedup_free(partition->dedup);
        partition->dedup = dedup_new(&ingest->dedup_budget); /* NULL: no duplicates are known */
    }
}

void ingest_signal(struct ingest *ingest, uint32_t slot, enum source_signal signal, const char *detail)
{
    if (slot >= ingest->partition_count || !ingest->partitions[slot].used)
        return;
    struct partition *partition = &ingest->partitions[slot];
    partition->changed = true;
    ingest->urgent |= !partition->started;
    partition->started = true;
    switch (signal) {
    case SIGNAL_END:
        partition->at_end = true;
        break;
    case SIGNAL_FINISHED:
        partition->at_end = true;
        partition->finished = true;
        ingest->urgent = true;
        break;
    case SIGNAL_GAP:
        (void)snprintf(partition->detail, sizeof(partition->detail), "%s",
                       detail ? detail : "offsets were skipped");
        break;
    case SIGNAL_RESET:
        (void)snprintf(partition->detail, sizeof(partition->detail), "%s", detail ? detail : "");
        reset_partition(ingest, partition);
        break;
    case SIGNAL_FAILED:
        (void)snprintf(partition->detail, sizeof(partition->detail), "%s", detail ? detail : "failed");
        partition->failed = true;
        ingest->urgent = true;
        break;
    }
}

static void on_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    ingest_signal(context, slot, signal, detail);
}

void ingest_flush_partitions(struct ingest *ingest, struct source *source)
{
    for (uint32_t slot = 0; slot < ingest->partition_count; slot++) {
        struct partition *partition = &ingest->partitions[slot];
        if (!partition->used)
            continue;
        int64_t end_offset = source->ops->end_offset ? source->ops->end_offset(source, slot) : -1;
        if (!partition->changed && end_offset == partition->end_offset)
            continue;
        struct delta_partition entry = {
            .slot = slot,
            .next_offset = partition->next_offset,
            .dedup_offset = partition->dedup ? dedup_first_offset(partition->dedup, partition->next_offset)
                                             : partition->next_offset,
            .clock_ms = {partition->clock_ms[0], partition->clock_ms[1]},
            .records = partition->records,
            .end_offset = end_offset,
            .started = partition->started,
            .at_end = partition->at_end,
            .held = partition->held,
            .finished = partition->finished,
            .failed = partition->failed,
            .reset = partition->reset,
        };
        (void)snprintf(entry.detail, sizeof(entry.detail), "%s", partition->detail);
        if (delta_set_partition(ingest->delta, &entry) != 0)
            return; /* stays changed: next time */
        partition->detail[0] = '\0';
        partition->changed = partition->reset = false;
        partition->end_offset = end_offset;
    }
    ingest->urgent = false;
}

/* ---- series ---- */

static const struct profile *profile_of(const struct ingest *ingest, struct text model, struct text version)
{
    for (const struct worker_command_profile *at = ingest->overrides; at; at = at->next)
        if (text_equal(text_of(at->model), model) && text_equal(text_of(at->version), version))
            return at->profile;
    for (uint32_t i = 0; i < ingest->book.count; i++) {
        const struct profile_entry *entry = &ingest->book.entries[i];
        if (text_equal(text_of(entry->model), model) &&
            (!entry->version || text_equal(text_of(entry->version), version)))
            return entry->profile;
    }
    return ingest->book.otherwise(ingest->book.context, model, version);
}

static uint32_t new_series(struct ingest *ingest, struct text model, struct text version, struct text segment)
{
    if (delta_add_series(ingest->delta, ingest->series_count, model, version, segment) != 0)
        return UINT32_MAX;
    return ingest->series_count++;
}

/* Keys come from the input too: their "(other)" segments are bounded as the named ones are. */
static uint32_t segments_and_others(uint32_t limit)
{
    return limit > UINT32_MAX / 4 ? UINT32_MAX / 2 : 2 * limit + 1;
}

static uint64_t identity_seed(struct text model, enum event_kind kind)
{
    return hash_text(model, (uint64_t)kind + 1);
}

static struct version_state *version_new(struct ingest *ingest, struct text model, struct text version)
{
    struct version_state *state = calloc(1, sizeof(*state));
    if (!state)
        return NULL;
    state->config = config_model(ingest->config, model);
    for (uint32_t kind = 0; kind < EVENT_KIND_COUNT; kind++)
        state->identity_seeds[kind] = identity_seed(model, (enum event_kind)kind);
    state->profile = profile_of(ingest, model, version);
    state->bindings = calloc(ingest->input_count, sizeof(struct feature_binding *));
    state->segments = intern_new(segments_and_others(ingest->config->limits.segments));
    state->series =
        state->bindings && state->segments ? new_series(ingest, model, version, text_of("")) : UINT32_MAX;
    if (state->series == UINT32_MAX) {
        version_free(state, ingest->input_count);
        return NULL;
    }
    return state;
}

/* NULL when a cap refuses it: the caller rejects the event. */
static struct version_state *version_admit(struct ingest *ingest, struct text key, struct text model,
                                           struct text version)
{
    uint32_t model_id = intern_add(ingest->models, model);
    if (model_id == INTERN_NONE || ingest->versions_of_model[model_id] >= ingest->config->limits.versions)
        return NULL;
    uint32_t id = intern_count(ingest->keys);
    if (id >= ingest->version_capacity) {
        uint32_t capacity = ingest->version_capacity ? ingest->version_capacity * 2 : 16;
        struct version_state **grown = realloc(ingest->versions, capacity * sizeof(struct version_state *));
        if (!grown)
            return NULL;
        ingest->versions = grown;
        ingest->version_capacity = capacity;
    }
    struct version_state *state = version_new(ingest, model, version);
    if (!state)
        return NULL;
    if (intern_add(ingest->keys, key) != id) {
        version_free(state, ingest->input_count);
        return NULL;
    }
    ingest->versions[id] = state;
    ingest->versions_of_model[model_id]++;
    return state;
}

static struct version_state *version_of(struct ingest *ingest, const struct event *ev)
{
    if (ingest->recent && text_equal(ev->model, ingest->recent_model) &&
        text_equal(ev->version, ingest->recent_version))
        return ingest->recent;
    char bytes[KEY_BYTES_MAX];
    if ((size_t)ev->model.len + ev->version.len + 1 > sizeof(bytes))
        return NULL;
    memcpy(bytes, ev->model.ptr, ev->model.len);
    bytes[ev->model.len] = '\x1f';
    if (ev->version.len)
        memcpy(bytes + ev->model.len + 1, ev->version.ptr, ev->version.len);
    struct text key = {bytes, ev->model.len + 1 + ev->version.len};
    uint32_t id = intern_find(ingest->keys, key);
    struct version_state *state =
        id != INTERN_NONE ? ingest->versions[id] : version_admit(ingest, key, ev->model, ev->version);
    if (!state)
        return NULL;
    if (id == INTERN_NONE)
        id = intern_count(ingest->keys) - 1;
    struct text stored = intern_text(ingest->keys, id);
    ingest->recent = state;
    ingest->recent_model = (struct text){stored.ptr, ev->model.len};
    ingest->recent_version = (struct text){stored.ptr + ev->model.len + 1, ev->version.len};
    return state;
}

/* One entry for a (model, version), however often its capture is extended. */
static int override_profile(struct ingest *ingest, const char *model, const char *version,
                            const struct profile *profile)
{
    for (struct worker_command_profile *at = ingest->overrides; at; at = at->next)
        if (strcmp(at->model, model) == 0 && strcmp(at->version, version) == 0) {
            at->profile = profile;
            return 0;
        }
    struct worker_command_profile *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return ERR_NOMEM;
    *entry = (struct worker_command_profile){ingest->overrides, strdup(model), strdup(version), profile};
    if (!entry->model || !entry->version) {
        free(entry->model);
        free(entry->version);
        free(entry);
        return ERR_NOMEM;
    }
    ingest->overrides = entry;
    return 0;
}

int ingest_set_profile(struct ingest *ingest, const char *model, const char *version,
                       const struct profile *profile)
{
    int code = override_profile(ingest, model, version, profile);
    if (code != 0)
        return code;
    for (uint32_t id = 0; id < intern_count(ingest->keys); id++) {
        struct text key = intern_text(ingest->keys, id);
        const char *split = memchr(key.ptr, '\x1f', key.len);
        uint32_t model_len = (uint32_t)(split - key.ptr);
        struct text key_model = {key.ptr, model_len}, key_version = {split + 1, key.len - model_len - 1};
        if (!text_equal(key_model, text_of(model)) || !text_equal(key_version, text_of(version)))
            continue;
        struct version_state *state = ingest->versions[id];
        state->profile = profile;
        for (uint32_t input = 0; input < ingest->input_count; input++) {
            feature_binding_free(state->bindings[input]);
            state->bindings[input] = NULL;
        }
    }
    return 0;
}

static bool segment_wanted(const struct version_state *state, struct text key)
{
    if (!state->config->segments)
        return true;
    for (char **name = state->config->segments; *name; name++)
        if (text_equal(text_of(*name), key))
            return true;
    return false;
}

/* At most `limit` segments; UINT32_MAX beyond. */
static uint32_t segment_find_or_add(struct ingest *ingest, struct version_state *state,
                                    const struct event *ev, struct text name, uint32_t limit)
{
    uint32_t id = intern_find(state->segments, name);
    if (id != INTERN_NONE)
        return state->segment_series[id];
    id = intern_count(state->segments);
    if (id >= state->segment_capacity) {
        uint32_t capacity = state->segment_capacity ? state->segment_capacity * 2 : 8;
        uint32_t *grown = realloc(state->segment_series, capacity * sizeof(*grown));
        if (!grown)
            return UINT32_MAX;
        state->segment_series = grown;
        state->segment_capacity = capacity;
    }
    if (id >= limit)
        return UINT32_MAX;
    uint32_t series = new_series(ingest, ev->model, ev->version, name);
    if (series == UINT32_MAX || intern_add(state->segments, name) != id)
        return UINT32_MAX;
    return state->segment_series[id] = series;
}

/* The series of one segment of an event; what does not fit the caps joins "key=(other)"; UINT32_MAX: none. */
static uint32_t segment_series(struct ingest *ingest, struct version_state *state, const struct event *ev,
                               const struct field *segment)
{
    const struct value *value = &segment->value;
    if ((value->type != VALUE_STRING && value->type != VALUE_NUMBER && value->type != VALUE_BOOL) ||
        !segment_wanted(state, segment->name))
        return UINT32_MAX;
    char bytes[SEGMENT_BYTES_MAX];
    size_t prefix = (size_t)segment->name.len + 1;
    if (prefix + sizeof(SEGMENT_OTHER) > sizeof(bytes))
        return UINT32_MAX;
    uint32_t limit = ingest->config->limits.segments;
    memcpy(bytes, segment->name.ptr, segment->name.len);
    bytes[segment->name.len] = '=';
    if (prefix + value->text.len <= sizeof(bytes)) {
        memcpy(bytes + prefix, value->text.ptr, value->text.len);
        uint32_t series = segment_find_or_add(
            ingest, state, ev, (struct text){bytes, (uint32_t)(prefix + value->text.len)}, limit);
        if (series != UINT32_MAX)
            return series;
    }
    memcpy(bytes + prefix, SEGMENT_OTHER, sizeof(SEGMENT_OTHER) - 1);
    return segment_find_or_add(ingest, state, ev,
                               (struct text){bytes, (uint32_t)(prefix + sizeof(SEGMENT_OTHER) - 1)},
                               segments_and_others(limit));
}

/* ---- one event ---- */

/* Must the event wait for the loop? (DESIGN §4 and §7: a grid that is not there yet, a partition that runs
 * ahead.) */
static bool must_hold(const struct ingest *ingest, const struct version_state *state, int64_t ts_ms)
{
    if (ts_ms >= ingest->ahead_ms)
        return true;
    if (state->profile->state == PROFILE_CAPTURE)
        return ts_ms >= state->profile->until_ms;
    if (state->profile->state == PROFILE_WAITING)
        return ingest->undecided_ms == INT64_MIN ||
               ts_ms >=
                   time_plus(ingest->undecided_ms, state->profile->capture_ms + ingest->times.lateness_ms);
    return false;
}

static int resolve_row(struct ingest *ingest, struct version_state *state, uint32_t input,
                       const struct event *ev)
{
    const struct grid *grid = state->profile->layouts[GRID_FINE]->grid;
    struct feature_binding **binding = &state->bindings[input];
    if (!*binding && !(*binding = feature_binding_new(grid)))
        return ERR_NOMEM;
    if (grid->feature_count > ingest->row_features) {
        feature_row_free(ingest->row);
        ingest->row = feature_row_new(grid->feature_count);
        ingest->row_features = ingest->row ? grid->feature_count : 0;
    }
    if (!ingest->row)
        return ERR_NOMEM;
    ingest->row->count = grid->feature_count;
    return feature_row_resolve(ingest->row, *binding, ev);
}

static int count_features(struct ingest *ingest, struct delta_cell *cell, enum grid_resolution resolution)
{
    if (!cell->features && !(cell->features = feature_cell_new(cell->profile->layouts[resolution])))
        return ERR_NOMEM;
    return feature_cell_add(cell->features, ingest->row);
}

static int take_sample(struct delta_cell *cell, const struct event *ev)
{
    if (!cell->sample && !(cell->sample = sample_new(cell->profile->sample)))
        return ERR_NOMEM;
    return sample_add(cell->sample, ev);
}

static bool has_features(const struct event *ev)
{
    return ev->kind == EVENT_PREDICTION || ev->kind == EVENT_FEATURES;
}

/* Adds an accepted event to the cells of its series; the row is resolved when it is `binned`. */
static int apply(struct ingest *ingest, struct version_state *state, const struct event *ev, bool binned,
                 int64_t pane_ms, bool late)
{
    const struct profile *profile = state->profile;
    struct delta_cell *cell = delta_cell(ingest->delta, state->series, pane_ms, late, profile);
    if (!cell)
        return ERR_NOMEM;
    cell->activity[ev->kind]++;
    int code = 0;
    if (binned)
        code = count_features(ingest, cell, GRID_FINE);
    else if (has_features(ev) && !late &&
             (profile->state == PROFILE_WAITING || profile->state == PROFILE_CAPTURE))
        code = take_sample(cell, ev);
    for (uint32_t i = 0; code == 0 && i < ev->segments.count; i++) {
        uint32_t series = segment_series(ingest, state, ev, &ev->segments.items[i]);
        if (series == UINT32_MAX)
            continue;
        cell = delta_cell(ingest->delta, series, pane_ms, late, profile);
        if (!cell)
            return ERR_NOMEM;
        cell->activity[ev->kind]++;
        if (binned)
            code = count_features(ingest, cell, GRID_COARSE);
    }
    return code;
}

/* Nothing but memory is in the way of an event. Its row is resolved while the table of ids comes from afar,
 * a duplicate's in vain. */
static enum fate accept(struct ingest *ingest, struct partition *partition, struct version_state *state,
                        const struct record *record, const struct event *ev, int64_t pane_ms, bool late,
                        enum reject *out_reject)
{
    const struct profile *profile = state->profile;
    bool binned =
        has_features(ev) && profile->state == PROFILE_READY && ev->ts_ms >= profile->effective_from_ms;
    bool once = !late && partition->dedup && ev->id.ptr;
    uint64_t identity = once ? hash_text(ev->id, state->identity_seeds[ev->kind]) : 0;
    if (once)
        dedup_prefetch(partition->dedup, pane_ms, identity);
    int code = binned ? resolve_row(ingest, state, partition->origin.input, ev) : 0;
    if (once && dedup_check(partition->dedup, pane_ms, identity, record->offset) == DEDUP_DUPLICATE)
        return FATE_DUPLICATE;
    if (code == 0)
        code = apply(ingest, state, ev, binned, pane_ms, late);
    if (code != 0) {
        *out_reject = REJECT_MEMORY;
        return FATE_REJECTED;
    }
    return late ? FATE_LATE : FATE_APPLIED;
}

/* Start of the finest pane that holds ts; `last` is that of the call before. Seldom a division. */
static int64_t finest_pane(const struct pane_times *times, int64_t ts_ms, int64_t *last)
{
    if ((uint64_t)ts_ms - (uint64_t)*last >= (uint64_t)times->tiers_ms[0])
        *last = pane_start(times, 0, ts_ms);
    return *last;
}

static bool is_future(const struct ingest *ingest, const struct record *record, int64_t ts_ms)
{
    int64_t now_ms = ingest->wall_ms;
    if (!ingest->files && record->ts_ms != INT64_MIN && record->ts_ms < now_ms)
        now_ms = record->ts_ms;
    return ts_ms > time_plus(now_ms, ingest->config->max_future_skew_ms);
}

/* Between dedup_offset and next_offset: remember ids of panes that are open, count nothing. */
static void remember_id(struct ingest *ingest, struct partition *partition, const struct record *record)
{
    struct event ev;
    if (!partition->dedup ||
        decoder_decode(ingest->decoders[partition->origin.input], record, &ev) != REJECT_NONE || !ev.id.ptr ||
        is_future(ingest, record, ev.ts_ms))
        return;
    enum role role = ev.kind == EVENT_LABEL ? ROLE_LABELS : ROLE_DATA;
    int64_t start_ms = finest_pane(&ingest->times, ev.ts_ms, &ingest->event_pane_ms);
    if (time_plus(start_ms, ingest->times.tiers_ms[0]) >
        time_minus(partition->clock_ms[role], ingest->times.lateness_ms))
        (void)dedup_check(partition->dedup, start_ms, hash_text(ev.id, identity_seed(ev.model, ev.kind)),
                          record->offset);
}

/* The fate of a decoded event; *out_hold instead when it has to wait. */
static enum fate judge(struct ingest *ingest, struct partition *partition, const struct record *record,
                       const struct event *ev, enum reject *out_reject, bool *out_hold)
{
    if (is_future(ingest, record, ev->ts_ms))
        return FATE_FUTURE;
    struct version_state *state = version_of(ingest, ev);
    if (!state) {
        *out_reject = REJECT_LIMIT;
        return FATE_REJECTED;
    }
    enum role role = ev->kind == EVENT_LABEL ? ROLE_LABELS : ROLE_DATA;
    int64_t *clock_ms = &partition->clock_ms[role];
    int64_t start_ms = finest_pane(&ingest->times, ev->ts_ms, &ingest->event_pane_ms);
    int64_t end_ms = time_plus(start_ms, ingest->times.tiers_ms[0]);
    bool late = end_ms <= time_minus(*clock_ms, ingest->times.lateness_ms);
    bool beyond = end_ms <= time_minus(*clock_ms, ingest->times.horizon_ms);
    if (ev->ts_ms > *clock_ms) {
        *clock_ms = ev->ts_ms; /* also of a held event: its place in the log is known */
        if (partition->dedup)
            dedup_close_before(partition->dedup,
                               finest_pane(&ingest->times, time_minus(*clock_ms, ingest->times.lateness_ms),
                                           &ingest->open_pane_ms));
    }
    if (must_hold(ingest, state, ev->ts_ms)) {
        *out_hold = true;
        return FATE_APPLIED;
    }
    if (beyond)
        return FATE_BEYOND_HORIZON;
    return accept(ingest, partition, state, record, ev, start_ms, late, out_reject);
}

static enum source_verdict deliver(void *context, uint32_t slot, const struct record *record)
{
    struct ingest *ingest = context;
    struct partition *partition = &ingest->partitions[slot];
    uint32_t input = partition->origin.input;
    ingest->urgent |= !partition->started;
    partition->started = true;
    partition->at_end = false;
    if (record->offset < partition->origin.resume_offset) {
        remember_id(ingest, partition, record);
        return SOURCE_TAKEN;
    }
    struct event ev;
    enum reject reject = decoder_decode(ingest->decoders[input], record, &ev);
    bool hold = false;
    enum fate fate =
        reject == REJECT_NONE ? judge(ingest, partition, record, &ev, &reject, &hold) : FATE_REJECTED;
    partition->changed = true;
    if (hold) {
        partition->held = true;
        ingest->urgent = true;
        return SOURCE_HOLD;
    }
    delta_count(ingest->delta, input, fate, reject);
    if (fate == FATE_REJECTED && reject != REJECT_NOT_SELECTED && ingest->dead_letter)
        (void)ingest->dead_letter(ingest->dead_letter_context, input, record, reject,
                                  decoder_detail(ingest->decoders[input]));
    partition->records++;
    partition->next_offset = record->next_offset;
    return SOURCE_TAKEN;
}
