/*
 * The face of the room. Feeding judges rows and moves alerts; transitions wait in the group until the flush,
 * which writes everything in an order of names, so that neither the order of feeding nor that of memory
 * shows. Nothing is dropped before a flush went through: one that fails can be repeated.
 */
#include "alerting/alerting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "alerting/group.h"
#include "alerting/payload.h"

enum { ALERTS_MAX_DEFAULT = 100000 };

/* A model and window end that were fed since the last flush. */
struct fed {
    struct text model; /* in the group's arena */
    int64_t window_end_ms;
};

struct alerting {
    struct rules *rules;
    struct alert_table table;
    struct group group;
    struct arena *strings; /* the settings' strings */
    const char **sinks;    /* NULL-terminated */
    const char *pipeline, *store_hint, *external_url;
    struct alert **touched; /* rows to write at the flush */
    uint32_t touched_count, touched_capacity;
    struct fed *fed;
    uint32_t fed_count, fed_capacity;
    uint32_t orphans; /* alerts without a rule */
    uint64_t refused;
    const struct metric *mean, *sd; /* NULL when the detectors report none */
};

/* ---- life cycle ---- */

static const char *copy_string(struct alerting *alerting, const char *from, bool *failed)
{
    const char *copy = from ? arena_strdup(alerting->strings, from) : NULL;
    *failed = *failed || (from && !copy);
    return copy;
}

static bool copy_settings(struct alerting *alerting, const struct alerting_settings *settings)
{
    uint32_t count = 0;
    while (settings->sinks && settings->sinks[count])
        count++;
    alerting->strings = arena_new(1024, 0);
    if (!alerting->strings)
        return false;
    alerting->sinks = arena_zalloc(alerting->strings, ((size_t)count + 1) * sizeof(*alerting->sinks));
    bool failed = !alerting->sinks;
    for (uint32_t i = 0; !failed && i < count; i++)
        alerting->sinks[i] = copy_string(alerting, settings->sinks[i], &failed);
    alerting->pipeline = copy_string(alerting, settings->pipeline ? settings->pipeline : "driftd", &failed);
    alerting->store_hint = copy_string(alerting, settings->store_hint, &failed);
    alerting->external_url = copy_string(alerting, settings->external_url, &failed);
    return !failed;
}

int alerting_new(struct alerting **out, const struct alerting_settings *settings, struct err *err)
{
    struct alerting *alerting = calloc(1, sizeof(*alerting));
    if (!alerting)
        return err_set(err, ERR_NOMEM, "out of memory for alerting");
    int rc = rules_new(&alerting->rules, settings->rules, settings->rule_count, settings->sinks, err);
    uint32_t max = settings->alerts_max ? settings->alerts_max : ALERTS_MAX_DEFAULT;
    if (rc == 0 && (alert_table_init(&alerting->table, max) || group_init(&alerting->group) ||
                    !copy_settings(alerting, settings)))
        rc = err_set(err, ERR_NOMEM, "out of memory for alerting");
    if (rc) {
        alerting_free(alerting);
        return rc;
    }
    alerting->mean = metric_find("mean");
    alerting->sd = metric_find("sd");
    *out = alerting;
    return 0;
}

void alerting_free(struct alerting *alerting)
{
    if (!alerting)
        return;
    rules_free(alerting->rules);
    alert_table_release(&alerting->table);
    group_release(&alerting->group);
    arena_free(alerting->strings);
    free(alerting->touched);
    free(alerting->fed);
    free(alerting);
}

void alerting_each_firing(const struct alerting *alerting, struct text model, struct text version,
                          struct text segment, void (*fn)(void *context, const struct open_alert *alert),
                          void *context)
{
    for (uint32_t i = 0; alerting->table.count && i < alerting->table.bucket_count; i++)
        for (const struct alert *alert = alerting->table.buckets[i]; alert; alert = alert->next) {
            if (alert->state != ALERT_FIRING || !text_equal(alert->model, model) ||
                !text_equal(alert->version, version) || !text_equal(alert->segment, segment))
                continue;
            struct open_alert open = {alert->feature, alert->metric_name, alert->since_ms, alert->window_ms};
            fn(context, &open);
        }
}

uint32_t alerting_count(const struct alerting *alerting)
{
    return alerting->table.count;
}

uint64_t alerting_refused(const struct alerting *alerting)
{
    return alerting->refused;
}

/* ---- restoring ---- */

