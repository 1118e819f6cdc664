/*
 * References captured from the stream (DESIGN §7): the sample of whole on-time events of the panes [start,
 * end) of one (model, version). start is its first closed non-empty pane; end moves on, pane by pane, until
 * enough events are in. Workers may not read beyond `until` = end + lateness, rounded up to a pane, before
 * the grid is there; counting begins at that very time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "agent/engine_internal.h"

/* The number under which the sample so far is stored beside those of open panes. */
#define CAPTURE_TOTAL INT64_MIN

/* Before the sample, which begins with the number of its format: stores of before have no such counts. */
enum { HAS_DUPLICATES = 0 };

static int64_t round_up(const struct engine *engine, int64_t ts_ms)
{
    int64_t start_ms = pane_start(&engine->times, 0, ts_ms);
    return start_ms == ts_ms ? ts_ms : start_ms + engine->times.tiers_ms[0];
}

static const struct profile *new_profile(struct engine *engine, const struct profile *profile)
{
    struct retired_profile *kept = calloc(1, sizeof(*kept));
    if (!kept)
        return NULL;
    kept->profile = *profile;
    kept->next = engine->retired;
    engine->retired = kept;
    return &kept->profile;
}

static void announce(struct engine *engine, struct version *version)
{
    if (engine->settings.profile_changed)
        engine->settings.profile_changed(engine->settings.context, version->model, version->name,
                                         version->profile);
}

/* Workers may read up to the end of the capture as it is known now. */
static int announce_capture(struct engine *engine, struct version *version)
{
    version->capture_until_ms = round_up(engine, version->capture_end_ms + engine->times.lateness_ms);
    struct profile profile = {.state = PROFILE_CAPTURE,
                              .sample = version->reference_config->sample,
                              .until_ms = version->capture_until_ms};
    const struct profile *kept = new_profile(engine, &profile);
    if (!kept)
        return ERR_NOMEM;
    version->profile = kept;
    announce(engine, version);
    return 0;
}

static int start_capture(struct engine *engine, struct version *version, int64_t start_ms)
{
    version->capture = CAPTURE_RUNNING;
    version->capture_start_ms = start_ms;
    version->capture_end_ms = round_up(engine, start_ms + version->reference_config->capture_ms);
    version->sample = sample_new(version->reference_config->sample);
    version->sample_changed = true;
    return version->sample ? announce_capture(engine, version) : ERR_NOMEM;
}

static void count_duplicates(struct duplicate_counts *into, const struct pane_set *set)
{
    const struct tally *again = set->parts[PANE_COUNTS + COUNT_DUPLICATES];
    into->events += pane_set_events(set);
    for (int kind = 0; again && kind < EVENT_KIND_COUNT; kind++) {
        into->events += again->counters[kind];
        into->again += again->counters[kind];
    }
}

/* A pane of the whole model closes: its sample joins the capture. */
int engine_capture_pane(struct engine *engine, struct series *series, struct open_pane *pane)
{
    struct version *version = series->version;
    if (series->segment[0])
        return 0;
    /* Also when the capture has ended meanwhile: panes after its end may have been stored with a sample. */
    store_put_capture(engine->batch, series->number, pane->start_ms, NULL, 0);
    if (version->capture == CAPTURE_NONE)
        return 0;
    int code = 0;
    if (version->capture == CAPTURE_UNSTARTED)
        code = start_capture(engine, version, pane->start_ms);
    if (code != 0 || pane->start_ms < version->capture_start_ms || pane->start_ms >= version->capture_end_ms)
        return code;
    const struct tally *activity = pane->set.parts[PANE_ACTIVITY];
    if (activity)
        version->capture_events += activity->counters[EVENT_PREDICTION] + activity->counters[EVENT_FEATURES];
    if (engine->config->dedup)
        count_duplicates(&version->capture_duplicates, &pane->set);
    version->sample_changed = true;
    return sample_merge(version->sample, pane->sample);
}

static int64_t first_open_of(const struct engine *engine, const struct version *version)
{
    for (uint32_t i = 0; i < engine->series_count; i++)
        if (engine->series[i]->version == version && !engine->series[i]->segment[0])
            return engine->series[i]->open ? engine->series[i]->open->start_ms : INT64_MAX;
    return INT64_MAX;
}

