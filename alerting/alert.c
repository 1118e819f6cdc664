#include "alerting/alert.h"

#include <math.h>

const char *severity_name(enum severity severity)
{
    return severity == SEVERITY_CRITICAL ? "critical" : "warning";
}

const char *alert_state_name(enum alert_state state)
{
    switch (state) {
    case ALERT_OK:
        return "ok";
    case ALERT_PENDING:
        return "pending";
    case ALERT_FIRING:
        return "firing";
    case ALERT_RESOLVED:
        return "resolved";
    }
    return "?";
}

const char *alert_change_name(enum alert_change change)
{
    switch (change) {
    case CHANGE_NONE:
        return "none";
    case CHANGE_PENDING:
        return "pending";
    case CHANGE_WITHDRAWN:
        return "withdrawn";
    case CHANGE_FIRED:
        return "fired";
    case CHANGE_ESCALATED:
        return "escalated";
    case CHANGE_DEESCALATED:
        return "deescalated";
    case CHANGE_RESOLVED:
        return "resolved";
    }
    return "?";
}

bool alert_change_notifies(enum alert_change change)
{
    return change >= CHANGE_FIRED;
}

static void note_peak(struct alert *alert, const struct rule *rule, double value, int64_t window_end_ms)
{
    bool further = rule->below ? value < alert->peak_value : value > alert->peak_value;
    if (isnan(alert->peak_value) || further) {
        alert->peak_value = value;
        alert->peak_ms = window_end_ms;
    }
}

static enum alert_change fire(struct alert *alert, int64_t window_end_ms)
{
    alert->state = ALERT_FIRING;
    alert->fired_ms = window_end_ms;
    return CHANGE_FIRED;
}

static enum alert_change step_idle(struct alert *alert, const struct rule *rule,
                                   const struct judgement *judgement, int64_t window_end_ms)
{
    if (judgement->verdict != VERDICT_BREACH)
        return CHANGE_NONE;
    alert->severity = judgement->severity;
    alert->since_ms = window_end_ms;
    alert->fired_ms = alert->resolved_ms = INT64_MIN;
    alert->clear_run = 0;
    alert->peak_value = judgement->value;
    alert->peak_ms = window_end_ms;
    if (rule->for_ms == 0)
        return fire(alert, window_end_ms);
    alert->state = ALERT_PENDING;
    return CHANGE_PENDING;
}

static enum alert_change step_pending(struct alert *alert, const struct rule *rule,
                                      const struct judgement *judgement, int64_t window_end_ms)
{
    if (judgement->verdict != VERDICT_BREACH) {
        alert->state = ALERT_OK;
        return CHANGE_WITHDRAWN;
    }
    alert->severity = judgement->severity;
    if (window_end_ms - alert->since_ms >= rule->for_ms)
        return fire(alert, window_end_ms);
    return CHANGE_NONE;
}

static enum alert_change step_firing(struct alert *alert, const struct rule *rule,
                                     const struct judgement *judgement, int64_t window_end_ms)
{
    alert->clear_run = judgement->verdict == VERDICT_CLEAR ? alert->clear_run + 1 : 0;
    if (alert->clear_run >= rule->clear_windows) {
        alert->state = ALERT_RESOLVED;
        alert->resolved_ms = window_end_ms;
        return CHANGE_RESOLVED;
    }
    bool breach = judgement->verdict == VERDICT_BREACH;
    if (alert->severity == SEVERITY_WARNING && breach && judgement->severity == SEVERITY_CRITICAL) {
        alert->severity = SEVERITY_CRITICAL;
        return CHANGE_ESCALATED;
    }
    /* A rule with the critical band alone has nothing to step down to. */
    if (alert->severity == SEVERITY_CRITICAL && judgement->left_critical && !isnan(rule->warning)) {
        alert->severity = SEVERITY_WARNING;
        return CHANGE_DEESCALATED;
    }
    return CHANGE_NONE;
}

bool alert_step(struct alert *alert, const struct rule *rule, const struct judgement *judgement,
                int64_t window_end_ms, enum alert_change *out_change)
{
    *out_change = CHANGE_NONE;
    bool active = alert->state == ALERT_PENDING || alert->state == ALERT_FIRING;
    if (judgement->verdict == VERDICT_UNKNOWN || (active && window_end_ms <= alert->last_window_end_ms))
        return false;
    if (!active) {
        *out_change = step_idle(alert, rule, judgement, window_end_ms);
        if (*out_change == CHANGE_NONE)
            return false;
    } else {
        note_peak(alert, rule, judgement->value, window_end_ms);
        *out_change = alert->state == ALERT_PENDING ? step_pending(alert, rule, judgement, window_end_ms)
                                                    : step_firing(alert, rule, judgement, window_end_ms);
    }
    alert->value = judgement->value;
    alert->threshold = judgement->threshold;
    alert->last_window_end_ms = window_end_ms;
    return true;
}

enum alert_change alert_end(struct alert *alert, int64_t window_end_ms)
{
    bool firing = alert->state == ALERT_FIRING;
    alert->state = firing ? ALERT_RESOLVED : ALERT_OK;
    if (firing)
        alert->resolved_ms = window_end_ms;
    return firing ? CHANGE_RESOLVED : CHANGE_WITHDRAWN;
}
