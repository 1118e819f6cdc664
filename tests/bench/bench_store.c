/*
 * A simulated day of a busy agent: 20 models of 50 features, 10,000 events a second, windows 1 h/5 m and 24
 * h/1 h. Every 10 s the open finest panes, offsets and counters are rewritten; every pane that closes gives
 * result rows. Prints size of the file and bytes that the process caused to be written, per event.
 *
 * usage: bench_store FILE [HOURS] [KEEP_FINE_HOURS]
 */
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/hash.h"
#include "agent/base/strbuf.h"
#include "agent/store.h"

enum { MODELS = 20, FEATURES = 50, SLOTS = 242, DEFINED = 38, COMMIT_S = 10, PANE_S = 300, RATE = 10000 };
static const int64_t start_ms = INT64_C(1772323200000);

static uint64_t random_next(uint64_t *state)
{
    return hash_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* About normal with this mean and variance. */
static uint64_t random_count(uint64_t *state, double mean)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)(random_next(state) >> 11) * 0x1p-53;
    double value = mean + (sum - 6) * sqrt(mean);
    return value < 0 ? 0 : (uint64_t)(value + 0.5);
}

static void make_pane(uint64_t *state, double events, struct strbuf *out)
{
    strbuf_reset(out);
    for (int i = 0; i < FEATURES * SLOTS; i++)
        strbuf_add_varint(out, random_count(state, events / (SLOTS - 2)));
    for (int i = 0; i < FEATURES * 4; i++)
        strbuf_add_varint(out, random_next(state) >> 12);
}

static uint64_t bytes_written(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    char line[128];
    uint64_t value = 0;
    while (file && fgets(line, sizeof(line), file))
        (void)sscanf(line, "write_bytes: %" SCNu64, &value);
    if (file)
        (void)fclose(file);
    return value;
}

static void put_names(struct store_batch *batch)
{
    for (uint32_t i = 0; i < MODELS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "model-%02u", i);
        store_put_series(batch, i + 1, text_of(name), text_of("7"), text_of(""));
    }
    for (uint32_t i = 0; i < FEATURES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "feature_%02u", i);
        store_put_subject(batch, i + 1, text_of(name));
    }
    store_put_grid(batch, 1, "0123456789abcdef");
}

static void put_panes(struct store_batch *batch, uint8_t tier, int64_t pane_ms, const struct strbuf *bytes)
{
    for (uint32_t model = 1; model <= MODELS; model++) {
        struct stored_pane pane = {tier, pane_ms, model, 0, 1, PANE_ON_TIME, bytes->bytes, bytes->len};
        store_put_pane(batch, &pane);
    }
}

static void put_results(struct store_batch *batch, uint64_t *state, int64_t end_ms, int64_t window_ms)
{
    uint8_t bins[24];
    struct report_row row;
    memset(&row, 0, sizeof(row));
    for (uint32_t i = 0; i < MODELS * FEATURES; i++) {
        for (int slot = 0; slot < REPORT_SLOTS; slot++)
            row.slots[slot] = slot < DEFINED ? (double)(random_next(state) >> 11) * 0x1p-53 : (double)NAN;
        for (size_t b = 0; b < sizeof(bins); b++)
            bins[b] = (uint8_t)random_next(state);
        row.n = 1800000;
        row.reference_n = 10000;
        struct stored_result result = {
            end_ms, window_ms, 1 + i / FEATURES, 1 + i % FEATURES, 1, 1, end_ms + 71234,
            &row,   bins,      sizeof(bins) / 2};
        store_put_result(batch, &result);
    }
}

static void put_progress(struct store_batch *batch, int64_t now_ms)
{
    for (int32_t partition = 0; partition < 12; partition++) {
        struct stored_offset offset = {"predictions",       partition, now_ms, now_ms,
                                       {now_ms, INT64_MIN}, 0,         1,      -1};
        store_put_offset(batch, &offset);
    }
    static const char *const fates[] = {"applied", "late", "duplicate", "future"};
    for (size_t i = 0; i < 4; i++)
        store_put_count(batch, "predictions", fates[i], "", (uint64_t)now_ms);
}

struct meter {
    double total_ms, worst_ms;
    uint32_t commits;
    bool done;
};

static void on_commit(void *context, uint64_t ticket)
{
    (void)ticket;
    struct meter *meter = context;
    meter->done = true;
}

static void commit(struct store *store, struct store_batch *batch, struct meter *meter)
{
    struct store_listener listener = {on_commit, NULL, meter};
    meter->done = false;
    if (store_submit(store, batch, 1) != 0)
        exit(1);
    while (!meter->done) {
        struct pollfd wait = {store_event_fd(store), POLLIN, 0};
        (void)poll(&wait, 1, 1000);
        store_completions(store, &listener);
    }
    double ms = store_commit_ms(store);
    meter->total_ms += ms;
    meter->worst_ms = ms > meter->worst_ms ? ms : meter->worst_ms;
    meter->commits++;
}

static void close_pane(struct store_batch *batch, uint64_t *state, int64_t end_ms, int64_t keep_ms,
                       struct strbuf *scratch)
{
    put_results(batch, state, end_ms, 3600000);
    store_prune_panes(batch, 0, end_ms - keep_ms);
    if (end_ms % 3600000 == 0) {
        make_pane(state, (double)RATE * 3600 / MODELS, scratch);
        put_panes(batch, 1, end_ms - 3600000, scratch);
        put_results(batch, state, end_ms, 86400000);
    }
}

static void report(const char *path, int64_t seconds, const struct meter *meter)
{
    struct stat status;
    struct rusage usage;
    double events = (double)seconds * RATE;
    double written = (double)bytes_written();
    (void)stat(path, &status);
    (void)getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e-6;
    printf("%.1f h: file %.1f MB, written %.0f MB = %.2f B/event, commit mean %.2f ms worst %.1f ms, "
           "cpu %.1f s = %.2f %% of a core\n",
           (double)seconds / 3600, (double)status.st_size / 1e6, written / 1e6, written / events,
           meter->total_ms / meter->commits, meter->worst_ms, cpu, 100 * cpu / (double)seconds);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    int64_t hours = argc > 2 ? atoi(argv[2]) : 24,
            keep_ms = (argc > 3 ? atoi(argv[3]) : 25) * INT64_C(3600000);
    struct err err = {0, ""};
    struct store_settings settings = {.path = argv[1], .pipeline = "bench"};
    struct store *store;
    if (store_open(&store, &settings, &err) != 0 || store_start(store, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    uint64_t state = 1;
    struct strbuf scratch;
    strbuf_init(&scratch, 1 << 20);
    struct meter meter = {0, 0, 0, false};
    for (int64_t s = COMMIT_S; s <= hours * 3600; s += COMMIT_S) {
        struct store_batch *batch = store_batch_new();
        if (!batch)
            return 1;
        if (s == COMMIT_S)
            put_names(batch);
        int64_t now_ms = start_ms + s * 1000, open_s = (s - 1) % PANE_S + 1;
        make_pane(&state, (double)RATE * (double)open_s / MODELS, &scratch);
        put_panes(batch, 0, now_ms - open_s * 1000, &scratch);
        put_progress(batch, now_ms);
        if (open_s == PANE_S)
            close_pane(batch, &state, now_ms, keep_ms, &scratch);
        commit(store, batch, &meter);
        if (s % 21600 == 0)
            report(argv[1], s, &meter);
    }
    strbuf_release(&scratch);
    store_stop(store);
    store_close(store);
    report(argv[1], hours * 3600, &meter);
    return 0;
}
