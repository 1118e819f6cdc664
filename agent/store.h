#ifndef DRIFTD_AGENT_STORE_H
#define DRIFTD_AGENT_STORE_H
/*
 * The store: one SQLite file in WAL mode, one writing connection owned by one thread (DESIGN §9). Everything
 * that a stretch of input changed is one batch and one transaction: panes, clocks and offsets, results,
 * alerts, outbox, counters, audit. The file therefore always holds a whole number of deltas. Only store*.c
 * and reader.c include sqlite3.h.
 *
 * Use: store_open (locks, checks, migrates) → store_load_* while nothing runs → store_start (thread) →
 * batches and pane requests from the loop thread, completions on its eventfd → store_stop → store_close.
 *
 * Small integers stand for names inside the file (series, subject, grid, reference); the loop gives them out,
 * from 1, and announces each in a batch before or together with its first use.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/base/text.h"
#include "alerting/alerting.h"
#include "alerting/webhook.h"
#include "detectors/report.h"

struct store;
struct store_batch;

enum { STORE_SCHEMA_VERSION = 2, STORE_APPLICATION_ID = 0x44524654 };

struct store_settings {
    const char *path;
    bool full_sync;       /* synchronous=FULL instead of NORMAL */
    const char *pipeline; /* recorded in a new store; a store of another pipeline is refused */
    struct log *log;
    bool check_aside; /* look for damage on a thread of its own: store_settle has the verdict */
};

/*
 * Creates or opens. Refuses, untouched, with ERR_CONFIG and one clear sentence: a newer schema, another
 * application's file, a corrupt file (quick_check), another pipeline's store, a path that cannot be written,
 * a store that another process holds (flock on <path>.lock; says its pid).
 */
int store_open(struct store **out, const struct store_settings *settings, struct err *err) MUST_USE;
/* With `check_aside`: waits for the check, which takes at most 100 ms from store_open on; ERR_CONFIG when the
 * file is damaged. Until then nothing is written. store_start does it too. */
int store_settle(struct store *store, struct err *err) MUST_USE;
int store_start(struct store *store, struct err *err) MUST_USE;
/* Waits until everything submitted is committed (or failed), stops the thread. */
void store_stop(struct store *store);
void store_close(struct store *store);

/* ---- what a batch holds; every function copies its arguments; a batch out of memory fails as a whole
 * (store_batch_failed) ---- */

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *batch);
bool store_batch_failed(const struct store_batch *batch);
bool store_batch_is_empty(const struct store_batch *batch);
size_t store_batch_bytes(const struct store_batch *batch);

void store_put_series(struct store_batch *batch, uint32_t series, struct text model, struct text version,
                      struct text segment);
void store_put_subject(struct store_batch *batch, uint32_t subject, struct text name);
void store_put_grid(struct store_batch *batch, uint32_t grid, const char *grid_id);

struct stored_reference {
    uint32_t reference, grid;
    const char *name, *model, *version, *source, *hash;
    int64_t from_ms, to_ms, created_ms; /* created: wall clock */
    int64_t effective_from_ms;          /* event time from which it is used; INT64_MIN: always */
    uint64_t rows;
    const char *json;
    size_t json_len;
};
void store_put_reference(struct store_batch *batch, const struct stored_reference *reference);

enum pane_part { PANE_ON_TIME, PANE_LATE };

/* The tally of one (tier, start, series, family, grid): replaces what is there for the same key. */
struct stored_pane {
    uint8_t tier; /* 0 is the finest */
    int64_t start_ms;
    uint32_t series;
    uint8_t family; /* pane families: agent/engine.h */
    uint32_t grid;  /* 0: none */
    uint8_t part;   /* enum pane_part */
    const void *bytes;
    size_t len;
};
void store_put_pane(struct store_batch *batch, const struct stored_pane *pane);
/* Deletes panes of a tier that ended before; in slices, over several commits. */
void store_prune_panes(struct store_batch *batch, uint8_t tier, int64_t before_start_ms);
/* Deletes results whose window ended before `before_end_ms` and that were computed before `before_wall_ms`: a
 * back-fill of last year's events is not deleted the moment it is done. Oldest rows first, in slices. */
