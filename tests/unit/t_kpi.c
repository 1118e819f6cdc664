/* kpi.c: exact sums, clipping, renamed slots, the first period, rows against plain arithmetic. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "agent/base/err.h"
#include "detectors/intervals.h"
#include "detectors/kpi.h"
#include "detectors/kpi_slots.h"

enum { N = 400, HOUR = 3600000 };

static char amount[] = "amount", margin[] = "margin", balance[] = "balance", letter[] = "a";
static struct kpi_scale scales[] = {
    {amount, 1000, 0, 50000, false}, {margin, 1, NAN, NAN, false}, {balance, 100, -5, NAN, false}};
static const struct model_options options = {
    .n_min = 200, .threshold = 0.5, .unit = 1, .kpis = scales, .kpi_count = 3};

static struct value number(double x)
{
    return (struct value){VALUE_NUMBER, x, {0}, NULL, 0};
}

static struct tally *new_tally(void)
{
    struct tally *tally = tally_new(kpi_family.size(NULL, NULL));
    assert_non_null(tally);
    return tally;
}

static void add(struct tally *tally, const char *name, uint8_t slot, struct value value)
{
    struct field field = {text_of(name), 0, value};
    struct kpi_target target = {slot, kpi_scale_of(&options, text_of(name))};
    struct event ev = {.kind = EVENT_KPI, .kpis = {&field, 1}};
    struct count_input input = {.event = &ev, .options = &options, .kpis = &target};
    assert_true(kpi_family.applies(&input));
    kpi_family.add(tally, &input, 1);
}

static struct intern *names_of(const char *const *names)
{
    struct intern *intern = intern_new(KPI_SLOTS_MAX);
    for (; *names; names++)
        (void)intern_add(intern, text_of(*names));
    return intern;
}

static uint32_t report(const struct tally *tally, const struct intern *names, const struct kpi_past *past,
                       int64_t end_ms, bool running, struct report_row *rows, struct text *subjects)
{
    struct kpi_view view = {names, past, end_ms, NULL, running};
    struct family_report in = {
        .current = tally, .options = &options, .window_ms = HOUR, .kpi = &view, .baseline = NULL};
    return kpi_family.report(&in, rows, subjects);
}

static void moments(const double *x, int n, double *mean, double *sd)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - sum) * (x[i] - sum);
    *mean = sum;
    *sd = sqrt(squares / (n - 1));
}

static void rows_are_what_values_say(void **state)
{
    (void)state;
    static const char *const two[] = {"visits", "amount", NULL};
    struct intern *names = names_of(two);
    struct kpi_past *past = calloc(KPI_SLOTS_MAX, sizeof(*past));
    struct tally *first = new_tally(), *window = new_tally();
    double before[N], now[N];
    uint64_t seed = 3;
    for (int i = 0; i < N; i++) {
        before[i] = 20000 + 8000 * (random_unit(&seed) - 0.5);
        now[i] = 21000 + 9000 * (random_unit(&seed) - 0.5);
        add(first, "amount", 1, number(before[i]));
        add(window, "amount", 1, number(now[i]));
        add(window, "visits", 0, number(i));
    }
    kpi_past_add(past, first, 0, HOUR, HOUR);
    kpi_past_add(past, window, HOUR, 2 * HOUR, HOUR);
    struct report_row rows[KPI_SLOTS_MAX];
    struct text subjects[KPI_SLOTS_MAX];
    assert_int_equal(report(window, names, past, 2 * HOUR, true, rows, subjects), 2);
    assert_true(text_equal(subjects[0], text_of("amount")) && text_equal(subjects[1], text_of("visits")));
    double mean, sd, old_mean, old_sd, all[2 * N], all_mean, all_sd;
    moments(now, N, &mean, &sd);
    moments(before, N, &old_mean, &old_sd);
    memcpy(all, before, sizeof(before));
    memcpy(all + N, now, sizeof(now));
    moments(all, 2 * N, &all_mean, &all_sd);
    const double *slots = rows[0].slots;
    assert_near(slots[KPI_MEAN], mean, 1e-8);
    assert_near(slots[KPI_SD], sd, 1e-6);
    assert_near(slots[KPI_SUM], mean * N, 1e-5);
    assert_near(slots[KPI_PER_SECOND], N / 3600.0, 1e-15);
    assert_near(slots[KPI_REFERENCE_MEAN], old_mean, 1e-8);
    struct welch want = welch_test(mean, sd, N, old_mean, old_sd, N, 0.05);
    assert_near(slots[KPI_T], want.t, 1e-9);
    assert_near(slots[KPI_DIFFERENCE_P], want.p, 1e-9);
    assert_near(slots[KPI_DIFFERENCE_LOW], want.interval.low, 1e-6);
    assert_near(slots[KPI_RELATIVE], (mean - old_mean) / old_mean, 1e-12);
    assert_near(slots[KPI_RUNNING_MEAN], all_mean, 1e-8);
    double half = asymptotic_confidence_sequence(2 * N, all_sd, 0.05, N).half_width;
    assert_near(slots[KPI_RUNNING_MEAN_HIGH] - slots[KPI_RUNNING_MEAN], half, 1e-6);
    assert_true(rows[0].n == N && rows[0].reference_n == N && rows[0].flags == 0);
    /* The first period of visits is this window: nothing to compare with yet. */
    assert_nan(rows[1].slots[KPI_DIFFERENCE]);
    assert_int_equal(rows[1].reference_n, 0);
    assert_int_equal(report(window, names, past, 2 * HOUR, false, rows, subjects), 2);
    assert_nan(rows[0].slots[KPI_RUNNING_MEAN]);
    intern_free(names);
    free(past);
    tally_free(first);
    tally_free(window);
}

