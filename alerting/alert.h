#ifndef DRIFTD_ALERTING_ALERT_H
#define DRIFTD_ALERTING_ALERT_H
/*
 * The state of one alert and how a judged window moves it. Pure: no clock, no I/O.
 *
 *          breach                for spanned                clear_windows clear
 *   ok ──────────► pending ──────────────────► firing ──────────────────────────► resolved (= ok)
 *        (for = 0: at once)                    ▲    │ severity up at once,
 *              not breached: back to ok        └────┘ down below clear_ratio · critical
 *
 * A window that says nothing (VERDICT_UNKNOWN) changes nothing at all: too little traffic neither raises nor
 * ends an alert, and does not break a pending one. `for` is counted between window ends.
 */
#include "alerting/rule.h"

enum alert_change {
    CHANGE_NONE,      /* the values may have moved; see alert_step */
    CHANGE_PENDING,   /* ok → pending */
    CHANGE_WITHDRAWN, /* pending → ok */
    CHANGE_FIRED,     /* ok or pending → firing */
    CHANGE_ESCALATED, /* firing → firing, now critical */
    CHANGE_DEESCALATED,
    CHANGE_RESOLVED
};
/* "fired" and so on; part of ids and bodies. */
const char *alert_change_name(enum alert_change change);
/* Fired, escalated, de-escalated and resolved are told to people; pending is not. */
bool alert_change_notifies(enum alert_change change);

struct alert {
    char key[33];
    const struct rule *rule; /* NULL: restored, and its rule is gone or means something else now */
    char *rule_name, *metric_name;
    struct text model, version, segment, feature; /* one block behind `names` */
    char *names;
    uint64_t hash;
    int64_t window_ms;
    enum alert_state state;
    enum severity severity;
    int64_t since_ms, fired_ms, resolved_ms, last_window_end_ms;
    uint32_t clear_run;
    double value, threshold, peak_value;
    int64_t peak_ms;
    bool touched; /* differs from what the store holds */
    struct alert *next;
};

/* Moves the alert by one window. False: the window said nothing new (unknown, or not after the last one) and
 * nothing changed; else *out_change says what happened. */
bool alert_step(struct alert *alert, const struct rule *rule, const struct judgement *judgement,
                int64_t window_end_ms, enum alert_change *out_change);
/* Ends an alert that no rule judges any more. */
enum alert_change alert_end(struct alert *alert, int64_t window_end_ms);

#endif
