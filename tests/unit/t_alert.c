/* The state machine: sequences of windows five minutes apart, and what happens at each. */
#include "tests/unit/alert_fixture.h"

#include "alerting/alert.h"

enum { STEPS_MAX = 12, MINUTE = 60000, PANE = 5 * MINUTE };

struct sequence {
    const char *what;
    double warning, critical, clear_ratio;
    int64_t for_ms;
    uint32_t clear_windows;
    double values[STEPS_MAX]; /* NaN: the window says nothing */
    /* One letter a window: . nothing, p pending, w withdrawn, F fired, E escalated, D de-escalated, R
     * resolved. Capital letters are told to people. */
    const char *changes;
    enum alert_state end;
    enum severity severity;
};

static const struct sequence sequences[] = {
    {"stays ok", .1, .25, .8, 0, 1, {.05, .09, .0999}, "...", ALERT_OK, SEVERITY_WARNING},
    {"fires at once", .1, .25, .8, 0, 1, {.05, .12}, ".F", ALERT_FIRING, SEVERITY_WARNING},
    {"fires critical", .1, .25, .8, 0, 1, {.05, .3}, ".F", ALERT_FIRING, SEVERITY_CRITICAL},
    {"hysteresis holds",
     .1,
     .25,
     .8,
     0,
     1,
     {.12, .09, .081, .12, .09},
     "F....",
     ALERT_FIRING,
     SEVERITY_WARNING},
    {"resolves", .1, .25, .8, 0, 1, {.12, .09, .079}, "F.R", ALERT_RESOLVED, SEVERITY_WARNING},
    {"resolves and fires again",
     .1,
     .25,
     .8,
     0,
     1,
     {.12, .01, .01, .3},
     "FR.F",
     ALERT_FIRING,
     SEVERITY_CRITICAL},
    {"no hysteresis", .1, NAN, 1, 0, 1, {.1, .0999}, "FR", ALERT_RESOLVED, SEVERITY_WARNING},
    {"clear windows in a row",
     .1,
     NAN,
     .8,
     0,
     3,
     {.12, .01, .01, .09, .01, .01, .01},
     "F.....R",
     ALERT_RESOLVED,
     SEVERITY_WARNING},
    {"escalates at once", .1, .25, .8, 0, 1, {.12, .25}, "FE", ALERT_FIRING, SEVERITY_CRITICAL},
    {"de-escalates with hysteresis",
     .1,
     .25,
     .8,
     0,
     1,
     {.3, .24, .2001, .199, .24, .25},
     "F..D.E",
     ALERT_FIRING,
     SEVERITY_CRITICAL},
    {"critical straight to resolved", .1, .25, .8, 0, 1, {.3, .01}, "FR", ALERT_RESOLVED, SEVERITY_CRITICAL},
    {"critical alone has no lower step",
     NAN,
     .25,
     .8,
     0,
     2,
     {.3, .19, .24, .19, .19},
     "F...R",
     ALERT_RESOLVED,
     SEVERITY_CRITICAL},
    {"for: fires when the span is reached",
     .1,
     NAN,
     .8,
     10 * MINUTE,
     1,
     {.12, .12, .12, .12},
     "p.F.",
     ALERT_FIRING,
     SEVERITY_WARNING},
    {"for: one window short",
     .1,
     NAN,
     .8,
     10 * MINUTE,
     1,
     {.12, .12, .09, .12},
     "p.wp",
     ALERT_PENDING,
     SEVERITY_WARNING},
    {"for: shorter than a slide", .1, NAN, .8, 1, 1, {.12, .12}, "pF", ALERT_FIRING, SEVERITY_WARNING},
    {"for: severity of the window that fires",
     .1,
     .25,
     .8,
     5 * MINUTE,
     1,
     {.3, .12, .12},
     "pF.",
     ALERT_FIRING,
     SEVERITY_WARNING},
    {"unknown never fires", .1, NAN, .8, 0, 1, {NAN, NAN}, "..", ALERT_OK, SEVERITY_WARNING},
    {"unknown never clears", .1, NAN, .8, 0, 1, {.12, NAN, NAN, NAN}, "F...", ALERT_FIRING, SEVERITY_WARNING},
    {"unknown breaks no run",
     .1,
     NAN,
     .8,
     0,
     2,
     {.12, .01, NAN, .01},
     "F..R",
     ALERT_RESOLVED,
     SEVERITY_WARNING},
    {"unknown ends no waiting, and does not fire",
     .1,
     NAN,
     .8,
     10 * MINUTE,
     1,
     {.12, NAN, NAN, .12},
     "p..F",
     ALERT_FIRING,
     SEVERITY_WARNING},
    {"unknown, then clear: withdrawn",
     .1,
     NAN,
     .8,
     10 * MINUTE,
     1,
     {.12, NAN, .01},
     "p.w",
     ALERT_OK,
     SEVERITY_WARNING},
};

static char letter(enum alert_change change)
{
    return ".pwFEDR"[change];
}

static void judge(const struct rules *rules, double value, struct judgement *judgement)
{
    struct report_row row = row_of(value);
    rule_judge(rules_at(rules, 0), &row, judgement);
}

