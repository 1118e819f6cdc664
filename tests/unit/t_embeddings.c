/* embeddings.c, reference_embeddings.c: what is a vector and what is not, which features become embeddings,
 * rows of windows. */
#include "tests/unit/near.h"
#include "tests/unit/reference_document.h"

#include <stdlib.h>

#include "detectors/embeddings.h"
#include "detectors/multivariate_slots.h"
#include "detectors/reference.h"

static struct value vector(const double *numbers, uint32_t count)
{
    return (struct value){.type = VALUE_VECTOR, .vector = numbers, .count = count};
}

static void fates(void **state)
{
    (void)state;
    static const double some[] = {3, 4}, zero[] = {0, -0.0}, huge[] = {1e39, 0}, tiny[] = {1e-46, 0},
                        large[] = {3e38, 3e38};
    const struct {
        struct value value;
        enum embedding_fate fate;
    } cases[] = {
        {vector(some, 2), EMBEDDING_COUNTED},
        {vector(large, 2), EMBEDDING_COUNTED},
        {vector(some, 1), EMBEDDING_INVALID},
        {vector(NULL, 0), EMBEDDING_INVALID},
        {vector(zero, 2), EMBEDDING_ZERO},
        {vector(tiny, 2), EMBEDDING_ZERO}, /* below single precision */
        {vector(huge, 2), EMBEDDING_INVALID},
        {{.type = VALUE_NUMBER, .number = 3}, EMBEDDING_INVALID},
        {{.type = VALUE_OTHER}, EMBEDDING_INVALID},
        {{.type = VALUE_NULL}, EMBEDDING_MISSING},
        {{.type = VALUE_ABSENT}, EMBEDDING_MISSING},
    };
    double out[2];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(embedding_unit(&cases[i].value, 2, out), cases[i].fate);
        if (cases[i].fate == EMBEDDING_COUNTED)
            assert_near(out[0] * out[0] + out[1] * out[1], 1, 1e-15);
    }
    assert_int_equal(embedding_unit(NULL, 2, out), EMBEDDING_MISSING);
    embedding_unit(&cases[0].value, 2, out);
    assert_near(out[0], 0.6, 1e-16);
}

struct made {
    char id[24];
    double a[4], b[3];
    struct field fields[4];
    struct event ev;
};

static void make_event(struct made *made, uint32_t i, double shift)
{
    uint64_t seed = i * 7919u + 13;
    (void)snprintf(made->id, sizeof(made->id), "event %u", (unsigned)i);
    for (int k = 0; k < 4; k++)
        made->a[k] = random_unit(&seed) - 0.3 + (k == 0 ? shift : 0);
    for (int k = 0; k < 3; k++)
        made->b[k] = random_unit(&seed);
    struct field fields[] = {{text_of("a"), 0, vector(made->a, 4)},
                             {text_of("b"), 1, i % 5 ? vector(made->b, 3) : vector(made->b, 2)},
                             {text_of("x"), 2, {.type = VALUE_NUMBER, .number = random_unit(&seed)}},
                             {text_of("debug"), 3, vector(made->b, 3)}};
    memcpy(made->fields, fields, sizeof(fields));
    made->ev = (struct event){.kind = EVENT_FEATURES,
                              .id = text_of(made->id),
                              .ts_ms = INT64_C(1772366400000) + i,
                              .features = {made->fields, 4}};
}