void store_prune_results(struct store_batch *batch, int64_t before_end_ms, int64_t before_wall_ms);
/* Deletes alert events, and alerts that are over, whose window ended before. */
void store_prune_alerts(struct store_batch *batch, int64_t before_end_ms);

struct stored_result {
    int64_t window_end_ms;
    int64_t window_ms; /* length */
    uint32_t series, subject, reference;
    uint32_t revision;
    int64_t closed_wall_ms; /* when it was computed; not part of what replays compare */
    const struct report_row *row;
    const uint8_t *bins; /* at most 20+4 big-endian u16 shares·65535 of the PSI bins, then missing, invalid;
                            NULL: none */
    uint32_t bin_count;
};
/* Revision 1 inserts; a later revision replaces the row and raises its revision. Revision 0 is provisional:
 * it replaces only its like, is replaced by any other, and is not shown by v1_latest. */
void store_put_result(struct store_batch *batch, const struct stored_result *result);
/* Deletes the provisional rows of a series whose windows end in (from, until]. */
void store_drop_provisional(struct store_batch *batch, uint32_t series, int64_t from_ms, int64_t until_ms);

struct stored_offset {
    const char *topic; /* topic, or file name */
    int32_t partition;
    int64_t next_offset;
    int64_t dedup_offset; /* from here ids must be read again at start; == next_offset when nothing */
    int64_t clock_ms[2];  /* data, labels; INT64_MIN: none yet */
    uint64_t fingerprint; /* files; else 0 */
    uint64_t records;     /* consumed so far */
    int64_t log_end;      /* end of the log as last heard, -1 unknown */
};
void store_put_offset(struct store_batch *batch, const struct stored_offset *offset);

/* Totals so far (not increments). `reason` "" unless the fate is rejected. */
void store_put_count(struct store_batch *batch, const char *topic, const char *fate, const char *reason,
                     uint64_t total);
/* Small values by key: closed_until, configuration hash … */
void store_put_meta(struct store_batch *batch, const char *key, const char *value);
/* The state of a capture in progress: bytes replace, len 0 deletes. */
void store_put_capture(struct store_batch *batch, uint32_t series, int64_t pane_start_ms, const void *bytes,
                       size_t len);

/* Appends what waits for a label: opaque bytes that nobody needs once `expire_ms` has passed (INT64_MAX:
 * never). */
void store_put_waiting(struct store_batch *batch, int64_t expire_ms, const void *bytes, size_t len);
/* Deletes, in slices, what expired before. */
void store_prune_waiting(struct store_batch *batch, int64_t before_ms);

void store_put_alert(struct store_batch *batch, const struct alert_row *row);
void store_put_transition(struct store_batch *batch, const struct alert_transition *transition);
/* Ignored when an item with this id and sink is there already. state: pending, or `expired` (older than
 * max_alert_age: kept, not sent). */
void store_put_outbox(struct store_batch *batch, const struct outbox_item *item, int64_t created_wall_ms,
                      bool expired);
void store_put_outcome(struct store_batch *batch, const struct delivery_outcome *outcome);
/* Appends to the audit chain (INTEGRATIONS §7): seq, previous hash and hash are computed inside the
 * transaction. */
void store_put_audit(struct store_batch *batch, int64_t wall_ms, const char *actor, const char *action,
                     const char *subject, const char *details_json);

/* ---- running: loop thread ---- */

/* Readable whenever store_completions would deliver something. */
int store_event_fd(const struct store *store);
/* Takes over the batch. At most 2 are queued: ERR_BUSY then, and the batch stays the caller's. A commit that
 * fails is retried with back-off by the store thread (disk full, I/O error); store_is_failing says so
 * meanwhile. */
