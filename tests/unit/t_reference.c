/* reference.c, reference_write.c, reference_read.c: what is built, that order does not matter, the way to
 * JSON and back, and documents that somebody changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "detectors/grid_build.h"
#include "detectors/reference.h"
#include "tests/unit/reference_document.h"

enum { EVENTS = 3000 };

static double unit_of(uint64_t seed)
{
    return (double)(hash_mix(seed * UINT64_C(0x9e3779b97f4a7c15) + 1) >> 11) * 0x1p-53;
}

struct made {
    char id[24], city[16];
    struct field fields[8];
    struct event ev;
};

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

/* Event `i`: a function of its number. mixed: half numbers, half texts; embedding: a vector. */
static void make_event(struct made *made, uint32_t i)
{
    static const double vector[] = {1, 2};
    static const char *const regions[] = {"north", "north", "south", "west"};
    (void)snprintf(made->id, sizeof(made->id), "event %u", (unsigned)i);
    (void)snprintf(made->city, sizeof(made->city), "city %u",
                   (unsigned)(unit_of(i + 70000) * unit_of(i) * 200));
    struct field fields[] = {
        {text_of("income"), 0, i % 50 ? number(exp(unit_of(i) * 8)) : (struct value){.type = VALUE_NULL}},
        {text_of("age"), 1, number(18 + floor(unit_of(i + 100000) * 40))},
        {text_of("region"), 2, i % 97 ? string(regions[i % 4]) : number(1.5)},
        {text_of("city"), 3, string(made->city)},
        {text_of("flag"),
         4,
         {.type = VALUE_BOOL, .number = i & 1, .text = text_of(i & 1 ? "true" : "false")}},
        {text_of("mixed"), 5, i & 1 ? number(i % 10) : string("text")},
        {text_of("embedding"), 6, {.type = VALUE_VECTOR, .vector = vector, .count = 2}},
        {text_of("constant"), 7, number(0.1)},
    };
    memcpy(made->fields, fields, sizeof(fields));
    made->ev = (struct event){.kind = EVENT_PREDICTION,
                              .id = text_of(made->id),
                              .ts_ms = INT64_C(1772366400000) + i,
                              .features = {made->fields, 8},
                              .score = number(unit_of(i + 200000)),
                              .prediction = string(i % 3 ? "yes" : "no")};
}

