/* The store: every operation comes back as it went in; who is refused; batches and panes through the thread.
 */
#include "tests/unit/store_fixture.h"

#include <sys/wait.h>

#define T0           INT64_C(1772366400000)
#define AUDIT_VECTOR "e428684b4f535cedc5391b1b87e87a44e38f3e96c6acffdba486e407bdc58e26"

/* ---- round trips ---- */

static int count_calls(void *context)
{
    return ++*(int *)context;
}

static int check_series(void *context, uint32_t series, struct text model, struct text version,
                        struct text segment)
{
    (void)count_calls(context);
    assert_int_equal(series, 7);
    assert_true(text_equal(model, text_of("credit")));
    assert_true(text_equal(version, text_of("3")));
    assert_true(text_equal(segment, text_of("channel=web")));
    return 0;
}

static int check_subject(void *context, uint32_t subject, struct text name)
{
    (void)count_calls(context);
    assert_int_equal(subject, 9);
    assert_true(text_equal(name, text_of("income \xc3\xa4")));
    return 0;
}

static int check_grid(void *context, uint32_t grid, const char *id)
{
    (void)count_calls(context);
    assert_int_equal(grid, 2);
    assert_string_equal(id, "0123456789abcdef");
    return 0;
}

static const struct stored_reference sample_reference = {
    .reference = 4,
    .grid = 2,
    .name = "credit@3",
    .model = "credit",
    .version = "3",
    .source = "capture",
    .hash = "beef",
    .from_ms = INT64_MIN,
    .to_ms = T0,
    .created_ms = T0 + 5,
    .effective_from_ms = INT64_MIN,
    .rows = 12345678901,
    .json = "{\"a\":\"\xc3\xa4\"}",
    .json_len = 10,
};

static int check_reference(void *context, const struct stored_reference *r)
{
    const struct stored_reference *want = &sample_reference;
    (void)count_calls(context);
    assert_int_equal(r->reference, want->reference);
    assert_int_equal(r->grid, want->grid);
    assert_string_equal(r->name, want->name);
    assert_string_equal(r->model, want->model);
    assert_string_equal(r->version, want->version);
    assert_string_equal(r->source, want->source);
    assert_string_equal(r->hash, want->hash);
    assert_true(r->from_ms == want->from_ms && r->to_ms == want->to_ms);
    assert_true(r->created_ms == want->created_ms && r->effective_from_ms == want->effective_from_ms);
    assert_true(r->rows == want->rows);
    assert_int_equal(r->json_len, want->json_len);
    assert_memory_equal(r->json, want->json, want->json_len);
    return 0;
}

static const struct stored_offset sample_offset = {
    .topic = "events",
    .partition = 5,
    .next_offset = INT64_MAX - 1,
    .dedup_offset = 17,
    .clock_ms = {INT64_MIN, INT64_MAX},
    .fingerprint = UINT64_MAX - 2,
    .records = 99,
    .log_end = INT64_MAX - 5,
};

static int check_offset(void *context, const struct stored_offset *o)
{
    const struct stored_offset *want = &sample_offset;
    (void)count_calls(context);
    assert_string_equal(o->topic, want->topic);
    assert_int_equal(o->partition, want->partition);
    assert_true(o->next_offset == want->next_offset && o->dedup_offset == want->dedup_offset);
    assert_true(o->clock_ms[0] == want->clock_ms[0] && o->clock_ms[1] == want->clock_ms[1]);
    assert_true(o->fingerprint == want->fingerprint && o->records == want->records);
    assert_true(o->log_end == want->log_end);
    return 0;
}

static int check_count(void *context, const char *topic, const char *fate, const char *reason, uint64_t total)
{
    (void)count_calls(context);
    assert_string_equal(topic, "events");
    assert_string_equal(fate, "rejected");
    assert_string_equal(reason, "syntax");
    assert_int_equal(total, 42);
    return 0;
}

static int check_capture(void *context, uint32_t series, int64_t start_ms, const void *bytes, size_t len)
{
    (void)count_calls(context);
    assert_int_equal(series, 7);
    assert_true(start_ms == T0);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "x\0z", 3);
    return 0;
}

