/* reference_multivariate.c, reference_multivariate_json.c, multivariate_family.c: rows, choice of features,
 * the way to JSON and back, documents that somebody changed, which events are counted. */
#include "tests/unit/near.h"
#include "tests/unit/reference_document.h"

#include <stdlib.h>

#include "detectors/multivariate_slots.h"
#include "detectors/reference_multivariate.h"

enum { EVENTS = 1200 };

struct made {
    char id[24];
    struct field fields[5];
    struct event ev;
};

static void make_event(struct made *made, uint32_t i, bool with_id)
{
    static const char *const cities[] = {"a", "a", "a", "b"};
    uint64_t seed = i * 7919u + 17;
    double common = random_unit(&seed);
    (void)snprintf(made->id, sizeof(made->id), "event %u", (unsigned)i);
    struct value missing = {.type = VALUE_NULL};
    struct field fields[] = {
        {text_of("age"), 0, {.type = VALUE_NUMBER, .number = 20 + 40 * common}},
        {text_of("city"), 1, {.type = VALUE_STRING, .text = text_of(cities[i % 4])}},
        {text_of("constant"), 2, {.type = VALUE_NUMBER, .number = 7}},
        {text_of("income"), 3, {.type = VALUE_NUMBER, .number = 1000 * common + 500 * random_unit(&seed)}},
        {text_of("rate"), 4, {.type = VALUE_NUMBER, .number = random_unit(&seed)}},
    };
    if (i % 10 == 0)
        fields[4].value = missing;
    memcpy(made->fields, fields, sizeof(fields));
    made->ev = (struct event){.kind = EVENT_PREDICTION,
                              .ts_ms = INT64_C(1772366400000) + i,
                              .features = {made->fields, 5},
                              .score = {.type = VALUE_NUMBER, .number = common}};
    if (with_id)
        made->ev.id = text_of(made->id);
}

static const struct model_options all = {.n_min = 50, .unit = 1, .multivariate = MULTIVARIATE_ALL};

