#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/decode_internal.h"

struct fixture {
    struct mapping *mapping;
    struct decoder *decoder;
    char *copies[2]; /* events point into the row: kept until the next one */
};

static void fixture_open(struct fixture *fixture, struct mapping_spec spec,
                         const struct decode_limits *limits)
{
    struct err err = {0};
    fixture->copies[0] = fixture->copies[1] = NULL;
    spec.format = INPUT_CSV;
    if (mapping_compile(&fixture->mapping, &spec, "input", &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(decoder_new(&fixture->decoder, fixture->mapping, limits), 0);
}

static void fixture_close(struct fixture *fixture)
{
    decoder_free(fixture->decoder);
    mapping_free(fixture->mapping);
    free(fixture->copies[0]);
    free(fixture->copies[1]);
}

/* From exact copies, so that a sanitizer sees a byte too far. */
static enum reject decode_row(struct fixture *fixture, const char *header, const char *row, size_t row_len,
                              struct event *ev)
{
    char **copies = fixture->copies;
    free(copies[0]);
    free(copies[1]);
    size_t header_len = header ? strlen(header) : 0;
    copies[0] = malloc(header_len + 1);
    copies[1] = malloc(row_len + 1);
    assert_true(copies[0] && copies[1]);
    if (header)
        memcpy(copies[0] + 1, header, header_len);
    memcpy(copies[1] + 1, row, row_len);
    struct record record = {.payload = {copies[1] + 1, (uint32_t)row_len}, .ts_ms = INT64_MIN};
    if (header)
        record.csv_header = (struct text){copies[0] + 1, (uint32_t)header_len};
    enum reject reject = decoder_decode(fixture->decoder, &record, ev);
    if (reject != REJECT_NONE)
        assert_true(strlen(decoder_detail(fixture->decoder)) > 0);
    return reject;
}

static const struct field *find(const struct fields *fields, const char *name)
{
    for (uint32_t i = 0; i < fields->count; i++)
        if (text_equal(fields->items[i].name, text_of(name)))
            return &fields->items[i];
    fail_msg("no %s", name);
    return NULL;
}

static void assert_text(struct text text, const char *expected)
{
    if (!text_equal(text, text_of(expected)))
        fail_msg("`%.*s`, not `%s`", (int)text.len, text.ptr, expected);
}

static void canonical_columns(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, (struct mapping_spec){0}, NULL);
    static const char header[] =
        "type,model,version,id,ts,score,prediction,latency_ms,features.income,features.region,"
        "groups.sex,segments.channel,attributions.income,other\r\n";
    static const char row[] =
        "prediction,credit,1.10,007,2026-03-01T12:00:00Z,0.83,1,12.4,5200.0,\"north, \"\"far\"\"\",F,web,"
        "0.31,zzz\r\n";
    assert_int_equal(decode_row(&fixture, header, row, sizeof(row) - 1, &ev), REJECT_NONE);
    assert_text(ev.model, "credit");
    assert_text(ev.version, "1.10");
    assert_text(ev.id, "007");
    assert_true(ev.ts_ms == INT64_C(1772366400000));
    assert_true(ev.score.number == 0.83 && ev.prediction.number == 1 && ev.latency_ms.number == 12.4);
    assert_int_equal(ev.features.count, 2);
    assert_true(find(&ev.features, "income")->value.number == 5200);
    assert_text(find(&ev.features, "income")->value.text, "5200.0");
    assert_text(find(&ev.features, "region")->value.text, "north, \"far\"");
    assert_text(find(&ev.groups, "sex")->value.text, "F");
    assert_text(find(&ev.segments, "channel")->value.text, "web");
    assert_true(find(&ev.attributions, "income")->value.number == 0.31);
    fixture_close(&fixture);
}

static void all_other_columns_are_features(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    char *model = strdup("car_loan"), *score = strdup("/y_pred_proba"), *label = strdup("/repaid");
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    spec.model.accessors[spec.model.count++] = (struct accessor_spec){ACCESS_CONST, model};
    spec.score.accessors[spec.score.count++] = (struct accessor_spec){ACCESS_POINTER, score};
    spec.label.accessors[spec.label.count++] = (struct accessor_spec){ACCESS_POINTER, label};
    fixture_open(&fixture, spec, NULL);
    static const char header[] = ",timestamp,car_value,salary_range,segments.x,y_pred_proba,repaid";
    static const char row[] = "0,2018-10-30 18:00:00.000,12638,0 - 20K \xe2\x82\xac,a,0.99,1";
    assert_int_equal(decode_row(&fixture, header, row, sizeof(row) - 1, &ev), REJECT_NONE);
    assert_int_equal(ev.features.count, 2); /* the index column has no name */
    assert_true(find(&ev.features, "car_value")->value.number == 12638);
    assert_text(find(&ev.features, "salary_range")->value.text, "0 - 20K \xe2\x82\xac");
    assert_text(find(&ev.segments, "x")->value.text, "a");
    assert_true(ev.score.number == 0.99 && ev.label.number == 1);
    assert_true(ev.ts_ms == INT64_C(1540922400000));
    fixture_close(&fixture);
    free(model);
    free(score);
    free(label);
}

struct cell_case {
    const char *cell;
    enum value_type type;
    double number;
    const char *text;
};

static const struct cell_case cells[] = {
    {"", VALUE_NULL, 0, NULL},
    {"\"\"", VALUE_NULL, 0, NULL},
    {"NaN", VALUE_NULL, 0, NULL},
    {"nan", VALUE_NULL, 0, NULL},
    {"NA", VALUE_STRING, 0, "NA"},
    {"1", VALUE_NUMBER, 1, "1"},
    {"1.", VALUE_NUMBER, 1, "1."},
    {".5", VALUE_NUMBER, 0.5, ".5"},
    {"+1", VALUE_NUMBER, 1, "+1"},
    {"-2e3", VALUE_NUMBER, -2000, "-2e3"},
    {"007", VALUE_NUMBER, 7, "007"},
    {"\"1.5\"", VALUE_NUMBER, 1.5, "1.5"},
    {"0x10", VALUE_STRING, 0, "0x10"},
    {"inf", VALUE_STRING, 0, "inf"},
    {"-inf", VALUE_STRING, 0, "-inf"},
    {" 1", VALUE_STRING, 0, " 1"},
    {"1 ", VALUE_STRING, 0, "1 "},
    {"1,5", VALUE_STRING, 0, NULL},
    {"True", VALUE_STRING, 0, "True"},
    {"-", VALUE_STRING, 0, "-"},
    {"2026-03-01", VALUE_STRING, 0, "2026-03-01"},
    {"\"a\nb\"", VALUE_STRING, 0, "a\nb"},
    {"\"\"\"\"", VALUE_STRING, 0, "\""},
};

static void cells_have_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        struct fixture fixture;
        struct event ev;
        char row[100];
        fixture_open(&fixture, (struct mapping_spec){.csv_delimiter = ';'}, NULL);
        int len = snprintf(row, sizeof(row), "prediction;m;1;%s", cells[i].cell);
        assert_int_equal(decode_row(&fixture, "type;model;ts;x", row, (size_t)len, &ev), REJECT_NONE);
        const struct value *value = &ev.features.items[0].value;
        if (value->type != cells[i].type || (value->type == VALUE_NUMBER && value->number != cells[i].number))
            fail_msg("`%s`: type %d, %g", cells[i].cell, (int)value->type, value->number);
        if (cells[i].text)
            assert_text(value->text, cells[i].text);
        fixture_close(&fixture);
    }
}

