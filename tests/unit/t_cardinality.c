/* cardinality.c: what is one value, estimates, rarefaction against enumeration, rows when there is nothing to
 * say; reference_cardinality.c: the way to JSON and back, documents that somebody changed. */
#include "tests/unit/near.h"
#include "tests/unit/reference_document.h"

#include <stdlib.h>

#include "detectors/cardinality.h"
#include "detectors/reference.h"

static const char *const one[] = {"f", NULL};

static bool count_value(struct distinct_sketch *sketch, struct value value)
{
    uint32_t hints[1] = {0};
    struct field fields[] = {{text_of("g"), 0, value}, {text_of("f"), 1, value}};
    struct event ev = {.kind = EVENT_PREDICTION, .features = {fields, 2}};
    bool applies = cardinality_applies(one, hints, &ev);
    assert_int_equal(cardinality_add(sketch, one, hints, &ev, 1), 0);
    return applies;
}

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

static void test_what_is_one_value(void **state)
{
    (void)state;
    static const double vector[] = {1, 2};
    struct distinct_sketch *sketch = distinct_sketch_new();
    const struct {
        struct value value;
        uint32_t distinct; /* afterwards */
        bool applies;
    } steps[] = {
        {string("1"), 1, true},
        {number(1), 1, true},
        {number(0), 2, true},
        {number(-0.0), 2, true},
        {number(1.5), 3, true},
        {number(1.5), 3, true},
        {string("1.5"), 4, true},
        {number(INFINITY), 5, true},
        {string(""), 6, true},
        {{.type = VALUE_BOOL, .number = 1}, 7, true},
        {string("true"), 7, true},
        {number(1e300), 8, true},
        {number(NAN), 8, false},
        {{.type = VALUE_NULL}, 8, false},
        {{.type = VALUE_ABSENT}, 8, false},
        {{.type = VALUE_OTHER}, 8, false},
        {{.type = VALUE_VECTOR, .vector = vector, .count = 2}, 8, false},
    };
    static struct distinct_values values;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_int_equal(count_value(sketch, steps[i].value), steps[i].applies);
        assert_true(distinct_sketch_values(sketch, text_of("f"), &values));
        assert_int_equal(values.count, steps[i].distinct);
    }
    assert_int_equal(values.n, 12);
    distinct_sketch_free(sketch);
    uint32_t hints[1] = {77}; /* beyond the event's fields */
    struct event ev = {.kind = EVENT_PREDICTION};
    assert_false(cardinality_applies(one, hints, &ev));
}

/* Every choice of m of n values. */
static struct rarefied enumerate(const uint64_t *times, uint32_t kinds, uint32_t m)
{
    uint32_t owner[16], n = 0, choices = 0;
    struct rarefied sum = {0, 0, 0};
    for (uint32_t kind = 0; kind < kinds; kind++)
        for (uint64_t i = 0; i < times[kind]; i++)
            owner[n++] = kind;
    for (uint32_t set = 0; set < 1U << n; set++) {
        uint32_t seen[16] = {0};
        if ((uint32_t)__builtin_popcount(set) != m)
            continue;
        choices++;
        for (uint32_t i = 0; i < n; i++)
            seen[owner[i]] += set >> i & 1;
        for (uint32_t kind = 0; kind < kinds; kind++) {
            sum.distinct += seen[kind] > 0;
            sum.once += seen[kind] == 1;
        }
    }
    return (struct rarefied){sum.distinct / choices, sum.once / choices, 0};
}

static void test_rarefaction(void **state)
{
    (void)state;
    static const uint64_t times[] = {1, 1, 2, 3, 5};
    static struct distinct_values values = {.n = 12, .count = 5};
    for (uint32_t i = 0; i < 5; i++)
        values.entries[i] = (struct distinct_entry){i, times[i]};
    for (uint32_t m = 1; m <= 7; m++) { /* n − m ≥ 5: no value must come */
        struct rarefied got = cardinality_rarefy(&values, m), want = enumerate(times, 5, m);
        assert_near(got.distinct, want.distinct, 1e-12);
        assert_near(got.once, want.once, 1e-12);
        assert_near(got.relative_variance, 0, 0);
    }
    for (uint32_t m = 8; m <= 12; m++)
        assert_near(cardinality_rarefy(&values, m).distinct, enumerate(times, 5, m).distinct, 1e-12);
    assert_near(cardinality_rarefy(&values, 12).once, 2, 0);
    /* Far beyond what can be enumerated: many copies, the middle of the product. */
    values = (struct distinct_values){.n = 1000000000, .count = 1, .entries = {{1, 200000}}};
    assert_near(cardinality_rarefy(&values, 10000).distinct, 1 - exp(-2.0002), 1e-4);
}

/* All values different: (k − 1)/u; the share is 1. */
static void test_estimate(void **state)
{
    (void)state;
    struct distinct_sketch *sketch = distinct_sketch_new();
    for (uint32_t i = 0; i < 200000; i++)
        (void)count_value(sketch, number(i + 0.5));
    struct report_row row;
    struct text name;
    assert_int_equal(cardinality_report(sketch, sketch, one, 200, &row, &name), 1);
    assert_true(text_equal(name, text_of("f")) && row.family == FAMILY_CARDINALITY && row.n == 200000);
    assert_true(fabs(row.slots[DISTINCT_VALUES] / 200000 - 1) < 4 / sqrt(1022));
    assert_true(row.slots[DISTINCT_VALUES_LOW] < row.slots[DISTINCT_VALUES]);
    assert_true(row.slots[DISTINCT_VALUES_HIGH] <= 200000);
    assert_near(row.slots[DISTINCT_SHARE], row.slots[DISTINCT_VALUES] / 200000, 1e-12);
    assert_near(row.slots[DISTINCT_RATIO], 1, 1e-12); /* with itself */
    assert_near(row.slots[DISTINCT_CHANGE], 0, 1e-12);
    assert_int_equal(row.flags, 0);
    distinct_sketch_free(sketch);
}

