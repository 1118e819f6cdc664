/* Reading what was stored: before the thread starts, and panes on its behalf. */
#include "agent/store_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *column_string(sqlite3_stmt *row, int column)
{
    const char *string = (const char *)sqlite3_column_text(row, column);
    return string ? string : "";
}

static int64_t column_time(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? INT64_MIN : sqlite3_column_int64(row, column);
}

static double column_real(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(row, column);
}

/* Runs a bound statement, one call per row. Stops at the first result that is not 0. */
typedef int row_fn(void *context, sqlite3_stmt *row);

static int each_row(struct store *store, sqlite3_stmt *statement, row_fn *fn, void *context, struct err *err)
{
    if (!statement)
        return store_sql_error(store, sqlite3_extended_errcode(store->db), err, "read");
    int rc, result = 0;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && result == 0)
        result = fn(context, statement);
    int end = sqlite3_reset(statement);
    if (result != 0)
        return result;
    return rc == SQLITE_DONE ? 0 : store_sql_error(store, end ? end : rc, err, "read");
}

/* The callback of the caller, behind the one of each_row. */
struct adapter {
    void *context;
    union {
        store_series_fn *series;
        store_subject_fn *subject;
        store_grid_fn *grid;
        store_reference_fn *reference;
        store_offset_fn *offset;
        store_pane_fn *pane;
        store_count_fn *count;
        store_capture_fn *capture;
        store_waiting_fn *waiting;
        store_alert_fn *alert;
        store_outbox_fn *outbox;
    };
    uint8_t tier;                     /* of panes */
    const struct pane_filter *filter; /* NULL: all of them */
    struct arena *arena;              /* one unpacked pane */
};

static int series_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    return to->series(to->context, (uint32_t)sqlite3_column_int64(row, 0), store_column_text(row, 1),
                      store_column_text(row, 2), store_column_text(row, 3));
}

int store_load_series(struct store *store, store_series_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .series = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_SERIES), series_row, &to, err);
}

static int subject_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    return to->subject(to->context, (uint32_t)sqlite3_column_int64(row, 0), store_column_text(row, 1));
}

int store_load_subjects(struct store *store, store_subject_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .subject = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_SUBJECTS), subject_row, &to, err);
}

static int grid_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    return to->grid(to->context, (uint32_t)sqlite3_column_int64(row, 0), column_string(row, 1));
}

int store_load_grids(struct store *store, store_grid_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .grid = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_GRIDS), grid_row, &to, err);
}

static int reference_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    struct stored_reference reference = {
        .reference = (uint32_t)sqlite3_column_int64(row, 0),
        .grid = (uint32_t)sqlite3_column_int64(row, 1),
        .name = column_string(row, 2),
        .model = column_string(row, 3),
        .version = column_string(row, 4),
        .source = column_string(row, 5),
        .hash = column_string(row, 6),
        .from_ms = sqlite3_column_int64(row, 7),
        .to_ms = sqlite3_column_int64(row, 8),
        .created_ms = sqlite3_column_int64(row, 9),
        .effective_from_ms = sqlite3_column_int64(row, 10),
        .rows = (uint64_t)sqlite3_column_int64(row, 11),
        .json = column_string(row, 12),
        .json_len = (size_t)sqlite3_column_bytes(row, 12),
    };
    return to->reference(to->context, &reference);
}

int store_load_references(struct store *store, store_reference_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .reference = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_REFERENCES), reference_row, &to, err);
}

static int offset_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    struct stored_offset offset = {
        .topic = column_string(row, 0),
        .partition = sqlite3_column_int(row, 1),
        .next_offset = sqlite3_column_int64(row, 2),
        .dedup_offset = sqlite3_column_int64(row, 3),
        .clock_ms = {sqlite3_column_int64(row, 4), sqlite3_column_int64(row, 5)},
        .fingerprint = (uint64_t)sqlite3_column_int64(row, 6),
        .records = (uint64_t)sqlite3_column_int64(row, 7),
        .log_end = sqlite3_column_int64(row, 8),
    };
    return to->offset(to->context, &offset);
}