static struct alert_row sample_alert(void)
{
    return (struct alert_row){
        .key = "00112233445566778899aabbccddeeff",
        .rule = "drift",
        .metric = "psi",
        .model = text_of("credit"),
        .version = text_of("3"),
        .segment = text_of(""),
        .feature = text_of("income"),
        .window_ms = 3600000,
        .state = ALERT_FIRING,
        .severity = SEVERITY_CRITICAL,
        .since_ms = T0,
        .fired_ms = T0 + 1,
        .resolved_ms = INT64_MIN,
        .last_window_end_ms = T0 + 2,
        .clear_run = 3,
        .value = 0.5,
        .threshold = NAN,
        .peak_value = 0.75,
        .peak_ms = T0 + 1,
    };
}

static int check_alert(void *context, const struct alert_row *row)
{
    struct alert_row want = sample_alert();
    (void)count_calls(context);
    assert_string_equal(row->key, want.key);
    assert_string_equal(row->rule, want.rule);
    assert_string_equal(row->metric, want.metric);
    assert_true(text_equal(row->model, want.model) && text_equal(row->version, want.version));
    assert_true(text_equal(row->segment, want.segment) && text_equal(row->feature, want.feature));
    assert_true(row->window_ms == want.window_ms && row->state == want.state);
    assert_true(row->severity == want.severity && row->since_ms == want.since_ms);
    assert_true(row->fired_ms == want.fired_ms && row->resolved_ms == want.resolved_ms);
    assert_true(row->last_window_end_ms == want.last_window_end_ms && row->clear_run == want.clear_run);
    assert_true(row->value == want.value && isnan(row->threshold));
    assert_true(row->peak_value == want.peak_value && row->peak_ms == want.peak_ms);
    return 0;
}

static void put_outbox(struct store_batch *batch, const char *id, bool expired)
{
    struct outbox_item item = {.sink = "hook",
                               .kind = "alert",
                               .entity_key = "credit",
                               .body = "{\"n\":1}tail",
                               .body_len = 7,
                               .window_end_ms = T0};
    (void)snprintf(item.id, sizeof(item.id), "%s", id);
    store_put_outbox(batch, &item, T0 + 10, expired);
}

static int check_outbox(void *context, const struct stored_outbox *item)
{
    (void)count_calls(context);
    assert_string_equal(item->id, "a");
    assert_string_equal(item->sink, "hook");
    assert_string_equal(item->entity_key, "credit");
    assert_string_equal(item->body, "{\"n\":1}");
    assert_int_equal(item->body_len, 7);
    assert_true(item->created_ms == T0 + 10 && item->next_ms == T0 + 99);
    assert_int_equal(item->attempts, 2);
    return 0;
}

static void fill(struct store_batch *batch)
{
    struct alert_row alert = sample_alert();
    store_put_series(batch, 7, text_of("credit"), text_of("3"), text_of("channel=web"));
    store_put_subject(batch, 9, text_of("income \xc3\xa4"));
    store_put_grid(batch, 2, "0123456789abcdef");
    store_put_reference(batch, &sample_reference);
    store_put_offset(batch, &sample_offset);
    store_put_count(batch, "events", "rejected", "syntax", 42);
    store_put_meta(batch, "closed_until", "123");
    store_put_capture(batch, 7, T0, "x\0z", 3);
    store_put_alert(batch, &alert);
    put_outbox(batch, "a", false);
    put_outbox(batch, "late", true);
    store_put_outcome(
        batch,
        &(struct delivery_outcome){
            .id = "a", .sink = "hook", .next_ms = T0 + 99, .attempts = 2, .status = 503, .error = "no"});
}