static struct reference *build(const struct model_options *options, bool backwards, int times)
{
    struct reference_options wanted = {
        .name = "r", .model = "m", .version = "", .source = "test", .options = options};
    struct reference_builder *builder = reference_builder_new(&wanted);
    for (uint32_t i = 0; i < EVENTS * (uint32_t)times; i++) {
        struct made made;
        make_event(&made, (backwards ? EVENTS - 1 - i : i) % EVENTS, times == 1);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    return finished(builder);
}

static void model(void **state)
{
    (void)state;
    struct reference *r = build(&all, false, 1), *again = build(&all, true, 1);
    const struct multivariate *m = r->multivariate;
    assert_non_null(m);
    assert_int_equal(m->d, 5); /* the score is none of the features */
    assert_string_equal(r->hash, again->hash);
    assert_near(m->mean[1], 0.75 * 0.75 + 0.25 * 0.25, 1e-12); /* mean share of a category */
    assert_near(m->scale[2], 1, 0);                            /* constant */
    assert_true(m->pca && m->pca->components < 5 && m->level_count == 3);
    const struct tally *counts = r->counts[COUNT_MULTIVARIATE];
    assert_int_equal(counts->counters[0], EVENTS);
    assert_int_equal(counts->counters[2], EVENTS / 10); /* values that were missing */
    uint64_t binned = 0;
    for (unsigned bin = 0; bin < MULTIVARIATE_BINS; bin++) {
        uint64_t in_bin = counts->counters[4 + bin];
        binned += in_bin;
        assert_true(bin < 19 ? in_bin > 26 && in_bin < 34 : bin == 20 ? in_bin <= 6 : in_bin > 20);
    }
    assert_int_equal(binned, EVENTS / 2); /* the others made the components */
    assert_int_equal(counts->counters[3], EVENTS / 2);
    reference_free(again);
    /* Without ids, each content three times: the same model but for the sizes. */
    again = build(&all, false, 3);
    assert_int_equal(again->counts[COUNT_MULTIVARIATE]->counters[0], 3 * EVENTS);
    assert_near(again->multivariate->mean[0], m->mean[0], 1e-9);
    assert_near(again->multivariate->scale[3], m->scale[3], 1e-9);
    assert_int_equal(again->counts[COUNT_MULTIVARIATE]->counters[3], 3 * EVENTS); /* not in halves */
    assert_near(again->multivariate->pca->explained[0], m->pca->explained[0], 0.02);
    reference_free(again);
    reference_free(r);
}

static void chosen_features(void **state)
{
    (void)state;
    char rate[] = "r*", age[] = "age", *globs[] = {rate, age, NULL}, none[] = "zzz",
         *nothing[] = {none, NULL};
    struct model_options options = all;
    options.multivariate_features = globs;
    struct reference *r = build(&options, false, 1);
    assert_int_equal(r->multivariate->d, 2);
    reference_free(r);
    options.multivariate_features = nothing;
    r = build(&options, false, 1);
    assert_null(r->multivariate);
    reference_free(r);
    options = (struct model_options){.n_min = 50, .unit = 1};
    r = build(&options, false, 1);
    assert_null(r->multivariate);
    reference_free(r);
}

/* The document with the first `from` behind "multivariate": replaced by `to`. */
static char *changed(const char *document, const char *from, const char *to)
{
    const char *at = strstr(document, "\"multivariate\": {\n    \"features\"");
    assert_non_null(at);
    at = strstr(at, from);
    assert_non_null(at);
    size_t before = (size_t)(at - document), size = strlen(document) + strlen(to) + 1;
    char *out = malloc(size);
    assert_non_null(out);
    (void)snprintf(out, size, "%.*s%s%s", (int)before, document, to, at + strlen(from));
    return out;
}

static void documents(void **state)
{
    (void)state;
    struct reference *r = build(&all, false, 1), *back = NULL;
    char *text = written(r);
    struct err err = {0};
    assert_int_equal(reference_read(text, strlen(text), &back, &err), 0);
    assert_string_equal(back->hash, r->hash);
    assert_memory_equal(back->multivariate->mean, r->multivariate->mean, sizeof(r->multivariate->mean));
    assert_memory_equal(back->multivariate->encoding, r->multivariate->encoding, 5 * 256 * sizeof(double));
    assert_memory_equal(back->multivariate->embedding.rff->turns, r->multivariate->embedding.rff->turns,
                        sizeof(double) * 5 * MEAN_FREQUENCIES);
    assert_memory_equal(back->multivariate->pca->vectors, r->multivariate->pca->vectors, 25 * sizeof(double));
    char *again = written(back);
    assert_string_equal(text, again);
    free(again);
    reference_free(back);
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"age\"", "\"nobody\"", "`features`"},
        {"\"age\"", "\"rate\"", "`features`"},
        {"\"age\"", "5", "`features`"},
        {"\"mean\": [", "\"mean\": [1,", "`mean`"},
        {"\"scale\": [", "\"scale\": [0], \"x\": [", "`mean` or `scale`"},
        {"\"bandwidth\": ", "\"bandwidth\": -", "`bandwidth`"},
        {"\"bandwidth\": ", "\"bandwidth\": 1e300, \"x\": ", "`bandwidth`"},
        {"\"seed\": ", "\"seed\": 0.5, \"x\": ", "`seed`"},
        {"\"trace\": ", "\"trace\": 1e300, \"x\": ", "`trace`"},
        {"\"components\": ", "\"components\": 6, \"x\": ", "`components`"},
        {"\"vectors\": [", "\"vectors\": [1e999,", "`vectors`"},
        {"\"explained\": [", "\"explained\": [\"a\",", "`explained`"},
        {"\"distance_edges\": [", "\"distance_edges\": [9e9,", "`distance_edges`"},
        {"\"error_edges\": [", "\"error_edges\": [9e9,", "`error_edges`"},
        {"\"chunks\": [", "\"chunks\": [1,", "`chunks`"},
        {"\"chunks\": [", "\"chunks\": [-1,1,", "`chunks`"},
        {"\"chunks\": [", "\"chunks\": 7, \"x\": [", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *other = changed(text, cases[i].from, cases[i].to);
        err = (struct err){0};
        back = NULL;
        assert_int_not_equal(reference_read(other, strlen(other), &back, &err), 0);
        assert_null(back);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s: %s", cases[i].to, err.message);
        free(other);
    }
    /* A reference that was built before distances were counted: no distance, and less to count. */
    char *older = changed(text, "\"distance_edges\": ", "\"x\": ");
    char *hash = strstr(older, "\"hash\": ");
    if (hash)
        hash[1] = 'x';
    assert_int_equal(reference_read(older, strlen(older), &back, &err), 0);
    assert_false(back->multivariate->has_distance);
    assert_int_equal(multivariate_family.size(NULL, back).counters + MULTIVARIATE_BINS,
                     multivariate_family.size(NULL, r).counters);
    reference_free(back);
    free(older);
    free(text);
    reference_free(r);
}

