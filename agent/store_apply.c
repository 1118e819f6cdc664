/*
 * One operation of a batch, one statement. Bindings point into the batch, which outlives the step. The binds
 * themselves can only fail by memory or by a wrong index; a sum of codes says so once per row.
 */
#include "agent/store_internal.h"

#include <string.h>

static int bind_texts(sqlite3_stmt *statement, int first, const char *const *texts, int count)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < count && rc == SQLITE_OK; i++)
        rc = store_bind_text(statement, first + i, texts[i]);
    return rc;
}

static int bind_integers(sqlite3_stmt *statement, int first, const int64_t *values, int count)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < count && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(statement, first + i, values[i]);
    return rc;
}

/* INT64_MIN stands for "never". */
static int bind_time(sqlite3_stmt *statement, int index, int64_t ms)
{
    return ms == INT64_MIN ? sqlite3_bind_null(statement, index) : sqlite3_bind_int64(statement, index, ms);
}

static int bind_blob(sqlite3_stmt *statement, int index, const void *bytes, size_t len)
{
    return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", len, SQLITE_STATIC);
}

static int last_error(struct store *store)
{
    return sqlite3_extended_errcode(store->db);
}

static int apply_name(struct store *store, enum statement which, const struct op_name *name, int texts)
{
    sqlite3_stmt *statement = store_statement(store, which);
    if (!statement)
        return last_error(store);
    int rc = sqlite3_bind_int64(statement, 1, name->id);
    if (rc == SQLITE_OK)
        rc = bind_texts(statement, 2, (const char *[]){name->model, name->version, name->segment}, texts);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_reference(struct store *store, const struct stored_reference *r)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_REFERENCE);
    if (!statement)
        return last_error(store);
    int rc = bind_integers(statement, 1, (int64_t[]){r->reference, r->grid}, 2);
    if (rc == SQLITE_OK)
        rc = bind_texts(statement, 3, (const char *[]){r->name, r->model, r->version, r->source, r->hash}, 5);
    if (rc == SQLITE_OK)
        rc = bind_integers(
            statement, 8,
            (int64_t[]){r->from_ms, r->to_ms, r->created_ms, r->effective_from_ms, (int64_t)r->rows}, 5);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text64(statement, 13, r->json ? r->json : "", r->json_len, SQLITE_STATIC,
                                 SQLITE_UTF8);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_pane(struct store *store, const struct stored_pane *pane)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_PANE);
    if (!statement)
        return last_error(store);
    int rc = bind_integers(
        statement, 1,
        (int64_t[]){pane->tier, pane->start_ms, pane->series, pane->family, pane->grid, pane->part}, 6);
    const void *packed = NULL;
    size_t packed_len = 0;
    if (rc == SQLITE_OK && store_pack(store->packer, pane->bytes, pane->len, &packed, &packed_len) != 0)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = bind_blob(statement, 7, packed, packed_len);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int64_t floor_seconds(int64_t ms)
{
    int64_t seconds = ms / 1000;
    return ms % 1000 < 0 ? seconds - 1 : seconds;
}

static int apply_latest(struct store *store, const struct op_result *result)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_LATEST);
    if (!statement)
        return last_error(store);
    const struct stored_result *head = &result->head;
    int rc = bind_integers(statement, 1,
                           (int64_t[]){head->series, (int64_t)result->family, head->window_ms,
                                       head->window_end_ms, floor_seconds(head->window_end_ms)},
                           5);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_result(struct store *store, const struct op_result *result)
{
    _Static_assert(REPORT_SLOTS == 40, "the table `result` has 40 slot columns: migrate it");
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_RESULT);
    if (!statement)
        return last_error(store);
    const struct stored_result *head = &result->head;
    int rc = bind_integers(statement, 1,
                           (int64_t[]){floor_seconds(head->window_end_ms), head->window_end_ms,
                                       head->window_ms, head->series, head->subject, (int64_t)result->family,
                                       head->revision, head->reference, (int64_t)result->n,
                                       (int64_t)result->reference_n, result->flags, head->closed_wall_ms},
                           12);
    if (rc == SQLITE_OK && head->bins)
        rc = bind_blob(statement, 13, head->bins, (size_t)head->bin_count * 2);
    /* Slots beyond slot_count stay NULL. */
    for (uint32_t i = 0; i < result->slot_count && rc == SQLITE_OK; i++)
        rc = store_bind_real(statement, 14 + (int)i, result->slots[i]);
    if (rc == SQLITE_OK)
        rc = store_step(statement);
    return rc == SQLITE_OK && head->revision > 0 ? apply_latest(store, result) : rc;
}

