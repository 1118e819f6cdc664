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

static void run(struct replay *r, int64_t first_ms, double density, uint64_t scale, uint64_t seed)
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
        r->panes[i][0] = random_bits(&seed) % 100 * scale;
        r->panes[i][1] = random_bits(&seed) % 1000 * scale;
        assert_int_equal(e_history_close(h, start, r->panes[i]), 0);
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
        assert_near(got.log_e, want, 1e-9 * fmax(1, want));
        assert_int_equal(got.onset_ms, onset_ms);
        uint64_t window[COUNTERS];
        assert_true(e_history_window(h, got.onset_ms, window));
        assert_near(plain(window, 0, NULL), want, 1e-9 * fmax(1, want));
    }
    e_history_free(h);
}

static void windows_are_sums_of_panes(void **state)
{
    static struct replay r;
    (void)state;
    run(&r, options.origin_ms, 1, 1, 3);
    run(&r, options.origin_ms + 35 * MINUTE, 0.7, 1, 5);      /* begins between the boundaries */
    run(&r, options.origin_ms + 1440LL * MINUTE, 0.02, 1, 7); /* mostly gaps */
    run(&r, options.origin_ms, 1, 10000, 9);                  /* more than 2^32 in a window, in the end */
    run(&r, options.origin_ms, 1, 1u << 30, 11);              /* from the start */
}

static int64_t boundary(int64_t t_ms, int tier)
{
    int64_t length = options.tier_ms[tier], offset = (t_ms - options.origin_ms) % length;
    return t_ms - (offset < 0 ? offset + length : offset);
}

/* Sums of panes of a tier with from ≤ start < to, closed as if they were finest ones. */
static void close_sums(struct e_history *h, const struct replay *r, int tier, int64_t from_ms, int64_t to_ms)
{
    uint64_t sum[COUNTERS] = {0};
    int64_t at_ms = INT64_MIN;
    for (int i = 0; i < PANES; i++) {
        int64_t start_ms = r->first_ms + i * options.tier_ms[0], begin_ms = boundary(start_ms, tier);
        if (begin_ms < from_ms || start_ms >= to_ms || r->panes[i][1] == 0)
            continue;
        if (begin_ms != at_ms && at_ms != INT64_MIN) {
            assert_int_equal(e_history_close(h, at_ms, sum), 0);
            memset(sum, 0, sizeof sum);
        }
        at_ms = begin_ms;
        for (int k = 0; k < COUNTERS; k++)
            sum[k] += r->panes[i][k];
    }
    if (at_ms != INT64_MIN)
        assert_int_equal(e_history_close(h, at_ms, sum), 0);
}

/* What the engine does after a restart: days, then hours, then the finest panes; and goes on. */
static void coarse_panes_stand_for_fine_ones(void **state)
{
    static struct replay r;
    (void)state;
    for (int round = 0; round < 12; round++) {
        uint64_t seed = 17 + (uint64_t)round;
        double density = round % 3 ? 0.02 * round : 0.9;
        int cut = 400 + (int)(random_bits(&seed) % (PANES - 900));
        struct e_history *plainly = e_history_new(&options), *again = e_history_new(&options);
        memset(&r, 0, sizeof r);
        r.first_ms = options.origin_ms + round * 35 * MINUTE / 5 * 5;
        r.first_ms = boundary(r.first_ms, 0);
        int64_t begin_ms = INT64_MIN;
        for (int i = 0; i < PANES; i++) {
            int64_t start_ms = r.first_ms + i * options.tier_ms[0];
            if (i == cut) {
                int64_t fine_ms = boundary(start_ms - 12 * options.tier_ms[0], 1);
                int64_t hours_ms = boundary(fine_ms - 24 * options.tier_ms[1], 2);
                close_sums(again, &r, 2, hours_ms - 28 * options.tier_ms[2], hours_ms);
                close_sums(again, &r, 1, hours_ms, fine_ms);
                close_sums(again, &r, 0, fine_ms, start_ms);
                e_history_resume(again, begin_ms);
            }
            if (random_unit(&seed) >= density && i != cut)
                continue;
            r.panes[i][0] = random_bits(&seed) % 100;
            r.panes[i][1] = 1 + random_bits(&seed) % 1000;
            begin_ms = begin_ms == INT64_MIN ? start_ms : begin_ms;
            assert_int_equal(e_history_close(plainly, start_ms, r.panes[i]), 0);
            if (i < cut)
                continue;
            assert_int_equal(e_history_close(again, start_ms, r.panes[i]), 0);
            struct e_evaluation a = e_history_evaluate(plainly, INT64_MIN, plain, NULL);
            struct e_evaluation b = e_history_evaluate(again, INT64_MIN, plain, NULL);
            assert_true(a.log_r == b.log_r && a.onset_ms == b.onset_ms && a.entry == b.entry);
        }
        e_history_free(plainly);
        e_history_free(again);
    }
}

static void starts_do_not_cross_a_restart_or_reset(void **state)
{
    (void)state;
    struct e_history *h = e_history_new(&options);
    static const uint64_t one[COUNTERS] = {1, 0};
    int64_t t = options.origin_ms;
    for (int i = 0; i < 30; i++)
        assert_int_equal(e_history_close(h, t + i * options.tier_ms[0], one), 0);
    assert_near(e_history_evaluate(h, INT64_MIN, plain, NULL).log_e, 30, 1e-9); /* 3 hour boundaries back */
    int64_t now = t + 30 * options.tier_ms[0];
    assert_near(e_history_evaluate(h, now - 3 * options.tier_ms[0], plain, NULL).log_e, 3, 1e-9);
    assert_true(isinf(e_history_evaluate(h, now, plain, NULL).log_r));
    uint64_t window[COUNTERS];
    assert_false(e_history_window(h, now, window));
    assert_false(e_history_window(h, t - 1, window));
    e_history_reset(h);
    assert_true(isinf(e_history_evaluate(h, INT64_MIN, plain, NULL).log_r));
    assert_int_equal(e_history_close(h, now, one), 0);
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
        cmocka_unit_test(coarse_panes_stand_for_fine_ones),
        cmocka_unit_test(starts_do_not_cross_a_restart_or_reset),
        cmocka_unit_test(tiers_must_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