static void clipping_and_oddities(void **state)
{
    (void)state;
    static const char *const three[] = {"amount", "balance", "plain", NULL};
    struct intern *names = names_of(three);
    struct tally *tally = new_tally();
    add(tally, "amount", 0, number(-3));         /* below low: 0 */
    add(tally, "amount", 0, number(INFINITY));   /* above high: 50,000 */
    add(tally, "balance", 1, number(-INFINITY)); /* low: −5 */
    add(tally, "balance", 1, number(1e300));     /* 2^28 units */
    add(tally, "plain", 2, number(7));
    add(tally, "plain", 2, number(NAN));
    add(tally, "plain", 2, (struct value){.type = VALUE_NULL});
    add(tally, "plain", 2, (struct value){.type = VALUE_STRING, .text = text_of("7")});
    add(tally, "lost", KPI_NO_SLOT, number(1));
    struct report_row rows[KPI_SLOTS_MAX];
    struct text subjects[KPI_SLOTS_MAX];
    assert_int_equal(report(tally, names, NULL, HOUR, true, rows, subjects), 3);
    assert_near(rows[0].slots[KPI_MEAN], 25000, 1e-9);
    assert_near(rows[0].slots[KPI_CLIPPED], 1, 0);
    assert_near(rows[1].slots[KPI_SUM], 0x1p28 * 100 - 5, 1e-3);
    assert_near(rows[1].slots[KPI_CLIPPED], 1, 0);
    assert_near(rows[2].slots[KPI_MEAN], 7, 0);
    assert_near(rows[2].slots[KPI_CLIPPED], 0, 0);
    assert_true(rows[2].n == 1);
    assert_nan(rows[2].slots[KPI_SD]); /* of one value */
    assert_int_equal(rows[2].flags, REPORT_INSUFFICIENT);
    assert_true(kpi_refused(tally) == 1);
    for (int i = 0; i < 3; i++)
        for (int s = 0; s < REPORT_SLOTS; s++)
            assert_true(!isinf(rows[i].slots[s]));
    assert_int_equal(report(tally, NULL, NULL, HOUR, true, rows, subjects), 0);
    intern_free(names);
    tally_free(tally);
}

/* A constant is constant, whatever its digits; a t test of two constants is undefined. */
static void constants(void **state)
{
    (void)state;
    static const char *const one[] = {"margin", NULL};
    static const double values[] = {0.1, 1e-9, 12345.678, 1e8, -0.3};
    struct intern *names = names_of(one);
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
        struct kpi_past *past = calloc(KPI_SLOTS_MAX, sizeof(*past));
        struct tally *tally = new_tally();
        for (int i = 0; i < 1000; i++)
            add(tally, "margin", 0, number(values[v]));
        kpi_past_add(past, tally, 0, HOUR, HOUR);
        struct report_row row;
        struct text subject;
        assert_int_equal(report(tally, names, past, 3 * HOUR, true, &row, &subject), 1);
        assert_near(row.slots[KPI_SD], 0, 0);
        assert_near(row.slots[KPI_DIFFERENCE], 0, 0);
        assert_nan(row.slots[KPI_T]);
        assert_nan(row.slots[KPI_DIFFERENCE_P]);
        tally_free(tally);
        free(past);
    }
    intern_free(names);
}

