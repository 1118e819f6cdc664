#include "agent/engine_labelled.h"

#include <inttypes.h>

#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "agent/engine_estimates.h"
#include "agent/engine_outcomes.h"
#include "detectors/comparison.h"
#include "detectors/estimates.h"
#include "detectors/label_drift.h"

enum { FIRST_OUTCOMES = 1000 };

const struct known_reference *engine_labelled_known(const struct version *version, int64_t window_start_ms)
{
    const struct known_reference *known = version->reference;
    return known && known->effective_from_ms <= window_start_ms ? known : NULL;
}

static const struct labelled *of_reference(const struct version *version, int64_t at_ms)
{
    const struct known_reference *known = engine_labelled_known(version, at_ms);
    return known ? known->reference->labelled : NULL;
}

const struct labelled *engine_labelled(const struct version *version, int64_t window_start_ms)
{
    const struct labelled *labelled = of_reference(version, window_start_ms);
    if (labelled)
        return labelled;
    return version->labelled_frozen && version->labelled_until_ms <= window_start_ms ? version->labelled
                                                                                     : NULL;
}

/* Labels by class of what is in the scratch tallies. */
static int add_classes(const struct engine *engine, const struct version *version, struct label_classes *into)
{
    const struct outcome_scratch *scratch = &engine->outcomes->scratch;
    struct text names[OUTCOME_CLASS_SLOTS];
    if (!scratch->used[OUTCOME_CLASSES])
        return 0;
    uint32_t count = outcome_class_names(engine->outcomes->classes, version->model, names);
    int code = outcome_classes_labels(scratch->tallies[OUTCOME_CLASSES], names, count, into);
    if (code == 0)
        label_classes_keep(into, LABEL_CLASSES_MAX);
    return code;
}

static int report_classes(const struct engine *engine, const struct series *series,
                          const struct labelled *labelled, struct report_row *row, uint32_t *count)
{
    struct label_classes now = {0};
    int code = add_classes(engine, series->version, &now);
    if (code == 0 &&
        label_drift_report_classes(&now, &labelled->classes, series->version->config->options.n_min, row))
        (*count)++;
    label_classes_release(&now);
    return code;
}

int engine_labelled_report(struct engine *engine, const struct series *series,
                           const struct window_config *window, int64_t end_ms, uint32_t revision)
{
    const struct version *version = series->version;
    const struct model_options *options = &version->config->options;
    const struct labelled *labelled = engine_labelled(version, end_ms - window->length_ms);
    const struct tally *outcomes = engine->outcomes->scratch.tallies[0];
    int code = engine_gaps_report(engine, series, window, end_ms, revision);
    if (code != 0 || !labelled)
        return code;
    struct report_row rows[COMPARISON_ROWS_MAX + 2];
    struct text names[COMPARISON_ROWS_MAX + 2];
    uint32_t count = comparison_report(outcomes, labelled, options->unit, options->n_min, rows);
    count += estimates_report_error(outcomes, labelled, options->n_min, &rows[count]);
    if (!series->segment[0]) { /* the reference is that of all segments: its labels are not theirs */
        if (label_drift_report(outcomes, labelled, options->unit, options->n_min, &rows[count]))
            count++;
        else
            code = report_classes(engine, series, labelled, &rows[count], &count);
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = text_of("@model");
        rows[i].flags |= labelled == version->labelled ? REPORT_NO_REFERENCE : 0u;
    }
    return code ? code : engine_put_rows(engine, series, window, end_ms, revision, rows, names, count);
}

/* ---- first outcomes ---- */

static int put(struct engine *engine, const struct version *version)
{
    strbuf_reset(&engine->scratch);
    strbuf_addc(&engine->scratch, (char)version->labelled_frozen);
    strbuf_add_svarint(&engine->scratch, version->labelled_until_ms);
    labelled_encode(version->labelled, &engine->scratch);
    if (strbuf_failed(&engine->scratch))
        return ERR_NOMEM;
    store_put_capture(engine->batch, version->whole->number, CAPTURE_LABELLED, engine->scratch.bytes,
                      engine->scratch.len);
    return store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
}

