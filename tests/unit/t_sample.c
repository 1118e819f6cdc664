/* sample.c: the same sample whatever the order, the partition or the merges; hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "detectors/sample.h"

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(*state);
}

/* Event `number` of a stream: a function of its number alone. */
struct made {
    char id[24], region[16];
    struct field fields[4];
    struct event ev;
};

enum id_kind { IDS, NO_IDS_DISTINCT, NO_IDS_FEW };

static void make_event(struct made *made, uint32_t number, enum id_kind kind, bool reversed)
{
    uint64_t content = kind == NO_IDS_FEW ? number % 7 : number;
    (void)snprintf(made->id, sizeof(made->id), "id-%u", (unsigned)number);
    (void)snprintf(made->region, sizeof(made->region), "r%u", (unsigned)(content % 5));
    struct field fields[] = {
        {text_of("age"), 0, {.type = VALUE_NUMBER, .number = (double)content}},
        {text_of("flag"), 1, {.type = VALUE_BOOL, .number = (double)(content & 1), .text = text_of("x")}},
        {text_of("nothing"), 2, {.type = VALUE_NULL}},
        {text_of("region"), 3, {.type = VALUE_STRING, .text = text_of(made->region)}},
    };
    for (unsigned i = 0; i < 4; i++)
        made->fields[i] = fields[reversed ? 3 - i : i];
    made->ev = (struct event){.kind = EVENT_PREDICTION,
                              .ts_ms = (int64_t)content * 1000,
                              .features = {made->fields, 4},
                              .score = {.type = VALUE_NUMBER, .number = (double)content / 8},
                              .prediction = {.type = VALUE_VECTOR}};
    if (kind == IDS)
        made->ev.id = text_of(made->id);
}

static void add(struct sample *sample, uint32_t number, enum id_kind kind, bool reversed)
{
    struct made made;
    make_event(&made, number, kind, reversed);
    assert_int_equal(sample_add(sample, &made.ev), 0);
}

static struct strbuf encoded(const struct sample *sample)
{
    struct strbuf out;
    strbuf_init(&out, (size_t)1 << 28);
    sample_encode(sample, &out);
    assert_false(strbuf_failed(&out));
    return out;
}

static void assert_same(const struct sample *a, const struct sample *b)
{
    struct strbuf x = encoded(a), y = encoded(b);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.bytes, y.bytes, x.len);
    assert_int_equal(sample_count(a), sample_count(b));
    strbuf_release(&x);
    strbuf_release(&y);
}

static void test_order_and_merges(void **unused)
{
    (void)unused;
    enum { EVENTS = 3000 };
    uint64_t state = 1;
    for (int kind = IDS; kind <= NO_IDS_FEW; kind++)
        for (uint32_t k = 1; k < 10000; k = k * 5 + 3) {
            struct sample *forward = sample_new(k), *backward = sample_new(k), *parts[3],
                          *merged = sample_new(k), *decoded = sample_new(k);
            for (unsigned i = 0; i < 3; i++)
                parts[i] = sample_new(k);
            for (uint32_t i = 0; i < EVENTS; i++) {
                add(forward, i, (enum id_kind)kind, false);
                add(backward, EVENTS - 1 - i, (enum id_kind)kind, true);
                add(parts[random_next(&state) % 3], i, (enum id_kind)kind, i & 1);
            }
            assert_same(forward, backward);
            for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(sample_merge(merged, parts[2 - i]), 0);
                struct strbuf bytes = encoded(parts[i]);
                assert_int_equal(sample_decode_merge(bytes.bytes, bytes.len, decoded), 0);
                strbuf_release(&bytes);
            }
            assert_same(forward, merged);
            assert_same(forward, decoded);
            uint32_t different = kind == NO_IDS_FEW ? 7 : EVENTS;
            assert_int_equal(sample_row_count(forward), k < different ? k : different);
            if (kind != NO_IDS_FEW)
                assert_int_equal(sample_count(forward), sample_row_count(forward));
            else if (k >= 7)
                assert_int_equal(sample_count(forward), EVENTS);
            sample_reset(forward);
            assert_int_equal(sample_count(forward), 0);
            add(forward, 5, (enum id_kind)kind, false);
            assert_int_equal(sample_count(forward), 1);
            struct sample *all[] = {forward, backward, merged, decoded, parts[0], parts[1], parts[2]};
            for (size_t i = 0; i < 7; i++)
                sample_free(all[i]);
        }
    sample_free(NULL);
}