int store_load_offsets(struct store *store, store_offset_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .offset = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_OFFSETS), offset_row, &to, err);
}

/* A row whose bytes nobody asks for costs no page but its own. */
static bool is_wanted(const struct pane_filter *filter, sqlite3_stmt *row)
{
    if (!filter)
        return true;
    uint32_t family = (uint32_t)sqlite3_column_int(row, 2), part = (uint32_t)sqlite3_column_int(row, 4);
    return part < 32 && filter->parts >> part & 1 && (family >= 32 || filter->families >> family & 1);
}

/* The key of a pane; its bytes are packed still. */
static struct stored_pane pane_of(sqlite3_stmt *row, uint8_t tier)
{
    return (struct stored_pane){
        .tier = tier,
        .start_ms = sqlite3_column_int64(row, 0),
        .series = (uint32_t)sqlite3_column_int64(row, 1),
        .family = (uint8_t)sqlite3_column_int(row, 2),
        .grid = (uint32_t)sqlite3_column_int64(row, 3),
        .part = (uint8_t)sqlite3_column_int(row, 4),
        .bytes = sqlite3_column_blob(row, 5),
        .len = (size_t)sqlite3_column_bytes(row, 5),
    };
}

static sqlite3_stmt *panes_statement(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_LOAD_PANES);
    if (!statement || sqlite3_bind_int(statement, 1, tier) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 2, from_ms) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 3, to_ms) != SQLITE_OK)
        return NULL;
    return statement;
}

static int pane_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    if (!is_wanted(to->filter, row))
        return 0;
    struct stored_pane pane = pane_of(row, to->tier);
    arena_reset(to->arena);
    int rc = store_unpack(pane.bytes, pane.len, to->arena, &pane.bytes, &pane.len);
    return rc == 0 ? to->pane(to->context, &pane) : rc;
}

int store_load_panes(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms, store_pane_fn *fn,
                     void *context, struct err *err)
{
    return store_load_some_panes(store, tier, from_ms, to_ms, NULL, fn, context, err);
}

int store_load_some_panes(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms,
                          const struct pane_filter *filter, store_pane_fn *fn, void *context, struct err *err)
{
    struct adapter to = {
        .context = context, .pane = fn, .tier = tier, .filter = filter, .arena = arena_new(1 << 16, 0)};
    if (!to.arena)
        return err_set(err, ERR_NOMEM, "out of memory while reading the store %s", store->path);
    int rc = each_row(store, panes_statement(store, tier, from_ms, to_ms), pane_row, &to, err);
    arena_free(to.arena);
    return rc;
}

/* ---- panes for the loop ---- */

struct collector {
    struct arena *arena;
    struct stored_pane *panes;
    size_t count, capacity;
    uint8_t tier;
};

/* The arrays that were outgrown stay in the arena: together less than the last one. */
static int collect_row(void *context, sqlite3_stmt *row)
{
    struct collector *into = context;
    if (into->count == into->capacity) {
        size_t capacity = into->capacity ? 2 * into->capacity : 64;
        struct stored_pane *panes = arena_alloc(into->arena, capacity * sizeof(*panes));
        if (!panes)
            return ERR_NOMEM;
        if (into->count)
            memcpy(panes, into->panes, into->count * sizeof(*panes));
        into->panes = panes;
        into->capacity = capacity;
    }
    struct stored_pane pane = pane_of(row, into->tier);
    int rc = store_unpack(pane.bytes, pane.len, into->arena, &pane.bytes, &pane.len);
    if (rc == 0)
        into->panes[into->count++] = pane;
    return rc;
}