static void test_everything_comes_back(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    assert_true(store_batch_is_empty(batch));
    fill(batch);
    assert_false(store_batch_is_empty(batch));
    assert_true(store_batch_bytes(batch) > 0);
    commit_now(store, batch);
    /* Twice is the same as once, but for what appends. */
    batch = store_batch_new();
    fill(batch);
    commit_now(store, batch);
    store_close(store);

    store = fixture_open(fixture);
    int calls = 0;
    assert_int_equal(store_load_series(store, check_series, &calls, NULL), 0);
    assert_int_equal(store_load_subjects(store, check_subject, &calls, NULL), 0);
    assert_int_equal(store_load_grids(store, check_grid, &calls, NULL), 0);
    assert_int_equal(store_load_references(store, check_reference, &calls, NULL), 0);
    assert_int_equal(store_load_offsets(store, check_offset, &calls, NULL), 0);
    assert_int_equal(store_load_counts(store, check_count, &calls, NULL), 0);
    assert_int_equal(store_load_captures(store, check_capture, &calls, NULL), 0);
    assert_int_equal(store_load_alerts(store, check_alert, &calls, NULL), 0);
    assert_int_equal(store_load_outbox(store, 0, 10, check_outbox, &calls, NULL), 0);
    assert_int_equal(calls, 9);
    char value[8];
    assert_int_equal(store_load_meta(store, "closed_until", value, sizeof(value)), 0);
    assert_string_equal(value, "123");
    assert_int_equal(store_load_meta(store, "closed_until", value, 3), ERR_LIMIT);
    assert_int_equal(store_load_meta(store, "nothing", value, sizeof(value)), ERR_NOT_FOUND);
    store_close(store);
}

static int stop_with_seven(void *context, uint32_t subject, struct text name)
{
    (void)subject;
    (void)name;
    (void)count_calls(context);
    return 7;
}

static void test_a_callback_stops_the_load(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new();
    store_put_subject(batch, 1, text_of("a"));
    store_put_subject(batch, 2, text_of("b"));
    commit_now(store, batch);
    int calls = 0;
    assert_int_equal(store_load_subjects(store, stop_with_seven, &calls, NULL), 7);
    assert_int_equal(calls, 1);
    store_close(store);
}

static int page_outbox(void *context, const struct stored_outbox *item)
{
    *(int64_t *)context = item->rowid;
    return 0;
}

static void test_outbox(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    put_outbox(batch, "1", false);
    put_outbox(batch, "2", false);
    put_outbox(batch, "3", false);
    commit_now(store, batch);
    int64_t at = 0, pages = 0;
    for (int64_t before = -1; before != at; pages++) {
        before = at;
        assert_int_equal(store_load_outbox(store, at, 2, page_outbox, &at, NULL), 0);
    }
    assert_int_equal(pages, 3); /* two items, one item, none */
    assert_int_equal(at, 3);
    batch = store_batch_new();
    store_put_outcome(
        batch, &(struct delivery_outcome){
                   .id = "1", .sink = "hook", .state = DELIVERY_DELIVERED, .attempts = 1, .status = 204});
    store_put_outcome(batch,
                      &(struct delivery_outcome){
                          .id = "2", .sink = "hook", .state = DELIVERY_DEAD, .attempts = 8, .error = "gone"});
    put_outbox(batch, "1", false); /* the same id again changes nothing */
    commit_now(store, batch);
    at = 0;
    assert_int_equal(store_load_outbox(store, 0, 10, page_outbox, &at, NULL), 0);
    assert_int_equal(at, 3);
    assert_query(fixture, "SELECT id, state, attempts, status, error FROM v1_outbox ORDER BY id",
                 "1|delivered|1|204|NULL\n2|dead|8|0|gone\n3|pending|0|0|NULL");
    store_close(store);
}

/* ---- panes ---- */

static void put_pane(struct store_batch *batch, uint8_t tier, int64_t start_ms, uint32_t series, uint8_t part,
                     const char *bytes, size_t len)
{
    store_put_pane(batch, &(struct stored_pane){tier, start_ms, series, 1, 2, part, bytes, len});
}

static int join_panes(void *context, const struct stored_pane *pane)
{
    char *out = context;
    size_t used = strlen(out);
    (void)snprintf(out + used, 256 - used, "%d:%d:%u:%u:%.*s ", pane->tier, (int)(pane->start_ms - T0),
                   pane->series, pane->part, (int)pane->len, (const char *)pane->bytes);
    return 0;
}

