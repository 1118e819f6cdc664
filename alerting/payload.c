#include "alerting/payload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "alerting/sentence.h"

/* JSON bytes of one name from outside: with these every group has room for its worst alert. */
enum { NAME_MAX_BYTES = 300, LABEL_MAX_BYTES = 120, PATH_MAX_BYTES = 600, SUMMARY_MAX_BYTES = 1600 };
enum { METRICS_SHOWN = 4 };
/* What follows the alerts, apart from the hint: the counts of what was left out and closing brackets. */
enum { TRUNCATED_MAX_BYTES = 120 };

static void member_text(struct json *json, const char *key, struct text value, uint32_t max)
{
    struct strbuf clipped;
    strbuf_init(&clipped, (size_t)max + 8);
    sentence_add_clipped(&clipped, value, max);
    json_member_text(json, key, (struct text){clipped.bytes, (uint32_t)clipped.len});
    strbuf_release(&clipped);
}

static void member_string(struct json *json, const char *key, const char *value)
{
    if (value) {
        member_text(json, key, text_of(value), NAME_MAX_BYTES);
    } else {
        json_key(json, key);
        json_null(json);
    }
}

static void member_time(struct json *json, const char *key, int64_t ms)
{
    char text[32];
    json_member_string(json, key, ms == INT64_MIN ? NULL : timestamp_format(ms, text));
}

static void write_window(struct json *json, const struct member *member)
{
    char length[48];
    json_key(json, "window");
    json_object_begin(json);
    member_time(json, "start", member->window_start_ms);
    member_time(json, "end", member->window_end_ms);
    member_string(json, "length", duration_format(member->alert->window_ms, length));
    json_object_end(json);
}

static void write_bins(struct json *json, const struct bin_moves *bins)
{
    json_key(json, "bins");
    json_array_begin(json);
    for (uint32_t i = 0; i < bins->count; i++) {
        json_object_begin(json);
        member_text(json, "bin", text_of(bins->moves[i].label), LABEL_MAX_BYTES);
        json_member_number(json, "reference_share", bins->moves[i].reference_share);
        json_member_number(json, "share", bins->moves[i].share);
        json_member_number(json, "contribution", bins->moves[i].contribution);
        json_object_end(json);
    }
    json_array_end(json);
    json_member_unsigned(json, "bins_total", bins->total);
}

/* Which segments carry it: `share` of the change; more or fewer events of the segment (mix), or other values
 * inside it (within). */
static void write_causes(struct json *json, const struct member *member)
{
    json_key(json, "segments");
    json_array_begin(json);
    for (uint32_t i = 0; i < member->cause_count; i++) {
        const struct cause_share *cause = &member->causes[i];
        json_object_begin(json);
        member_text(json, "segment", cause->segment, LABEL_MAX_BYTES);
        json_member_number(json, "share", cause->share);
        json_member_number(json, "mix", cause->mix);
        json_member_number(json, "within", cause->within);
        json_object_end(json);
    }
    json_array_end(json);
}

/* A product of configured numbers, without the last digits that nobody configured. */
static double rounded(double value)
{
    char text[40];
    (void)snprintf(text, sizeof(text), "%.12g", value);
    return strtod(text, NULL);
}

static void write_numbers(struct json *json, const struct member *member)
{
    const struct judgement *judgement = &member->judgement;
    json_member_number(json, "value", judgement->value);
    json_member_number(json, "threshold", judgement->threshold);
    json_member_number(json, "clear_level", rounded(judgement->clear_level));
    json_member_number(json, "noise_floor", judgement->noise_floor);
    json_member_number(json, "p_value", judgement->p_value);
    if (!isnan(judgement->low) && !isnan(judgement->high)) {
        json_key(json, "interval");
        json_array_begin(json);
        json_number(json, judgement->low);
        json_number(json, judgement->high);
        json_array_end(json);
    }
    json_member_unsigned(json, "n", member->n);
    json_key(json, "reference");
    json_object_begin(json);
    member_string(json, "name", member->reference_name);
    member_string(json, "hash", member->reference_hash);
    json_member_unsigned(json, "n", member->reference_n);
    json_object_end(json);
    if (!isnan(member->mean) || !isnan(member->sd)) {
        json_key(json, "current");
        json_object_begin(json);
        json_member_number(json, "mean", member->mean);
        json_member_number(json, "sd", member->sd);
        json_object_end(json);
    }
}

static void write_times(struct json *json, const struct member *member)
{
    member_time(json, "since", member->since_ms);
    member_time(json, "fired", member->fired_ms);
    member_time(json, "resolved", member->to == ALERT_RESOLVED ? member->window_end_ms : INT64_MIN);
    json_key(json, "peak");
    json_object_begin(json);
    json_member_number(json, "value", member->peak_value);
    member_time(json, "at", member->peak_ms);
    json_object_end(json);
}

