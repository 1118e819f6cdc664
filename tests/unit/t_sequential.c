/* sequential.c: options, restart after a drift, checkpoints at every place, rejected bytes. */
#include "tests/unit/sequential_streams.h"

#include "agent/base/err.h"

static const char *const names[] = {"adwin", "page_hinkley", "page_hinkley_moa", "cusum",  "cusum_moa",
                                    "ddm",   "eddm",         "hddm_a",           "hddm_w", "kswin",
                                    "ewma",  "ecdd"};
enum { NAMES = sizeof names / sizeof *names };

static void every_kind_is_described(void **state)
{
    (void)state;
    assert_int_equal(NAMES, SEQUENTIAL_KIND_COUNT);
    for (int i = 0; i < NAMES; i++) {
        enum sequential_kind kind = sequential_find(names[i]);
        assert_int_equal(kind, i);
        const struct sequential_description *d = sequential_describe(kind);
        assert_non_null(d->summary);
        struct sequential_options options = sequential_options(kind);
        for (int p = 0; d->parameters[p].name; p++) {
            const struct sequential_parameter *limits = &d->parameters[p];
            assert_int_equal(sequential_set(&options, limits->name, limits->otherwise), 0);
            assert_int_equal(sequential_set(&options, limits->name, limits->maximum * 2 + 1), ERR_INVALID);
            assert_int_equal(sequential_set(&options, limits->name, NAN), ERR_INVALID);
        }
        assert_int_equal(sequential_set(&options, "nonsense", 1), ERR_NOT_FOUND);
    }
    assert_int_equal(sequential_find("nonsense"), SEQUENTIAL_KIND_COUNT);
}

static struct sequential *through_bytes(struct sequential *detector)
{
    struct strbuf bytes, again;
    struct sequential *copy = NULL;
    strbuf_init(&bytes, 1 << 20);
    strbuf_init(&again, 1 << 20);
    sequential_encode(detector, &bytes);
    assert_false(strbuf_failed(&bytes));
    assert_int_equal(sequential_decode(bytes.bytes, bytes.len, &copy), 0);
    sequential_encode(copy, &again);
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.bytes, again.bytes, bytes.len);
    strbuf_release(&bytes);
    strbuf_release(&again);
    sequential_free(detector);
    return copy;
}

/* Two runs, one of them stored and read back now and then, say the same at every value. */
static void a_checkpoint_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        struct sequential *plain = detector_of(names[i]), *stored = detector_of(names[i]);
        uint64_t seed = 17, other_seed = 17, when = 23;
        for (int k = 0; k < STREAM_END; k++) {
            enum stream stream = strncmp(names[i], "cusum", 5) == 0 ? STREAM_NORMAL_RISE : STREAM_RISE;
            enum sequential_state want = sequential_update(plain, stream_value(stream, k, &seed));
            if (random_unit(&when) < 0.05 || want == SEQUENTIAL_DRIFT)
                stored = through_bytes(stored);
            assert_int_equal(sequential_update(stored, stream_value(stream, k, &other_seed)), want);
        }
        sequential_free(plain);
        sequential_free(stored);
    }
}

/* After a drift, the next value begins a new run: as if the detector were new. */
static void a_drift_restarts(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        struct sequential *used = detector_of(names[i]), *fresh = NULL;
        uint64_t seed = 40;
        enum stream stream = strncmp(names[i], "cusum", 5) == 0 ? STREAM_NORMAL_RISE : STREAM_RISE;
        for (int k = 0; k < STREAM_END; k++) {
            double x = stream_value(stream, k, &seed);
            enum sequential_state got = sequential_update(used, x);
            if (fresh)
                assert_int_equal(sequential_update(fresh, x), got);
            if (got == SEQUENTIAL_DRIFT) {
                sequential_free(fresh);
                fresh = detector_of(names[i]);
            }
        }
        sequential_free(used);
        sequential_free(fresh);
    }
}

static void values_that_are_no_numbers_are_ignored(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        struct sequential *plain = detector_of(names[i]), *noisy = detector_of(names[i]);
        uint64_t seed = 3;
        for (int k = 0; k < 1200; k++) {
            double x = stream_value(STREAM_RISE, k, &seed);
            assert_int_equal(sequential_update(noisy, k % 2 ? NAN : INFINITY), SEQUENTIAL_QUIET);
            assert_int_equal(sequential_update(plain, x), sequential_update(noisy, x));
        }
        sequential_free(plain);
        sequential_free(noisy);
    }
}

static void broken_bytes_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        struct sequential *detector = detector_of(names[i]), *copy = NULL;
        struct strbuf bytes;
        uint64_t seed = 12;
        strbuf_init(&bytes, 1 << 20);
        for (int k = 0; k < 300; k++)
            (void)sequential_update(detector, stream_value(STREAM_RISE, k, &seed));
        sequential_encode(detector, &bytes);
        for (size_t len = 0; len < bytes.len; len++)
            assert_int_equal(sequential_decode(bytes.bytes, len, &copy), ERR_CORRUPT);
        strbuf_addc(&bytes, 0);
        assert_int_equal(sequential_decode(bytes.bytes, bytes.len, &copy), ERR_CORRUPT);
        /* any flipped byte is refused or gives a detector that works */
        for (size_t at = 0; at + 1 < bytes.len; at++) {
            bytes.bytes[at] ^= 0x41;
            if (sequential_decode(bytes.bytes, bytes.len - 1, &copy) == 0) {
                for (int k = 0; k < 100; k++)
                    (void)sequential_update(copy, stream_value(STREAM_RISE, k, &seed));
                sequential_free(copy);
            }
            bytes.bytes[at] ^= 0x41;
        }
        strbuf_release(&bytes);
        sequential_free(detector);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_described),  cmocka_unit_test(a_checkpoint_changes_nothing),
        cmocka_unit_test(a_drift_restarts),         cmocka_unit_test(values_that_are_no_numbers_are_ignored),
        cmocka_unit_test(broken_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
