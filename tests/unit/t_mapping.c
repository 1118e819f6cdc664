#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/mapping_compiled.h"

/* Specs own heap strings; these come from literals, so they are duplicated. */
static struct accessor_spec pointer(const char *text)
{
    return (struct accessor_spec){ACCESS_POINTER, strdup(text)};
}

static void add(struct field_spec *field, enum accessor_type type, const char *argument)
{
    field->accessors[field->count++] = (struct accessor_spec){type, strdup(argument)};
}

static void canonical_spec_compiles(void **state)
{
    (void)state;
    struct mapping_spec spec = {0};
    struct mapping *mapping;
    struct err err;
    assert_int_equal(mapping_compile(&mapping, &spec, "input x", &err), 0);
    assert_int_equal(mapping_format(mapping), INPUT_JSON);
    uint32_t score = mapping_child(mapping, 0, text_of("score"));
    assert_int_not_equal(score, MAP_NONE);
    assert_int_equal(mapping->nodes[score].slot, mapping->fields[TARGET_SCORE].accessors[0].slot);
    uint32_t features = mapping_child(mapping, 0, text_of("features"));
    assert_int_equal(mapping->nodes[features].groups, 1U << GROUP_FEATURES);
    assert_int_equal(mapping_child(mapping, 0, text_of("featurez")), MAP_NONE);
    mapping_free(mapping);
}

static void pointers_are_unescaped_and_shared(void **state)
{
    (void)state;
    struct mapping_spec spec = {0};
    struct mapping *mapping;
    spec.score.accessors[spec.score.count++] = pointer("/a~1b/c~0d/0");
    spec.weight.accessors[spec.weight.count++] = pointer("/a~1b/c~0d/0");
    assert_int_equal(mapping_compile(&mapping, &spec, "input x", NULL), 0);
    mapping_spec_release(&spec);
    uint32_t node = mapping_child(mapping, 0, text_of("a/b"));
    assert_int_not_equal(node, MAP_NONE);
    node = mapping_child(mapping, node, text_of("c~d"));
    assert_int_not_equal(node, MAP_NONE);
    node = mapping_child(mapping, node, text_of("0"));
    assert_int_not_equal(node, MAP_NONE);
    assert_int_equal(mapping->fields[TARGET_SCORE].accessors[0].slot, mapping->nodes[node].slot);
    assert_int_equal(mapping->fields[TARGET_WEIGHT].accessors[0].slot, mapping->nodes[node].slot);
    mapping_free(mapping);
}

static void group_members(void **state)
{
    (void)state;
    struct mapping_spec spec = {0};
    struct mapping *mapping;
    spec.features.set = true;
    spec.features.object = strdup("");
    spec.features.include[0] = strdup("f_*");
    spec.features.include[1] = strdup("age");
    spec.features.exclude[0] = strdup("*_raw");
    spec.segments.set = true;
    spec.segments.object = strdup("/meta");
    spec.segments.names[0] = strdup("country");
    add(&spec.segments.accessors[0], ACCESS_POINTER, "/meta/country_code");
    spec.segments.named_count = 1;
    add(&spec.score, ACCESS_POINTER, "/f_score");
    assert_int_equal(mapping_compile(&mapping, &spec, "input x", NULL), 0);
    mapping_spec_release(&spec);
    uint32_t meta = mapping_child(mapping, 0, text_of("meta"));
    unsigned features = 1U << GROUP_FEATURES, segments = 1U << GROUP_SEGMENTS;
    assert_int_equal(mapping_member_groups(mapping, 0, text_of("f_income")), features);
    assert_int_equal(mapping_member_groups(mapping, 0, text_of("age")), features);
    assert_int_equal(mapping_member_groups(mapping, 0, text_of("f_x_raw")), 0);
    assert_int_equal(mapping_member_groups(mapping, 0, text_of("other")), 0);
    assert_int_equal(mapping_member_groups(mapping, 0, text_of("f_score")), 0); /* named by score */
    assert_int_equal(mapping_member_groups(mapping, 0, text_of("id")), 0);      /* canonical */
    assert_int_equal(mapping_member_groups(mapping, meta, text_of("channel")), segments);
    assert_int_equal(mapping_member_groups(mapping, meta, text_of("country")), 0); /* named takes its place */
    assert_int_equal(mapping_member_groups(mapping, meta, text_of("country_code")), segments);
    mapping_free(mapping);
}

