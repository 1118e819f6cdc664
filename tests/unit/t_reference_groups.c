/* reference_groups.c: what is counted, crosses, the way to JSON and back, documents that somebody changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/reference.h"
#include "tests/unit/reference_document.h"

enum { EVENTS = 400 };

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x, .text = text_of(x > 0 ? "1" : "0")};
}

static struct reference *build(const struct reference_options *more, bool groups, bool labels, bool backwards)
{
    static const double vector[] = {1, 2};
    struct reference_options options = *more;
    options.name = options.model = "m";
    options.version = options.source = "";
    struct reference_builder *builder = reference_builder_new(&options);
    for (uint32_t at = 0; at < EVENTS; at++) {
        uint32_t i = backwards ? EVENTS - 1 - at : at;
        char id[16];
        (void)snprintf(id, sizeof(id), "%u", i);
        struct field feature = {text_of("x"), 0, number(i)};
        struct field of[3] = {
            {text_of("sex"), 0, {.type = VALUE_STRING, .text = text_of(i % 4 ? "F" : "M")}},
            {text_of("old"),
             1,
             {.type = VALUE_BOOL, .number = i % 2, .text = text_of(i % 2 ? "true" : "false")}},
            {text_of("v"), 2, {.type = VALUE_VECTOR, .vector = vector, .count = 2}}};
        struct event ev = {.kind = EVENT_PREDICTION,
                           .ts_ms = i,
                           .id = text_of(id),
                           .model = text_of("m"),
                           .score = number(i % 5 == 0 ? 0.9 : 0.1),
                           .features = {&feature, 1}};
        if (groups)
            ev.groups = (struct fields){of, 3};
        if (labels && i % 3)
            ev.label = number(i % 7 == 0);
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    return finished(builder);
}

static void test_counts(void **state)
{
    (void)state;
    struct reference *reference = build(&(struct reference_options){0}, true, true, false);
    uint64_t cells[GROUP_CELLS] = {0};
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct outcome outcome = {
            .kind = OUTCOME_BINARY, .labelled = i % 3 != 0, .predicted = i % 5 == 0, .truth = i % 7 == 0};
        if (i % 4)
            assert_true(group_cells_add(cells, &outcome, 1));
    }
    assert_int_equal(reference->groups.count, 4);
    assert_memory_equal(named_counts_find(&reference->groups, text_of("sex=F"))->cells, cells, sizeof(cells));
    assert_int_equal(group_count_events(named_counts_find(&reference->groups, text_of("old=true"))),
                     EVENTS / 2);
    reference_free(reference);
    reference = build(&(struct reference_options){0}, true, false, false); /* no labels: selection alone */
    assert_null(reference->labelled);
    const struct named_count *group = named_counts_find(&reference->groups, text_of("sex=F"));
    assert_int_equal(group->cells[GROUP_CELL_TP] + group->cells[GROUP_CELL_TN], 0);
    assert_int_equal(group->cells[GROUP_CELL_SELECTED], cells[GROUP_CELL_SELECTED]);
    reference_free(reference);
}

/* A cross that is also that of a facet's strata is counted once. */
static void test_crosses(void **state)
{
    (void)state;
    char sex[] = "sex", old[] = "old", none[] = "none";
    char *pair[] = {sex, old, NULL}, *lacking[] = {sex, none, NULL};
    struct cross_spec crosses[] = {{pair}, {lacking}};
    struct facet_spec facet = {.attribute = sex, .strata = old};
    struct reference *reference = build(
        &(struct reference_options){.crosses = crosses, .cross_count = 2, .facets = &facet, .facet_count = 1},
        true, true, false);
    assert_int_equal(reference->groups.count, 4 + 3);
    assert_int_equal(group_count_events(named_counts_find(&reference->groups, text_of("sex|old=F|true"))),
                     EVENTS / 2);
    assert_null(named_counts_find(&reference->groups, text_of("sex|old=M|true")));
    reference_free(reference);
}

static void test_json(void **state)
{
    (void)state;
    struct reference_options plain = {0};
    struct reference *reference = build(&plain, true, true, false), *again = NULL;
    struct reference *backwards = build(&plain, true, true, true);
    assert_string_equal(reference->hash, backwards->hash);
    char *text = written(reference);
    struct err err = {0};
    assert_int_equal(reference_read(text, strlen(text), &again, &err), 0);
    char *twice = written(again);
    assert_string_equal(text, twice);
    free(twice);
    free(text);
    reference_free(again);
    reference_free(backwards);
    reference_free(reference);
    reference = build(&plain, false, true, false);
    text = written(reference);
    assert_null(strstr(text, "\"groups\"")); /* as before there were any */
    free(text);
    reference_free(reference);
}

static void test_changed_documents(void **state)
{
    (void)state;
    struct reference *reference = build(&(struct reference_options){0}, true, true, false);
    char *text = written(reference), *at = strstr(text, "\"groups\"");
    reference_free(reference);
    memcpy(strstr(text, "\"hash\""), "\"nash\"",
           6); /* without a hash anything may be changed that makes sense */
    assert_non_null(at);
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\"groups\": {", "\"groups\": 7, \"x\": {"},
        {"\"sex=F\"", "\"sexF\""},
        {"\"sex=F\"", "\"a=F\""},
        {"\"sex=F\": [", "\"sex=F\": [1, "},
        {"\"sex=F\": [", "\"sex=F\": [-"},
        {"\"sex=F\": [", "\"sex=F\": 7, \"sex=G\": ["},
        {"\"sex=F\": [", "\"sex=F\": [0.5, "},
        {"\"sex=F\": [", "\"sex=F\": [], \"sex=G\": ["},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *found = strstr(at, changes[i].from);
        assert_non_null(found);
        size_t size = strlen(text) + 64;
        char *changed = malloc(size);
        (void)snprintf(changed, size, "%.*s%s%s", (int)(found - text), text, changes[i].to,
                       found + strlen(changes[i].from));
        struct reference *out = NULL;
        struct err err = {0};
        if (reference_read(changed, strlen(changed), &out, &err) == 0)
            fail_msg("%s was taken", changes[i].to);
        if (!strstr(err.message, "groups"))
            fail_msg("%s: %s", changes[i].to, err.message);
        free(changed);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_crosses),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_changed_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
