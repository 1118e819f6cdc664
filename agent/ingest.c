#include "agent/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/counting.h"
#include "agent/dedup.h"
#include "agent/outcome_event.h"
#include "agent/versions.h"

enum role { ROLE_DATA, ROLE_LABELS };

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

struct ingest {
    const struct config *config;
    struct pane_times times;
    int64_t event_pane_ms, open_pane_ms; /* finest panes of the event before, and of clock − lateness */
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

    struct versions *versions;
    struct counting *counting;
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
                              .input_count = settings->input_count,
                              .files = settings->files,
                              .dead_letter = settings->dead_letter,
                              .dead_letter_context = settings->dead_letter_context,
                              .sink = {deliver, on_signal, ingest},
                              .undecided_ms = INT64_MIN,
                              .ahead_ms = INT64_MAX,
                              .dedup_budget = (size_t)config->limits.dedup_bytes};
    ingest->versions = versions_new(config, settings->book, settings->input_count);
    ingest->counting = counting_new(&ingest->times);
    int code = ingest->versions && ingest->counting ? 0 : ERR_NOMEM;
    for (uint32_t input = 0; code == 0 && input < settings->input_count; input++)
        code = decoder_new(&ingest->decoders[input], settings->mappings[input], &config->limits.decode);
    if (code != 0) {
        ingest_free(ingest);
        return err_set(err, code, "no memory for a worker's decoders");
    }
    *out = ingest;
    return 0;
}

void ingest_free(struct ingest *ingest)
{
    if (!ingest)
        return;
    for (uint32_t i = 0; i < ingest->partition_count; i++)
        dedup_free(ingest->partitions[i].dedup);
    free(ingest->partitions);
    for (uint32_t input = 0; input < ingest->input_count; input++)
        decoder_free(ingest->decoders[input]);
    versions_free(ingest->versions);
    counting_free(ingest->counting);
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
    versions_set_delta(ingest->versions, delta);
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

bool ingest_is_full(const struct ingest *ingest, size_t delta_bytes_max)
{
    /* The loop looks up what waits while it still is in a cache. */
    enum { WAITING_MAX = 32768 };
    return ingest->delta && (delta_waiting_count(ingest->delta) >= WAITING_MAX ||
                             delta_bytes(ingest->delta) >= delta_bytes_max);
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

int ingest_set_profile(struct ingest *ingest, const char *model, const char *version,
                       const struct profile *profile)
{
    return versions_set_profile(ingest->versions, model, version, profile);
}

void ingest_set_dormant(struct ingest *ingest, const char *model, bool dormant)
{
    versions_set_dormant(ingest->versions, model, dormant);
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

/* Nothing but memory is in the way of an event. Its row is resolved while the table of ids comes from afar,
 * a duplicate's in vain. */
static enum fate accept(struct ingest *ingest, struct partition *partition, struct version_state *state,
                        const struct record *record, const struct event *ev, int64_t pane_ms, bool late,
                        enum reject *out_reject)
{
    struct counted_event counted = {.event = ev,
                                    .input = partition->origin.input,
                                    .pane_ms = pane_ms,
                                    .late = late,
                                    .record_ms = ingest->files || record->ts_ms < 0 ? 0 : record->ts_ms,
                                    .binned = counting_is_binned(state, ev)};
    bool once = !late && partition->dedup && ev->id.ptr;
    uint64_t identity = once ? hash_text(ev->id, state->identity_seeds[ev->kind]) : 0;
    if (once)
        dedup_prefetch(partition->dedup, pane_ms, identity);
    int code = counted.binned ? counting_resolve(ingest->counting, state, partition->origin.input, ev) : 0;
    enum dedup_verdict verdict =
        once ? dedup_check(partition->dedup, pane_ms, identity, record->offset) : DEDUP_NEW;
    bool again = verdict == DEDUP_DUPLICATE;
    counted.unchecked = verdict == DEDUP_OFF;
    if (again)
        code = counting_add_duplicate(ingest->delta, state, ev, pane_ms);
    else if (code == 0)
        code = counting_add(ingest->counting, ingest->delta, ingest->versions, state, &counted);
    if (code != 0) {
        *out_reject = REJECT_MEMORY;
        return FATE_REJECTED;
    }
    return again ? FATE_DUPLICATE : late ? FATE_LATE : FATE_APPLIED;
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

/* A label goes to the join, which knows duplicates; it belongs to no version before it has met its
 * prediction. */
static enum fate judge_label(struct ingest *ingest, struct partition *partition, const struct event *ev,
                             enum reject *out_reject)
{
    int64_t *clock_ms = &partition->clock_ms[ROLE_LABELS];
    int64_t end_ms = time_plus(pane_start(&ingest->times, 0, ev->ts_ms), ingest->times.tiers_ms[0]);
    bool late = end_ms <= time_minus(*clock_ms, ingest->times.lateness_ms);
    bool beyond = end_ms <= time_minus(*clock_ms, ingest->times.horizon_ms);
    if (ev->ts_ms > *clock_ms)
        *clock_ms = ev->ts_ms;
    if (beyond)
        return FATE_BEYOND_HORIZON;
    const struct model_config *config = config_model(ingest->config, ev->model);
    struct delta_waiting waiting;
    if (!counting_label(ingest->counting, ingest->delta, config, ev, late, *clock_ms, &waiting)) {
        if (config->options.task == TASK_AUTO || config->options.task == TASK_NONE)
            return late ? FATE_LATE : FATE_APPLIED; /* not ours to judge: classes of a multiclass model */
        *out_reject = REJECT_TYPE;
        return FATE_REJECTED;
    }
    if (ev->id.ptr && !outcome_is_sampled(config, waiting.entry.id_hash))
        return late ? FATE_LATE : FATE_APPLIED;
    if (!ev->id.ptr || delta_add_waiting(ingest->delta, &waiting) != 0) {
        *out_reject = ev->id.ptr ? REJECT_MEMORY : REJECT_ID;
        return FATE_REJECTED;
    }
    return late ? FATE_LATE : FATE_APPLIED;
}

/* Between dedup_offset and next_offset: remember ids of panes that are open, count nothing. */
static void remember_id(struct ingest *ingest, struct partition *partition, const struct record *record)
{
    struct event ev;
    if (!partition->dedup ||
        decoder_decode(ingest->decoders[partition->origin.input], record, &ev) != REJECT_NONE || !ev.id.ptr ||
        ev.kind == EVENT_LABEL || is_future(ingest, record, ev.ts_ms))
        return;
    int64_t start_ms = finest_pane(&ingest->times, ev.ts_ms, &ingest->event_pane_ms);
    if (time_plus(start_ms, ingest->times.tiers_ms[0]) >
        time_minus(partition->clock_ms[ROLE_DATA], ingest->times.lateness_ms))
        (void)dedup_check(partition->dedup, start_ms,
                          hash_text(ev.id, identity_seed(ev.model, ev.version, ev.kind)), record->offset);
}

/* The fate of a decoded event; *out_hold instead when it has to wait. */
static enum fate judge(struct ingest *ingest, struct partition *partition, const struct record *record,
                       const struct event *ev, enum reject *out_reject, bool *out_hold)
{
    if (is_future(ingest, record, ev->ts_ms))
        return FATE_FUTURE;
    if (ev->kind == EVENT_LABEL)
        return judge_label(ingest, partition, ev, out_reject);
    struct version_state *state = versions_find(ingest->versions, ev);
    if (!state) {
        *out_reject = REJECT_LIMIT;
        return FATE_REJECTED;
    }
    int64_t *clock_ms = &partition->clock_ms[ROLE_DATA];
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