/* Why these numbers may differ from those of another run over the same events, or from the whole truth. */
static void write_flags(struct json *json, uint32_t flags)
{
    if (!(flags & (REPORT_INCOMPLETE | REPORT_CAPPED)))
        return;
    json_key(json, "flags");
    json_array_begin(json);
    if (flags & REPORT_INCOMPLETE)
        json_string(json, "incomplete");
    if (flags & REPORT_CAPPED)
        json_string(json, "capped");
    json_array_end(json);
}

static void write_member(struct json *json, const struct member *member, bool with_bins)
{
    const struct alert *alert = member->alert;
    json_object_begin(json);
    member_string(json, "id", alert->key);
    member_string(json, "transition", alert_change_name(member->change));
    member_string(json, "state", alert_state_name(member->to));
    member_string(json, "severity", severity_name(member->severity));
    member_string(json, "rule", alert->rule_name);
    member_text(json, "version", alert->version, NAME_MAX_BYTES);
    member_text(json, "segment", alert->segment, NAME_MAX_BYTES);
    member_text(json, "feature", alert->feature, NAME_MAX_BYTES);
    member_string(json, "metric", alert->metric_name);
    if (with_bins && member->rule)
        member_string(json, "about", member->rule->metric->summary);
    write_numbers(json, member);
    write_times(json, member);
    write_window(json, member);
    write_flags(json, member->flags);
    if (!member->rule)
        member_string(json, "note", "the rule was removed or changed; nothing judges this alert any more");
    if (with_bins && member->bins)
        write_bins(json, member->bins);
    if (with_bins && member->cause_count)
        write_causes(json, member);
    json_object_end(json);
}

/* ---- where to look ---- */

/* Goes into SQL and into a shell as it is. */
static bool is_plain(struct text name)
{
    for (uint32_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !strchr("_-.:/@=+ ", c))
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_BYTES;
}

/* The first few distinct ones. */
static void write_metrics(struct strbuf *sql, const struct payload *payload)
{
    const char *seen[METRICS_SHOWN];
    uint32_t count = 0;
    for (uint32_t i = 0; i < payload->count && count < METRICS_SHOWN; i++) {
        const char *metric = payload->members[i]->alert->metric_name;
        uint32_t k = 0;
        while (k < count && strcmp(seen[k], metric) != 0)
            k++;
        if (k < count || !is_plain(text_of(metric)))
            continue;
        strbuf_addf(sql, "%s'%s'", count ? ", " : "", metric);
        seen[count++] = metric;
    }
}

static void write_sql(struct strbuf *sql, const struct payload *payload)
{
    strbuf_adds(sql,
                "SELECT version, segment, feature, metric, value, noise_floor, p_value, n FROM v1_results"
                " WHERE ");
    /* A name that would need quoting is left out: less specific, never wrong, nothing to inject. */
    if (is_plain(payload->model))
        strbuf_addf(sql, "model = '%.*s' AND ", (int)payload->model.len, payload->model.ptr);
    strbuf_addf(sql, "window_end_s = %lld AND metric IN (", (long long)(payload->window_end_ms / 1000));
    write_metrics(sql, payload);
    strbuf_adds(sql, ") AND value IS NOT NULL ORDER BY metric, value DESC");
}

static void write_hint(const struct payload *payload, struct strbuf *out)
{
    struct strbuf sql;
    struct json json;
    strbuf_init(&sql, PAYLOAD_MAX_BYTES);
    write_sql(&sql, payload);
    json_init(&json, out);
    json_object_begin(&json);
    if (payload->external_url)
        member_text(&json, "url", text_of(payload->external_url), PATH_MAX_BYTES);
    if (payload->store_hint) {
        struct text store = text_of(payload->store_hint);
        member_text(&json, "store", store, PATH_MAX_BYTES);
        json_member_string(&json, "sql", sql.bytes);
        if (is_plain(store)) {
            struct strbuf command;
            strbuf_init(&command, PAYLOAD_MAX_BYTES);
            strbuf_addf(&command, "sqlite3 -readonly '%s' \"%s\"", payload->store_hint, sql.bytes);
            json_member_string(&json, "command", command.bytes);
            strbuf_release(&command);
        }
    }
    json_object_end(&json);
    strbuf_release(&sql);
}

/* ---- the whole ---- */

const char *payload_type(const struct payload *payload)
{
    for (uint32_t i = 0; i < payload->count; i++)
        if (payload->members[i]->change != CHANGE_RESOLVED)
            return "driftd.alert.firing";
    return "driftd.alert.resolved";
}