static int apply_drop(struct store *store, const struct op_drop *drop)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_DROP_PROVISIONAL);
    if (!statement)
        return last_error(store);
    int rc = bind_integers(statement, 1,
                           (int64_t[]){drop->series, floor_seconds(drop->from_ms),
                                       floor_seconds(drop->until_ms), drop->from_ms, drop->until_ms},
                           5);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_offset(struct store *store, const struct stored_offset *offset)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_OFFSET);
    if (!statement)
        return last_error(store);
    int rc = store_bind_text(statement, 1, offset->topic);
    if (rc == SQLITE_OK)
        rc = bind_integers(statement, 2,
                           (int64_t[]){offset->partition, (int64_t)offset->fingerprint, offset->next_offset,
                                       offset->dedup_offset, offset->clock_ms[0], offset->clock_ms[1],
                                       (int64_t)offset->records, offset->log_end},
                           8);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_count(struct store *store, const struct op_count *count)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_COUNT);
    if (!statement)
        return last_error(store);
    int rc = bind_texts(statement, 1, (const char *[]){count->topic, count->fate, count->reason}, 3);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 4, (int64_t)count->total);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

int store_apply_meta(struct store *store, const char *key, const char *value)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_META);
    if (!statement)
        return last_error(store);
    int rc = bind_texts(statement, 1, (const char *[]){key, value}, 2);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_capture(struct store *store, const struct op_capture *capture)
{
    sqlite3_stmt *statement =
        store_statement(store, capture->len ? STATEMENT_PUT_CAPTURE : STATEMENT_DELETE_CAPTURE);
    if (!statement)
        return last_error(store);
    int rc = bind_integers(statement, 1, (int64_t[]){capture->series, capture->pane_start_ms}, 2);
    if (rc == SQLITE_OK && capture->len)
        rc = bind_blob(statement, 3, capture->bytes, capture->len);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_waiting(struct store *store, const struct op_waiting *waiting)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_WAITING);
    if (!statement)
        return last_error(store);
    int rc = bind_integers(statement, 1, (int64_t[]){waiting->expire_ms}, 1);
    if (rc == SQLITE_OK)
        rc = bind_blob(statement, 2, waiting->bytes, waiting->len);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_alert(struct store *store, const struct alert_row *row)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_ALERT);
    if (!statement)
        return last_error(store);
    int rc = bind_texts(statement, 1,
                        (const char *[]){row->key, row->rule, row->metric, row->model.ptr, row->version.ptr,
                                         row->segment.ptr, row->feature.ptr},
                        7);
    if (rc == SQLITE_OK)
        rc = bind_integers(statement, 8, (int64_t[]){row->window_ms, row->state, row->severity}, 3);
    const int64_t times[] = {row->since_ms, row->fired_ms, row->resolved_ms, row->last_window_end_ms};
    for (int i = 0; i < 4 && rc == SQLITE_OK; i++)
        rc = bind_time(statement, 11 + i, times[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 15, row->clear_run);
    const double values[] = {row->value, row->threshold, row->peak_value};
    for (int i = 0; i < 3 && rc == SQLITE_OK; i++)
        rc = store_bind_real(statement, 16 + i, values[i]);
    if (rc == SQLITE_OK)
        rc = bind_time(statement, 19, row->peak_ms);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_transition(struct store *store, const struct alert_transition *transition)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_TRANSITION);
    if (!statement)
        return last_error(store);
    int rc = store_bind_text(statement, 1, transition->key);
    if (rc == SQLITE_OK)
        rc = bind_integers(
            statement, 2,
            (int64_t[]){transition->from, transition->to, transition->severity, transition->window_end_ms},
            4);
    if (rc == SQLITE_OK)
        rc = store_bind_real(statement, 6, transition->value);
    if (rc == SQLITE_OK)
        rc = store_bind_real(statement, 7, transition->threshold);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_outbox(struct store *store, const struct op_outbox *op)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_OUTBOX);
    if (!statement)
        return last_error(store);
    const struct outbox_item *item = &op->item;
    int rc =
        bind_texts(statement, 1, (const char *[]){item->id, item->sink, item->kind, item->entity_key}, 4);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text64(statement, 5, item->body ? item->body : "", item->body_len, SQLITE_STATIC,
                                 SQLITE_UTF8);
    if (rc == SQLITE_OK)
        rc = bind_integers(
            statement, 6,
            (int64_t[]){item->window_end_ms, op->created_ms, op->expired ? OUTBOX_EXPIRED : OUTBOX_PENDING},
            3);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int apply_outcome(struct store *store, const struct delivery_outcome *outcome)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_OUTCOME);
    if (!statement)
        return last_error(store);
    int rc = bind_texts(statement, 1, (const char *[]){outcome->id, outcome->sink}, 2);
    if (rc == SQLITE_OK)
        rc = bind_integers(statement, 3,
                           (int64_t[]){outcome->state, outcome->next_ms, outcome->attempts, outcome->status},
                           4);
    if (rc == SQLITE_OK && outcome->error)
        rc = store_bind_text(statement, 7, outcome->error);
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