static struct series *whole_model(struct engine *engine, const struct version *version)
{
    for (uint32_t i = 0; i < engine->series_count; i++)
        if (engine->series[i]->version == version && !engine->series[i]->segment[0])
            return engine->series[i];
    return NULL;
}

static void capture_source(const struct version *version, char *out, size_t size)
{
    char from[32], to[32];
    (void)snprintf(out, size, "capture %s..%s", timestamp_format(version->capture_start_ms, from),
                   timestamp_format(version->capture_end_ms, to));
}

/* The reference is known to the store, the audit log and the workers from now on. */
static int publish_reference(struct engine *engine, struct version *version, struct known_reference *known)
{
    const struct reference *reference = known->reference;
    int code = engine_put_reference(engine, known, "reference.captured");
    if (code != 0)
        return code;
    log_write(engine->settings.log, LOG_INFO, "reference", "captured %s: %" PRIu64 " events, hash %.12s",
              reference->name, reference->rows, reference->hash);
    version->reference = known;
    version->profile = &known->profile;
    announce(engine, version);
    return 0;
}

static int freeze(struct engine *engine, struct version *version)
{
    char source[96], name[640], from[32];
    capture_source(version, source, sizeof(source));
    (void)snprintf(name, sizeof(name), "%s%s%s@%s", version->model, version->name[0] ? "/" : "",
                   version->name, timestamp_format(version->capture_start_ms, from));
    struct reference_options options = {.name = name,
                                        .model = version->model,
                                        .version = version->name,
                                        .source = source,
                                        .sample_max = version->reference_config->sample,
                                        .total_events = version->capture_events,
                                        .categorical = (const char *const *)version->config->categorical,
                                        .numeric = (const char *const *)version->config->numeric,
                                        .options = &version->config->options,
                                        .duplicates = &version->capture_duplicates,
                                        .crosses = version->config->crosses,
                                        .cross_count = version->config->cross_count,
                                        .facets = version->config->facets,
                                        .facet_count = version->config->facet_count,
                                        .exclude = (const char *const *)version->config->exclude};
    struct reference *reference = NULL;
    struct err err = {0};
    int code = reference_from_sample(version->sample, &options, &reference, &err);
    if (code == ERR_INVALID) {
        /* Events without features or scores: there is nothing to compare, now or later. */
        log_write(engine->settings.log, LOG_WARNING, "reference", "nothing to capture for model %s: %s",
                  version->model, err.message);
        version->profile = &engine->profile_none;
        announce(engine, version);
        code = 0;
    } else if (code == 0) {
        struct known_reference *known = NULL;
        code = engine_learn_reference(engine, reference, 0, 0, version->capture_until_ms, &known);
        if (code == 0)
            code = publish_reference(engine, version, known);
    }
    version->capture = CAPTURE_NONE;
    sample_free(version->sample);
    version->sample = NULL;
    const struct series *series = whole_model(engine, version);
    store_put_capture(engine->batch, series->number, CAPTURE_TOTAL, NULL, 0);
    return code;
}

/* Every pane before the end is closed. */
static bool is_ripe(const struct engine *engine, const struct version *version)
{
    return version->capture == CAPTURE_RUNNING && engine->watermark_ms >= version->capture_end_ms &&
           first_open_of(engine, version) >= version->capture_end_ms;
}

/* Up to the end of the next pane that may hold something: empty ones before it are jumped. */
static int64_t extended_end(const struct engine *engine, const struct version *version)
{
    int64_t from_ms = pane_start(&engine->times, 0, engine->watermark_ms);
    int64_t first_ms = first_open_of(engine, version);
    if (first_ms < from_ms)
        from_ms = first_ms;
    return (from_ms > version->capture_end_ms ? from_ms : version->capture_end_ms) +
           engine->times.tiers_ms[0];
}

bool engine_capture_check(struct engine *engine)
{
    bool changed = false;
    for (uint32_t i = 0; i < engine->version_count && !engine->failed; i++) {
        struct version *version = engine->versions[i];
        if (!is_ripe(engine, version))
            continue;
        if (version->capture_events >= version->reference_config->capture_min_events) {
            engine->failed = freeze(engine, version);
        } else if (engine->endless) {
            continue; /* the input ended before there was enough: go on when more comes */
        } else {
            version->capture_end_ms = extended_end(engine, version);
            version->sample_changed = true;
            engine->failed = announce_capture(engine, version);
        }
        engine->dirty = changed = true;
    }
    return changed && !engine->failed;
}