static int audit(struct engine *engine, const struct version *version)
{
    struct strbuf bytes, details;
    struct json json;
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1], until[32];
    strbuf_init(&bytes, 1 << 20);
    strbuf_init(&details, 4096);
    labelled_encode(version->labelled, &bytes);
    int code = strbuf_failed(&bytes) ? ERR_NOMEM : sha256(bytes.bytes, bytes.len, digest);
    json_init(&json, &details);
    json_object_begin(&json);
    json_member_string(&json, "version", version->name);
    json_member_unsigned(&json, "labels", labelled_count(version->labelled));
    json_member_string(&json, "until", timestamp_format(version->labelled_until_ms, until));
    json_member_string(&json, "hash", code == 0 ? hex_encode(digest, sizeof(digest), hex) : "");
    json_object_end(&json);
    if (code == 0)
        engine_put_audit(engine, "driftd", "reference.first_outcomes", version->model,
                         strbuf_failed(&details) ? "{}" : details.bytes);
    strbuf_release(&bytes);
    strbuf_release(&details);
    return code;
}

/* Its chunks are in the store; what was learned from them stays. */
static int freeze(struct version *version)
{
    int code = labelled_finish(version->labelled);
    if (code == 0)
        labelled_forget_chunks(version->labelled);
    return code;
}

int engine_labelled_mature(struct engine *engine, struct version *version, int64_t end_ms)
{
    struct outcome_scratch *scratch = &engine->outcomes->scratch;
    int64_t start_ms = end_ms - engine->times.tiers_ms[0];
    if (version->labelled_frozen || of_reference(version, end_ms))
        return 0;
    const struct outcome_pane *pane = outcome_panes_find(&version->whole->outcomes, 0, start_ms, false);
    if (!pane || outcome_part_is_empty(&pane->parts[PANE_ON_TIME]))
        return 0;
    if (!version->labelled && !(version->labelled = labelled_new(version->config->options.unit)))
        return ERR_NOMEM;
    uint64_t before = labelled_count(version->labelled);
    outcome_scratch_reset(scratch);
    int code = outcome_part_sum(&pane->parts[PANE_ON_TIME], scratch);
    if (code == 0)
        code = add_classes(engine, version, &version->labelled->classes);
    /* Panes without labels leave nothing: what is not stored must not be in memory either. */
    if (code != 0 ||
        (labelled_labels_of(scratch->tallies[0]) == 0 && labelled_count(version->labelled) == before))
        return code;
    code = labelled_add(version->labelled, scratch->tallies[0]);
    if (code == 0)
        code = engine_gaps_mature(engine, version);
    if (code != 0)
        return code;
    uint64_t labels = labelled_count(version->labelled);
    version->labelled_until_ms = end_ms;
    version->labelled_frozen = labels >= FIRST_OUTCOMES;
    code = put(engine, version);
    if (code != 0 || !version->labelled_frozen)
        return code;
    log_write(engine->settings.log, LOG_INFO, "reference",
              "the first %" PRIu64 " labelled outcomes of model %s, version `%s`, are what later ones are "
              "compared with",
              labels, version->model, version->name);
    code = audit(engine, version);
    if (code == 0)
        code = freeze(version);
    engine_estimates_begin(engine, version);
    return code;
}

/* ---- store ---- */

static int restore_one(void *context, uint32_t number, int64_t key_ms, const void *bytes, size_t len)
{
    struct engine *engine = context;
    struct series *series = number < engine->by_number_capacity ? engine->by_number[number] : NULL;
    if (series && key_ms == CAPTURE_ESTIMATES)
        return engine_estimates_restore(engine, series->version, bytes, len);
    if (!series || key_ms != CAPTURE_LABELLED)
        return 0;
    struct version *version = series->version;
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    const unsigned char *frozen = cursor_bytes(&in, 1);
    version->labelled_until_ms = cursor_svarint(&in);
    if (in.failed || !frozen)
        return ERR_CORRUPT;
    version->labelled_frozen = *frozen != 0;
    int code = labelled_decode(in.at, (size_t)(in.end - in.at), &version->labelled);
    return code == 0 && version->labelled_frozen ? freeze(version) : code;
}

int engine_labelled_restore(struct engine *engine, struct err *err)
{
    int code = store_load_captures(engine->settings.store, restore_one, engine, err);
    if (code == ERR_CORRUPT)
        return err_set(err, code, "the first labelled outcomes of a version in the store do not decode");
    return code;
}

void engine_labelled_free(struct version *version)
{
    labelled_free(version->labelled);
    version->labelled = NULL;
}