static void test_panes(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new();
    put_pane(batch, 0, T0 + 300, 1, PANE_LATE, "late", 4);
    put_pane(batch, 0, T0 + 300, 1, PANE_ON_TIME, "old", 3);
    put_pane(batch, 0, T0 + 300, 1, PANE_ON_TIME, "new", 3);
    put_pane(batch, 0, T0, 2, PANE_ON_TIME, "", 0);
    put_pane(batch, 0, T0 + 600, 1, PANE_ON_TIME, "out", 3);
    put_pane(batch, 1, T0, 1, PANE_ON_TIME, "coarse", 6);
    commit_now(store, batch);
    char got[256] = "";
    assert_int_equal(store_load_panes(store, 0, T0, T0 + 600, join_panes, got, NULL), 0);
    assert_string_equal(got, "0:0:2:0: 0:300:1:0:new 0:300:1:1:late ");
    batch = store_batch_new();
    store_prune_panes(batch, 0, T0 + 600);
    commit_now(store, batch);
    got[0] = '\0';
    assert_int_equal(store_load_panes(store, 0, INT64_MIN, INT64_MAX, join_panes, got, NULL), 0);
    assert_int_equal(store_load_panes(store, 1, INT64_MIN, INT64_MAX, join_panes, got, NULL), 0);
    assert_string_equal(got, "0:600:1:0:out 1:0:1:0:coarse ");
    store_close(store);
}

static void test_pruning_goes_in_slices(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    for (int i = 0; i < STORE_PRUNE_ROWS + 10; i++)
        put_pane(batch, 0, T0 + i, 1, PANE_ON_TIME, "x", 1);
    store_prune_panes(batch, 0, T0 + STORE_PRUNE_ROWS + 5);
    commit_now(store, batch);
    assert_query(fixture, "SELECT count(*) FROM pane", "10");
    commit_now(store, store_batch_new());
    assert_query(fixture, "SELECT count(*), min(start_ms) FROM pane", "5|1772366400505");
    store_close(store);
}

static void put_result(struct store_batch *batch, int64_t end_ms, uint32_t revision, double value)
{
    struct report_row row = {.n = 10};
    for (int i = 0; i < REPORT_SLOTS; i++)
        row.slots[i] = i == 0 ? value : (double)NAN;
    store_put_result(batch, &(struct stored_result){.window_end_ms = end_ms,
                                                    .window_ms = 1000,
                                                    .series = 1,
                                                    .subject = 1,
                                                    .revision = revision,
                                                    .row = &row});
}

static void test_results_and_their_retention(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    put_result(batch, T0, 1, 0.5);
    put_result(batch, T0 + 5000, 1, 0.25);
    put_result(batch, T0 + 5000, 2, 0.125);
    put_result(batch, -1500, 1, NAN);
    put_result(batch, T0 + 6000, 1, INFINITY);
    struct alert_transition transition = {
        .key = "k", .from = ALERT_OK, .to = ALERT_PENDING, .window_end_ms = T0};
    store_put_transition(batch, &transition);
    commit_now(store, batch);
    assert_query(fixture, "SELECT window_end_s, revision, s00, n FROM result ORDER BY 1",
                 "-2|1|NULL|10\n1772366400|1|0.5|10\n1772366405|2|0.125|10\n1772366406|1|NULL|10");
    /* A revision raises the number whatever the caller counted; revision 1 again does not lower it. */
    batch = store_batch_new();
    put_result(batch, T0 + 5000, 2, 1);
    put_result(batch, T0 + 5000, 1, 2);
    commit_now(store, batch);
    assert_query(fixture, "SELECT revision, s00 FROM result WHERE window_end_s = 1772366405", "3|2.0");
    assert_query(fixture, "SELECT window_end_ms FROM latest", "1772366406000");
    batch = store_batch_new();
    store_prune_results(batch, T0 + 5000, INT64_MIN + 1); /* computed later than that: kept */
    commit_now(store, batch);
    assert_query(fixture, "SELECT count(*) FROM result", "4");
    batch = store_batch_new();
    store_prune_results(batch, T0 + 5000, INT64_MAX);
    store_prune_alerts(batch, T0 + 5000);
    commit_now(store, batch);
    assert_query(fixture, "SELECT count(*), min(window_end_s) FROM result", "2|1772366405");
    assert_query(fixture, "SELECT count(*) FROM alert_event", "0");
    store_close(store);
}