static struct rules *rules_of(const struct sequence *sequence)
{
    char name[] = "r", psi[] = "psi";
    struct rule_spec spec = spec_of(name, psi, sequence->warning, sequence->critical);
    struct rules *rules = NULL;
    spec.clear_ratio = sequence->clear_ratio;
    spec.for_ms = sequence->for_ms;
    spec.clear_windows = sequence->clear_windows;
    assert_int_equal(rules_new(&rules, &spec, 1, NULL, NULL), 0);
    return rules;
}

static void test_sequences(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        const struct sequence *sequence = &sequences[i];
        struct rules *rules = rules_of(sequence);
        struct alert alert = {.peak_value = NAN, .last_window_end_ms = INT64_MIN};
        size_t steps = strlen(sequence->changes);
        for (size_t k = 0; k < steps; k++) {
            struct judgement judgement;
            enum alert_change change;
            judge(rules, sequence->values[k], &judgement);
            bool moved = alert_step(&alert, rules_at(rules, 0), &judgement, (int64_t)k * PANE, &change);
            if (letter(change) != sequence->changes[k])
                fail_msg("%s: window %zu gives %s, not %c", sequence->what, k, alert_change_name(change),
                         sequence->changes[k]);
            assert_int_equal(alert_change_notifies(change), letter(change) >= 'A' && letter(change) <= 'Z');
            if (isnan(sequence->values[k]))
                assert_false(moved);
        }
        if (alert.state != sequence->end || alert.severity != sequence->severity)
            fail_msg("%s: ends %s, %s", sequence->what, alert_state_name(alert.state),
                     severity_name(alert.severity));
        rules_free(rules);
    }
}

static void test_times_and_peak(void **state)
{
    (void)state;
    const struct sequence sequence = {
        .warning = .1, .critical = .25, .clear_ratio = .8, .for_ms = PANE, .clear_windows = 1};
    const double values[] = {.12, .4, NAN, .3, .01};
    struct rules *rules = rules_of(&sequence);
    struct alert alert = {.peak_value = NAN, .last_window_end_ms = INT64_MIN};
    for (size_t k = 0; k < ARRAY_LEN(values); k++) {
        struct judgement judgement;
        enum alert_change change;
        judge(rules, values[k], &judgement);
        (void)alert_step(&alert, rules_at(rules, 0), &judgement, (int64_t)(k + 1) * PANE, &change);
    }
    assert_int_equal(alert.since_ms, 1 * PANE);
    assert_int_equal(alert.fired_ms, 2 * PANE);
    assert_int_equal(alert.resolved_ms, 5 * PANE);
    assert_int_equal(alert.last_window_end_ms, 5 * PANE);
    assert_int_equal(alert.peak_ms, 2 * PANE);
    assert_true(fabs(alert.peak_value - .4) < 1e-15);
    assert_true(fabs(alert.value - .01) < 1e-15);
    rules_free(rules);
}

static void test_older_windows_are_ignored(void **state)
{
    (void)state;
    const struct sequence sequence = {.warning = .1, .critical = NAN, .clear_ratio = .8, .clear_windows = 1};
    struct rules *rules = rules_of(&sequence);
    struct alert alert = {.peak_value = NAN, .last_window_end_ms = INT64_MIN};
    struct judgement breach, clear;
    enum alert_change change;
    judge(rules, .5, &breach);
    judge(rules, .0, &clear);
    assert_true(alert_step(&alert, rules_at(rules, 0), &breach, 10 * PANE, &change));
    assert_false(alert_step(&alert, rules_at(rules, 0), &clear, 10 * PANE, &change));
    assert_false(alert_step(&alert, rules_at(rules, 0), &clear, 9 * PANE, &change));
    assert_int_equal(alert.state, ALERT_FIRING);
    assert_true(alert_step(&alert, rules_at(rules, 0), &clear, 11 * PANE, &change));
    assert_int_equal(alert.state, ALERT_RESOLVED);
    rules_free(rules);
}

static void test_without_a_rule(void **state)
{
    (void)state;
    struct alert firing = {.state = ALERT_FIRING, .resolved_ms = INT64_MIN},
                 pending = {.state = ALERT_PENDING};
    assert_int_equal(alert_end(&firing, PANE), CHANGE_RESOLVED);
    assert_int_equal(firing.state, ALERT_RESOLVED);
    assert_int_equal(firing.resolved_ms, PANE);
    assert_int_equal(alert_end(&pending, PANE), CHANGE_WITHDRAWN);
    assert_int_equal(pending.state, ALERT_OK);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(severity_name(SEVERITY_WARNING), "warning");
    assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
    assert_string_equal(alert_state_name(ALERT_OK), "ok");
    assert_string_equal(alert_state_name(ALERT_PENDING), "pending");
    assert_string_equal(alert_state_name(ALERT_FIRING), "firing");
    assert_string_equal(alert_state_name(ALERT_RESOLVED), "resolved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_times_and_peak),
        cmocka_unit_test(test_older_windows_are_ignored),
        cmocka_unit_test(test_without_a_rule),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