/* The last entry's number and hash; 0 and zeros when there is none. */
static int audit_head(struct store *store, int64_t *out_seq, unsigned char out_hash[SHA256_BYTES])
{
    *out_seq = 0;
    memset(out_hash, 0, SHA256_BYTES);
    sqlite3_stmt *statement = store_statement(store, STATEMENT_AUDIT_HEAD);
    if (!statement)
        return last_error(store);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *out_seq = sqlite3_column_int64(statement, 0);
        if (sqlite3_column_bytes(statement, 1) == SHA256_BYTES)
            memcpy(out_hash, sqlite3_column_blob(statement, 1), SHA256_BYTES);
    }
    int end = sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? end : rc;
}

int store_apply_audit(struct store *store, const struct op_audit *audit)
{
    unsigned char previous[SHA256_BYTES], hash[SHA256_BYTES];
    int64_t seq;
    int rc = audit_head(store, &seq, previous);
    if (rc != SQLITE_OK)
        return rc;
    const char *texts[] = {audit->actor ? audit->actor : "", audit->action ? audit->action : "",
                           audit->subject ? audit->subject : "", audit->details ? audit->details : ""};
    struct audit_entry entry = {seq + 1,           audit->wall_ms,    text_of(texts[0]), text_of(texts[1]),
                                text_of(texts[2]), text_of(texts[3]), previous};
    if (store_audit_hash(&entry, hash) != 0)
        return SQLITE_NOMEM;
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_AUDIT);
    if (!statement)
        return last_error(store);
    rc = bind_integers(statement, 1, (int64_t[]){entry.seq, entry.ts_ms}, 2);
    if (rc == SQLITE_OK)
        rc = bind_texts(statement, 3, texts, 4);
    if (rc == SQLITE_OK)
        rc = bind_blob(statement, 7, previous, sizeof(previous));
    if (rc == SQLITE_OK)
        rc = bind_blob(statement, 8, hash, sizeof(hash));
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

/* ---- pruning ---- */

static int prune(struct store *store, enum statement which, const int64_t *values, int count, int *out_rows)
{
    sqlite3_stmt *statement = store_statement(store, which);
    if (!statement)
        return last_error(store);
    int rc = bind_integers(statement, 1, values, count);
    if (rc == SQLITE_OK)
        rc = store_step(statement);
    *out_rows = rc == SQLITE_OK ? sqlite3_changes(store->db) : 0;
    return rc;
}

static int prune_results(struct store *store)
{
    if (store->prune_results_before_ms == INT64_MIN)
        return SQLITE_OK;
    int rows;
    const int64_t values[] = {floor_seconds(store->prune_results_before_ms), store->prune_results_wall_ms,
                              STORE_PRUNE_ROWS};
    int rc = prune(store, STATEMENT_PRUNE_RESULTS, values, 3, &rows);
    if (rc == SQLITE_OK && rows < STORE_PRUNE_ROWS)
        store->prune_results_before_ms = INT64_MIN;
    return rc;
}

