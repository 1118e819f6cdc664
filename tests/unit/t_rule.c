#include "tests/unit/alert_fixture.h"

#include <stdio.h>

#include "alerting/rule.h"

static struct text t(const char *string)
{
    return text_of(string);
}

static struct rules *rules_of(const struct rule_spec *specs, uint32_t count)
{
    struct rules *rules = NULL;
    struct err err = {0};
    if (rules_new(&rules, specs, count, NULL, &err))
        fail_msg("%s", err.message);
    return rules;
}

static void test_globs(void **state)
{
    (void)state;
    char name[] = "r", psi[] = "psi", credit[] = "cred*", seven[] = "7", income[] = "in*e",
         channel[] = "channel=*";
    struct rule_spec any = spec_of(name, psi, 0.1, NAN);
    struct rule_spec narrow = any, segments = any;
    narrow.model = credit;
    narrow.version = seven;
    narrow.feature = income;
    segments.segment = channel;
    const struct {
        const struct rule_spec *spec;
        const char *model, *version, *segment, *feature;
        bool matches;
    } cases[] = {
        {&any, "credit", "7", "", "income", true},
        {&any, "", "", "", "", true},
        {&any, "credit", "7", "channel=web", "income", false},
        {&narrow, "credit", "7", "", "income", true},
        {&narrow, "cred", "7", "", "ine", true},
        {&narrow, "fraud", "7", "", "income", false},
        {&narrow, "credit", "70", "", "income", false},
        {&narrow, "credit", "7", "", "incomes", false},
        {&segments, "credit", "7", "channel=web", "income", true},
        {&segments, "credit", "7", "", "income", false},
        {&segments, "credit", "7", "region=eu", "income", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rules *rules = rules_of(cases[i].spec, 1);
        const struct rule *rule = rules_at(rules, 0);
        bool got = rule_matches(rule, t(cases[i].model), t(cases[i].version), t(cases[i].segment),
                                t(cases[i].feature));
        if (got != cases[i].matches)
            fail_msg("case %zu", i);
        /* The remembered answer is the same, the first time and the second. */
        for (int again = 0; again < 2; again++) {
            const struct rule_series *series =
                rules_series(rules, t(cases[i].model), t(cases[i].version), t(cases[i].segment));
            const struct rule_match *match = rules_match(rules, series, t(cases[i].feature));
            assert_int_equal(match->rule_count, cases[i].matches ? 1 : 0);
        }
        rules_free(rules);
    }
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    char name[] = "r", other[] = "s", psi[] = "psi", even[] = "*0";
    struct rule_spec specs[] = {spec_of(name, psi, 0.1, NAN), spec_of(other, psi, 0.2, NAN)};
    specs[1].feature = even;
    struct rules *rules = rules_of(specs, 2);
    const struct rule_match *first = NULL;
    for (uint32_t i = 0; i < 2u * RULE_CACHE_MAX; i++) {
        char model[32], feature[32];
        (void)snprintf(model, sizeof(model), "m%u", i / 100);
        (void)snprintf(feature, sizeof(feature), "f%u", i % 100);
        const struct rule_series *series = rules_series(rules, t(model), t("1"), t(""));
        assert_non_null(series);
        const struct rule_match *match = rules_match(rules, series, t(feature));
        assert_non_null(match);
        assert_int_equal(match->rule_count, i % 10 == 0 ? 2 : 1);
        assert_int_equal(match->rules[0], 0);
        assert_ptr_equal(match, rules_match(rules, series, t(feature)));
        first = match;
    }
    assert_non_null(first);
    rules_free(rules);
}

static void test_bad_specifications(void **state)
{
    (void)state;
    char name[] = "r", psi[] = "psi", mean[] = "mean", nope[] = "pssi", mail[] = "mail", pager[] = "pager";
    char *to_mail[] = {mail, NULL}, *to_pager[] = {pager, NULL};
    const char *const sinks[] = {"pager", NULL};
    struct rule_spec good = spec_of(name, psi, 0.1, 0.25), bad[8];
    good.sinks = to_pager;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].metric = nope;
    bad[1].warning = bad[1].critical = NAN;
    bad[2].critical = 0.05;
    bad[3].below = true; /* then critical must be below warning */
    bad[4].metric = mean;
    bad[4].max_p = 0.001; /* mean has no p-value */
    bad[5].clear_ratio = 1.5;
    bad[6].sinks = to_mail;
    bad[7].for_ms = -1;
    const char *const words[] = {"pssi",       "neither",     "before", "before",
                                 "no p-value", "clear_ratio", "`mail`", "negative"};
    struct rules *rules = NULL;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err = (struct err){0};
        assert_int_equal(rules_new(&rules, &bad[i], 1, sinks, &err), ERR_CONFIG);
        if (!strstr(err.message, words[i]))
            fail_msg("case %zu: %s", i, err.message);
    }
    struct rule_spec twice[] = {good, good};
    assert_int_equal(rules_new(&rules, twice, 2, sinks, &err), ERR_CONFIG);
    assert_int_equal(rules_new(&rules, &good, 1, sinks, &err), 0);
    assert_int_equal(rules_at(rules, 0)->sinks, 1);
    rules_free(rules);
}

