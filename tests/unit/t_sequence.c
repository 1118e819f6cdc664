/* sequence.c: rows of panes, counts over restarts, checkpoints of every kind. */
#include "tests/unit/sequential_streams.h"

#include <string.h>

#include "agent/base/err.h"
#include "detectors/sequence.h"
#include "detectors/sequence_slots.h"

static struct sequence *sequence_of(const char *name)
{
    struct sequential_options options = sequential_options(sequential_find(name));
    struct sequence *sequence = sequence_new(&options);
    assert_non_null(sequence);
    return sequence;
}

static void a_row_tells_of_the_first_drift(void **state)
{
    (void)state;
    struct sequence *sequence = sequence_of("page_hinkley");
    struct report_row row;
    double quiet[40] = {0}, jump[40];
    for (int i = 0; i < 40; i++)
        jump[i] = 30;
    assert_true(sequence_feed(sequence, quiet, 40, &row));
    assert_int_equal(row.family, FAMILY_DETECTOR);
    assert_int_equal(row.n, 40);
    assert_near(row.slots[DETECTOR_STATE], SEQUENTIAL_QUIET, 0);
    assert_near(row.slots[DETECTOR_INDEX], 39, 0);
    assert_near(row.slots[DETECTOR_SINCE_RESTART], 40, 0);
    assert_near(row.slots[DETECTOR_DRIFTS], 0, 0);
    assert_true(sequence_feed(sequence, jump, 40, &row));
    assert_near(row.slots[DETECTOR_STATE], SEQUENTIAL_DRIFT, 0);
    assert_near(row.slots[DETECTOR_INDEX], 41, 0); /* 30·40/41 + 30·40/42 > 50 */
    assert_near(row.slots[DETECTOR_SINCE_RESTART], 42, 0);
    assert_near(row.slots[DETECTOR_DRIFTS], 1, 0);
    assert_near(row.slots[DETECTOR_VALUE], 30, 0);
    assert_true(row.slots[DETECTOR_STATISTIC] > 50);
    assert_true(sequence_feed(sequence, jump, 1, &row)); /* it had restarted within the pane */
    assert_near(row.slots[DETECTOR_STATE], SEQUENTIAL_QUIET, 0);
    assert_near(row.slots[DETECTOR_INDEX], 80, 0);
    assert_near(row.slots[DETECTOR_SINCE_RESTART], 39, 0);
    sequence_free(sequence);
}

static void values_that_are_no_numbers_are_left_out(void **state)
{
    (void)state;
    struct sequence *sequence = sequence_of("adwin");
    struct report_row row;
    const double none[] = {NAN, INFINITY}, one[] = {NAN, 0.5, -INFINITY};
    assert_false(sequence_feed(sequence, none, 2, &row));
    assert_false(sequence_feed(sequence, none, 0, &row));
    assert_true(sequence_feed(sequence, one, 3, &row));
    assert_int_equal(row.n, 1);
    assert_near(row.slots[DETECTOR_VALUE], 0.5, 0);
    assert_near(row.slots[DETECTOR_INDEX], 0, 0);
    assert_near(row.slots[DETECTOR_STATISTIC], 0.5, 0);
    sequence_free(sequence);
}

static struct sequence *through_bytes(struct sequence *sequence, enum sequential_kind kind)
{
    struct sequential_options options = sequential_options(kind);
    struct strbuf bytes, again;
    struct sequence *copy = NULL;
    strbuf_init(&bytes, 1 << 20);
    strbuf_init(&again, 1 << 20);
    sequence_encode(sequence, &bytes);
    assert_int_equal(sequence_decode(bytes.bytes, bytes.len, &options, &copy), 0);
    sequence_encode(copy, &again);
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.bytes, again.bytes, bytes.len);
    strbuf_release(&bytes);
    strbuf_release(&again);
    sequence_free(sequence);
    return copy;
}

/* Rows of a run that is stored and read back after each pane are the rows of one that is not. */
static void checkpoints_change_no_row(void **state)
{
    (void)state;
    int restarted = 0;
    for (int kind = 0; kind < SEQUENTIAL_KIND_COUNT; kind++) {
        const char *name = sequential_describe((enum sequential_kind)kind)->name;
        enum stream stream = strncmp(name, "cusum", 5) == 0 ? STREAM_NORMAL_RISE : STREAM_RISE;
        struct sequence *plain = sequence_of(name), *stored = sequence_of(name);
        uint64_t seed = 5;
        double drifts = 0;
        for (int k = 0; k < STREAM_END; k += 5) {
            double values[5];
            struct report_row want, got;
            for (int i = 0; i < 5; i++)
                values[i] = stream_value(stream, k + i, &seed);
            assert_true(sequence_feed(plain, values, 5, &want));
            stored = through_bytes(stored, (enum sequential_kind)kind);
            assert_true(sequence_feed(stored, values, 5, &got));
            assert_memory_equal(want.slots, got.slots, sizeof(want.slots));
            drifts = want.slots[DETECTOR_DRIFTS];
        }
        restarted += drifts >= 1;
        sequence_free(plain);
        sequence_free(stored);
    }
    assert_true(restarted >= SEQUENTIAL_KIND_COUNT - 2); /* so restarts were stored too */
}

static void other_or_broken_bytes_are_refused(void **state)
{
    (void)state;
    struct sequential_options options = sequential_options(SEQUENTIAL_ADWIN), other = options;
    struct sequence *sequence = sequence_of("adwin"), *copy = NULL;
    struct strbuf bytes;
    strbuf_init(&bytes, 1 << 20);
    sequence_encode(sequence, &bytes);
    assert_int_equal(sequential_set(&other, "delta", 0.1), 0);
    assert_int_equal(sequence_decode(bytes.bytes, bytes.len, &other, &copy), ERR_NOT_FOUND);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(sequence_decode(bytes.bytes, len, &options, &copy), ERR_CORRUPT);
    bytes.bytes[2] = 9; /* more values since the restart than in all */
    assert_int_equal(sequence_decode(bytes.bytes, bytes.len, &options, &copy), ERR_CORRUPT);
    assert_null(copy);
    strbuf_release(&bytes);
    sequence_free(sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_tells_of_the_first_drift),
        cmocka_unit_test(values_that_are_no_numbers_are_left_out),
        cmocka_unit_test(checkpoints_change_no_row),
        cmocka_unit_test(other_or_broken_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