/* Revision 0 gives way to every other and never replaces one; what is left of it is dropped by its end. */
static void test_provisional_results(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    for (int64_t i = 0; i < 6; i++)
        put_result(batch, T0 + i * 1000, 0, 0.5);
    put_result(batch, T0, 0, 0.25);
    commit_now(store, batch);
    assert_query(fixture, "SELECT revision, s00 FROM result WHERE window_end_s = 1772366400", "0|0.25");
    assert_query(fixture, "SELECT count(*) FROM latest", "0");
    assert_query(fixture, "SELECT count(*) FROM v1_latest", "0");
    batch = store_batch_new();
    put_result(batch, T0 + 1000, 1, 0.125);
    put_result(batch, T0 + 2000, 2, 0.125); /* nothing was there when it matured */
    put_result(batch, T0 + 1000, 0, 9);
    put_result(batch, T0 + 1000, 2, 0.0625);
    store_drop_provisional(batch, 1, T0, T0 + 3000);
    store_drop_provisional(batch, 2, INT64_MIN, INT64_MAX); /* another series */
    commit_now(store, batch);
    assert_query(fixture, "SELECT window_end_s - 1772366400, revision, s00 FROM result ORDER BY 1",
                 "0|0|0.25\n1|2|0.0625\n2|2|0.125\n4|0|0.5\n5|0|0.5");
    assert_query(fixture, "SELECT window_end_s - 1772366400 FROM latest", "2");
    batch = store_batch_new();
    store_drop_provisional(batch, 1, INT64_MIN, INT64_MAX);
    commit_now(store, batch);
    assert_query(fixture, "SELECT min(revision), count(*) FROM result", "2|2");
    store_close(store);
}

/* ---- the thread ---- */

static void test_thread_keeps_the_order(void **state)
{
    struct store *store = fixture_open(*state);
    struct err err;
    assert_int_equal(store_start(store, &err), 0);
    struct fixture_log log = {.committed = 0};
    for (uint64_t i = 1; i <= 3; i++) {
        struct store_batch *batch = store_batch_new();
        put_pane(batch, 0, T0 + (int64_t)i, 1, PANE_ON_TIME, "abcdef", (size_t)i);
        assert_int_equal(store_submit(store, batch, i), 0);
        assert_int_equal(store_request_panes(store, 100 + i, 0, T0, T0 + 100), 0);
        fixture_wait(store, &log, i, i);
        /* The read sees the batch before it. */
        assert_int_equal(log.panes.error, 0);
        assert_int_equal(log.panes.count, i);
        assert_int_equal(log.panes.panes[i - 1].len, i);
        assert_memory_equal(log.panes.panes[i - 1].bytes, "abcdef", i);
    }
    assert_int_equal(log.tickets[2], 3);
    assert_true(store_size_bytes(store) > 4096);
    assert_true(store_commit_ms(store) > 0);
    assert_false(store_is_failing(store, NULL, 0));
    store_panes_free(&log.panes);
    store_close(store);
}

static void test_stop_commits_what_was_submitted(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct err err;
    assert_int_equal(store_start(store, &err), 0);
    struct fixture_log log = {.committed = 0};
    struct store_batch *batch = store_batch_new();
    store_put_meta(batch, "k", "v");
    assert_int_equal(store_submit(store, batch, 5), 0);
    store_stop(store);
    fixture_wait(store, &log, 1, 0);
    store_close(store);
    assert_query(fixture, "SELECT value FROM meta WHERE key = 'k'", "v");
}

static void test_queue_is_bounded(void **state)
{
    struct store *store = fixture_open(*state);
    /* Without the thread nothing is taken from the queue. */
    struct store_batch *batches[3];
    for (int i = 0; i < 3; i++)
        batches[i] = store_batch_new();
    assert_int_equal(store_submit(store, batches[0], 1), 0);
    assert_int_equal(store_submit(store, batches[1], 2), 0);
    assert_int_equal(store_submit(store, batches[2], 3), ERR_BUSY);
    store_put_meta(batches[2], "still", "mine");
    struct err err;
    assert_int_equal(store_start(store, &err), 0);
    struct fixture_log log = {.committed = 0};
    fixture_wait(store, &log, 2, 0);
    assert_int_equal(store_submit(store, batches[2], 3), 0);
    fixture_wait(store, &log, 3, 0);
    store_close(store);
}

static void test_close_frees_what_never_ran(void **state)
{
    struct store *store = fixture_open(*state);
    assert_int_equal(store_submit(store, store_batch_new(), 1), 0);
    assert_int_equal(store_request_panes(store, 2, 0, 0, 1), 0);
    store_close(store);
}