struct judge_case {
    const char *what;
    double warning, critical, max_p;
    bool below, ignore_noise;
    uint64_t minimum_n;
    uint32_t flags;
    double value, floor, p;
    enum verdict verdict;
    enum severity severity;
    double threshold;
};

static const struct judge_case judge_cases[] = {
    {"clear", .1, .25, NAN, false, false, 0, 0, .05, NAN, NAN, VERDICT_CLEAR, 0, .1},
    {"at the clear level", .1, .25, NAN, false, false, 0, 0, .0801, NAN, NAN, VERDICT_HOLD, 0, .1},
    {"on the warning", .1, .25, NAN, false, false, 0, 0, .1, NAN, NAN, VERDICT_BREACH, SEVERITY_WARNING, .1},
    {"on the critical", .1, .25, NAN, false, false, 0, 0, .25, NAN, NAN, VERDICT_BREACH, SEVERITY_CRITICAL,
     .25},
    {"critical alone, between", NAN, .25, NAN, false, false, 0, 0, .21, NAN, NAN, VERDICT_HOLD, 0, .25},
    {"critical alone", NAN, .25, NAN, false, false, 0, 0, .3, NAN, NAN, VERDICT_BREACH, SEVERITY_CRITICAL,
     .25},
    {"warning alone", .1, NAN, NAN, false, false, 0, 0, 9, NAN, NAN, VERDICT_BREACH, SEVERITY_WARNING, .1},
    /* the table's floor_scale is 2 */
    {"below the noise", .1, .25, NAN, false, false, 0, 0, .15, .1, NAN, VERDICT_CLEAR, 0, .2},
    {"near the noise", .1, .25, NAN, false, false, 0, 0, .18, .1, NAN, VERDICT_HOLD, 0, .2},
    {"above the noise", .1, .25, NAN, false, false, 0, 0, .2, .1, NAN, VERDICT_BREACH, SEVERITY_WARNING, .2},
    {"noise above both", .1, .25, NAN, false, false, 0, 0, .3, .2, NAN, VERDICT_CLEAR, 0, .4},
    {"noise ignored", .1, .25, NAN, false, true, 0, 0, .15, .1, NAN, VERDICT_BREACH, SEVERITY_WARNING, .1},
    {"not significant", .1, .25, .001, false, false, 0, 0, .3, NAN, .001, VERDICT_HOLD, 0, .1},
    {"significant", .1, .25, .001, false, false, 0, 0, .3, NAN, .0009, VERDICT_BREACH, SEVERITY_CRITICAL,
     .25},
    {"p undefined", .1, .25, .001, false, false, 0, 0, .3, NAN, NAN, VERDICT_UNKNOWN, 0, NAN},
    {"undefined", .1, .25, NAN, false, false, 0, 0, NAN, NAN, NAN, VERDICT_UNKNOWN, 0, NAN},
    {"insufficient", .1, .25, NAN, false, false, 0, REPORT_INSUFFICIENT, .3, NAN, NAN, VERDICT_UNKNOWN, 0,
     NAN},
    {"few for the rule", .1, .25, NAN, false, false, 4201, 0, .3, NAN, NAN, VERDICT_UNKNOWN, 0, NAN},
    {"enough for the rule", .1, .25, NAN, false, false, 4200, 0, .3, NAN, NAN, VERDICT_BREACH,
     SEVERITY_CRITICAL, .25},
    {"another grid", .1, .25, NAN, false, false, 0, REPORT_GRID_MISMATCH, .3, NAN, NAN, VERDICT_UNKNOWN, 0,
     NAN},
    {"incomplete still counts", .1, .25, NAN, false, false, 0, REPORT_INCOMPLETE | REPORT_CAPPED, .3, NAN,
     NAN, VERDICT_BREACH, SEVERITY_CRITICAL, .25},
    {"infinite", .1, .25, NAN, false, false, 0, 0, INFINITY, NAN, NAN, VERDICT_BREACH, SEVERITY_CRITICAL,
     .25},
    {"below: fine", .1, .05, NAN, true, false, 0, 0, .2, NAN, NAN, VERDICT_CLEAR, 0, .1},
    {"below: between", .1, .05, NAN, true, false, 0, 0, .12, NAN, NAN, VERDICT_HOLD, 0, .1},
    {"below: warning", .1, .05, NAN, true, false, 0, 0, .1, NAN, NAN, VERDICT_BREACH, SEVERITY_WARNING, .1},
    {"below: critical", .1, .05, NAN, true, false, 0, 0, .05, NAN, NAN, VERDICT_BREACH, SEVERITY_CRITICAL,
     .05},
    {"below: no floor", .1, .05, NAN, true, false, 0, 0, .1, .3, NAN, VERDICT_BREACH, SEVERITY_WARNING, .1},
    {"below: near 1 can clear", .95, .9, NAN, true, false, 0, 0, .98, NAN, NAN, VERDICT_CLEAR, 0, .95},
    {"negative threshold", -1, NAN, NAN, false, false, 0, 0, -1.1, NAN, NAN, VERDICT_HOLD, 0, -1},
    {"negative threshold, clear", -1, NAN, NAN, false, false, 0, 0, -1.3, NAN, NAN, VERDICT_CLEAR, 0, -1},
};

