#ifndef DRIFTD_TESTS_DECODE_JUDGE_H
#define DRIFTD_TESTS_DECODE_JUDGE_H
/* Every payload goes three ways: the fast path from an exact copy, the fast path with misleading bytes behind
 * the payload, and the slow path. All must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fuzz/decode_compare.h"

struct fixture {
    struct mapping *mapping;
    struct decoder *fast, *slow;
};

static inline void fixture_open(struct fixture *fixture, const struct mapping_spec *spec,
                                const struct decode_limits *limits)
{
    static const struct mapping_spec canonical;
    struct err err = {0};
    if (mapping_compile(&fixture->mapping, spec ? spec : &canonical, "input", &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(decoder_new(&fixture->fast, fixture->mapping, limits), 0);
    assert_int_equal(decoder_new(&fixture->slow, fixture->mapping, limits), 0);
}

static inline void fixture_close(struct fixture *fixture)
{
    decoder_free(fixture->fast);
    decoder_free(fixture->slow);
    mapping_free(fixture->mapping);
}

/* What may stand behind a payload in a fetch buffer: things that would complete or continue it. */
static const char *const paddings[] = {
    "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "\"}]},\"a\":1}\"}]},\"a\":1}\"}]},\"a\":1}\"}]},\"a\":1}\"}]},\"a\":1}\"}]},1",
    "                                                                ",
    ",\"zz\":1,\"zy\":2,\"zx\":3,\"zw\":4,\"zv\":5,\"zu\":6,\"zt\":7,\"zs\":8,\"zr\":9}",
};

/* The verdict on the payload; *out (when accepted) is of fixture->fast. Fails when the ways disagree. */
static inline enum reject judge(struct fixture *fixture, const struct record *from, const char *bytes,
                                size_t len, struct event *out)
{
    struct event fast, slow;
    struct record record = *from;
    char *copy = malloc(len + RECORD_PADDING);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    record.payload = (struct text){copy, (uint32_t)len};
    record.padded = true;
    enum reject by_slow = decoder_decode_slowly(fixture->slow, &record, &slow);
    /* Twice each: the second time with the keys already learned. */
    for (size_t i = 0; i < 2 * ARRAY_LEN(paddings); i++) {
        for (size_t k = 0; k < RECORD_PADDING; k++)
            copy[len + k] = paddings[i / 2][k % strlen(paddings[i / 2])];
        enum reject by_fast = decoder_decode(fixture->fast, &record, &fast);
        const char *difference =
            by_fast || by_slow ? NULL : event_difference(fixture->fast, &fast, fixture->slow, &slow);
        if (by_fast != by_slow || difference)
            fail_msg("`%.*s`: %s by the fast path, %s by the slow one; different: %s",
                     (int)(len < 200 ? len : 200), bytes, reject_name(by_fast), reject_name(by_slow),
                     difference ? difference : "verdict");
        if (by_fast != REJECT_NONE && decoder_detail(fixture->fast)[0] == '\0')
            fail_msg("`%.*s`: no detail", (int)(len < 200 ? len : 200), bytes);
    }
    /* An exact copy, so that a sanitizer sees a byte too far. */
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    record.payload.ptr = exact;
    record.padded = false;
    enum reject by_exact = decoder_decode(fixture->fast, &record, &fast);
    assert_int_equal(by_exact, by_slow);
    if (by_exact == REJECT_NONE)
        assert_null(event_difference(fixture->fast, &fast, fixture->slow, &slow));
    free(exact); /* the event lives in the decoder's padded copy */
    free(copy);
    if (out)
        *out = fast;
    return by_exact;
}

static const struct record plain_record = {.ts_ms = INT64_MIN};

#define E       "{\"type\":\"prediction\",\"model\":\"m\",\"ts\":1,"
#define L(text) text, sizeof(text) - 1

#endif