static struct reference *build(const struct reference_options *options, uint32_t first, uint32_t count,
                               int step)
{
    struct reference_builder *builder = reference_builder_new(options);
    assert_non_null(builder);
    for (uint32_t n = 0; n < count; n++) {
        struct made made;
        make_event(&made, step > 0 ? first + n : first + count - 1 - n);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    return finished(builder);
}

static const struct reference_options plain = {.name = "r1", .model = "credit", .source = "file \"x\".csv"};

static const struct feature_grid *feature_of(const struct reference *reference, const char *name)
{
    uint32_t f = grid_find(reference->grid, text_of(name));
    return f == UINT32_MAX ? NULL : &reference->grid->features[f];
}

static const uint64_t *counts_of(const struct reference *reference, const char *name)
{
    return reference->features->counters +
           reference->layout->slot_at[grid_find(reference->grid, text_of(name))];
}

static void test_build(void **unused)
{
    (void)unused;
    struct reference *r = build(&plain, 0, EVENTS, 1);
    assert_int_equal(r->rows, EVENTS);
    assert_int_equal(r->features->counters[0], EVENTS);
    assert_true(r->from_ms == INT64_C(1772366400000) && r->to_ms == r->from_ms + EVENTS - 1);
    assert_string_equal(r->version, "");
    assert_int_equal(r->grid->feature_count, 10);
    assert_null(feature_of(r, "embedding"));
    static const struct {
        const char *name;
        enum feature_type type;
        bool discrete;
        uint64_t missing, invalid;
    } wants[] = {
        {"income", FEATURE_NUMERIC, false, EVENTS / 50, 0}, {"age", FEATURE_NUMERIC, true, 0, 0},
        {"region", FEATURE_CATEGORICAL, false, 0, 31}, /* 0, 97, … 2910: 1.5 is no category */
        {"city", FEATURE_CATEGORICAL, false, 0, 0},         {"flag", FEATURE_CATEGORICAL, false, 0, 0},
        {"mixed", FEATURE_NUMERIC, true, 0, EVENTS / 2}, /* a tie is numeric */
        {"constant", FEATURE_NUMERIC, true, 0, 0},          {"@score", FEATURE_NUMERIC, false, 0, 0},
        {"@prediction", FEATURE_CATEGORICAL, false, 0, 0},  {"@confidence", FEATURE_NUMERIC, false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
        const struct feature_grid *f = feature_of(r, wants[i].name);
        assert_non_null(f);
        assert_int_equal(f->type, wants[i].type);
        assert_int_equal(f->discrete, wants[i].discrete);
        const uint64_t *counts = counts_of(r, wants[i].name);
        assert_int_equal(counts[feature_slot_missing(f, GRID_FINE)], wants[i].missing);
        assert_int_equal(counts[feature_slot_invalid(f, GRID_FINE)], wants[i].invalid);
        uint64_t total = 0;
        for (unsigned slot = 0; slot < f->slot_count[GRID_FINE]; slot++)
            total += counts[slot];
        assert_int_equal(total, EVENTS);
        if (f->type == FEATURE_NUMERIC) {
            assert_int_equal(counts[0] + counts[f->edge_count], 0);
        } else {
            assert_int_equal(counts[feature_slot_unseen(f)], 0);
            for (unsigned slot = 1; slot < f->category_count; slot++) /* by count, ties by name */
                assert_true(counts[slot - 1] > counts[slot] ||
                            (counts[slot - 1] == counts[slot] &&
                             strcmp(f->categories[slot - 1], f->categories[slot]) < 0));
        }
    }
    const struct feature_grid *city = feature_of(r, "city"), *constant = feature_of(r, "constant");
    assert_int_equal(city->category_count, GRID_CATEGORIES_MAX);
    assert_true(city->known_count > 50);
    assert_true(counts_of(r, "city")[feature_slot_other(city)] >= city->known_count);
    assert_true(constant->location == 0.1 && constant->scale == 1);
    /* The standardised sum of its own reference is nothing, and its square one per value. */
    uint32_t age = grid_find(r->grid, text_of("age"));
    const int128 *sums = &r->features->sums[r->layout->sums_at[age]];
    assert_true(fabs((double)sums[0] / Z_UNIT / EVENTS) < 1e-9);
    assert_true(fabs((double)sums[1] / Z2_UNIT / EVENTS - 1) < 1e-9);
    reference_free(r);
    reference_free(NULL);
}

static void test_options(void **unused)
{
    (void)unused;
    static const char *const categorical[] = {"age", NULL}, *const numeric[] = {"mixed", "flag", NULL},
                             *const exclude[] = {"c*y", "@pred*", NULL}, *const all[] = {"*", NULL},
                             *const everything[] = {"*", "@*", NULL};
    struct reference_options options = plain;
    options.categorical = categorical;
    options.numeric = numeric;
    options.exclude = exclude;
    struct reference *r = build(&options, 0, 500, 1);
    assert_int_equal(feature_of(r, "age")->type, FEATURE_CATEGORICAL);
    assert_int_equal(feature_of(r, "flag")->type, FEATURE_NUMERIC);
    assert_int_equal(feature_of(r, "flag")->edge_count, 0);
    assert_null(feature_of(r, "city"));
    assert_null(feature_of(r, "@prediction"));
    assert_non_null(feature_of(r, "@score"));
    reference_free(r);
    options.exclude = all; /* the model's features, not what it says */
    r = build(&options, 0, 500, 1);
    assert_int_equal(r->grid->feature_count, 3);
    reference_free(r);

    options.exclude = everything;
    struct reference_builder *builder = reference_builder_new(&options);
    struct made made;
    make_event(&made, 1);
    assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    struct err err = {0};
    assert_int_equal(reference_builder_finish(builder, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "none of the 1 "));
    reference_builder_free(builder);
    builder = reference_builder_new(&plain);
    assert_int_equal(reference_builder_finish(builder, &r, NULL), ERR_INVALID);
    reference_builder_free(builder);
}

static void test_order_does_not_matter(void **unused)
{
    (void)unused;
    for (uint32_t sample_max = 0; sample_max <= 700; sample_max += 700) {
        struct reference_options options = plain;
        options.sample_max = sample_max;
        struct reference *a = build(&options, 0, EVENTS, 1), *b = build(&options, 0, EVENTS, -1);
        assert_int_equal(a->rows, sample_max ? sample_max : EVENTS);
        assert_string_equal(a->hash, b->hash);
        assert_string_equal(a->grid->id, b->grid->id);
        reference_free(a);
        reference_free(b);
    }
}

/* What events hold beside their features shares its names' numbers, and is no field that was left out. */
static void test_ignored_are_fields(void **unused)
{
    (void)unused;
    static const double vector[] = {1, 2};
    char hash[2][65];
    for (uint32_t turn = 0; turn < 2; turn++) {
        struct reference_builder *builder = reference_builder_new(&plain);
        for (uint32_t k = 0; k < 500; k++) {
            uint32_t i = turn ? 499 - k : k;
            char id[16];
            (void)snprintf(id, sizeof(id), "e%u", (unsigned)i);
            struct field features[] = {
                {text_of("x"), 0, number(i % 10)},
                {text_of("late"), 3, {.type = VALUE_VECTOR, .vector = vector, .count = 2}}};
            struct field group = {text_of(i % 2 ? "sex" : "age"), 1 + i % 2, string("a")};
            struct event ev = {
                .kind = EVENT_PREDICTION, .id = text_of(id), .ts_ms = 5, .groups = {&group, 1}};
            ev.features = (struct fields){features, i % 50 == 3 ? 2 : 1}; /* seldom: groups come before it */
            assert_int_equal(reference_builder_add(builder, &ev), 0);
        }
        struct reference *r = NULL;
        assert_int_equal(reference_builder_finish(builder, &r, NULL), 0);
        assert_int_equal(r->ignored_count, 1);
        assert_string_equal(r->ignored[0], "late");
        memcpy(hash[turn], r->hash, sizeof(hash[turn]));
        reference_free(r);
        reference_builder_free(builder);
    }
    assert_string_equal(hash[0], hash[1]);
}

/* Rows without id that repeat count as often as they came. */
static void test_repeated_rows(void **unused)
{
    (void)unused;
    struct reference_options options = plain;
    options.sample_max = 50;
    struct reference_builder *builder = reference_builder_new(&options);
    for (unsigned i = 0; i < 1000; i++) {
        struct field field = {text_of("colour"), 0, string(i % 10 < 7 ? "red" : "blue")};
        struct event ev = {.kind = EVENT_FEATURES, .ts_ms = 5, .features = {&field, 1}};
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    struct reference *r = NULL;
    assert_int_equal(reference_builder_finish(builder, &r, NULL), 0);
    assert_int_equal(r->rows, 1000);
    assert_int_equal(counts_of(r, "colour")[0], 700);
    assert_int_equal(counts_of(r, "colour")[1], 300);
    assert_string_equal(feature_of(r, "colour")->categories[0], "red");
    reference_free(r);
    reference_builder_free(builder);
}

static void test_keep_grid(void **unused)
{
    (void)unused;
    struct reference *first = build(&plain, 0, EVENTS, 1);
    struct reference_options options = plain;
    options.keep_grid = first->grid;
    struct reference *second = build(&options, EVENTS, 2000, 1);
    assert_string_equal(first->grid->id, second->grid->id);
    assert_true(first->grid != second->grid);
    assert_int_equal(second->rows, 2000);
    assert_string_not_equal(first->hash, second->hash);
    options.keep_grid = NULL;
    struct reference *third = build(&options, EVENTS, 2000, 1);
    assert_string_not_equal(first->grid->id, third->grid->id);
    reference_free(first);
    reference_free(second);
    reference_free(third);
}

static void test_round_trip(void **unused)
{
    (void)unused;
    struct reference *r = build(&plain, 0, EVENTS, 1), *back = NULL;
    struct strbuf out = written_bytes(r);
    struct err err = {0};
    assert_int_equal(reference_read(out.bytes, out.len, &back, &err), 0);
    assert_int_equal(err.code, 0);
    assert_string_equal(back->hash, r->hash);
    assert_string_equal(back->grid->id, r->grid->id);
    assert_string_equal(back->source, r->source);
    assert_int_equal(back->features->size.counters, r->features->size.counters);
    assert_memory_equal(back->features->counters, r->features->counters,
                        r->features->size.counters * sizeof(uint64_t));
    assert_memory_equal(back->features->sums, r->features->sums, r->features->size.sums * sizeof(int128));
    for (uint32_t f = 0; f < r->grid->feature_count; f++) {
        const struct feature_grid *x = &r->grid->features[f], *y = &back->grid->features[f];
        assert_int_equal(x->edge_count, y->edge_count);
        if (x->edge_count)
            assert_memory_equal(x->edges, y->edges, x->edge_count * sizeof(double));
        assert_memory_equal(x->coarse_slot, y->coarse_slot, x->slot_count[GRID_FINE]);
        assert_memory_equal(x->psi_bin, y->psi_bin, sizeof(x->psi_bin));
        assert_int_equal(x->known_count, y->known_count);
    }
    struct strbuf again = written_bytes(back);
    assert_string_equal(out.bytes, again.bytes);
    /* For review: a feature's members on lines of their own, arrays on one. */
    assert_non_null(strstr(out.bytes, "\n    \"age\": {\n      \"type\": \"numeric\",\n"));
    assert_non_null(strstr(out.bytes, "\n        \"north\": "));
    reference_free(back);
    reference_free(r);
    strbuf_release(&out);
    strbuf_release(&again);
}

/* The document with the first `from` behind `after` replaced by `to`. */
static char *changed(const char *document, const char *after, const char *from, const char *to)
{
    const char *at = strstr(document, after);
    assert_non_null(at);
    at = strstr(at, from);
    assert_non_null(at);
    size_t before = (size_t)(at - document), size = strlen(document) + strlen(to) + 1;
    char *out = malloc(size);
    (void)snprintf(out, size, "%.*s%s%s", (int)before, document, to, at + strlen(from));
    return out;
}

static void test_changed_documents(void **unused)
{
    (void)unused;
    static const struct {
        const char *after, *from, *to;
        int code;
        const char *says;
    } cases[] = {
        {"", "reference/1", "reference/9", ERR_INVALID, "`format`"},
        {"", "{", "[", ERR_INVALID, "not a JSON object"},
        {"", "\"rows\": 3000", "\"rows\": 2999", ERR_INVALID, "more than `rows`"},
        {"", "\"rows\": 3000", "\"rows\": -1", ERR_INVALID, "`rows`"},
        {"", "\"rows\": 3000", "\"rows\": 3000.5", ERR_INVALID, "`rows`"},
        {"", "\"rows\": 3000", "\"rows\": 3001", ERR_CORRUPT, "hash"},
        {"", "\"credit\"", "\"debit\"", ERR_CORRUPT, "delete `hash`"},
        {"", "\"credit\"", "5", ERR_INVALID, "`model`"},
        {"", "\"from\": \"2026", "\"from\": \"2x26", ERR_INVALID, "`from`"},
        {"\"age\"", "\"numeric\"", "\"number\"", ERR_INVALID, "feature `age`: `type`"},
        {"\"age\"", "\"discrete\": true", "\"discrete\": 1", ERR_INVALID, "`discrete`"},
        {"\"age\"", "\"edges\": [", "\"edges\": [1e999,", ERR_INVALID, "`edges`"},
        {"\"age\"", "\"edges\": [", "\"edges\": [50,", ERR_INVALID, "`edges` does not ascend"},
        {"\"age\"", "\"edges\": [", "\"edges\": [-50,", ERR_INVALID, "`coarse_bins`"},
        {"\"age\"", "\"edges\": [", "\"edges\": [7], \"x\": [", ERR_INVALID, "single"},
        {"\"age\"", "\"coarse_bins\": [", "\"coarse_bins\": [0,", ERR_INVALID, "`coarse_bins`"},
        {"\"age\"", "\"coarse_bins\": [", "\"coarse_bins\": [100000000,", ERR_INVALID, "`coarse_bins`"},
        {"\"age\"", "\"counts\": [", "\"counts\": [4,", ERR_INVALID, "`counts`"},
        {"\"age\"", "\"below\": 0", "\"below\": \"0\"", ERR_INVALID, "`below`"},
        {"\"age\"", "\"clipped\": 0", "\"clipped\": 3001", ERR_INVALID, "`clipped`"},
        {"\"age\"", "\"sums\": [\"", "\"sums\": [\"9999999999999999999999", ERR_INVALID, "`sums`"},
        {"\"age\"", "\"sums\": [\"", "\"sums\": [\"x", ERR_INVALID, "`sums`"},
        {"\"age\"", "\"sums\": [", "\"sums\": [5,", ERR_INVALID, "`sums`"},
        {"\"age\"", "\"scale\": ", "\"scale\": -", ERR_INVALID, "`scale`"},
        {"\"age\"", "\"location\": ", "\"location\": null, \"l\": ", ERR_INVALID, "`location`"},
        {"\"age\"", "\"location\": ", "\"location\": 1", ERR_CORRUPT, "grid id"},
        {"", "\"age\": {", "\"\": {", ERR_INVALID, "name"},
        {"", "\"age\": {", "\"flag\": {", ERR_INVALID, "twice"},
        {"\"region\"", "\"south\"", "\"north\"", ERR_INVALID, "twice"},
        {"\"region\"", "\"south\"", "\"east\"", ERR_CORRUPT, "grid id"},
        {"\"region\"", "\"other\": 0", "\"other\": 1e40", ERR_INVALID, "`other`"},
        {"\"city\"", "\"other_hashes\": [", "\"other_hashes\": [\"ffffffffffffffff\",", ERR_INVALID,
         "ascend"},
        {"\"city\"", "\"other_hashes\": [", "\"other_hashes\": [7,", ERR_INVALID, "hexadecimal"},
        {"", "\"features\": {", "\"features\": {}, \"f\": {", ERR_INVALID, "`features`"},
        {"", "\"features\": {", "\"features\": [], \"f\": {", ERR_INVALID, "`features`"},
    };
    struct reference *r = build(&plain, 0, EVENTS, 1), *back = NULL;
    struct strbuf out = written_bytes(r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *document = changed(out.bytes, cases[i].after, cases[i].from, cases[i].to);
        struct err err = {0};
        int code = reference_read(document, strlen(document), &back, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].says))
            print_message("case %zu (%s): code %d, %s\n", i, cases[i].to, code, err.message);
        assert_int_equal(code, cases[i].code);
        assert_non_null(strstr(err.message, cases[i].says));
        free(document);
    }
    /* Who deletes the hash accepts the change; the new hash is that of the new content. */
    char *edited = changed(out.bytes, "", "\"credit\"", "\"debit\"");
    char *accepted = changed(edited, "", "\"hash\"", "\"old hash\"");
    assert_int_equal(reference_read(accepted, strlen(accepted), &back, NULL), 0);
    assert_string_equal(back->model, "debit");
    assert_string_not_equal(back->hash, r->hash);
    reference_free(back);
    free(edited);
    free(accepted);
    strbuf_adds(&out, " x");
    assert_int_equal(reference_read(out.bytes, out.len, &back, NULL), ERR_INVALID);
    assert_int_equal(reference_read("", 0, &back, NULL), ERR_INVALID);
    strbuf_release(&out);
    reference_free(r);
}

/* Truncated and damaged documents are refused or give a sound reference; the sanitizers watch. */
/* Labels of several classes: by name, in the document and back, refused when they are no such list. */
static void test_classes(void **unused)
{
    (void)unused;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {{"\"ant\": 750", "\"dog\": 750", "ascending"},
                 {"\"ant\": 750", "\"ant\": -1", "ascending"},
                 {"\"ant\": 750", "\"ant\": \"750\"", "ascending"},
                 {"\"classes\": {", "\"classes\": 5, \"c\": {", "object"},
                 {"\"other_classes\": 0", "\"other_classes\": 0.5", "other_classes"}};
    static const char *const labels[] = {"cat", "ant", "cat", "bee"};
    struct reference_builder *builder = reference_builder_new(&plain);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct made made;
        make_event(&made, i);
        made.ev.label = string(labels[i % 4]);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    struct reference *r = NULL, *back = NULL;
    struct err err = {0};
    r = finished(builder);
    assert_non_null(r->labelled);
    assert_int_equal(r->labelled->classes.names.count, 3);
    assert_int_equal(labelled_count(r->labelled), EVENTS);
    assert_string_equal(r->labelled->classes.names.items[2].name, "cat");
    assert_int_equal(label_class_labels(&r->labelled->classes, 2), EVENTS / 2);
    struct strbuf out = written_bytes(r);
    assert_int_equal(reference_read(out.bytes, out.len, &back, &err), 0);
    struct strbuf again = written_bytes(back);
    assert_string_equal(out.bytes, again.bytes);
    reference_free(back);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *document = changed(out.bytes, "\"labelled\"", cases[i].from, cases[i].to);
        err = (struct err){0};
        assert_int_equal(reference_read(document, strlen(document), &back, &err), ERR_INVALID);
        assert_non_null(strstr(err.message, cases[i].says));
        free(document);
    }
    reference_free(r);
    strbuf_release(&out);
    strbuf_release(&again);
}