/* One event of sixteen, chosen by what the event is, not by when it comes. */
static void sampled(void **state)
{
    (void)state;
    struct reference *r = build(&all, false, 1);
    struct feature_binding *binding = feature_binding_new(r->grid);
    struct feature_row *row = feature_row_new(r->grid->feature_count);
    struct model_options options = all;
    options.multivariate = MULTIVARIATE_SAMPLED;
    for (int with_id = 0; with_id < 2; with_id++) {
        unsigned chosen = 0;
        for (uint32_t i = 0; i < 16000; i++) {
            struct made made;
            make_event(&made, i, with_id);
            struct count_input input = {.event = &made.ev, .options = &options, .reference = r, .row = row};
            assert_int_equal(feature_row_resolve(row, binding, &made.ev), 0);
            bool first = multivariate_family.applies(&input);
            assert_int_equal(first, multivariate_selects(&input));
            chosen += first;
            made.ev.features.count = 0;
            assert_false(multivariate_family.applies(&input));
        }
        assert_in_range(chosen, 850, 1150);
    }
    feature_row_free(row);
    feature_binding_free(binding);
    reference_free(r);
}

/* A window that is the reference: nothing differs, and nothing is undefined. */
static void its_own_reference(void **state)
{
    (void)state;
    struct reference *r = build(&all, false, 1);
    struct family_report in = {.current = r->counts[COUNT_MULTIVARIATE],
                               .baseline = r->counts[COUNT_MULTIVARIATE],
                               .reference = r,
                               .options = &all};
    struct report_row row;
    struct text name;
    assert_int_equal(multivariate_family.report(&in, &row, &name), 1);
    assert_true(text_equal(name, text_of("@features")) && row.n == EVENTS && row.flags == 0);
    assert_near(row.slots[MULTIVARIATE_MMD2_BIASED], 0, 1e-15);
    assert_near(row.slots[MULTIVARIATE_MMD_P], 1, 1e-9);
    assert_near(row.slots[MULTIVARIATE_T2], 0, 1e-9);
    assert_near(row.slots[MULTIVARIATE_CORRELATION], 0, 1e-12);
    assert_near(row.slots[MULTIVARIATE_PCA_DEVIATION], 0, 1e-9);
    assert_near(row.slots[MULTIVARIATE_TAIL_RATE], 0.01, 0.005);
    assert_near(row.slots[MULTIVARIATE_FILLED_RATE], 0.02, 1e-12);
    in.baseline = NULL;
    assert_int_equal(multivariate_family.report(&in, &row, &name), 1);
    assert_true(row.flags & REPORT_INSUFFICIENT);
    assert_nan(row.slots[MULTIVARIATE_MMD2]);
    reference_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model),   cmocka_unit_test(chosen_features),   cmocka_unit_test(documents),
        cmocka_unit_test(sampled), cmocka_unit_test(its_own_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