/* The rule that goes on judging a stored alert; NULL when none means the same today. */
static const struct rule *rule_of_stored(const struct alerting *alerting, const struct alert_row *row)
{
    const struct rule *rule = rules_find(alerting->rules, row->rule);
    if (!rule || strcmp(rule->metric->name, row->metric) != 0 ||
        (rule->window_ms && rule->window_ms != row->window_ms) ||
        !rule_matches(rule, row->model, row->version, row->segment, row->feature))
        return NULL;
    return rule;
}

int alerting_restore(struct alerting *alerting, const struct alert_row *row)
{
    if (row->state != ALERT_PENDING && row->state != ALERT_FIRING)
        return 0;
    struct alert_subject subject = {row->rule,      row->model, row->version, row->segment, row->feature,
                                    row->window_ms, 0};
    uint64_t feature =
        rule_feature_hash(rule_series_hash(row->model, row->version, row->segment), row->feature);
    subject.hash = alert_hash(feature, rule_name_hash(row->rule), row->window_ms);
    if (alert_table_find(&alerting->table, &subject))
        return ERR_INVALID;
    struct alert *alert = NULL;
    int rc = alert_table_add(&alerting->table, alerting->pipeline, &subject, row->metric, &alert);
    if (rc == ERR_LIMIT)
        alerting->refused++;
    if (rc)
        return rc;
    alert->rule = rule_of_stored(alerting, row);
    alerting->orphans += alert->rule == NULL;
    alert->state = row->state;
    alert->severity = row->severity;
    alert->since_ms = row->since_ms;
    alert->fired_ms = row->fired_ms;
    alert->resolved_ms = row->resolved_ms;
    alert->last_window_end_ms = row->last_window_end_ms;
    alert->clear_run = row->clear_run;
    alert->value = row->value;
    alert->threshold = row->threshold;
    alert->peak_value = row->peak_value;
    alert->peak_ms = row->peak_ms;
    return 0;
}

/* ---- feeding ---- */

static int touch(struct alerting *alerting, struct alert *alert)
{
    if (alert->touched)
        return 0;
    if (alerting->touched_count == alerting->touched_capacity) {
        struct alert **touched =
            grow_array(alerting->touched, &alerting->touched_capacity, 64, sizeof(struct alert *));
        if (!touched)
            return ERR_NOMEM;
        alerting->touched = touched;
    }
    alerting->touched[alerting->touched_count++] = alert;
    alert->touched = true;
    return 0;
}

/* Remembers what the flush is about: alerts without a rule end with it even when nothing else happened. */
static int note_fed(struct alerting *alerting, const struct finding_context *context)
{
    for (uint32_t i = alerting->fed_count; i-- > 0;)
        if (alerting->fed[i].window_end_ms == context->window_end_ms &&
            text_equal(alerting->fed[i].model, context->model))
            return 0;
    if (alerting->fed_count == alerting->fed_capacity) {
        struct fed *fed = grow_array(alerting->fed, &alerting->fed_capacity, 4, sizeof(*fed));
        if (!fed)
            return ERR_NOMEM;
        alerting->fed = fed;
    }
    const char *model = arena_text(alerting->group.arena, context->model);
    if (!model)
        return ERR_NOMEM;
    alerting->fed[alerting->fed_count++] = (struct fed){{model, context->model.len}, context->window_end_ms};
    return 0;
}

static int add_member(struct alerting *alerting, struct alert *alert, enum alert_change change,
                      enum alert_state from, int64_t window_end_ms, struct member **out)
{
    struct member *member = group_add(&alerting->group);
    if (!member)
        return ERR_NOMEM;
    member->alert = alert;
    member->rule = alert->rule;
    member->change = change;
    member->from = from;
    member->to = alert->state;
    member->severity = alert->severity;
    member->window_start_ms = window_end_ms - alert->window_ms;
    member->window_end_ms = window_end_ms;
    member->since_ms = alert->since_ms;
    member->fired_ms = alert->fired_ms;
    member->peak_ms = alert->peak_ms;
    member->peak_value = alert->peak_value;
    member->judgement = (struct judgement){.value = NAN,
                                           .threshold = NAN,
                                           .clear_level = NAN,
                                           .noise_floor = NAN,
                                           .p_value = NAN,
                                           .low = NAN,
                                           .high = NAN};
    member->mean = member->sd = NAN;
    *out = member;
    return identity_transition(alerting->pipeline, alert, change, member->severity, window_end_ms,
                               member->id);
}