static int prune_alerts(struct store *store)
{
    if (store->prune_alerts_before_ms == INT64_MIN)
        return SQLITE_OK;
    int events, alerts = 0;
    const int64_t values[] = {store->prune_alerts_before_ms, STORE_PRUNE_ROWS};
    int rc = prune(store, STATEMENT_PRUNE_ALERT_EVENTS, values, 2, &events);
    if (rc == SQLITE_OK)
        rc = prune(store, STATEMENT_PRUNE_ALERTS, values, 2, &alerts);
    if (rc == SQLITE_OK && events + alerts == 0)
        store->prune_alerts_before_ms = INT64_MIN;
    return rc;
}

static int prune_waiting(struct store *store)
{
    if (store->prune_waiting_before_ms == INT64_MIN)
        return SQLITE_OK;
    int rows;
    const int64_t values[] = {store->prune_waiting_before_ms, STORE_PRUNE_ROWS};
    int rc = prune(store, STATEMENT_PRUNE_WAITING, values, 2, &rows);
    if (rc == SQLITE_OK && rows < STORE_PRUNE_ROWS)
        store->prune_waiting_before_ms = INT64_MIN;
    return rc;
}

int store_apply_prune(struct store *store)
{
    for (int tier = 0; tier < STORE_TIERS; tier++) {
        if (store->prune_panes_before_ms[tier] == INT64_MIN)
            continue;
        int rows;
        const int64_t values[] = {tier, store->prune_panes_before_ms[tier], STORE_PRUNE_ROWS};
        int rc = prune(store, STATEMENT_PRUNE_PANES, values, 3, &rows);
        if (rc != SQLITE_OK)
            return rc;
        if (rows < STORE_PRUNE_ROWS)
            store->prune_panes_before_ms[tier] = INT64_MIN;
    }
    int rc = prune_waiting(store);
    if (rc == SQLITE_OK)
        rc = prune_results(store);
    return rc == SQLITE_OK ? prune_alerts(store) : rc;
}

static void raise_to(int64_t *limit, int64_t value)
{
    if (value > *limit)
        *limit = value;
}

int store_apply_op(struct store *store, const struct op *op)
{
    switch (op->kind) {
    case OP_SERIES:
        return apply_name(store, STATEMENT_PUT_SERIES, &op->name, 3);
    case OP_SUBJECT:
        return apply_name(store, STATEMENT_PUT_SUBJECT, &op->name, 1);
    case OP_GRID:
        return apply_name(store, STATEMENT_PUT_GRID, &op->name, 1);
    case OP_REFERENCE:
        return apply_reference(store, &op->reference);
    case OP_PANE:
        return apply_pane(store, &op->pane);
    case OP_PRUNE_PANES:
        raise_to(&store->prune_panes_before_ms[op->prune.tier], op->prune.before_ms);
        return SQLITE_OK;
    case OP_PRUNE_RESULTS:
        raise_to(&store->prune_results_before_ms, op->prune.before_ms);
        raise_to(&store->prune_results_wall_ms, op->prune.before_wall_ms);
        return SQLITE_OK;
    case OP_PRUNE_ALERTS:
        raise_to(&store->prune_alerts_before_ms, op->prune.before_ms);
        return SQLITE_OK;
    case OP_RESULT:
        return apply_result(store, &op->result);
    case OP_DROP_PROVISIONAL:
        return apply_drop(store, &op->drop);
    case OP_OFFSET:
        return apply_offset(store, &op->offset);
    case OP_COUNT:
        return apply_count(store, &op->count);
    case OP_META:
        return store_apply_meta(store, op->meta.key, op->meta.value);
    case OP_CAPTURE:
        return apply_capture(store, &op->capture);
    case OP_WAITING:
        return apply_waiting(store, &op->waiting);
    case OP_PRUNE_WAITING:
        raise_to(&store->prune_waiting_before_ms, op->prune.before_ms);
        return SQLITE_OK;
    case OP_ALERT:
        return apply_alert(store, &op->alert);
    case OP_TRANSITION:
        return apply_transition(store, &op->transition);
    case OP_OUTBOX:
        return apply_outbox(store, &op->outbox);
    case OP_OUTCOME:
        return apply_outcome(store, &op->outcome);
    case OP_AUDIT:
        return store_apply_audit(store, &op->audit);
    }
    return SQLITE_MISUSE;
}