static void test_nothing_to_say(void **state)
{
    (void)state;
    static const char *const two[] = {"f", "g", NULL};
    struct distinct_sketch *sketch = distinct_sketch_new(), *other = distinct_sketch_new();
    struct report_row rows[2];
    struct text names[2];
    assert_int_equal(cardinality_report(sketch, NULL, two, 1, rows, names), 0);
    (void)count_value(sketch, string("x"));
    assert_int_equal(cardinality_report(sketch, other, two, 1, rows, names), 1); /* no `g` */
    assert_near(rows[0].slots[DISTINCT_VALUES], 1, 0);
    assert_near(rows[0].slots[DISTINCT_SHARE_HIGH], 1, 0);
    assert_true(isnan(rows[0].slots[DISTINCT_RATIO]) && isnan(rows[0].slots[DISTINCT_EXPECTED]));
    assert_int_equal(rows[0].reference_n, 0);
    (void)count_value(other, string("y"));
    assert_int_equal(cardinality_report(sketch, other, one, 200, rows, names), 1);
    assert_near(rows[0].slots[DISTINCT_RATIO], 1, 1e-12);
    assert_int_equal(rows[0].flags, REPORT_INSUFFICIENT);
    distinct_sketch_free(sketch);
    distinct_sketch_free(other);
}

/* ---- references ---- */

static struct reference *build(const char *const *features, const struct model_options *options,
                               bool backwards)
{
    struct reference_options wanted = {.name = "r",
                                       .model = "m",
                                       .version = "",
                                       .source = "test",
                                       .options = options,
                                       .cardinality = features};
    struct reference_builder *builder = reference_builder_new(&wanted);
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t number_of = backwards ? 2999 - i : i;
        char id[24], value[24];
        (void)snprintf(id, sizeof(id), "e%u", (unsigned)number_of);
        (void)snprintf(value, sizeof(value), "v%u", (unsigned)(number_of % 1500));
        struct field fields[] = {{text_of("f"), 0, string(value)}, {text_of("g"), 1, number(number_of % 7)}};
        struct event ev = {.kind = EVENT_PREDICTION, .id = text_of(id), .features = {fields, 2}};
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    return finished(builder);
}

static void test_reference(void **state)
{
    (void)state;
    static const char *const both[] = {"g", "f", NULL}, *const nowhere[] = {"zzz", NULL};
    struct model_options options = {.n_min = 50, .unit = 1, .cardinality = both};
    struct reference *r = build(NULL, &options, false), *again = build(both, NULL, true);
    static struct distinct_values values;
    assert_true(distinct_sketch_values(r->distinct, text_of("f"), &values));
    assert_int_equal(values.count, DISTINCT_K);
    assert_int_equal(values.n, 3000);
    assert_int_equal(values.entries[0].times, 2);
    assert_true(distinct_sketch_values(r->distinct, text_of("g"), &values));
    assert_int_equal(values.count, 7);
    assert_string_equal(r->hash, again->hash);
    reference_free(again);
    char *text = written(r);
    struct err err = {0};
    assert_int_equal(reference_read(text, strlen(text), &again, &err), 0);
    char *twice = written(again);
    assert_string_equal(text, twice);
    free(twice);
    free(text);
    reference_free(again);
    reference_free(r);
    again = build(nowhere, NULL, false); /* nothing counted: nothing written */
    assert_null(again->distinct);
    text = written(again);
    assert_null(strstr(text, "\"distinct\""));
    free(text);
    reference_free(again);
}

static void test_changed_documents(void **state)
{
    (void)state;
    static const char *const g[] = {"g", NULL};
    struct reference *r = build(g, NULL, false);
    char *text = written(r);
    reference_free(r);
    char *at = strstr(text, "\"distinct\"");
    char *hash = strstr(text, "\"hash\"");
    assert_non_null(at);
    memcpy(hash, "\"nash\"", 6); /* without a hash anything may be changed that makes sense */
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\"distinct\": {", "\"distinct\": 7 ,\"x\":{"},
        {"\"n\": 3000", "\"n\": 2999"},
        {"\"n\": 3000", "\"n\": 30.5"},
        {"\"n\": 3000", "\"m\": 3000"},
        {"\"hashes\": [", "\"hashes\": [\"ffffffffffffffff\","},
        {"\"hashes\": [\"", "\"hashes\": [\"x"},
        {"\"hashes\": [", "\"hashes\": [7,"},
        {"\"times\": [", "\"times\": [0,"},
        {"\"times\": [", "\"times\": [1,"},
        {"\"times\": [", "\"times\": \"\",\"x\":["},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *found = strstr(at, changes[i].from);
        assert_non_null(found);
        size_t before = (size_t)(found - text), size = strlen(text) + 64;
        char *changed = malloc(size);
        (void)snprintf(changed, size, "%.*s%s%s", (int)before, text, changes[i].to,
                       found + strlen(changes[i].from));
        struct reference *out = NULL;
        struct err err = {0};
        if (reference_read(changed, strlen(changed), &out, &err) == 0)
            fail_msg("%s was taken", changes[i].to);
        assert_non_null(strstr(err.message, "distinct"));
        free(changed);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_one_value), cmocka_unit_test(test_rarefaction),
        cmocka_unit_test(test_estimate),          cmocka_unit_test(test_nothing_to_say),
        cmocka_unit_test(test_reference),         cmocka_unit_test(test_changed_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