static int add_causes(struct alerting *alerting, const struct finding_context *context,
                      const struct report_row *row, struct member *member)
{
    const struct cause_share *causes = NULL;
    uint32_t count = context->causes(context->context, row, &causes);
    struct cause_share *kept = count ? arena_alloc(alerting->group.arena, count * sizeof(*kept)) : NULL;
    if (!kept)
        return count ? ERR_NOMEM : 0;
    for (uint32_t i = 0; i < count; i++) {
        kept[i] = causes[i];
        const char *name = arena_text(alerting->group.arena, causes[i].segment);
        if (!name)
            return ERR_NOMEM;
        kept[i].segment = text_of(name);
    }
    member->causes = kept;
    member->cause_count = count;
    return 0;
}

/* Asked only for what may be shown: computing bins costs more than judging. */
static int add_bins(struct alerting *alerting, const struct finding_context *context,
                    const struct report_row *row, struct member *member)
{
    if (!context->bins_json || member->change == CHANGE_RESOLVED || !alert_change_notifies(member->change) ||
        !group_claim_detail(&alerting->group, member))
        return 0;
    struct strbuf bins;
    strbuf_init(&bins, BINS_JSON_MAX);
    context->bins_json(context->context, row, &bins);
    if (!strbuf_failed(&bins) && bins.len)
        member->bins = bins_read(alerting->group.arena, bins.bytes, bins.len);
    strbuf_release(&bins);
    return context->causes ? add_causes(alerting, context, row, member) : 0;
}

static double slot_of(const struct metric *metric, const struct report_row *row)
{
    bool has = metric && metric->family == row->family &&
               (metric->kinds & (row->flags & REPORT_CATEGORICAL ? METRIC_CATEGORICAL : METRIC_NUMERIC));
    return has ? row->slots[metric->slot] : NAN;
}

static int describe(struct alerting *alerting, const struct finding_context *context,
                    const struct report_row *row, const struct judgement *judgement, struct member *member)
{
    bool failed = false;
    member->window_start_ms = context->window_start_ms;
    member->judgement = *judgement;
    member->n = row->n;
    member->flags = row->flags;
    member->reference_n = row->reference_n;
    member->mean = slot_of(alerting->mean, row);
    member->sd = slot_of(alerting->sd, row);
    member->excess = rule_excess(member->rule, judgement->value, judgement->threshold);
    if (context->reference_name) {
        member->reference_name = arena_strdup(alerting->group.arena, context->reference_name);
        failed = failed || !member->reference_name;
    }
    if (context->reference_hash) {
        member->reference_hash = arena_strdup(alerting->group.arena, context->reference_hash);
        failed = failed || !member->reference_hash;
    }
    return failed ? ERR_NOMEM : add_bins(alerting, context, row, member);
}

/* The alert of a rule and a feature, made when it is needed. NULL with 0: there is none and none is needed.
 */
static int find_or_add(struct alerting *alerting, const struct rule *rule, const struct rule_match *match,
                       const struct judgement *judgement, int64_t window_ms, struct alert **out)
{
    const struct rule_series *series = match->series;
    bool breach = judgement->verdict == VERDICT_BREACH;
    *out = NULL;
    if (alerting->table.count == 0 && !breach)
        return 0;
    struct alert_subject subject = {rule->name,
                                    series->model,
                                    series->version,
                                    series->segment,
                                    match->feature,
                                    window_ms,
                                    alert_hash(match->hash, rule->name_hash, window_ms)};
    *out = alert_table_find(&alerting->table, &subject);
    if (*out || !breach)
        return 0;
    int rc = alert_table_add(&alerting->table, alerting->pipeline, &subject, rule->metric->name, out);
    if (rc == ERR_LIMIT) {
        alerting->refused++;
        return 0;
    }
    if (rc == 0)
        (*out)->rule = rule;
    return rc;
}

static int judge(struct alerting *alerting, const struct finding_context *context, const struct rule *rule,
                 const struct rule_match *match, const struct report_row *row)
{
    struct judgement judgement;
    struct alert *alert = NULL;
    int64_t window_ms = context->window_end_ms - context->window_start_ms;
    rule_judge(rule, row, &judgement);
    if (judgement.verdict == VERDICT_UNKNOWN)
        return 0;
    int rc = find_or_add(alerting, rule, match, &judgement, window_ms, &alert);
    if (rc || !alert || !alert->rule)
        return rc;
    enum alert_change change;
    enum alert_state from = alert->state;
    if (!alert_step(alert, rule, &judgement, context->window_end_ms, &change))
        return 0;
    rc = touch(alerting, alert);
    if (rc || change == CHANGE_NONE)
        return rc;
    struct member *member = NULL;
    rc = add_member(alerting, alert, change, from, context->window_end_ms, &member);
    return rc ? rc : describe(alerting, context, row, &judgement, member);
}