struct bad_case {
    const char *header, *row;
    size_t len;
    enum reject reject;
};

#define R(text) text, sizeof(text) - 1
static const struct bad_case bad[] = {
    {"type,model,ts,x", R("prediction,m,1"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,2,3"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,\"2"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,\"2\"3"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,2\"3"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,2\nprediction,m,1,2"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,a\rb"), REJECT_CSV},
    {"type,model,ts,x", R("prediction,m,1,1e999"), REJECT_NUMBER_RANGE},
    {"type,model,ts,x", R("prediction,m,1,\xff"), REJECT_UTF8},
    {"type,model,ts,x", R("prediction,m,1,a\0b"), REJECT_UTF8},
    {"type,model,ts,x", R("prediction,m,,2"), REJECT_TIME},
    {"type,model,ts,x", R("prediction,m,soon,2"), REJECT_TIME},
    {"type,model,ts,x", R("guess,m,1,2"), REJECT_KIND},
    {"type,model,ts,x", R("prediction,,1,2"), REJECT_MODEL},
    {"type,model,ts,score", R("prediction,m,1,high"), REJECT_TYPE},
    {"type,model,ts,latency_ms", R("prediction,m,1,-1"), REJECT_TYPE},
    {"type,model,ts,label", R("label,m,1,1"), REJECT_ID},
    {"type,model,ts,x", R(""), REJECT_EMPTY},
    {"type,model,ts,x", R("\n"), REJECT_EMPTY},
    {"type,model,ts,x,x", R("prediction,m,1,2,2"), REJECT_DUPLICATE_KEY},
    {"type,model,ts,\"x", R("prediction,m,1,2"), REJECT_CSV},
    {"type,model,ts,\"a\nb\"", R("prediction,m,1,2"), REJECT_NAME},
    {"type,model,ts,\xff", R("prediction,m,1,2"), REJECT_UTF8},
    {"type,model,ts,features.", R("prediction,m,1,2"), REJECT_NAME},
    {NULL, R("type,model,ts,x"), REJECT_CSV},
    {NULL, R("type,model,ts,x\nprediction,m,1,2\nprediction,m,1,2"), REJECT_CSV},
    {NULL, R("type,model,ts,x\n"), REJECT_EMPTY},
    {NULL, R("type,model,ts,x\r\nprediction,m,1,2\r\n"), REJECT_NONE},
    {NULL, R("type,model,ts,\"x\"\nprediction,m,1,\"2\"\n"), REJECT_NONE},
};

