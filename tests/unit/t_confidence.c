/* confidence.c: the same numbers as confidence_of (quality.h), and what is no probability; that they are
 * binned as @confidence and @margin. */
#include "tests/unit/near.h"
#include "tests/unit/reference_document.h"

#include <stdlib.h>

#include "detectors/confidence.h"
#include "detectors/quality.h"
#include "detectors/reference.h"

enum { CLASSES = 5 };

static struct value number(double x)
{
    return (struct value){VALUE_NUMBER, x, {0}, NULL, 0};
}

static void probabilities(double *p, uint32_t classes, uint64_t *seed)
{
    double sum = 0;
    for (uint32_t k = 0; k < classes; k++)
        sum += p[k] = random_unit(seed) * random_unit(seed);
    for (uint32_t k = 0; k < classes; k++)
        p[k] /= sum;
}

static void classes(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < 500; i++) {
        uint32_t count = 2 + (uint32_t)(i % (CLASSES - 1));
        double p[CLASSES];
        struct field scores[CLASSES];
        probabilities(p, count, &seed);
        for (uint32_t k = 0; k < count; k++)
            scores[k] = (struct field){text_of("c"), k, number(p[k])};
        struct event ev = {.kind = EVENT_PREDICTION, .scores = {scores, count}, .score = number(0.1)};
        struct confidence want = confidence_of(p, count);
        struct confidence_values got = confidence_of_event(&ev, true);
        assert_near(got.maximum.number, want.maximum, 0);
        assert_near(got.margin.number, want.margin, 1e-16);
        assert_near(got.entropy.number, want.entropy_normalised, 1e-11);
        struct value turned = scores[0].value; /* another order, the same bits */
        scores[0].value = scores[count - 1].value;
        scores[count - 1].value = turned;
        assert_near(confidence_of_event(&ev, true).entropy.number, got.entropy.number, 0);
        assert_int_equal(confidence_of_event(&ev, false).entropy.type, VALUE_ABSENT);
    }
}

static void odd_ones(void **state)
{
    (void)state;
    const struct {
        struct value score;
        enum value_type type;
        double maximum;
    } cases[] = {
        {number(0.5), VALUE_NUMBER, 0.5},
        {number(0.2), VALUE_NUMBER, 0.8},
        {number(1), VALUE_NUMBER, 1},
        {number(0), VALUE_NUMBER, 1},
        {number(1.5), VALUE_OTHER, 0},
        {number(-0.1), VALUE_OTHER, 0},
        {number(NAN), VALUE_OTHER, 0},
        {{.type = VALUE_NULL}, VALUE_NULL, 0},
        {{.type = VALUE_ABSENT}, VALUE_ABSENT, 0},
        {{.type = VALUE_STRING, .text = {"x", 1}}, VALUE_OTHER, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event ev = {.kind = EVENT_PREDICTION, .score = cases[i].score};
        struct confidence_values got = confidence_of_event(&ev, true);
        assert_int_equal(got.maximum.type, cases[i].type);
        assert_near(got.maximum.number, cases[i].maximum, 0);
        assert_int_equal(got.margin.type, VALUE_ABSENT);
        assert_int_equal(got.entropy.type, VALUE_ABSENT);
    }
    struct field one[] = {{text_of("a"), 0, number(0.7)}, {text_of("b"), 1, {.type = VALUE_NULL}}};
    struct event ev = {.kind = EVENT_PREDICTION, .scores = {one, 1}};
    assert_near(confidence_of_event(&ev, true).maximum.number, 0.7, 0);
    assert_int_equal(confidence_of_event(&ev, true).margin.type, VALUE_ABSENT);
    ev.scores.count = 2;
    assert_int_equal(confidence_of_event(&ev, true).maximum.type, VALUE_OTHER);
    assert_int_equal(confidence_of_event(&ev, true).margin.type, VALUE_OTHER);
    assert_int_equal(confidence_of_event(&ev, true).entropy.type, VALUE_OTHER);
    one[1].value = number(0); /* certain: no entropy */
    one[0].value = number(1);
    assert_near(confidence_of_event(&ev, true).entropy.number, 0, 0);
    one[1].value = number(0.7); /* a tie */
    one[0].value = number(0.7);
    assert_near(confidence_of_event(&ev, true).margin.number, 0, 0);
}

static struct reference *build(bool multiclass, double scale)
{
    struct reference_options of = {.name = "r", .model = "m", .version = "1", .source = "test"};
    struct reference_builder *builder = reference_builder_new(&of);
    uint64_t seed = 8;
    for (int i = 0; i < 400; i++) {
        double p[3];
        char id[16];
        (void)snprintf(id, sizeof(id), "%d", i);
        probabilities(p, 3, &seed);
        struct field x = {text_of("x"), 0, number(i)};
        struct field scores[] = {{text_of("a"), 1, number(p[0])},
                                 {text_of("b"), 2, number(p[1])},
                                 {text_of("c"), 3, number(p[2])}};
        struct event ev = {.kind = EVENT_PREDICTION,
                           .model = text_of("m"),
                           .id = text_of(id),
                           .features = {&x, 1},
                           .score = multiclass ? (struct value){.type = VALUE_ABSENT} : number(p[0] * scale),
                           .scores = {scores, multiclass ? 3 : 0}};
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    return finished(builder);
}

static bool has(const struct reference *reference, const char *name)
{
    return grid_find(reference->grid, text_of(name)) != UINT32_MAX;
}

static void binned_where_there_are_probabilities(void **state)
{
    (void)state;
    struct reference *binary = build(false, 1), *unbounded = build(false, 50), *multiclass = build(true, 1);
    assert_true(has(binary, "@confidence") && !has(binary, "@margin"));
    assert_true(has(unbounded, "@score") && !has(unbounded, "@confidence") && !has(unbounded, "@margin"));
    assert_true(has(multiclass, "@confidence") && has(multiclass, "@margin") && !has(multiclass, "@score"));
    assert_true(has(multiclass, "@entropy") && !has(binary, "@entropy") && !has(unbounded, "@entropy"));

    struct feature_binding *binding = feature_binding_new(binary->grid);
    struct feature_row *row = feature_row_new(binary->grid->feature_count);
    uint32_t f = grid_find(binary->grid, text_of("@confidence"));
    const struct feature_grid *feature = &binary->grid->features[f];
    struct field poses = {text_of("@confidence"), 0, number(0.99)};
    struct event ev = {.kind = EVENT_PREDICTION, .features = {&poses, 1}, .score = number(0.3)};
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    assert_int_equal(row->slot[f], grid_lower_bound(feature->edges, feature->edge_count, 0.7));
    assert_true(row->complete);
    ev.score = number(7);
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    assert_int_equal(row->slot[f], feature_slot_invalid(feature, GRID_FINE));
    ev.score.type = VALUE_ABSENT;
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    assert_int_equal(row->slot[f], feature_slot_missing(feature, GRID_FINE));
    ev.kind = EVENT_FEATURES;
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    assert_int_equal(row->slot[f], SLOT_NONE);
    assert_true(!row->complete);
    feature_row_free(row);
    feature_binding_free(binding);
    reference_free(binary);
    reference_free(unbounded);
    reference_free(multiclass);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(odd_ones),
        cmocka_unit_test(binned_where_there_are_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