/* ---- who is refused ---- */

static void assert_refused(const struct fixture *fixture, int code, const char *because)
{
    struct store *store;
    struct err err;
    assert_int_equal(fixture_try(fixture, &store, &err), code);
    assert_null(store);
    if (!strstr(err.message, because))
        fail_msg("`%s` does not say `%s`", err.message, because);
    assert_non_null(strstr(err.message, fixture->path));
}

static void test_newer_store_is_untouched(void **state)
{
    const struct fixture *fixture = *state;
    store_close(fixture_open(fixture));
    size_t len, len_after;
    unsigned char *bytes = slurp(fixture->path, &len);
    bytes[63] = STORE_SCHEMA_VERSION + 1; /* user_version */
    spill(fixture->path, bytes, len);
    assert_refused(fixture, ERR_CONFIG, "newer");
    unsigned char *after = slurp(fixture->path, &len_after);
    assert_int_equal(len, len_after);
    assert_memory_equal(bytes, after, len);
    free(bytes);
    free(after);
}

/* The newer version may stand in the write-ahead log only. */
static void test_newer_store_in_its_log(void **state)
{
    const struct fixture *fixture = *state;
    char log_path[160];
    (void)snprintf(log_path, sizeof(log_path), "%s-wal", fixture->path);
    struct store *store = fixture_open(fixture);
    assert_int_equal(store_exec(store->db, "PRAGMA user_version=99"), SQLITE_OK);
    size_t main_len, log_len, len;
    unsigned char *main_bytes = slurp(fixture->path, &main_len), *log_bytes = slurp(log_path, &log_len);
    store_close(store);
    spill(fixture->path, main_bytes, main_len);
    spill(log_path, log_bytes, log_len);
    assert_true(log_len > 4096);
    assert_refused(fixture, ERR_CONFIG, "newer");
    unsigned char *after = slurp(fixture->path, &len);
    assert_int_equal(len, main_len);
    assert_memory_equal(after, main_bytes, len);
    free(after);
    after = slurp(log_path, &len);
    assert_int_equal(len, log_len);
    assert_memory_equal(after, log_bytes, len);
    free(after);
    free(main_bytes);
    free(log_bytes);
}

static void test_foreign_files(void **state)
{
    const struct fixture *fixture = *state;
    spill(fixture->path,
          "not a database, but long enough to have the hundred bytes that a header takes in SQLite's "
          "format, and more",
          105);
    assert_refused(fixture, ERR_CONFIG, "not a store");
    spill(fixture->path, "short", 5);
    assert_refused(fixture, ERR_CONFIG, "not a store");
    assert_int_equal(unlink(fixture->path), 0);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(store_exec(db, "CREATE TABLE t(a)"), SQLITE_OK);
    (void)sqlite3_close(db);
    assert_refused(fixture, ERR_CONFIG, "not a store");
    assert_query(fixture, "SELECT count(*) FROM sqlite_schema", "1");
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_refused(fixture, ERR_CONFIG, "cannot open");
    assert_int_equal(rmdir(fixture->path), 0);
}

static void test_other_pipeline(void **state)
{
    const struct fixture *fixture = *state;
    struct store_settings settings = {.path = fixture->path, .pipeline = "other"};
    struct store *store;
    struct err err = {0, ""};
    assert_int_equal(store_open(&store, &settings, &err), 0);
    store_close(store);
    assert_refused(fixture, ERR_CONFIG, "belongs to the pipeline `other`");
}

static void test_paths_without_a_file(void **state)
{
    (void)state;
    static const char *const paths[] = {"", ":memory:", "/nonexistent/driftd.db", NULL};
    for (size_t i = 0; i < 4; i++) {
        struct store_settings settings = {.path = paths[i], .pipeline = "p"};
        struct store *store;
        struct err err = {0, ""};
        assert_int_equal(store_open(&store, &settings, &err), ERR_CONFIG);
        assert_null(store);
        assert_true(strlen(err.message) > 10);
    }
}

static void hold_store(const struct fixture *fixture, int ready_fd, int done_fd)
{
    struct store *store;
    struct err err;
    char byte = fixture_try(fixture, &store, &err) == 0 ? 'y' : 'n';
    if (write(ready_fd, &byte, 1) == 1)
        (void)!read(done_fd, &byte, 1);
    _exit(0);
}