int alerting_feed(struct alerting *alerting, const struct finding_context *context,
                  const struct report_row *rows, const struct text *names, uint32_t count)
{
    if (rules_count(alerting->rules) == 0 && alerting->orphans == 0)
        return 0;
    int64_t window_ms = context->window_end_ms - context->window_start_ms;
    const struct rule_series *series =
        rules_series(alerting->rules, context->model, context->version, context->segment);
    if (!series)
        return ERR_NOMEM;
    int rc = note_fed(alerting, context);
    for (uint32_t i = 0; rc == 0 && series->rule_count && i < count; i++) {
        const struct rule_match *match = rules_match(alerting->rules, series, names[i]);
        if (!match)
            return ERR_NOMEM;
        for (uint32_t j = 0; rc == 0 && j < match->rule_count; j++) {
            const struct rule *rule = rules_at(alerting->rules, match->rules[j]);
            if (rule->window_ms == 0 || rule->window_ms == window_ms)
                rc = judge(alerting, context, rule, match, &rows[i]);
        }
    }
    return rc;
}

/* ---- flushing ---- */

/* Alerts of the models at hand that no rule judges any more end now: nobody else would ever end them. */
static int end_orphans(struct alerting *alerting)
{
    for (uint32_t i = 0; alerting->orphans && i < alerting->table.bucket_count; i++) {
        for (struct alert *alert = alerting->table.buckets[i]; alert; alert = alert->next) {
            bool active = alert->state == ALERT_PENDING || alert->state == ALERT_FIRING;
            for (uint32_t j = 0; active && !alert->rule && j < alerting->fed_count; j++) {
                if (!text_equal(alerting->fed[j].model, alert->model) ||
                    alerting->fed[j].window_end_ms <= alert->last_window_end_ms)
                    continue;
                enum alert_state from = alert->state;
                int64_t window_end_ms = alerting->fed[j].window_end_ms;
                enum alert_change change = alert_end(alert, window_end_ms);
                struct member *member = NULL;
                alerting->orphans--;
                int rc = touch(alerting, alert);
                if (rc == 0)
                    rc = add_member(alerting, alert, change, from, window_end_ms, &member);
                if (rc)
                    return rc;
                break;
            }
        }
    }
    return 0;
}

static int compare_touched(const void *left, const void *right)
{
    return strcmp((*(struct alert *const *)left)->key, (*(struct alert *const *)right)->key);
}

static int write_rows(const struct alerting *alerting, const struct alert_sink *sink)
{
    if (alerting->touched_count)
        qsort(alerting->touched, alerting->touched_count, sizeof(struct alert *), compare_touched);
    for (uint32_t i = 0; i < alerting->touched_count; i++) {
        const struct alert *alert = alerting->touched[i];
        struct alert_row row = {.rule = alert->rule_name,
                                .metric = alert->metric_name,
                                .model = alert->model,
                                .version = alert->version,
                                .segment = alert->segment,
                                .feature = alert->feature,
                                .window_ms = alert->window_ms,
                                .state = alert->state,
                                .severity = alert->severity,
                                .since_ms = alert->since_ms,
                                .fired_ms = alert->fired_ms,
                                .resolved_ms = alert->resolved_ms,
                                .last_window_end_ms = alert->last_window_end_ms,
                                .clear_run = alert->clear_run,
                                .value = alert->value,
                                .threshold = alert->threshold,
                                .peak_value = alert->peak_value,
                                .peak_ms = alert->peak_ms};
        memcpy(row.key, alert->key, sizeof(row.key));
        int rc = sink->alert(sink->context, &row);
        if (rc)
            return rc;
    }
    return 0;
}

static int write_transitions(const struct alerting *alerting, const struct alert_sink *sink)
{
    for (uint32_t i = 0; i < alerting->group.count; i++) {
        const struct member *member = alerting->group.members[i];
        struct alert_transition transition = {.from = member->from,
                                              .to = member->to,
                                              .severity = member->severity,
                                              .window_end_ms = member->window_end_ms,
                                              .value = member->judgement.value,
                                              .threshold = member->judgement.threshold};
        memcpy(transition.key, member->alert->key, sizeof(transition.key));
        int rc = sink->transition(sink->context, &transition);
        if (rc)
            return rc;
    }
    return 0;
}