int store_submit(struct store *store, struct store_batch *batch, uint64_t ticket) MUST_USE;
bool store_is_failing(const struct store *store, char *out_reason, size_t reason_size);

/* Asks for all panes of a tier with from ≤ start < to (every series), in the order (start, series, family,
 * grid, part). Reads see every batch submitted before. */
int store_request_panes(struct store *store, uint64_t ticket, uint8_t tier, int64_t from_ms,
                        int64_t to_ms) MUST_USE;

struct store_panes {
    const struct stored_pane *panes;
    size_t count;
    int error;    /* 0 or ERR_* */
    void *memory; /* freed by store_panes_free */
};
void store_panes_free(struct store_panes *panes);

struct store_listener {
    void (*committed)(void *context, uint64_t ticket);
    void (*panes)(void *context, uint64_t ticket, struct store_panes *panes); /* takes over *panes */
    void *context;
};
void store_completions(struct store *store, const struct store_listener *listener);

uint64_t store_size_bytes(const struct store *store);
/* Milliseconds the last commit took. */
double store_commit_ms(const struct store *store);

/* ---- loading, before store_start; each stops and returns the callback's result when that is not 0 ---- */

typedef int store_series_fn(void *context, uint32_t series, struct text model, struct text version,
                            struct text segment);
int store_load_series(struct store *store, store_series_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_subject_fn(void *context, uint32_t subject, struct text name);
int store_load_subjects(struct store *store, store_subject_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_grid_fn(void *context, uint32_t grid, const char *grid_id);
int store_load_grids(struct store *store, store_grid_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_reference_fn(void *context, const struct stored_reference *reference);
int store_load_references(struct store *store, store_reference_fn *fn, void *context,
                          struct err *err) MUST_USE;
typedef int store_offset_fn(void *context, const struct stored_offset *offset);
int store_load_offsets(struct store *store, store_offset_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_pane_fn(void *context, const struct stored_pane *pane);
int store_load_panes(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms, store_pane_fn *fn,
                     void *context, struct err *err) MUST_USE;
/* Only some of them: the others are neither read nor unpacked. */
struct pane_filter {
    uint32_t parts;    /* bits, 1 << enum pane_part */
    uint32_t families; /* bits of those below 32; the others are always wanted */
};
int store_load_some_panes(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms,
                          const struct pane_filter *filter, store_pane_fn *fn, void *context,
                          struct err *err) MUST_USE;
typedef int store_count_fn(void *context, const char *topic, const char *fate, const char *reason,
                           uint64_t total);
int store_load_counts(struct store *store, store_count_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_capture_fn(void *context, uint32_t series, int64_t pane_start_ms, const void *bytes,
                             size_t len);
int store_load_captures(struct store *store, store_capture_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_waiting_fn(void *context, const void *bytes, size_t len);
/* In the order in which they were appended. */
int store_load_waiting(struct store *store, store_waiting_fn *fn, void *context, struct err *err) MUST_USE;
typedef int store_alert_fn(void *context, const struct alert_row *row);
int store_load_alerts(struct store *store, store_alert_fn *fn, void *context, struct err *err) MUST_USE;
/* Pending items, oldest first, at most `max`; `after_rowid` pages on. */
struct stored_outbox {
    int64_t rowid;
    const char *id, *sink, *entity_key, *body;
    size_t body_len;
    int64_t created_ms, next_ms;
    uint32_t attempts;
};
typedef int store_outbox_fn(void *context, const struct stored_outbox *item);
int store_load_outbox(struct store *store, int64_t after_rowid, uint32_t max, store_outbox_fn *fn,
                      void *context, struct err *err) MUST_USE;
/* The value into `out`, or ERR_NOT_FOUND. */
int store_load_meta(struct store *store, const char *key, char *out, size_t out_size) MUST_USE;

#endif