static void test_second_process(void **state)
{
    const struct fixture *fixture = *state;
    int ready[2], done[2];
    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        hold_store(fixture, ready[1], done[0]);
    char byte, pid[32];
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    (void)snprintf(pid, sizeof(pid), "in use by process %d", (int)child);
    assert_refused(fixture, ERR_TEMPORARY, pid);
    assert_int_equal(write(done[1], "x", 1), 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    store_close(fixture_open(fixture)); /* the lock ended with its holder */
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(done[i]);
    }
}

/* ---- what a new store is like ---- */

static void test_new_store(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0137, 0); /* nothing beyond 0640 */
    assert_query(fixture, "PRAGMA application_id", "1146242644");
    assert_query(fixture, "PRAGMA user_version", "2");
    assert_query(fixture, "PRAGMA journal_mode", "wal");
    assert_query(fixture, "PRAGMA auto_vacuum", "2");
    assert_query(fixture,
                 "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                 " AND sql NOT LIKE '%STRICT%'",
                 "");
    assert_query(fixture, "SELECT seq, action, subject FROM v1_audit", "1|store.created|p");
    store_close(store);
    char log_path[160];
    (void)snprintf(log_path, sizeof(log_path), "%s-wal", fixture->path);
    assert_int_equal(stat(log_path, &status), 0); /* stays for readers without the right to make it */
    assert_int_equal(status.st_size, 0);
}

static void test_audit_is_append_only_and_chained(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    store_put_audit(batch, T0, "ann", "reference.set", "credit", "{\"a\":1}");
    store_put_audit(batch, T0 + 1, "bob", "x", "y", "{}");
    commit_now(store, batch);
    assert_int_not_equal(store_exec(store->db, "UPDATE audit SET actor = 'eve'"), SQLITE_OK);
    assert_int_not_equal(store_exec(store->db, "DELETE FROM audit"), SQLITE_OK);
    assert_query(fixture,
                 "SELECT a.seq, a.actor, a.action, a.subject, a.details, a.ts_s, a.prev_hash = b.hash"
                 " FROM v1_audit a JOIN v1_audit b ON b.seq = a.seq - 1 ORDER BY a.seq",
                 "2|ann|reference.set|credit|{\"a\":1}|1772366400|1\n3|bob|x|y|{}|1772366400|1");
    store_close(store);
}

/* Computed by hand from the definition with another implementation of SHA-256. */
static void test_audit_hash_vector(void **state)
{
    (void)state;
    unsigned char previous[SHA256_BYTES] = {0}, hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    struct audit_entry entry = {1, 5, text_of("me"), text_of("a"), text_of("s"), text_of("{}"), previous};
    assert_int_equal(store_audit_hash(&entry, hash), 0);
    assert_string_equal(hex_encode(hash, sizeof(hash), hex), AUDIT_VECTOR);
    /* Moving a byte from one field to the next changes it. */
    entry.actor = text_of("mea");
    entry.action = text_of("");
    assert_int_equal(store_audit_hash(&entry, hash), 0);
    assert_string_not_equal(hex_encode(hash, sizeof(hash), hex), AUDIT_VECTOR);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_everything_comes_back),
        WITH_STORE(test_a_callback_stops_the_load),
        WITH_STORE(test_outbox),
        WITH_STORE(test_panes),
        WITH_STORE(test_pruning_goes_in_slices),
        WITH_STORE(test_results_and_their_retention),
        WITH_STORE(test_provisional_results),
        WITH_STORE(test_thread_keeps_the_order),
        WITH_STORE(test_stop_commits_what_was_submitted),
        WITH_STORE(test_queue_is_bounded),
        WITH_STORE(test_close_frees_what_never_ran),
        WITH_STORE(test_newer_store_is_untouched),
        WITH_STORE(test_newer_store_in_its_log),
        WITH_STORE(test_foreign_files),
        WITH_STORE(test_other_pipeline),
        cmocka_unit_test(test_paths_without_a_file),
        WITH_STORE(test_second_process),
        WITH_STORE(test_new_store),
        WITH_STORE(test_audit_is_append_only_and_chained),
        cmocka_unit_test(test_audit_hash_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
