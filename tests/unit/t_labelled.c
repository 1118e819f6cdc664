/* labelled.c: chunks, what is learned from them, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/labelled.h"
#include "detectors/performance.h"

static uint64_t seed = 1;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) / 9007199254740992.0;
}

/* The truth is positive with probability p²: scores that promise too much. */
static struct outcome overconfident(void)
{
    double p = uniform();
    return (struct outcome){.kind = OUTCOME_BINARY,
                            .labelled = true,
                            .predicted = p >= 0.5,
                            .value = p,
                            .truth = uniform() < p * p};
}

static struct labelled_row *rows_of(size_t count, bool one_time)
{
    struct labelled_row *rows = calloc(count, sizeof(*rows));
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct labelled_row){.ts_ms = one_time ? 0 : (int64_t)i,
                                        .hash = (uint64_t)(uniform() * 1e18),
                                        .times = 1,
                                        .outcome = overconfident()};
    return rows;
}

static struct labelled *build(struct labelled_row *rows, size_t count)
{
    struct labelled *labelled = NULL;
    assert_int_equal(labelled_from_rows(rows, count, 1, &labelled), 0);
    assert_non_null(labelled);
    return labelled;
}

static void test_calibrates(void **state)
{
    (void)state;
    struct labelled_row *rows = rows_of(20000, false);
    struct labelled *labelled = build(rows, 20000);
    assert_int_equal(labelled->chunk_count, 10);
    assert_int_equal(labelled->labels, 20000);
    assert_int_equal(labelled->calibrator.kind, CALIBRATOR_ISOTONIC);
    for (double p = 0.1; p < 0.95; p += 0.1)
        assert_true(fabs(calibrator_probability(&labelled->calibrator, p) - p * p) < 0.06);
    assert_true(labelled->chunk_n > 1999.9 && labelled->chunk_n < 2000.1);
    assert_true(labelled->usual[LABELLED_ACCURACY].sd > 0.004 &&
                labelled->usual[LABELLED_ACCURACY].sd < 0.02);
    labelled_free(labelled);
    free(rows);
}

/* The order of rows is nothing; times are, and where they are equal, the hash: no chunk is all high scores.
 */
static void test_order(void **state)
{
    (void)state;
    struct labelled_row *rows = rows_of(3000, true), *other = calloc(3000, sizeof(*other));
    for (size_t i = 0; i < 3000; i++)
        other[i] = rows[(i * 7 + 11) % 3000];
    struct labelled *a = build(rows, 3000), *b = build(other, 3000);
    struct strbuf bytes[2];
    for (int i = 0; i < 2; i++) {
        strbuf_init(&bytes[i], 1 << 22);
        labelled_encode(i ? b : a, &bytes[i]);
    }
    assert_int_equal(bytes[0].len, bytes[1].len);
    assert_memory_equal(bytes[0].bytes, bytes[1].bytes, bytes[0].len);
    assert_true(a->usual[LABELLED_ACCURACY].sd < 0.06);
    for (int i = 0; i < 2; i++)
        strbuf_release(&bytes[i]);
    labelled_free(a);
    labelled_free(b);
    free(rows);
    free(other);
}

static void test_bytes(void **state)
{
    (void)state;
    struct labelled_row *rows = rows_of(2500, false);
    struct labelled *labelled = build(rows, 2500), *again = NULL;
    struct strbuf bytes, twice;
    strbuf_init(&bytes, 1 << 22);
    strbuf_init(&twice, 1 << 22);
    labelled_encode(labelled, &bytes);
    assert_int_equal(labelled_decode(bytes.bytes, bytes.len, &again), 0);
    assert_int_equal(labelled_finish(again), 0);
    labelled_encode(again, &twice);
    assert_memory_equal(bytes.bytes, twice.bytes, bytes.len);
    assert_int_equal(again->labels, 2500);
    labelled_forget_chunks(again);
    assert_int_equal(again->labels, 2500);
    labelled_free(again);
    for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 200) {
        again = NULL;
        assert_int_not_equal(labelled_decode(bytes.bytes, len, &again), 0);
        assert_null(again);
    }
    strbuf_release(&bytes);
    strbuf_release(&twice);
    labelled_free(labelled);
    free(rows);
}