static uint32_t count_firing(const struct alerting *alerting, struct text model)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < alerting->table.bucket_count; i++)
        for (const struct alert *at = alerting->table.buckets[i]; at; at = at->next)
            count += at->state == ALERT_FIRING && text_equal(at->model, model);
    return count;
}

/* An alert whose rule is gone was sent to sinks that nobody knows any more: its end goes to all. */
static bool goes_to(const struct member *member, uint32_t sink)
{
    return alert_change_notifies(member->change) && (!member->rule || (member->rule->sinks >> sink & 1));
}

/* One item: the members of one model and window end that go to one sink. */
static int write_item(const struct alerting *alerting, const struct alert_sink *sink, const char *sink_name,
                      struct member **members, uint32_t count, uint32_t still_firing)
{
    qsort(members, count, sizeof(*members), member_compare_worst);
    const struct member *first = members[0];
    struct payload payload = {.pipeline = alerting->pipeline,
                              .store_hint = alerting->store_hint,
                              .external_url = alerting->external_url,
                              .model = first->alert->model,
                              .window_end_ms = first->window_end_ms,
                              .members = members,
                              .count = count,
                              .still_firing = still_firing};
    struct strbuf body;
    struct outbox_item item = {.sink = sink_name, .kind = "alert", .window_end_ms = first->window_end_ms};
    strbuf_init(&body, PAYLOAD_MAX_BYTES);
    unsigned char *ids = malloc((size_t)count * IDENTITY_BYTES);
    for (uint32_t i = 0; ids && i < count; i++)
        memcpy(ids + (size_t)i * IDENTITY_BYTES, members[i]->id, IDENTITY_BYTES);
    int rc = ids ? identity_group(ids, count, item.id) : ERR_NOMEM;
    if (rc == 0)
        rc = payload_write(&payload, &body);
    if (rc == 0) {
        item.entity_key = first->alert->model.ptr; /* NUL-terminated in the table */
        item.body = body.bytes;
        item.body_len = body.len;
        rc = sink->outbox(sink->context, &item);
    }
    free(ids);
    strbuf_release(&body);
    return rc;
}

/* `from` … `to`: the members of one model and window end, sorted by name. */
static int write_items(const struct alerting *alerting, const struct alert_sink *sink, uint32_t from,
                       uint32_t to)
{
    struct member **members = malloc((size_t)(to - from) * sizeof(*members));
    if (!members)
        return ERR_NOMEM;
    uint32_t still_firing = count_firing(alerting, alerting->group.members[from]->alert->model);
    int rc = 0;
    for (uint32_t s = 0; rc == 0 && alerting->sinks[s]; s++) {
        uint32_t count = 0;
        for (uint32_t i = from; i < to; i++)
            if (goes_to(alerting->group.members[i], s))
                members[count++] = alerting->group.members[i];
        if (count)
            rc = write_item(alerting, sink, alerting->sinks[s], members, count, still_firing);
    }
    free(members);
    return rc;
}

static int write_outbox(const struct alerting *alerting, const struct alert_sink *sink)
{
    const struct group *group = &alerting->group;
    uint32_t from = 0;
    for (uint32_t i = 1; i <= group->count; i++) {
        const struct member *first = group->members[from];
        if (i < group->count && group->members[i]->window_end_ms == first->window_end_ms &&
            text_equal(group->members[i]->alert->model, first->alert->model))
            continue;
        int rc = write_items(alerting, sink, from, i);
        if (rc)
            return rc;
        from = i;
    }
    return 0;
}

static void settle(struct alerting *alerting)
{
    for (uint32_t i = 0; i < alerting->touched_count; i++) {
        struct alert *alert = alerting->touched[i];
        alert->touched = false;
        if (alert->state == ALERT_OK || alert->state == ALERT_RESOLVED)
            alert_table_remove(&alerting->table, alert);
    }
    alerting->touched_count = 0;
    alerting->fed_count = 0;
    group_reset(&alerting->group);
}

int alerting_flush(struct alerting *alerting, const struct alert_sink *sink)
{
    int rc = end_orphans(alerting);
    struct group *group = &alerting->group;
    if (group->count)
        qsort(group->members, group->count, sizeof(*group->members), member_compare_names);
    if (rc == 0)
        rc = write_rows(alerting, sink);
    if (rc == 0)
        rc = write_transitions(alerting, sink);
    if (rc == 0)
        rc = write_outbox(alerting, sink);
    if (rc == 0)
        settle(alerting);
    return rc;
}