int store_collect_panes(struct store *store, uint8_t tier, int64_t from_ms, int64_t to_ms,
                        struct store_panes *out)
{
    *out = (struct store_panes){NULL, 0, 0, NULL};
    struct collector into = {arena_new((size_t)1 << 18, (size_t)1 << 30), NULL, 0, 0, tier};
    if (!into.arena)
        return ERR_NOMEM;
    int rc = each_row(store, panes_statement(store, tier, from_ms, to_ms), collect_row, &into, NULL);
    if (rc != 0) {
        arena_free(into.arena);
        return rc;
    }
    *out = (struct store_panes){into.panes, into.count, 0, into.arena};
    return 0;
}

void store_panes_free(struct store_panes *panes)
{
    if (!panes)
        return;
    arena_free(panes->memory);
    *panes = (struct store_panes){NULL, 0, 0, NULL};
}

/* ---- the rest ---- */

static int count_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    return to->count(to->context, column_string(row, 0), column_string(row, 1), column_string(row, 2),
                     (uint64_t)sqlite3_column_int64(row, 3));
}

int store_load_counts(struct store *store, store_count_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .count = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_COUNTS), count_row, &to, err);
}

static int capture_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    return to->capture(to->context, (uint32_t)sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                       sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2));
}

int store_load_captures(struct store *store, store_capture_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .capture = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_CAPTURES), capture_row, &to, err);
}

static int waiting_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    return to->waiting(to->context, sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
}

int store_load_waiting(struct store *store, store_waiting_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .waiting = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_WAITING), waiting_row, &to, err);
}

static int alert_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    struct alert_row alert = {
        .rule = column_string(row, 1),
        .metric = column_string(row, 2),
        .model = store_column_text(row, 3),
        .version = store_column_text(row, 4),
        .segment = store_column_text(row, 5),
        .feature = store_column_text(row, 6),
        .window_ms = sqlite3_column_int64(row, 7),
        .state = (enum alert_state)sqlite3_column_int(row, 8),
        .severity = (enum severity)sqlite3_column_int(row, 9),
        .since_ms = column_time(row, 10),
        .fired_ms = column_time(row, 11),
        .resolved_ms = column_time(row, 12),
        .last_window_end_ms = column_time(row, 13),
        .clear_run = (uint32_t)sqlite3_column_int64(row, 14),
        .value = column_real(row, 15),
        .threshold = column_real(row, 16),
        .peak_value = column_real(row, 17),
        .peak_ms = column_time(row, 18),
    };
    (void)snprintf(alert.key, sizeof(alert.key), "%s", column_string(row, 0));
    return to->alert(to->context, &alert);
}

int store_load_alerts(struct store *store, store_alert_fn *fn, void *context, struct err *err)
{
    struct adapter to = {.context = context, .alert = fn};
    return each_row(store, store_statement(store, STATEMENT_LOAD_ALERTS), alert_row, &to, err);
}

static int outbox_row(void *context, sqlite3_stmt *row)
{
    const struct adapter *to = context;
    struct stored_outbox item = {
        .rowid = sqlite3_column_int64(row, 0),
        .id = column_string(row, 1),
        .sink = column_string(row, 2),
        .entity_key = column_string(row, 3),
        .body = column_string(row, 4),
        .body_len = (size_t)sqlite3_column_bytes(row, 4),
        .created_ms = sqlite3_column_int64(row, 5),
        .next_ms = sqlite3_column_int64(row, 6),
        .attempts = (uint32_t)sqlite3_column_int64(row, 7),
    };
    return to->outbox(to->context, &item);
}

int store_load_outbox(struct store *store, int64_t after_rowid, uint32_t max, store_outbox_fn *fn,
                      void *context, struct err *err)
{
    struct adapter to = {.context = context, .outbox = fn};
    sqlite3_stmt *statement = store_statement(store, STATEMENT_LOAD_OUTBOX);
    if (statement && (sqlite3_bind_int64(statement, 1, after_rowid) != SQLITE_OK ||
                      sqlite3_bind_int64(statement, 2, max) != SQLITE_OK))
        statement = NULL;
    return each_row(store, statement, outbox_row, &to, err);
}

int store_load_meta(struct store *store, const char *key, char *out, size_t out_size)
{
    return store_read_meta(store->db, key, out, out_size);
}