/* Each breaks one thing; the message must name the place and the culprit. */
static void break_pointer(struct mapping_spec *spec)
{
    add(&spec->id, ACCESS_POINTER, "id");
}
static void break_tilde(struct mapping_spec *spec)
{
    add(&spec->id, ACCESS_POINTER, "/a~2");
}
static void break_root(struct mapping_spec *spec)
{
    add(&spec->score, ACCESS_POINTER, "");
}
static void break_deep(struct mapping_spec *spec)
{
    char deep[200] = {0};
    for (int i = 0; i < 32; i++)
        strcat(deep, "/a");
    add(&spec->score, ACCESS_POINTER, deep);
}
static void break_meta(struct mapping_spec *spec)
{
    add(&spec->time, ACCESS_META, "time");
}
static void break_header(struct mapping_spec *spec)
{
    add(&spec->time, ACCESS_HEADER, "");
}
static void break_constant(struct mapping_spec *spec)
{
    add(&spec->model, ACCESS_CONST, "fraud");
    add(&spec->model, ACCESS_POINTER, "/model");
}
static void break_kind(struct mapping_spec *spec)
{
    spec->has_kind = true;
    add(&spec->type, ACCESS_POINTER, "/t");
}
static void break_csv_pointer(struct mapping_spec *spec)
{
    spec->format = INPUT_CSV;
    add(&spec->score, ACCESS_POINTER, "/a/b");
}
static void break_csv_object(struct mapping_spec *spec)
{
    spec->format = INPUT_CSV;
    spec->features.set = true;
    spec->features.object = strdup("/features");
}
static void break_delimiter(struct mapping_spec *spec)
{
    spec->format = INPUT_CSV;
    spec->csv_delimiter = '"';
}
static void break_select(struct mapping_spec *spec)
{
    spec->select.pointer = strdup("/type");
}
static void break_names(struct mapping_spec *spec)
{
    spec->groups.set = true;
    spec->groups.named_count = 2;
    for (int i = 0; i < 2; i++) {
        spec->groups.names[i] = strdup("sex");
        add(&spec->groups.accessors[i], ACCESS_POINTER, "/sex");
    }
}
static void break_name(struct mapping_spec *spec)
{
    spec->groups.set = true;
    spec->groups.named_count = 1;
    spec->groups.names[0] = strdup("a\nb");
    add(&spec->groups.accessors[0], ACCESS_POINTER, "/sex");
}
static void break_no_place(struct mapping_spec *spec)
{
    spec->groups.set = true;
    spec->groups.named_count = 1;
    spec->groups.names[0] = strdup("sex");
}

struct broken {
    void (*spoil)(struct mapping_spec *spec);
    const char *message;
};

static const struct broken broken[] = {
    {break_pointer, "input x: id: a JSON Pointer begins with `/`: `id`"},
    {break_tilde, "input x: id: in a JSON Pointer `~` is written `~0`"},
    {break_root, "input x: score: the whole event is not a field"},
    {break_deep, "input x: score: a JSON Pointer has at most 31 parts"},
    {break_meta, "input x: time: meta: knows timestamp, topic, partition and offset, not `time`"},
    {break_header, "input x: time: a header has a name"},
    {break_constant, "input x: model: nothing is tried behind a constant"},
    {break_kind, "input x: kind: `kind` fixes the type of every event"},
    {break_csv_pointer, "input x: score: in CSV a pointer is `/column`"},
    {break_csv_object, "input x: features: in CSV an object is the row"},
    {break_delimiter, "input x: delimiter: a CSV delimiter is one ASCII character"},
    {break_select, "input x: select: `equals` is missing"},
    {break_names, "input x: groups: named twice: `sex`"},
    {break_name, "input x: groups: a name is 1 to 256 bytes without control characters"},
    {break_no_place, "input x: groups: no place is given for `sex`"},
};

static void wrong_specs_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct mapping_spec spec = {0};
        struct mapping *mapping = NULL;
        struct err err = {0};
        broken[i].spoil(&spec);
        assert_int_equal(mapping_compile(&mapping, &spec, "input x", &err), ERR_CONFIG);
        assert_null(mapping);
        if (!strstr(err.message, broken[i].message))
            fail_msg("`%s` does not say `%s`", err.message, broken[i].message);
        mapping_spec_release(&spec);
    }
}

static void sound_names(void **state)
{
    (void)state;
    assert_true(mapping_name_is_sound(text_of("a b/c\xc3\xa9"), 256));
    assert_false(mapping_name_is_sound(text_of(""), 256));
    assert_false(mapping_name_is_sound((struct text){NULL, 0}, 256));
    assert_false(mapping_name_is_sound(text_of("abc"), 2));
    assert_false(mapping_name_is_sound(text_of("a\tb"), 256));
    assert_false(mapping_name_is_sound(text_of("a\x7f"), 256));
    assert_false(mapping_name_is_sound(text_of("a\xc2\x85"), 256));
    assert_true(mapping_name_is_sound(text_of("a\xc2\xa0"), 256));
}

static void header_accessors_are_found(void **state)
{
    (void)state;
    struct mapping_spec spec = {0};
    add(&spec.score, ACCESS_POINTER, "/p");
    assert_false(mapping_spec_reads_headers(&spec));
    add(&spec.score, ACCESS_HEADER, "score");
    assert_true(mapping_spec_reads_headers(&spec));
    mapping_spec_release(&spec);
    spec.segments.set = true;
    spec.segments.names[0] = strdup("tenant");
    spec.segments.named_count = 1;
    assert_false(mapping_spec_reads_headers(&spec));
    add(&spec.segments.accessors[0], ACCESS_HEADER, "tenant");
    assert_true(mapping_spec_reads_headers(&spec));
    mapping_spec_release(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_spec_compiles),
        cmocka_unit_test(pointers_are_unescaped_and_shared),
        cmocka_unit_test(group_members),
        cmocka_unit_test(wrong_specs_are_refused),
        cmocka_unit_test(sound_names),
        cmocka_unit_test(header_accessors_are_found),
    };
    return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
