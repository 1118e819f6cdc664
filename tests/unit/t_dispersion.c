/* dispersion.c, reference_dispersion.c: φ by length; independent, clustered, sampled and timeless events. */
#include "tests/unit/near.h"
#include "tests/unit/reference_document.h"

#include "detectors/reference.h"

enum { MINUTE = 60000 };

static void lengths_find_their_level(void **state)
{
    (void)state;
    struct dispersion d = {.levels = 3, .pearson = {1, 1.5, 2}, .score = {1, 1, 5}};
    static const struct {
        int64_t minutes;
        double pearson, all;
    } cases[] = {{1, 1, 1}, {2, 1.5, 1.5}, {3, 2, 5}, {4, 2, 5}, {8, 4, 10}, {40, 20, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dispersion_at at = dispersion_at(&d, cases[i].minutes * MINUTE);
        assert_near(at.pearson, cases[i].pearson, 1e-12);
        assert_near(at.all, cases[i].all, 1e-12);
    }
    struct dispersion none = {0};
    assert_near(dispersion_at(&none, 999 * MINUTE).all, 1, 0);
    assert_near(dispersion_at(NULL, 999 * MINUTE).all, 1, 0);
}

static void joining_takes_the_larger(void **state)
{
    (void)state;
    struct dispersion a = {.levels = 1, .pearson = {3}, .score = {1}},
                      b = {.levels = 3, .pearson = {1, 2, 9}, .score = {2, 2, 2}};
    dispersion_join(&a, &b);
    assert_int_equal(a.levels, 3);
    static const double pearson[] = {3, 3, 9}, score[] = {2, 2, 2};
    assert_memory_equal(a.pearson, pearson, sizeof pearson);
    assert_memory_equal(a.score, score, sizeof score);
}

/* `count` events of one feature, one every `every_ms`; `cluster_ms`: how long a value lasts, 0: not at all.
 */
static struct reference *build(uint32_t count, int64_t every_ms, int64_t cluster_ms, uint32_t sample,
                               bool ids)
{
    struct reference_options options = {
        .name = "r", .model = "m", .version = "", .source = "", .sample_max = sample};
    struct reference_builder *builder = reference_builder_new(&options);
    assert_non_null(builder);
    uint64_t seed = 7;
    double value = 0;
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        int64_t ts_ms = (int64_t)i * every_ms;
        double drawn = random_unit(&seed);
        if (cluster_ms == 0 || (ts_ms % cluster_ms) < every_ms)
            value = drawn;
        struct field field = {.name = text_of("x"), .value = {.type = VALUE_NUMBER, .number = value}};
        (void)snprintf(id, sizeof id, "e%u", i);
        struct event ev = {
            .kind = EVENT_FEATURES, .ts_ms = ts_ms, .id = text_of(ids ? id : NULL), .features = {&field, 1}};
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    return finished(builder);
}

static void independent_events(void **state)
{
    (void)state;
    for (int sampled = 0; sampled < 2; sampled++) {
        struct reference *r = build(20000, 6000, 0, sampled ? 4000 : 20000, true);
        assert_non_null(r->dispersion);
        assert_true(r->dispersion[0].levels >= 6);
        assert_true(dispersion_at(&r->dispersion[0], 8 * MINUTE).pearson < (sampled ? 1.5 : 1.1));
        assert_true(dispersion_at(&r->dispersion[0], 8 * MINUTE).all < (sampled ? 3 : 1.3));
        reference_free(r);
    }
}

/* A value that lasts ten minutes: a block of a minute holds ten times one event, so φ is ten there; also
 * where one event of four is known. */
static void clustered_events(void **state)
{
    (void)state;
    for (int sampled = 0; sampled < 2; sampled++) {
        struct reference *r = build(20000, 6000, 10 * MINUTE, sampled ? 5000 : 20000, true);
        double minute = dispersion_at(&r->dispersion[0], MINUTE).pearson;
        double long_ones = dispersion_at(&r->dispersion[0], 64 * MINUTE).pearson;
        assert_true(minute > 7 && minute < 13);
        assert_true(long_ones > 50 && long_ones < 150); /* 100 events are one */
        reference_free(r);
    }
}

static void nothing_to_measure(void **state)
{
    (void)state;
    struct reference *r = build(500, 0, 0, 1000, true); /* all at once */
    assert_int_equal(r->dispersion[0].levels, 0);
    reference_free(r);
    r = build(1, 0, 0, 1000, true);
    assert_int_equal(r->dispersion[0].levels, 0);
    reference_free(r);
    r = build(5000, MINUTE, 5000LL * MINUTE, 5000, true); /* constant: nothing varies */
    assert_near(dispersion_at(r->dispersion, 600 * MINUTE).all, 1, 0);
    reference_free(r);
}

static void documents(void **state)
{
    (void)state;
    struct reference *r = build(5000, 6000, 10 * MINUTE, 5000, true), *back = NULL;
    struct strbuf text = written_bytes(r);
    struct err err;
    assert_int_equal(reference_read(text.bytes, text.len, &back, &err), 0);
    assert_memory_equal(back->dispersion, r->dispersion, sizeof *r->dispersion);
    assert_string_equal(back->hash, r->hash);
    reference_free(back);
    static const char *const wrong[] = {"\"x\": [0.5,", "\"x\": [999999,", "\"y\": [", "\"x\": [1,"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *at = strstr(text.bytes, "\"dispersion\"");
        assert_non_null(at);
        at = strstr(at, "\"x\": [");
        assert_non_null(at);
        size_t before = (size_t)(at - text.bytes);
        struct strbuf other;
        strbuf_init(&other, 1 << 20);
        strbuf_add(&other, text.bytes, before);
        strbuf_add(&other, wrong[i], strlen(wrong[i]));
        const char *rest = at + strlen("\"x\": [");
        strbuf_add(&other, rest, strlen(rest));
        back = NULL;
        assert_int_not_equal(reference_read(other.bytes, other.len, &back, &err), 0);
        assert_non_null(strstr(err.message, "dispersion"));
        strbuf_release(&other);
    }
    strbuf_release(&text);
    reference_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_find_their_level), cmocka_unit_test(joining_takes_the_larger),
        cmocka_unit_test(independent_events),       cmocka_unit_test(clustered_events),
        cmocka_unit_test(nothing_to_measure),       cmocka_unit_test(documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