static void renamed_slots(void **state)
{
    (void)state;
    uint8_t map[KPI_SLOTS_MAX];
    memset(map, KPI_NO_SLOT, sizeof(map));
    map[0] = 2;
    map[1] = 0;
    struct tally *got = new_tally(), *want = new_tally();
    for (int i = 0; i < 10; i++) {
        add(got, "a", 0, number(i));
        add(got, "b", 1, number(3.5 * i));
        add(got, "c", 2, number(1)); /* refused by the loop */
        add(want, "a", 2, number(i));
        add(want, "b", 0, number(3.5 * i));
        add(want, "c", KPI_NO_SLOT, number(1));
    }
    kpi_rename(got, map);
    assert_int_equal(kpi_refused(got), 10);
    assert_memory_equal(got->counters, want->counters, got->size.counters * sizeof(uint64_t));
    assert_memory_equal(got->sums, want->sums, got->size.sums * sizeof(int128));
    tally_free(got);
    tally_free(want);
}

static void first_period(void **state)
{
    (void)state;
    struct kpi_past *past = calloc(KPI_SLOTS_MAX, sizeof(*past)),
                    *copy = calloc(KPI_SLOTS_MAX, sizeof(*copy));
    /* Ten values an hour: two hours are not enough, the third makes 30; the fifth is no longer part. */
    static const int64_t until[] = {2, 2, 3, 3, 3};
    static const uint64_t counts[] = {10, 20, 30, 30, 30};
    for (int hour = 0; hour < 5; hour++) {
        struct tally *pane = new_tally();
        for (int i = 0; i < 10; i++)
            add(pane, "a", 5, number(i));
        kpi_past_add(past, pane, (100 + hour) * (int64_t)HOUR, (101 + hour) * (int64_t)HOUR, 2 * HOUR);
        assert_true(past[5].until_ms == (100 + until[hour]) * HOUR);
        assert_true(past[5].baseline.n == counts[hour]);
        assert_true(past[5].total.n == 10 * (uint64_t)(hour + 1));
        tally_free(pane);
    }
    assert_true(past[4].total.n == 0);
    struct strbuf bytes;
    strbuf_init(&bytes, 1 << 16);
    kpi_past_encode(past, &bytes);
    for (size_t len = 0; len <= bytes.len; len++) {
        struct cursor in = {(const unsigned char *)bytes.bytes, (const unsigned char *)bytes.bytes + len,
                            false};
        assert_int_equal(kpi_past_decode(&in, copy), len < bytes.len ? ERR_CORRUPT : 0);
    }
    assert_true(copy[5].from_ms == past[5].from_ms && copy[5].until_ms == past[5].until_ms &&
                copy[5].baseline.sum == past[5].baseline.sum &&
                copy[5].total.squares == past[5].total.squares);
    strbuf_release(&bytes);
    free(past);
    free(copy);
}

static void bases(void **state)
{
    (void)state;
    static struct kpi_scale plain[] = {{letter, 1, NAN, NAN, false}}, one[] = {{letter, 2, NAN, NAN, false}},
                            other[] = {{letter, 2, 0, NAN, false}}, held[] = {{letter, 1, NAN, NAN, true}};
    struct kpi_scale turned[] = {scales[2], scales[0], scales[1]};
    struct model_options none = {0}, a = {.kpis = plain, .kpi_count = 1}, b = {.kpis = one, .kpi_count = 1},
                         c = {.kpis = other, .kpi_count = 1}, e = {.kpis = held, .kpi_count = 1},
                         d = {.kpis = turned, .kpi_count = 3};
    assert_int_equal(kpi_basis(&none), 0);
    assert_int_equal(kpi_basis(&a), 0);
    assert_true(kpi_basis(&b) != 0 && kpi_basis(&b) != kpi_basis(&c));
    assert_int_equal(kpi_basis(&d), kpi_basis(&options));
    assert_true(kpi_basis(&e) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_values_say),
        cmocka_unit_test(clipping_and_oddities),
        cmocka_unit_test(constants),
        cmocka_unit_test(renamed_slots),
        cmocka_unit_test(first_period),
        cmocka_unit_test(bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
