#ifndef DRIFTD_AGENT_STORE_INTERNAL_H
#define DRIFTD_AGENT_STORE_INTERNAL_H
/*
 * What the files store*.c share. Who touches what: `db`, `statements` and the fields under "writer" belong to
 * the opening thread until store_start, then to the store thread until store_stop; the fields under
 * "hand-over" are guarded by `mutex`; `path`, `pipeline`, `log` and `full_sync` never change.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/base/digest.h"
#include "agent/base/strbuf.h"
#include "agent/store.h"
#include "agent/store_pack.h"
#include "agent/store_sql.h"

/* ---- batches ---- */

enum op_kind {
    OP_SERIES,
    OP_SUBJECT,
    OP_GRID,
    OP_REFERENCE,
    OP_PANE,
    OP_PRUNE_PANES,
    OP_PRUNE_RESULTS,
    OP_PRUNE_ALERTS,
    OP_RESULT,
    OP_DROP_PROVISIONAL,
    OP_OFFSET,
    OP_COUNT,
    OP_META,
    OP_CAPTURE,
    OP_WAITING,
    OP_PRUNE_WAITING,
    OP_ALERT,
    OP_TRANSITION,
    OP_OUTBOX,
    OP_OUTCOME,
    OP_AUDIT
};

struct op_name {
    uint32_t id;
    const char *model, *version, *segment; /* subjects and grids: the name is `model` */
};

struct op_count {
    const char *topic, *fate, *reason;
    uint64_t total;
};

struct op_capture {
    uint32_t series;
    int64_t pane_start_ms;
    const void *bytes;
    size_t len;
};

struct op_waiting {
    int64_t expire_ms;
    const void *bytes;
    size_t len;
};

struct op_prune {
    uint8_t tier;
    int64_t before_ms, before_wall_ms;
};

/* Of a report row only the slots up to the last defined one are kept. */
struct op_drop {
    uint32_t series;
    int64_t from_ms, until_ms;
};

struct op_result {
    struct stored_result head; /* row is NULL, bins a copy */
    enum family family;
    uint64_t n, reference_n;
    uint32_t flags, slot_count;
    const double *slots;
};

struct op_outbox {
    struct outbox_item item;
    int64_t created_ms;
    bool expired;
};

struct op_audit {
    int64_t wall_ms;
    const char *actor, *action, *subject, *details;
};

struct op {
    struct op *next;
    enum op_kind kind;
    union {
        struct op_name name;
        struct op_prune prune;
        struct op_count count;
        struct op_capture capture;
        struct op_waiting waiting;
        struct op_result result;
        struct op_drop drop;
        struct op_outbox outbox;
        struct op_audit audit;
        struct stored_reference reference;
        struct stored_pane pane;
        struct stored_offset offset;
        struct alert_row alert;
        struct alert_transition transition;
        struct delivery_outcome outcome;
        struct {
            const char *key, *value;
        } meta;
    };
};

struct store_batch {
    struct arena *arena; /* everything below lives here */
    struct op *first, **tail;
    bool failed;
};

/* ---- the store ---- */

enum {
    STORE_TIERS = 16,          /* a pane's tier is below this */
    STORE_BATCHES_MAX = 2,     /* queued */
    STORE_REQUESTS_MAX = 1024, /* pane requests queued */
    STORE_PRUNE_ROWS = 500,    /* per commit and kind */
    STORE_BUSY_MS = 5000,      /* how long a lock of somebody else is waited for */
    STORE_REASON_BYTES = 1024
};

/* In the column outbox.state; the first three are enum delivery_state. */
enum { OUTBOX_PENDING, OUTBOX_DELIVERED, OUTBOX_DEAD, OUTBOX_EXPIRED, OUTBOX_DROPPED };

struct request; /* a batch or a wish for panes, in the order of arrival; store_thread.c */
struct completion;

struct store {
    char *path, *pipeline;
    bool full_sync;
    struct log *log;
    int lock_fd;
    struct store_check *check; /* under way; opening thread */
    bool settled;              /* checked, and its views are ours */

    /* writer */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared at first use */
    struct store_packer *packer;
    uint64_t commits; /* committed since the file was made, as the file should say */
    int wal_pages;    /* since the last checkpoint; by the WAL hook */
    int64_t prune_panes_before_ms[STORE_TIERS]; /* INT64_MIN: nothing to do */
    int64_t prune_waiting_before_ms;            /* INT64_MIN: nothing to do */
    int64_t prune_results_before_ms, prune_results_wall_ms, prune_alerts_before_ms;
    int64_t housekeeping_ms; /* wall clock of the last round */
    bool reopen;             /* the connection cannot be trusted any more */
    bool gave_up;            /* stopping left a batch uncommitted */
    bool lost_commits;       /* the file is older than what was reported as committed: for good */

    /* hand-over */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool thread_runs, stopping;
    struct request *first_request, **last_request;
    uint32_t queued_batches, queued_requests;
    struct completion *first_completion, **last_completion;
    bool failing;
    char reason[STORE_REASON_BYTES];
    int event_fd;