struct walk {
    uint32_t rows, most;
    uint64_t times;
    int64_t ts_ms;
};

static int walk_row(void *context, const struct event *ev, uint64_t times)
{
    struct walk *walk = context;
    if (walk->rows == walk->most)
        return ERR_BUSY;
    walk->rows++;
    walk->times += times;
    walk->ts_ms += ev->ts_ms;
    return 0;
}

/* Each row once, and what `add` says ends the walk. */
static void test_each(void **unused)
{
    (void)unused;
    struct sample *sample = sample_new(100);
    struct walk all = {.most = UINT32_MAX}, some = {0}, want = {0};
    assert_int_equal(sample_each(sample, walk_row, &all), 0);
    assert_int_equal(all.rows, 0);
    for (uint32_t i = 0; i < 500; i++)
        add(sample, i, NO_IDS_FEW, false);
    struct sample_reader reader;
    assert_int_equal(sample_reader_init(&reader), 0);
    for (uint32_t i = 0; i < sample_row_count(sample); i++) {
        struct event ev;
        uint64_t times;
        assert_int_equal(sample_row_read(sample, i, &reader, &ev, &times), 0);
        want.times += times;
        want.ts_ms += ev.ts_ms;
    }
    sample_reader_release(&reader);
    assert_int_equal(sample_each(sample, walk_row, &all), 0);
    assert_int_equal(all.rows, sample_row_count(sample));
    assert_int_equal(all.times, 500);
    assert_true(all.times == want.times && all.ts_ms == want.ts_ms);
    some.most = all.rows - 1;
    assert_int_equal(sample_each(sample, walk_row, &some), ERR_BUSY);
    assert_int_equal(some.rows, all.rows - 1);
    sample_free(sample);
}

/* The sample is that of the lowest hashes: about k/N of any part of the stream. */
static void test_uniform(void **unused)
{
    (void)unused;
    enum { EVENTS = 40000, K = 4000 };
    struct sample *sample = sample_new(K);
    for (uint32_t i = 0; i < EVENTS; i++)
        add(sample, i, IDS, false);
    struct sample_reader reader;
    assert_int_equal(sample_reader_init(&reader), 0);
    unsigned tenth[10] = {0};
    for (uint32_t i = 0; i < sample_row_count(sample); i++) {
        struct event ev;
        uint64_t times;
        assert_int_equal(sample_row_read(sample, i, &reader, &ev, &times), 0);
        assert_int_equal(times, 1);
        tenth[ev.ts_ms / 1000 * 10 / EVENTS]++;
    }
    for (unsigned i = 0; i < 10; i++) /* sd 18: five of them */
        assert_in_range(tenth[i], 400 - 90, 400 + 90);
    sample_reader_release(&reader);
    sample_free(sample);
}

static void test_one_id_is_one_event(void **unused)
{
    (void)unused;
    struct sample *a = sample_new(10), *b = sample_new(10);
    struct made made;
    for (unsigned i = 0; i < 20; i++) { /* one id, 20 contents, both ways round */
        make_event(&made, i, IDS, false);
        made.ev.id = text_of("same");
        assert_int_equal(sample_add(a, &made.ev), 0);
        make_event(&made, 19 - i, IDS, false);
        made.ev.id = text_of("same");
        assert_int_equal(sample_add(b, &made.ev), 0);
    }
    assert_int_equal(sample_count(a), 1);
    assert_same(a, b);
    sample_free(a);
    sample_free(b);
}

static void test_what_counts(void **unused)
{
    (void)unused;
    struct sample *sample = sample_new(0);
    struct made made;
    make_event(&made, 1, IDS, false);
    made.ev.kind = EVENT_LABEL;
    assert_int_equal(sample_add(sample, &made.ev), 0);
    made.ev.kind = EVENT_KPI;
    assert_int_equal(sample_add(sample, &made.ev), 0);
    made.ev.kind = EVENT_FEATURES;
    made.ev.features.count = 0; /* with a score, but not a prediction */
    assert_int_equal(sample_add(sample, &made.ev), 0);
    assert_int_equal(sample_count(sample), 0);
    made.ev.kind = EVENT_PREDICTION;
    assert_int_equal(sample_add(sample, &made.ev), 0);
    assert_int_equal(sample_count(sample), 1);
    sample_free(sample);
}