static struct reference *build(const struct model_options *options, bool backwards)
{
    static const char *const exclude[] = {"debug", NULL};
    struct reference_options wanted = {
        .name = "r", .model = "m", .version = "", .source = "test", .options = options, .exclude = exclude};
    struct reference_builder *builder = reference_builder_new(&wanted);
    for (uint32_t i = 0; i < 800; i++) {
        struct made made;
        make_event(&made, backwards ? 799 - i : i, 0);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    return finished(builder);
}

static void found_in_the_reference(void **state)
{
    (void)state;
    struct model_options options = {.n_min = 50, .unit = 1, .multivariate = MULTIVARIATE_SAMPLED};
    struct reference *r = build(&options, false), *again = build(&options, true), *back = NULL;
    assert_non_null(r->embeddings);
    assert_int_equal(r->embeddings->count, 2); /* debug is excluded, x is a number */
    assert_string_equal(r->embeddings->items[0].name, "a");
    assert_int_equal(r->embeddings->items[1].dimension, 3);                          /* of most */
    assert_int_equal(r->counts[COUNT_EMBEDDINGS]->counters[EMBEDDING_COUNTED], 800); /* not one of 16 */
    assert_int_equal(r->counts[COUNT_EMBEDDINGS]->counters[EMBEDDING_FATES + EMBEDDING_INVALID], 160);
    assert_string_equal(r->hash, again->hash);

    struct strbuf out = written_bytes(r);
    struct err err = {0};
    assert_int_equal(reference_read(out.bytes, out.len, &back, &err), 0);
    assert_string_equal(back->hash, r->hash);
    assert_memory_equal(back->embeddings->items[0].mean.rff->turns, r->embeddings->items[0].mean.rff->turns,
                        sizeof(double) * 4 * MEAN_FREQUENCIES);
    assert_memory_equal(&back->embeddings->items[0].null, &r->embeddings->items[0].null,
                        sizeof(struct centroid_null));
    char *limits = strstr(out.bytes, "\"centroid_limits\": [");
    assert_non_null(limits);
    limits[strlen("\"centroid_limits\": [")] = '-'; /* −2 rows */
    struct reference *changed = NULL;
    assert_int_not_equal(reference_read(out.bytes, out.len, &changed, &err), 0);
    assert_non_null(strstr(err.message, "centroid_limits"));
    strbuf_release(&out);
    reference_free(back);
    reference_free(again);
    reference_free(r);

    char only_b[] = "b", *names[] = {only_b, NULL};
    options.embeddings = names;
    r = build(&options, false);
    assert_int_equal(r->embeddings->count, 1);
    reference_free(r);
    options = (struct model_options){.n_min = 50, .unit = 1};
    r = build(&options, false);
    assert_null(r->embeddings);
    reference_free(r);
}

static void windows(void **state)
{
    (void)state;
    struct model_options options = {.n_min = 50, .unit = 1, .multivariate = MULTIVARIATE_ALL};
    struct reference *r = build(&options, false);
    struct family_report in = {.baseline = r->counts[COUNT_EMBEDDINGS], .reference = r, .options = &options};
    struct report_row rows[2];
    struct text names[2];
    for (int shifted = 0; shifted < 2; shifted++) {
        struct tally *tally = tally_new(embeddings_family.size(NULL, r));
        struct made made;
        struct count_input input = {.event = &made.ev, .options = &options, .reference = r};
        for (uint32_t i = 0; i < 300; i++) {
            make_event(&made, 5000 + i, shifted);
            assert_true(embeddings_family.applies(&input));
            embeddings_family.add(tally, &input, 1);
        }
        in.current = tally;
        assert_int_equal(embeddings_family.report(&in, rows, names), 2);
        assert_true(rows[0].n == 300 && rows[1].n == 240 && rows[0].reference_n == 800 && rows[0].flags == 0);
        assert_true(text_equal(names[0], text_of("a")));
        assert_true(shifted ? rows[0].slots[EMBEDDING_MMD_P] < 1e-9 : rows[0].slots[EMBEDDING_MMD_P] > 1e-3);
        assert_true(shifted ? rows[0].slots[EMBEDDING_COSINE] > 0.05
                            : fabs(rows[0].slots[EMBEDDING_COSINE]) < 0.02);
        assert_true(rows[1].slots[EMBEDDING_MMD_P] > 1e-3);
        assert_true((rows[0].slots[EMBEDDING_EUCLIDEAN_EXCESS] > 1) == shifted);
        assert_true((rows[0].slots[EMBEDDING_COSINE_EXCESS] > 1) == shifted);
        assert_true(rows[1].slots[EMBEDDING_EUCLIDEAN_EXCESS] < 1);
        assert_near(rows[1].slots[EMBEDDING_INVALID_RATE], 0.2, 1e-12);
        assert_near(rows[1].slots[EMBEDDING_INVALID_DELTA], 0, 1e-12);
        in.baseline = NULL;
        assert_int_equal(embeddings_family.report(&in, rows, names), 2);
        assert_nan(rows[0].slots[EMBEDDING_COSINE]);
        assert_nan(rows[0].slots[EMBEDDING_COSINE_LIMIT]);
        assert_true(rows[0].flags & REPORT_INSUFFICIENT);
        in.baseline = r->counts[COUNT_EMBEDDINGS];
        tally_free(tally);
    }
    reference_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fates),
        cmocka_unit_test(found_in_the_reference),
        cmocka_unit_test(windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