/* Version, and window, when all alerts share it; else null: each alert has its own. */
static void write_shared(struct json *json, const struct payload *payload)
{
    const struct member *first = payload->members[0];
    bool one_version = true, one_window = true;
    for (uint32_t i = 1; i < payload->count; i++) {
        one_version = one_version && text_equal(payload->members[i]->alert->version, first->alert->version);
        one_window = one_window && payload->members[i]->alert->window_ms == first->alert->window_ms;
    }
    if (one_version)
        member_text(json, "version", first->alert->version, NAME_MAX_BYTES);
    else
        member_string(json, "version", NULL);
    if (one_window) {
        write_window(json, first);
        return;
    }
    json_key(json, "window");
    json_object_begin(json);
    member_string(json, "start", NULL);
    member_time(json, "end", payload->window_end_ms);
    member_string(json, "length", NULL);
    json_object_end(json);
}

static void write_counts(struct json *json, const struct payload *payload)
{
    uint64_t counts[CHANGE_RESOLVED + 1] = {0};
    for (uint32_t i = 0; i < payload->count; i++)
        counts[payload->members[i]->change]++;
    json_key(json, "counts");
    json_object_begin(json);
    for (int change = CHANGE_FIRED; change <= CHANGE_RESOLVED; change++)
        json_member_unsigned(json, alert_change_name((enum alert_change)change), counts[change]);
    json_member_unsigned(json, "still_firing", payload->still_firing);
    json_object_end(json);
}

struct left_out {
    uint64_t alerts, resolved, bins;
};

/* Writes the alerts, worst first, as long as `budget` bytes of the body are not used up. */
static void write_alerts(struct json *json, const struct payload *payload, size_t start, size_t budget,
                         struct left_out *left_out)
{
    struct strbuf one;
    strbuf_init(&one, PAYLOAD_MAX_BYTES);
    json_key(json, "alerts");
    json_array_begin(json);
    for (uint32_t i = 0; i < payload->count; i++) {
        const struct member *member = payload->members[i];
        bool written = false;
        for (int with_bins = member->bins ? 1 : 0; with_bins >= 0 && !written; with_bins--) {
            struct json scratch;
            strbuf_reset(&one);
            json_init(&scratch, &one);
            write_member(&scratch, member, with_bins);
            written = !strbuf_failed(&one) && json->out->len - start + one.len + 1 <= budget;
            if (!written && with_bins)
                left_out->bins++;
        }
        if (written) {
            json_raw(json, one.bytes, one.len);
        } else {
            left_out->alerts++;
            left_out->resolved += member->change == CHANGE_RESOLVED;
        }
    }
    json_array_end(json);
    strbuf_release(&one);
}

static bool write_data(struct json *json, const struct payload *payload, size_t start)
{
    struct strbuf hint, summary;
    struct left_out left_out = {0};
    strbuf_init(&hint, PAYLOAD_MAX_BYTES);
    strbuf_init(&summary, PAYLOAD_MAX_BYTES);
    write_hint(payload, &hint);
    sentence_summary(payload, &summary);
    json_object_begin(json);
    member_string(json, "pipeline", payload->pipeline);
    member_text(json, "model", payload->model, NAME_MAX_BYTES);
    write_shared(json, payload);
    member_text(json, "summary", (struct text){summary.bytes, (uint32_t)summary.len}, SUMMARY_MAX_BYTES);
    write_counts(json, payload);
    write_alerts(json, payload, start, PAYLOAD_MAX_BYTES - TRUNCATED_MAX_BYTES - hint.len, &left_out);
    json_key(json, "truncated");
    json_object_begin(json);
    json_member_unsigned(json, "alerts", left_out.alerts);
    json_member_unsigned(json, "resolved", left_out.resolved);
    json_member_unsigned(json, "bins", left_out.bins);
    json_object_end(json);
    json_key(json, "where_to_look");
    json_raw(json, hint.bytes, hint.len);
    json_object_end(json);
    bool whole = !strbuf_failed(&hint) && !strbuf_failed(&summary);
    strbuf_release(&hint);
    strbuf_release(&summary);
    return whole;
}

int payload_write(const struct payload *payload, struct strbuf *out)
{
    struct json json;
    size_t start = out->len;
    json_init(&json, out);
    json_object_begin(&json);
    member_string(&json, "type", payload_type(payload));
    member_time(&json, "timestamp", payload->window_end_ms);
    json_key(&json, "data");
    bool whole = write_data(&json, payload, start);
    json_object_end(&json);
    return whole && !strbuf_failed(out) ? 0 : ERR_NOMEM;
}