static void test_noise(void **unused)
{
    (void)unused;
    static const char *const exclude[] = {"city", "income", "@score", NULL};
    struct reference_options options = plain;
    options.exclude = exclude;
    struct reference *r = build(&options, 0, 60, 1), *back = NULL;
    struct strbuf out = written_bytes(r);
    for (size_t len = 0; len + 2 < out.len; len += 7) {
        char *bytes = malloc(len + 1);
        memcpy(bytes, out.bytes, len);
        assert_int_not_equal(reference_read(bytes, len, &back, NULL), 0);
        free(bytes);
    }
    for (uint64_t round = 0; round < 3000; round++) {
        char *bytes = malloc(out.len);
        memcpy(bytes, out.bytes, out.len);
        char *hash = strstr(bytes, "\"hash\"");
        hash[1] = 'H'; /* otherwise nothing would get past it */
        for (uint64_t flip = 0; flip < 1 + round % 2; flip++) {
            static const char digits[] = "0123456789-.e,:\"[]{} ";
            size_t at = (size_t)(unit_of(round * 5 + flip) * (double)out.len);
            bytes[at] = digits[(size_t)(unit_of(round * 7 + flip + 1) * (sizeof(digits) - 1))];
        }
        if (reference_read(bytes, out.len, &back, NULL) == 0) {
            struct strbuf again = written_bytes(back);
            strbuf_release(&again);
            reference_free(back);
        }
        free(bytes);
    }
    strbuf_release(&out);
    reference_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_ignored_are_fields),
        cmocka_unit_test(test_repeated_rows),
        cmocka_unit_test(test_keep_grid),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_changed_documents),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