static void test_rows_come_back(void **unused)
{
    (void)unused;
    struct sample *sample = sample_new(3);
    struct made made;
    make_event(&made, 12, NO_IDS_DISTINCT, true);
    made.fields[0].value = (struct value){.type = VALUE_NUMBER, .number = (double)NAN};
    made.fields[3].value = (struct value){.type = VALUE_NUMBER, .number = -0.0};
    assert_int_equal(sample_add(sample, &made.ev), 0);
    assert_int_equal(sample_add(sample, &made.ev), 0);
    struct sample_reader reader;
    struct event ev;
    uint64_t times;
    assert_int_equal(sample_reader_init(&reader), 0);
    assert_int_equal(sample_row_read(sample, 0, &reader, &ev, &times), 0);
    assert_int_equal(times, 2);
    assert_int_equal(ev.kind, EVENT_PREDICTION);
    assert_int_equal(ev.ts_ms, 12000);
    assert_true(ev.score.type == VALUE_NUMBER && ev.score.number == 1.5);
    assert_int_equal(ev.prediction.type, VALUE_VECTOR);
    assert_int_equal(ev.features.count, 4);
    const struct field *f = ev.features.items;
    assert_true(text_equal(f[0].name, text_of("age")) && f[0].value.type == VALUE_NUMBER);
    assert_true(f[0].value.number == 0 && !signbit(f[0].value.number));
    assert_true(text_equal(f[1].name, text_of("flag")) && f[1].value.type == VALUE_BOOL &&
                f[1].value.number == 0);
    assert_int_equal(f[2].value.type, VALUE_NULL);
    assert_true(text_equal(f[3].name, text_of("region")) && f[3].value.type == VALUE_NULL);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(f[i].name_id, i);
    sample_reader_release(&reader);
    sample_free(sample);
}

/* Vectors are kept in single precision when asked for, else only noted; either way the order does not matter.
 */
