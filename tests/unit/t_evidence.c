/* evidence.c: bins, limits, what bounds skip, watches; evidence_effect.c: sizes against bands. */
#include "tests/unit/near.h"

#include "detectors/evidence.h"
#include "detectors/feature_slots.h"

enum { MINUTE = 60000, SLOTS = 12 };

static const struct evidence_options options = {
    .false_alarms = 1, .per_ms = 2592000000LL, .share = 0.5, .tolerance = 0.005, .overdispersion = 1};
static const struct evidence_settings settings = {.tier_ms = {5 * MINUTE, 60 * MINUTE, 1440LL * MINUTE},
                                                  .options = &options,
                                                  .series = 100,
                                                  .tolerance_factor = 1};

static void fill(uint64_t *counts, uint32_t count, uint64_t value)
{
    for (uint32_t i = 0; i < count; i++)
        counts[i] = value;
}

static void scores_have_as_many_bins_as_the_reference_can_tell_apart(void **state)
{
    (void)state;
    static const struct {
        uint64_t each;
        uint32_t bins;
    } cases[] = {{300, 21}, {230, 10}, {20, 7}, {4, 2}, {0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t reference[21];
        struct evidence_bins bins;
        fill(reference, 21, cases[i].each);
        evidence_bins_of_score(reference, 21, &bins);
        assert_int_equal(bins.bins, cases[i].bins);
        for (uint32_t s = 0; s < 21; s++) {
            assert_true(bins.bin_of[s] < bins.bins && bins.ordered[bins.bin_of[s]]);
            assert_true(s == 0 || bins.bin_of[s] >= bins.bin_of[s - 1]);
        }
    }
}

static void categories_stay_as_they_are(void **state)
{
    (void)state;
    struct feature_grid feature = {.type = FEATURE_CATEGORICAL, .category_count = 3, .slot_count = {7, 7}};
    uint64_t reference[7] = {5, 5, 5, 0, 0, 1, 0};
    struct evidence_bins bins;
    evidence_bins_of_feature(&feature, reference, &bins);
    assert_int_equal(bins.slots, 7);
    assert_int_equal(bins.bins, 7);
    for (uint32_t s = 0; s < 7; s++) {
        assert_int_equal(bins.bin_of[s], s);
        assert_false(bins.ordered[s]);
    }
}

/* below, four coarse bins, above, missing, invalid. */
static void what_is_out_of_range(void **state)
{
    (void)state;
    static double edges[] = {0, 1, 2, 3, 4};
    struct feature_grid feature = {.type = FEATURE_NUMERIC,
                                   .edge_count = 5,
                                   .edges = edges,
                                   .coarse_psi_bin = {0, 0, 0, 1, 1, 1},
                                   .slot_count = {8, 8}};
    uint64_t reference[8] = {0, 2000, 2000, 2000, 2000, 0, 50, 0};
    struct evidence_bins bins;
    evidence_bins_of_feature(&feature, reference, &bins);
    static const uint8_t many[8] = {0, 0, 1, 2, 3, 3, 4, 5}, few[8] = {0, 0, 0, 1, 1, 1, 2, 3};
    assert_memory_equal(bins.bin_of, many, 8);
    assert_int_equal(bins.bins, 6);
    assert_true(bins.ordered[3] && !bins.ordered[4] && !bins.ordered[5]);
    fill(reference + 1, 4, 1000);
    evidence_bins_of_feature(&feature, reference, &bins);
    assert_memory_equal(bins.bin_of, few, 8);
    /* A value of its own at an end: what lies beyond is not that value. */
    edges[0] = nextafter(1, -INFINITY);
    fill(reference + 1, 4, 2000);
    evidence_bins_of_feature(&feature, reference, &bins);
    static const uint8_t apart[8] = {0, 1, 2, 3, 4, 4, 5, 6};
    assert_memory_equal(bins.bin_of, apart, 8);
    edges[0] = 0;
    edges[3] = nextafter(4, -INFINITY);
    evidence_bins_of_feature(&feature, reference, &bins);
    static const uint8_t above[8] = {0, 0, 1, 2, 3, 4, 5, 6};
    assert_memory_equal(bins.bin_of, above, 8);
    edges[3] = 3;
}

static struct evidence *made(struct evidence_bins *bins, struct evidence_limits *limits)
{
    uint64_t reference[SLOTS];
    fill(reference, SLOTS, 1000);
    evidence_bins_of_score(reference, SLOTS, bins);
    struct evidence *evidence = evidence_new(&settings, bins, reference);
    assert_non_null(evidence);
    *limits = evidence_limits_of(evidence, &settings, false);
    return evidence;
}

static void limits_follow_the_budget(void **state)
{
    (void)state;
    struct evidence_bins bins;
    struct evidence_limits limits;
    struct evidence *evidence = made(&bins, &limits);
    assert_near(limits.threshold, log(8640.0 * 100 * 24 / 0.5), 1e-12);
    assert_near(limits.run_length, 8640.0 * 100 / 0.5, 1e-6);
    assert_near(limits.rho[0], 0.005, 0);
    assert_near(limits.phi[0], 1, 0);
    struct evidence_options rough = options;
    struct evidence_settings wider = settings;
    wider.options = &rough;
    wider.tolerance_factor = 4;
    assert_near(evidence_limits_of(evidence, &wider, false).rho[0], 0.02, 1e-15);
    rough.overdispersion = 50;
    assert_near(evidence_limits_of(evidence, &wider, false).rho[0],
                null_radius(12000 / 50., SLOTS, 0.0005, 0.02), 1e-15);
    assert_near(evidence_limits_of(evidence, &wider, false).phi[0], 50, 1e-15);
    assert_true(evidence_bytes(evidence) < 10000 && evidence_bytes(evidence) > 4000);
    assert_near(evidence_reference_n(evidence, false), 12000, 0);
    uint64_t none[SLOTS] = {0};
    assert_null(evidence_new(&settings, &bins, none));
    evidence_free(evidence);
    evidence_free(NULL);
}

/* Wherever a look says that it did not look, an exact one finds less than the threshold. */
static void a_skipped_look_hides_nothing(void **state)
{
    (void)state;
    struct evidence_bins bins;
    struct evidence_limits limits;
    struct evidence *evidence = made(&bins, &limits);
    struct evidence_watch watch = evidence_watch_new();
    uint64_t seed = 5, skipped = 0, crossed = 0;
    assert_true(isinf(evidence_look(evidence, &limits, &watch, true).log_r));
    for (int pane = 0; pane < 3000; pane++) {
        uint64_t counts[SLOTS];
        double drift = pane % 500 > 460 ? 0.15 : 0;
        for (uint32_t s = 0; s < SLOTS; s++)
            counts[s] = (uint64_t)(100 * (1 + drift * (s < 6 ? 1 : -1)) * (0.8 + 0.4 * random_unit(&seed)));
        assert_int_equal(evidence_close(evidence, pane * 5LL * MINUTE, counts), 0);
        struct evidence_look quick = evidence_look(evidence, &limits, &watch, false);
        struct evidence_look exact = evidence_look(evidence, &limits, &watch, true);
        if (isnan(quick.log_r)) {
            assert_true(exact.log_r < limits.threshold);
            skipped++;
        } else {
            assert_true(quick.log_r == exact.log_r && quick.onset_ms == exact.onset_ms);
        }
        if (exact.log_r >= limits.threshold) {
            struct evidence_effect effect = {.warning = 2, .critical = 0.5};
            evidence_cross(&watch, &exact, &effect, (pane + 1) * 5LL * MINUTE);
            crossed++;
        }
    }
    assert_true(skipped > 1500 && crossed > 3);
    assert_int_equal(watch.crossings, crossed);
    evidence_free(evidence);
}

static void a_watch_opens_and_clears(void **state)
{
    (void)state;
    struct evidence_watch watch = evidence_watch_new();
    struct evidence_look look = {.log_r = 20, .log_e = 19, .onset_ms = 10 * MINUTE, .entry = 3};
    struct evidence_effect none = {.warning = 0.2}, some = {.warning = 1.1, .critical = 0.4},
                           large = {.warning = 5, .critical = 2};
    evidence_cross(&watch, &look, &none, 30 * MINUTE);
    assert_int_equal(watch.level, EVIDENCE_NOTICE);
    look.onset_ms = 30 * MINUTE;
    evidence_cross(&watch, &look, &large, 40 * MINUTE);
    assert_int_equal(watch.level, EVIDENCE_CRITICAL);
    assert_int_equal(watch.onset_ms, 10 * MINUTE); /* of the first crossing of what is open */
    assert_int_equal(watch.restart_ms, 40 * MINUTE);
    assert_false(evidence_may_clear(&watch, 69 * MINUTE, 5 * MINUTE));
    assert_true(evidence_may_clear(&watch, 70 * MINUTE, 5 * MINUTE)); /* three windows of ten minutes */
    assert_false(evidence_may_clear(&watch, 70 * MINUTE, 11 * MINUTE));
    assert_false(evidence_clear(&watch, &some));
    struct strbuf bytes;
    strbuf_init(&bytes, 1000);
    evidence_watch_encode(&watch, &bytes);
    struct cursor in = {(const unsigned char *)bytes.bytes, (const unsigned char *)bytes.bytes + bytes.len,
                        false};
    struct evidence_watch read;
    assert_true(evidence_watch_decode(&in, &read));
    assert_true(read.level == watch.level && read.onset_ms == watch.onset_ms && read.entry == watch.entry &&
                read.restart_ms == watch.restart_ms && read.crossings == 2 &&
                read.length_ms == watch.length_ms);
    in = (struct cursor){(const unsigned char *)bytes.bytes, (const unsigned char *)bytes.bytes + 2, false};
    assert_false(evidence_watch_decode(&in, &read));
    strbuf_release(&bytes);
    assert_true(evidence_clear(&watch, &none));
    assert_int_equal(watch.level, EVIDENCE_NONE);
    assert_false(evidence_may_clear(&watch, 900 * MINUTE, 5 * MINUTE));
}

static void starts_are_those_of_the_ladder(void **state)
{
    (void)state;
    int64_t now = 26 * 60 * MINUTE + 35 * MINUTE;
    assert_int_equal(evidence_start(&settings, 0, now), now - 5 * MINUTE);
    assert_int_equal(evidence_start(&settings, 7, now), 25 * 60 * MINUTE); /* the second last hour boundary */
    assert_int_equal(evidence_start(&settings, 15, now), 0);               /* the second last day boundary */
    assert_int_equal(evidence_start(&settings, 7, 26 * 60 * MINUTE), 24 * 60 * MINUTE);
}

static void effects_are_in_units_of_their_bands(void **state)
{
    (void)state;
    struct report_row row = {.family = FAMILY_FEATURES};
    report_row_undefine(&row);
    struct evidence_effect effect = evidence_effect_of_row(&row);
    assert_near(effect.warning, 0, 0);
    row.slots[SLOT_PSI_DEBIASED] = 0.05;
    row.slots[SLOT_W1_NORMALIZED] = 0.3;
    row.slots[SLOT_W1_NOISE] = 0.01;
    effect = evidence_effect_of_row(&row);
    assert_near(effect.warning, 3, 1e-12);
    assert_near(effect.critical, 1.2, 1e-12);
    row.slots[SLOT_W1_NOISE] = 0.1; /* chance gives 0.42 */
    effect = evidence_effect_of_row(&row);
    assert_near(effect.warning, 0.3 / 0.42, 1e-12);
    row.slots[SLOT_MISSING_DELTA] = -0.2;
    row.slots[SLOT_MISSING_P] = 0.01;
    assert_near(evidence_effect_of_row(&row).warning, 0.3 / 0.42, 1e-12);
    row.slots[SLOT_MISSING_P] = 1e-9;
    assert_near(evidence_effect_of_row(&row).warning, 20, 1e-12);
    assert_near(evidence_effect_of_row(&row).critical, 4, 1e-12);
    uint64_t reference[4] = {500, 500, 0, 0}, same[4] = {50, 50, 0, 0}, other[4] = {90, 10, 0, 0},
             none[4] = {0};
    assert_true(evidence_effect_of_slots(reference, same, 4).warning < 0.2);
    assert_true(evidence_effect_of_slots(reference, other, 4).critical > 1);
    assert_nan(evidence_effect_of_slots(reference, none, 4).psi);
    assert_near(evidence_effect_of_slots(reference, none, 4).warning, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_have_as_many_bins_as_the_reference_can_tell_apart),
        cmocka_unit_test(categories_stay_as_they_are),
        cmocka_unit_test(what_is_out_of_range),
        cmocka_unit_test(limits_follow_the_budget),
        cmocka_unit_test(a_skipped_look_hides_nothing),
        cmocka_unit_test(a_watch_opens_and_clears),
        cmocka_unit_test(starts_are_those_of_the_ladder),
        cmocka_unit_test(effects_are_in_units_of_their_bands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
