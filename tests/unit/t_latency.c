/* latency.c: quantiles within 1 %, limits by order statistics, the ratio and its floor. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "detectors/latency.h"
#include "detectors/latency_slots.h"

static const struct model_options options = {.n_min = 200, .threshold = 0.5, .unit = 1};

static struct tally *tally_of(const struct family_tools *tools, const double *values, int count)
{
    struct tally *tally = tally_new(latency_family.size(tools, NULL));
    assert_non_null(tally);
    for (int i = 0; i < count; i++) {
        struct event ev = {.kind = EVENT_PREDICTION, .latency_ms = {VALUE_NUMBER, values[i], {0}, NULL, 0}};
        struct count_input input = {.event = &ev, .options = &options, .tools = tools};
        assert_true(latency_family.applies(&input));
        latency_family.add(tally, &input, 1);
    }
    return tally;
}

static struct report_row report_of(const struct family_tools *tools, const struct tally *current,
                                   const struct tally *baseline, uint64_t predictions)
{
    uint64_t activity[EVENT_KIND_COUNT] = {[EVENT_PREDICTION] = predictions};
    struct family_report report = {.current = current,
                                   .baseline = baseline,
                                   .options = &options,
                                   .tools = tools,
                                   .activity = activity,
                                   .window_ms = 60000};
    struct report_row row = {.n = 0};
    struct text name;
    uint32_t rows = latency_family.report(&report, &row, &name);
    assert_true(rows <= latency_family.rows_max(NULL));
    assert_true(rows == 0 || text_equal(name, text_of("@latency_ms")));
    return row;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The sorted values, so that order statistics can be read off. */
static void draw(double *values, int count, double scale, uint64_t seed)
{
    for (int i = 0; i < count; i++)
        values[i] = scale * exp(2 * random_unit(&seed) + random_unit(&seed));
    qsort(values, (size_t)count, sizeof(double), ascending);
}

enum { N = 20000, M = 30000 };

static void quantiles_and_limits(void **state)
{
    (void)state;
    static double now[N], before[M];
    struct family_tools tools;
    assert_int_equal(family_tools_init(&tools), 0);
    draw(now, N, 8, 3);
    draw(before, M, 4, 5);
    struct tally *current = tally_of(&tools, now, N), *baseline = tally_of(&tools, before, M);
    struct report_row row = report_of(&tools, current, baseline, 2 * N);
    static const struct {
        enum latency_slot slot;
        double q;
    } quantiles[] = {{LATENCY_P50, 0.5}, {LATENCY_P95, 0.95}, {LATENCY_P99, 0.99}};
    for (size_t i = 0; i < 3; i++) {
        double want = now[(int)(quantiles[i].q * (N - 1))];
        assert_near(row.slots[quantiles[i].slot], want, 0.01 * want + 1e-12);
    }
    double half = 3.29 * sqrt(N * 0.99 * 0.01);
    double low = now[(int)floor(N * 0.99 - half)], high = now[(int)ceil(N * 0.99 + half)];
    assert_near(row.slots[LATENCY_P99_LOW], low, 0.01 * low);
    assert_near(row.slots[LATENCY_P99_HIGH], high, 0.01 * high);
    double reference = before[(int)(0.99 * (M - 1))];
    assert_near(row.slots[LATENCY_REFERENCE_P99], reference, 0.01 * reference);
    assert_near(row.slots[LATENCY_P99_RATIO], 2, 0.1);
    assert_true(row.slots[LATENCY_P99_RATIO_LOW] < row.slots[LATENCY_P99_RATIO]);
    assert_true(row.slots[LATENCY_P99_RATIO_HIGH] > row.slots[LATENCY_P99_RATIO]);
    assert_true(row.slots[LATENCY_P99_RATIO_FLOOR] > 1 && row.slots[LATENCY_P99_RATIO_FLOOR] < 1.2);
    assert_true(row.n == N && row.reference_n == M && row.flags == 0);
    tally_free(current);
    tally_free(baseline);
    family_tools_release(&tools);
}

/* The ratio is above its floor exactly when its lower limit is above 1. */
static void floor_means_parted_intervals(void **state)
{
    (void)state;
    static double now[2000], before[2000];
    struct family_tools tools;
    assert_int_equal(family_tools_init(&tools), 0);
    int above = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        draw(now, 2000, 4 + (double)(seed % 10), seed);
        draw(before, 2000, 4, seed + 1000);
        struct tally *current = tally_of(&tools, now, 2000), *baseline = tally_of(&tools, before, 2000);
        const double *slots = report_of(&tools, current, baseline, 2000).slots;
        bool parted = slots[LATENCY_P99_RATIO_LOW] >= 1 - 1e-9;
        assert_int_equal(slots[LATENCY_P99_RATIO] >= slots[LATENCY_P99_RATIO_FLOOR] - 1e-9, parted);
        above += parted;
        tally_free(current);
        tally_free(baseline);
    }
    assert_true(above > 10 && above < 40);
    family_tools_release(&tools);
}

static void degenerate(void **state)
{
    (void)state;
    struct family_tools tools;
    assert_int_equal(family_tools_init(&tools), 0);
    struct tally *none = tally_new(latency_family.size(&tools, NULL));
    assert_int_equal(report_of(&tools, none, NULL, 5).n, 0);

    static const double one[] = {12.5};
    struct tally *single = tally_of(&tools, one, 1);
    struct report_row row = report_of(&tools, single, none, 1);
    assert_near(row.slots[LATENCY_P99], 12.5, 0.125);
    assert_nan(row.slots[LATENCY_P99_HIGH]);
    assert_nan(row.slots[LATENCY_P99_RATIO]);
    assert_int_equal(row.flags, REPORT_INSUFFICIENT);

    static const double odd[] = {0, 1e-9, 1e12, INFINITY, NAN};
    struct tally *strange = tally_of(&tools, odd, 5);
    row = report_of(&tools, strange, single, 5);
    assert_int_equal(row.n, 4); /* NaN is none */
    assert_near(row.slots[LATENCY_CLIPPED], 0.75, 1e-12);
    for (int i = 0; i < REPORT_SLOTS; i++)
        assert_true(!isinf(row.slots[i]));

    static const double zero[] = {0};
    struct tally *zeros = tally_of(&tools, zero, 1);
    row = report_of(&tools, single, zeros, 1); /* a reference of nothing but zeros has no ratio */
    assert_nan(row.slots[LATENCY_P99_RATIO]);
    assert_nan(row.slots[LATENCY_P99_RATIO_FLOOR]);

    struct event ev = {.kind = EVENT_PREDICTION, .latency_ms = {VALUE_NULL, 0, {0}, NULL, 0}};
    struct count_input input = {.event = &ev, .options = &options, .tools = &tools};
    assert_false(latency_family.applies(&input));
    tally_free(none);
    tally_free(single);
    tally_free(strange);
    tally_free(zeros);
    family_tools_release(&tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_and_limits),
        cmocka_unit_test(floor_means_parted_intervals),
        cmocka_unit_test(degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