/* Groups of first outcomes stand behind the classes, and neither is there when there is none. */
static void test_bytes_of_groups(void **state)
{
    (void)state;
    const uint64_t cells[GROUP_CELLS] = {1, 2, 3, 4, 5, 6};
    struct labelled *labelled = labelled_new(1), *again = NULL;
    struct strbuf bytes;
    strbuf_init(&bytes, 1 << 20);
    labelled_encode(labelled, &bytes);
    size_t without = bytes.len;
    assert_int_equal(named_counts_add(&labelled->groups, text_of("sex=F"), cells, GROUP_CELLS), 0);
    strbuf_reset(&bytes);
    labelled_encode(labelled, &bytes);
    assert_true(bytes.len > without);
    assert_int_equal(labelled_decode(bytes.bytes, bytes.len, &again), 0);
    assert_int_equal(again->groups.count, 1);
    assert_memory_equal(again->groups.items[0].cells, cells, sizeof(cells));
    labelled_free(again);
    for (size_t len = without + 3; len < bytes.len; len++) {
        again = NULL;
        assert_int_equal(labelled_decode(bytes.bytes, len, &again), ERR_CORRUPT);
    }
    strbuf_release(&bytes);
    labelled_free(labelled);
}

/* Pane by pane: at most ten chunks, nothing is lost, neighbours stay neighbours. */
static void test_many_chunks(void **state)
{
    (void)state;
    struct labelled *labelled = labelled_new(1);
    struct tally *pane = tally_new(outcomes_size());
    uint64_t total = 0;
    for (uint32_t i = 0; i < 200; i++) {
        tally_reset(pane);
        uint32_t n = 1 + i % 13;
        for (uint32_t k = 0; k < n; k++) {
            struct outcome outcome = overconfident();
            outcomes_add(pane, &outcome, 1, 1);
        }
        total += n;
        assert_int_equal(labelled_add(labelled, pane), 0);
        assert_true(labelled->chunk_count <= LABELLED_CHUNKS);
    }
    assert_int_equal(labelled_count(labelled), total);
    assert_int_equal(labelled_finish(labelled), 0);
    assert_int_equal(labelled->labels, total);
    tally_free(pane);
    labelled_free(labelled);
}

static void test_degenerate(void **state)
{
    (void)state;
    struct labelled *labelled = NULL;
    assert_int_equal(labelled_from_rows(NULL, 0, 1, &labelled), 0);
    assert_null(labelled);
    struct labelled_row one = {.times = 1, .outcome = {OUTCOME_BINARY, true, 1, 0.7, 1}};
    labelled = build(&one, 1); /* one class: no AUC, no calibrator, no sd */
    assert_int_equal(labelled->calibrator.kind, CALIBRATOR_NONE);
    assert_true(isnan(labelled->usual[LABELLED_ACCURACY].sd) && isnan(labelled->usual[LABELLED_AUC].mean));
    labelled_free(labelled);
    struct labelled_row unscored = {.times = 3, .outcome = {OUTCOME_BINARY, true, 1, (double)NAN, 1}};
    labelled = build(&unscored, 1);
    assert_int_equal(labelled->labels, 3);
    assert_true(labelled->bin_labels[0] == 0);
    labelled_free(labelled);
    struct labelled_row target = {.times = 1, .outcome = {OUTCOME_REGRESSION, true, 0, 5, 6}};
    labelled = build(&target, 1);
    assert_int_equal(labelled->labels, 1);
    labelled_free(labelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calibrates),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_bytes_of_groups),
        cmocka_unit_test(test_many_chunks), cmocka_unit_test(test_degenerate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
