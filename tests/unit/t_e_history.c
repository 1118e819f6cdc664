/* e_history.c: windows against sums of panes, with gaps, restarts and odd beginnings. */
#include "tests/unit/near.h"

#include "detectors/e_history.h"

enum { COUNTERS = 2, PANES = 12 * 24 * 40, MINUTE = 60000 };

static const struct e_history_options options = {
    .origin_ms = -90 * 60000LL, .tier_ms = {5 * MINUTE, 60 * MINUTE, 1440LL * MINUTE}, .counters = COUNTERS};

struct replay {
    int64_t first_ms, now_ms, restart_ms;
    uint64_t panes[PANES][COUNTERS]; /* by place from first_ms; empty ones were never closed */
    uint32_t windows;
};

static double plain(const uint64_t *counts, uint32_t entry, const void *context)
{
    (void)entry;
    (void)context;
    return (double)counts[0] + 1e-9 * (double)counts[1];
}

/* The definition: the k-th last boundary before now, counts of the panes from there. */
static double largest_by_definition(const struct replay *r, int64_t *out_onset_ms)
{
    double best = -1;
    for (int entry = 0; entry < E_LADDER_SIZE; entry++) {
        int64_t length = options.tier_ms[e_ladder[entry].tier];
        int64_t start = r->now_ms - 1 - options.origin_ms;
        start = start / length * length + options.origin_ms - (e_ladder[entry].age - 1) * length;
        if (start < r->first_ms || start < r->restart_ms)
            continue;
        uint64_t counts[COUNTERS] = {0};
        for (int64_t t = start; t < r->now_ms; t += options.tier_ms[0])
            for (int i = 0; i < COUNTERS; i++)
                counts[i] += r->panes[(t - r->first_ms) / options.tier_ms[0]][i];
        double value = plain(counts, 0, NULL);
        if (value > best) {
            best = value;
            *out_onset_ms = start;
        }
    }
    return best;
}

static void run(struct replay *r, int64_t first_ms, double density, uint64_t seed)
{
    struct e_history *h = e_history_new(&options);
    memset(r, 0, sizeof *r);
    r->first_ms = first_ms;
    r->restart_ms = INT64_MIN;
    assert_true(isinf(e_history_evaluate(h, INT64_MIN, plain, NULL).log_r));
    for (int i = 0; i < PANES; i++) {
        int64_t start = first_ms + i * options.tier_ms[0];
        if (i > 0 && random_unit(&seed) >= density)
            continue;
        r->panes[i][0] = random_bits(&seed) % 100;
        r->panes[i][1] = random_bits(&seed) % 1000;
        e_history_close(h, start, r->panes[i]);
        r->now_ms = start + options.tier_ms[0];
        if (random_unit(&seed) < 0.01)
            r->restart_ms = start;
        if (i < PANES - 400 && i > 400 && i % 97 != 0)
            continue; /* the definition is slow */
        int64_t onset_ms = 0;
        double want = largest_by_definition(r, &onset_ms);
        struct e_evaluation got = e_history_evaluate(h, r->restart_ms, plain, NULL);
        if (want < 0) {
            assert_true(isinf(got.log_r));
            continue;
        }
        assert_near(got.log_e, want, 1e-9);
        assert_int_equal(got.onset_ms, onset_ms);
        uint64_t window[COUNTERS];
        assert_true(e_history_window(h, got.onset_ms, window));
        assert_near(plain(window, 0, NULL), want, 1e-9);
    }
    e_history_free(h);
}

static void windows_are_sums_of_panes(void **state)
{
    static struct replay r;
    (void)state;
    run(&r, options.origin_ms, 1, 3);
    run(&r, options.origin_ms + 35 * MINUTE, 0.7, 5);      /* begins between the boundaries */
    run(&r, options.origin_ms + 1440LL * MINUTE, 0.02, 7); /* mostly gaps */
}

static void starts_do_not_cross_a_restart_or_reset(void **state)
{
    (void)state;
    struct e_history *h = e_history_new(&options);
    static const uint64_t one[COUNTERS] = {1, 0};
    int64_t t = options.origin_ms;
    for (int i = 0; i < 30; i++)
        e_history_close(h, t + i * options.tier_ms[0], one);
    assert_near(e_history_evaluate(h, INT64_MIN, plain, NULL).log_e, 30, 1e-9); /* 3 hour boundaries back */
    int64_t now = t + 30 * options.tier_ms[0];
    assert_near(e_history_evaluate(h, now - 3 * options.tier_ms[0], plain, NULL).log_e, 3, 1e-9);
    assert_true(isinf(e_history_evaluate(h, now, plain, NULL).log_r));
    uint64_t window[COUNTERS];
    assert_false(e_history_window(h, now, window));
    assert_false(e_history_window(h, t - 1, window));
    e_history_reset(h);
    assert_true(isinf(e_history_evaluate(h, INT64_MIN, plain, NULL).log_r));
    e_history_close(h, now, one);
    assert_near(e_history_evaluate(h, INT64_MIN, plain, NULL).log_e, 1, 1e-9);
    e_history_free(h);
}

static void tiers_must_nest(void **state)
{
    (void)state;
    struct e_history_options bad = options;
    bad.tier_ms[1] = 7 * MINUTE;
    assert_null(e_history_new(&bad));
    bad = options;
    bad.tier_ms[0] = 0;
    assert_null(e_history_new(&bad));
    bad = options;
    bad.counters = 0;
    assert_null(e_history_new(&bad));
    e_history_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_sums_of_panes),
        cmocka_unit_test(starts_do_not_cross_a_restart_or_reset),
        cmocka_unit_test(tiers_must_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