static void test_vectors(void **unused)
{
    (void)unused;
    static double big[SAMPLE_VECTOR_MAX + 1];
    static const double huge[] = {1e39, 0}, some[] = {0.1, -0.0, 3};
    const struct {
        const double *numbers;
        uint32_t count;
        bool kept;
    } cases[] = {{some, 3, true},
                 {some, 0, true},
                 {huge, 2, false},
                 {big, SAMPLE_VECTOR_MAX, true},
                 {big, SAMPLE_VECTOR_MAX + 1, false}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
        for (int keep = 0; keep < 2; keep++) {
            struct value vector = {.type = VALUE_VECTOR, .vector = cases[c].numbers, .count = cases[c].count};
            struct field fields[2] = {{text_of("a"), 0, vector}, {text_of("b"), 1, vector}};
            struct event ev = {.kind = EVENT_FEATURES, .features = {fields, 2}}, back;
            struct sample *sample = sample_new(5), *decoded = sample_new(5);
            if (keep)
                sample_keep_vectors(sample);
            assert_int_equal(sample_add(sample, &ev), 0);
            struct strbuf bytes = encoded(sample);
            assert_int_equal(sample_decode_merge(bytes.bytes, bytes.len, decoded), 0);
            strbuf_release(&bytes);
            struct sample_reader reader;
            uint64_t times;
            assert_int_equal(sample_reader_init(&reader), 0);
            assert_int_equal(sample_row_read(decoded, 0, &reader, &back, &times), 0);
            for (int f = 0; f < 2; f++) {
                const struct value *value = &back.features.items[f].value;
                assert_int_equal(value->type, VALUE_VECTOR);
                assert_int_equal(value->count, keep && cases[c].kept ? cases[c].count : 0);
                for (uint32_t i = 0; i < value->count; i++)
                    assert_true(value->vector[i] == (double)(float)cases[c].numbers[i]);
            }
            sample_reader_release(&reader);
            sample_free(sample);
            sample_free(decoded);
        }
}

/* The order of rows is that of their hashes, however they came in. */
static void test_row_order(void **unused)
{
    (void)unused;
    enum { EVENTS = 300 };
    struct sample *samples[2] = {sample_new(100), sample_new(100)};
    int64_t times_ms[2][100];
    for (uint32_t i = 0; i < EVENTS; i++) {
        add(samples[0], i, IDS, false);
        add(samples[1], EVENTS - 1 - i, IDS, false);
    }
    for (int s = 0; s < 2; s++) {
        uint32_t order[100];
        struct sample_reader reader;
        assert_int_equal(sample_reader_init(&reader), 0);
        sample_row_order(samples[s], order);
        for (uint32_t i = 0; i < 100; i++) {
            struct event ev;
            uint64_t times;
            assert_int_equal(sample_row_read(samples[s], order[i], &reader, &ev, &times), 0);
            times_ms[s][i] = ev.ts_ms;
        }
        sample_reader_release(&reader);
        sample_free(samples[s]);
    }
    assert_memory_equal(times_ms[0], times_ms[1], sizeof(times_ms[0]));
}

/* Rows of a megabyte: the sample shrinks instead of growing without end, and still does not see the order. */
static void test_bytes_are_bounded(void **unused)
{
    (void)unused;
    enum { BIG = 1 << 20, EVENTS = 100 };
    char *text = malloc(BIG);
    struct sample *a = sample_new(1000), *b = sample_new(1000);
    for (unsigned i = 0; i < 2 * EVENTS; i++) {
        unsigned number = i < EVENTS ? i : 2 * EVENTS - 1 - i;
        memset(text, 'a' + (int)(number % 26), BIG);
        struct field field = {
            text_of("text"), 0, {.type = VALUE_STRING, .text = {text, BIG - number * 5000}}};
        char id[16];
        (void)snprintf(id, sizeof(id), "%u", number);
        struct event ev = {.kind = EVENT_FEATURES, .id = text_of(id), .features = {&field, 1}};
        assert_int_equal(sample_add(i < EVENTS ? a : b, &ev), 0);
    }
    assert_in_range(sample_count(a), 50, EVENTS - 1);
    assert_true(sample_bytes(a) < SAMPLE_BYTES_MAX + 3 * BIG);
    assert_same(a, b);
    sample_free(a);
    sample_free(b);
    free(text);
}

static void test_hostile_bytes(void **unused)
{
    (void)unused;
    uint64_t state = 3;
    struct sample *sample = sample_new(40), *into = sample_new(40);
    for (uint32_t i = 0; i < 60; i++)
        add(sample, i, i % 2 ? IDS : NO_IDS_FEW, false);
    static const double numbers[] = {1, 2.5, -3};
    struct field field = {text_of("vector"), 0, {.type = VALUE_VECTOR, .vector = numbers, .count = 3}};
    struct event with_vector = {.kind = EVENT_FEATURES, .features = {&field, 1}};
    sample_keep_vectors(sample);
    assert_int_equal(sample_add(sample, &with_vector), 0);
    struct strbuf good = encoded(sample);
    for (size_t len = 0; len < good.len; len++) {
        char *bytes = malloc(len ? len : 1);
        memcpy(bytes, good.bytes, len);
        sample_reset(into);
        assert_int_equal(sample_decode_merge(bytes, len, into), ERR_CORRUPT);
        free(bytes);
    }
    for (unsigned round = 0; round < 30000; round++) {
        char *bytes = malloc(good.len);
        memcpy(bytes, good.bytes, good.len);
        for (unsigned flips = 0; flips < 1 + round % 3; flips++)
            bytes[random_next(&state) % good.len] ^= (char)(1u << random_next(&state) % 8);
        sample_reset(into);
        if (sample_decode_merge(bytes, good.len, into) == 0) { /* whatever it holds can be read */
            struct sample_reader reader;
            assert_int_equal(sample_reader_init(&reader), 0);
            for (uint32_t i = 0; i < sample_row_count(into); i++) {
                struct event ev;
                uint64_t times;
                assert_int_equal(sample_row_read(into, i, &reader, &ev, &times), 0);
            }
            sample_reader_release(&reader);
        }
        free(bytes);
    }
    strbuf_addc(&good, 0);
    assert_int_equal(sample_decode_merge(good.bytes, good.len, into), ERR_CORRUPT);
    strbuf_release(&good);
    sample_free(sample);
    sample_free(into);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_merges),  cmocka_unit_test(test_each),
        cmocka_unit_test(test_uniform),           cmocka_unit_test(test_one_id_is_one_event),
        cmocka_unit_test(test_what_counts),       cmocka_unit_test(test_rows_come_back),
        cmocka_unit_test(test_bytes_are_bounded), cmocka_unit_test(test_hostile_bytes),
        cmocka_unit_test(test_vectors),           cmocka_unit_test(test_row_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
