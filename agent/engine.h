#ifndef DRIFTD_AGENT_ENGINE_H
#define DRIFTD_AGENT_ENGINE_H
/*
 * The merged state (DESIGN §3, §6): deltas in; panes, windows, reports, alerts and one batch per commit out.
 * Loop thread only; no I/O of its own: what it wants written goes into the batch, what it wants read is asked
 * of the store. Nothing here waits.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/config.h"
#include "agent/delta.h"
#include "agent/store.h"
#include "agent/worker.h"

struct engine;

struct engine_settings {
    const struct config *config;
    struct store *store; /* opened, not started, until engine_restore is done */
    struct alerting *alerting;
    const struct clock *clock;
    struct log *log;
    bool until_end; /* finite: when every partition is finished the last windows are swept and
                       engine_is_finished says so */
    /* A profile that every worker must learn. */
    void (*profile_changed)(void *context, const char *model, const char *version,
                            const struct profile *profile);
    /* A model whose predictions do not wait for labels any more, or again. */
    void (*dormant_changed)(void *context, const char *model, bool dormant);
    void *context;
};

int engine_new(struct engine **out, const struct engine_settings *settings, struct err *err) MUST_USE;
void engine_free(struct engine *engine);

/* Loads from the store what workers begin with: offsets, open panes, captures, and the references that the
 * configuration names. ERR_CONFIG with a sentence when a reference is unusable. */
int engine_restore(struct engine *engine, struct err *err) MUST_USE;
/*
 * Loads the rest: what has closed and what waits for labels, needed before the first merge and not before
 * workers read. Models that slept are told (dormant_changed) before the first call of `meanwhile`, which
 * comes about once a millisecond with the settings' context; of the engine it may only use
 * engine_add_partition and engine_set_assignment. What it returns, when not 0, ends the loading and is
 * returned: such an engine can only be freed.
 */
int engine_restore_closed(struct engine *engine, int (*meanwhile)(void *context), struct err *err) MUST_USE;
/* For workers; valid as long as the engine. */
const struct profile_book *engine_profile_book(const struct engine *engine);

/* ---- partitions ---- */

struct engine_partition {
    uint32_t slot, input, worker;
    char topic[256];
    int32_t partition;
    uint64_t fingerprint;
    struct delta_partition now; /* as last told by its worker */
    int64_t started_at_ms;      /* monotonic: when it was assigned */
    int64_t progress_at_ms;     /* monotonic: when it last gave a record */
    int64_t durable_offset;     /* in the store */
    bool changed, excluded;     /* since the last commit; by idleness or absence */
};

/*
 * Registers a partition; *slot gets its number and where to start: what the store knows of (topic, partition,
 * fingerprint), else `start_offset`. Returns 1 when it is known already (nothing to do), 0 or ERR_*.
 */
int engine_add_partition(struct engine *engine, uint32_t input, uint32_t worker, const char *topic,
                         int32_t partition, uint64_t fingerprint, int64_t start_offset, int64_t end_offset,
                         struct worker_slot *out_slot) MUST_USE;
const struct engine_partition *engine_partitions(const struct engine *engine, uint32_t *out_count);
/* Until every partition that will be read is registered, there is no watermark. */
/* `missing`: without an input that has been absent too long; results say that they are incomplete. */
void engine_set_assignment(struct engine *engine, bool complete, bool missing);

/* ---- running ---- */

/* Adds a delta of that worker; the delta is only read. ERR_NOMEM loses nothing that was not merged: fatal for
 * the caller. */
int engine_merge(struct engine *engine, uint32_t worker, const struct delta *delta) MUST_USE;

enum engine_progress { ENGINE_IDLE, ENGINE_MORE, ENGINE_WAITING };
/* Closes panes while the watermark allows, for at most about budget_us. WAITING: for panes from the store. */
enum engine_progress engine_advance(struct engine *engine, int64_t budget_us);
/* 0, or the ERR_* that made the engine stop for good. */
int engine_failure(const struct engine *engine);
/* Should the agent stop merging for now (two commits queued, or a batch that grew large)? */
bool engine_is_backlogged(const struct engine *engine);

/* What workers may read (worker_set_limits). True when it changed since the last call. */
bool engine_limits(struct engine *engine, int64_t *out_undecided_ms, int64_t *out_ahead_ms);

/* Commits when due (or `now`); returns 1 when a batch was submitted, 0 when not, ERR_BUSY when the store's
 * queue is full. */
int engine_commit(struct engine *engine, bool now) MUST_USE;
void engine_on_committed(struct engine *engine, uint64_t ticket);
void engine_on_panes(struct engine *engine, uint64_t ticket, struct store_panes *panes);
/* Every delta so far is durable. */
bool engine_is_committed(const struct engine *engine);
/* until_end: all partitions are finished, all panes closed, all revisions written. */
bool engine_is_finished(const struct engine *engine);
/* Writes stale windows at the next opportunity instead of after revise_every. */
void engine_revise_now(struct engine *engine);

/* Outcomes of deliveries go into the next batch; alerts that were committed come out here, once. */
void engine_put_outcome(struct engine *engine, const struct delivery_outcome *outcome);
void engine_put_audit(struct engine *engine, const char *actor, const char *action, const char *subject,
                      const char *details_json);

struct engine_stats {
    uint64_t events[FATE_COUNT];
    uint64_t records;
    uint64_t windows_closed, rows_reported, late_windows;
    uint64_t left_out; /* events of panes that were closed longer than the horizon ago */
    int64_t watermark_ms, closed_until_ms;
    size_t open_bytes;
    uint32_t series, models;
};
void engine_get_stats(const struct engine *engine, struct engine_stats *out);

/* The next committed outbox item to deliver, or NULL: valid until the next call. */
struct engine_outbox {
    char id[33];
    const char *sink, *entity_key, *body;
    size_t body_len;
    int64_t created_ms;
};
const struct engine_outbox *engine_next_outbox(struct engine *engine);

/* For a picture: appends the JSON array of the bins of a feature in the latest reported window of the whole
 * model (any version). ERR_NOT_FOUND when there is none. */
int engine_picture(struct engine *engine, const char *model, const char *feature,
                   struct strbuf *out) MUST_USE;

#endif