static void bad_rows_get_their_verdicts(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, (struct mapping_spec){0}, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        /* Twice: a header is judged once and remembered. */
        for (int again = 0; again < 2; again++) {
            enum reject reject = decode_row(&fixture, bad[i].header, bad[i].row, bad[i].len, &ev);
            if (reject != bad[i].reject)
                fail_msg("`%s` / `%s`: %s (%s), not %s", bad[i].header, bad[i].row, reject_name(reject),
                         decoder_detail(fixture.decoder), reject_name(bad[i].reject));
        }
    }
    fixture_close(&fixture);
}

static void row_groups_and_filters(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    char *row_object = strdup(""), *exclude = strdup("raw_*"), *column = strdup("/a~1b");
    struct mapping_spec spec = {0};
    spec.features = (struct group_spec){.set = true, .object = row_object, .exclude = {exclude}};
    spec.score.accessors[spec.score.count++] = (struct accessor_spec){ACCESS_POINTER, column};
    fixture_open(&fixture, spec, NULL);
    static const char row[] = "prediction,m,1,0.5,7,8";
    assert_int_equal(decode_row(&fixture, "type,model,ts,a/b,raw_x,y", row, sizeof(row) - 1, &ev),
                     REJECT_NONE);
    assert_true(ev.score.number == 0.5);
    assert_int_equal(ev.features.count, 1);
    assert_text(ev.features.items[0].name, "y");
    fixture_close(&fixture);
    free(row_object);
    free(exclude);
    free(column);
}

static void columns_are_limited(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    struct decode_limits limits = {.members = 5, .features = 2};
    fixture_open(&fixture, (struct mapping_spec){0}, &limits);
    assert_int_equal(decode_row(&fixture, "type,model,ts,a,b", R("prediction,m,1,2,3"), &ev), REJECT_NONE);
    assert_int_equal(decode_row(&fixture, "type,model,ts,a,b,c", R("prediction,m,1,2,3,4"), &ev),
                     REJECT_TOO_MANY_FIELDS);
    assert_int_equal(decode_row(&fixture, "type,model,a,b,c", R("prediction,m,2,3,4"), &ev),
                     REJECT_TOO_MANY_FIELDS);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_columns),      cmocka_unit_test(all_other_columns_are_features),
        cmocka_unit_test(cells_have_types),       cmocka_unit_test(bad_rows_get_their_verdicts),
        cmocka_unit_test(row_groups_and_filters), cmocka_unit_test(columns_are_limited),
    };
    return cmocka_run_group_tests_name("decode_csv", tests, NULL, NULL);
}