    _Atomic uint64_t size_bytes, commit_us;
};

/* ---- store_connection.c: one connection, its statements, its errors ---- */

/* Opens the file read-write with every setting of the writer. */
int store_connect(struct store *store, struct err *err) MUST_USE;
void store_disconnect(struct store *store);
/* Settings that every connection of ours gets, readers included. */
int store_harden(sqlite3 *db) MUST_USE;
/* The prepared statement, reset and without bindings; NULL: see sqlite3_errcode. */
sqlite3_stmt *store_statement(struct store *store, enum statement which);
/* Steps a statement that returns no row; SQLITE_OK or an extended code. */
int store_step(sqlite3_stmt *statement);
int store_exec(sqlite3 *db, const char *sql);
/* The ERR_* of an SQLite code. */
int store_code(int sqlite_code);
/* "cannot <doing> the store <path>: <SQLite's reason>"; returns the ERR_*. */
int store_sql_error(struct store *store, int sqlite_code, struct err *err, const char *doing);
int store_bind_text(sqlite3_stmt *statement, int index, const char *text); /* NULL binds "" */
/* Of the row at hand: NULL reads as an empty text. Good until the next step. */
struct text store_column_text(sqlite3_stmt *row, int column);
int store_bind_real(sqlite3_stmt *statement, int index, double value); /* not finite: NULL */
int store_query_integer(sqlite3 *db, const char *sql, int64_t *out) MUST_USE;
int64_t store_wall_ms(void);

/* ---- store_schema.c ---- */

struct store_migration {
    int version;            /* user_version after it */
    const char *const *sql; /* NULL-terminated pieces, joined */
};

/*
 * Brings an open store to the last migration, all steps and the views in one transaction; an old one is
 * copied to <path>.v<old>-<time>.bak first.
 */
int store_migrate(struct store *store, const struct store_migration *migrations, size_t count,
                  struct err *err) MUST_USE;
/* The schema of this build. */
int store_migrate_current(struct store *store, struct err *err) MUST_USE;
/* Makes views and metric table as this build has them, when they differ. */
int store_refresh_contract(struct store *store, struct err *err) MUST_USE;
/* quick_check, but no longer than `limit_ms` (0: no limit); *out_complete says whether it came to its end. */
int store_quick_check(sqlite3 *db, int64_t limit_ms, bool *out_complete, char *message,
                      size_t message_size) MUST_USE;
/* The value of a meta key, ERR_NOT_FOUND, or another ERR_*. Any connection. */
int store_read_meta(sqlite3 *db, const char *key, char *out, size_t out_size) MUST_USE;

/* ---- store_check.c ---- */

/* ERR_CONFIG with the sentence about a damaged file. */
int store_refuse_damaged(const struct store *store, const char *detail, struct err *err);
/* Checks through the store's own connection. ERR_CONFIG: damaged. */
int store_check_here(struct store *store, struct err *err) MUST_USE;
/* The same on a thread of its own, until store_check_end, which does nothing when none is under way. */
int store_check_begin(struct store *store, struct err *err) MUST_USE;
int store_check_end(struct store *store, struct err *err) MUST_USE;
/* Waits and forgets. */
void store_check_drop(struct store *store);

/* ---- store_apply.c: SQLITE_OK or an extended code, nothing is rolled back ---- */

int store_apply_op(struct store *store, const struct op *op) MUST_USE;
int store_apply_meta(struct store *store, const char *key, const char *value) MUST_USE;
int store_apply_audit(struct store *store, const struct op_audit *audit) MUST_USE;
/* A slice of what is to be pruned. */
int store_apply_prune(struct store *store) MUST_USE;

/* ---- store_audit.c ---- */

/* SHA-256(0x01 ‖ u64 seq ‖ u64 ts ‖ (u32 length ‖ bytes) of actor, action, subject, details ‖ previous hash),
 * big endian. */
struct audit_entry {
    int64_t seq, ts_ms;
    struct text actor, action, subject, details;
    const unsigned char *previous; /* SHA256_BYTES */
};
int store_audit_hash(const struct audit_entry *entry, unsigned char out[SHA256_BYTES]) MUST_USE;

/* ---- store_thread.c ---- */

/* One transaction: the batch, a slice of pruning, the commit counter. */
int store_commit_batch(struct store *store, const struct store_batch *batch) MUST_USE;
/* Copies what is in the WAL into the file, when there is enough of it. */
void store_checkpoint(struct store *store, bool now);
void store_update_size(struct store *store);
/* Frees what no thread ever took. */
void store_drop_requests(struct store *store);

/* ---- store_pack.c ---- */

struct store_packer;
struct store_packer *store_packer_new(void);
void store_packer_free(struct store_packer *packer);
/* *out is valid until the next call. ERR_NOMEM, ERR_LIMIT. */
int store_pack(struct store_packer *packer, const void *bytes, size_t len, const void **out,
               size_t *out_len) MUST_USE;

/* ---- store_load.c ---- */

int store_collect_panes(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms,
                        struct store_panes *out) MUST_USE;

#endif