static void test_judging(void **state)
{
    (void)state;
    char name[] = "r", psi[] = "psi";
    for (size_t i = 0; i < ARRAY_LEN(judge_cases); i++) {
        const struct judge_case *c = &judge_cases[i];
        struct rule_spec spec = spec_of(name, psi, c->warning, c->critical);
        spec.max_p = c->max_p;
        spec.below = c->below;
        spec.ignore_noise = c->ignore_noise;
        spec.minimum_n = c->minimum_n;
        struct rules *rules = rules_of(&spec, 1);
        struct report_row row = row_of(c->value);
        struct judgement judgement;
        row.flags = c->flags;
        row.slots[SLOT_PSI_FLOOR] = c->floor;
        row.slots[SLOT_PSI_P] = c->p;
        rule_judge(rules_at(rules, 0), &row, &judgement);
        bool same_threshold = isnan(c->threshold) ? isnan(judgement.threshold)
                                                  : fabs(judgement.threshold - c->threshold) < 1e-12;
        if (judgement.verdict != c->verdict || !same_threshold ||
            (c->verdict == VERDICT_BREACH && judgement.severity != c->severity))
            fail_msg("%s: verdict %d, severity %d, threshold %g", c->what, judgement.verdict,
                     judgement.severity, judgement.threshold);
        rules_free(rules);
    }
}

static void test_subjects(void **state)
{
    (void)state;
    char name[] = "r", ks[] = "ks";
    struct rule_spec spec = spec_of(name, ks, 0.1, NAN);
    struct rules *rules = rules_of(&spec, 1);
    struct report_row row = row_of(NAN);
    struct judgement judgement;
    row.slots[SLOT_KS] = 0.5;
    row.flags = REPORT_INSUFFICIENT; /* ks has no minimum in the table: a test knows its sample size */
    rule_judge(rules_at(rules, 0), &row, &judgement);
    assert_int_equal(judgement.verdict, VERDICT_BREACH);
    row.flags |= REPORT_CATEGORICAL; /* for these the slot holds something else */
    rule_judge(rules_at(rules, 0), &row, &judgement);
    assert_int_equal(judgement.verdict, VERDICT_UNKNOWN);
    row.flags = 0;
    row.family = FAMILY_COUNT;
    rule_judge(rules_at(rules, 0), &row, &judgement);
    assert_int_equal(judgement.verdict, VERDICT_UNKNOWN);
    rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_bad_specifications),
        cmocka_unit_test(test_judging),
        cmocka_unit_test(test_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