/* ---- store ---- */

static void put_sample(struct engine *engine, uint32_t series, int64_t key_ms, const struct version *header,
                       const struct sample *sample)
{
    strbuf_reset(&engine->scratch);
    if (header) {
        strbuf_add_svarint(&engine->scratch, header->capture_start_ms);
        strbuf_add_svarint(&engine->scratch, header->capture_end_ms);
        strbuf_add_varint(&engine->scratch, header->capture_events);
        strbuf_addc(&engine->scratch, HAS_DUPLICATES);
        strbuf_add_varint(&engine->scratch, header->capture_duplicates.events);
        strbuf_add_varint(&engine->scratch, header->capture_duplicates.again);
    }
    sample_encode(sample, &engine->scratch);
    if (strbuf_failed(&engine->scratch))
        engine->failed = ERR_NOMEM;
    else
        store_put_capture(engine->batch, series, key_ms, engine->scratch.bytes, engine->scratch.len);
}

void engine_capture_put(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        if (series->segment[0] || series->version->capture == CAPTURE_NONE)
            continue;
        struct version *version = series->version;
        if (version->sample && version->sample_changed) {
            put_sample(engine, series->number, CAPTURE_TOTAL, version, version->sample);
            version->sample_changed = false;
        }
        for (struct open_pane *pane = series->open; pane; pane = pane->next)
            if (pane->sample && pane->sample_changed) {
                put_sample(engine, series->number, pane->start_ms, NULL, pane->sample);
                pane->sample_changed = false;
            }
    }
}

static int restore_one(void *context, uint32_t number, int64_t pane_start_ms, const void *bytes, size_t len)
{
    struct engine *engine = context;
    struct series *series = number < engine->by_number_capacity ? engine->by_number[number] : NULL;
    if (!series || series->version->capture == CAPTURE_NONE)
        return 0; /* the configuration asks for another reference now */
    struct version *version = series->version;
    if (pane_start_ms != CAPTURE_TOTAL) {
        for (struct open_pane *pane = series->open; pane; pane = pane->next)
            if (pane->start_ms == pane_start_ms) {
                if (!pane->sample && !(pane->sample = sample_new(version->reference_config->sample)))
                    return ERR_NOMEM;
                return sample_decode_merge(bytes, len, pane->sample);
            }
        return 0;
    }
    struct cursor cursor = {bytes, (const unsigned char *)bytes + len, false};
    version->capture_start_ms = cursor_svarint(&cursor);
    version->capture_end_ms = cursor_svarint(&cursor);
    version->capture_events = cursor_varint(&cursor);
    if (cursor.at < cursor.end && *cursor.at == HAS_DUPLICATES) {
        cursor.at++;
        version->capture_duplicates.events = cursor_varint(&cursor);
        version->capture_duplicates.again = cursor_varint(&cursor);
    }
    version->sample = sample_new(version->reference_config->sample);
    if (cursor.failed || !version->sample)
        return cursor.failed ? ERR_CORRUPT : ERR_NOMEM;
    version->capture = CAPTURE_RUNNING;
    int code = sample_decode_merge(cursor.at, (size_t)(cursor.end - cursor.at), version->sample);
    if (code != 0)
        return code;
    return announce_capture(engine, version);
}

/* There are no workers yet that could be told: what they start with is in the book. */
static int put_running_into_book(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->version_count; i++) {
        const struct version *version = engine->versions[i];
        if (version->capture != CAPTURE_RUNNING)
            continue;
        int code = engine_book_add(engine, version->model, version->name, version->profile);
        if (code != 0)
            return code;
    }
    return 0;
}

int engine_capture_restore(struct engine *engine, struct err *err)
{
    int code = store_load_captures(engine->settings.store, restore_one, engine, err);
    if (code == 0 && put_running_into_book(engine) != 0)
        code = err_set(err, ERR_NOMEM, "no memory for references");
    return code;
}
