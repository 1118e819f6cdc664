#include "detectors/labelled.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/outcomes_layout.h"

static_assert(SCORE_BINS == sizeof(((struct labelled *)0)->bin_labels) / sizeof(double), "score bins");

enum { CHUNK_LABELS_MIN = 100 };

struct labelled *labelled_new(double unit)
{
    struct labelled *labelled = calloc(1, sizeof(*labelled));
    if (labelled)
        labelled->unit = unit;
    return labelled;
}

void labelled_free(struct labelled *labelled)
{
    if (!labelled)
        return;
    for (uint32_t i = 0; i < labelled->chunk_count; i++)
        tally_free(labelled->chunks[i]);
    tally_free(labelled->total);
    label_classes_release(&labelled->classes);
    named_counts_release(&labelled->groups);
    calibrator_clear(&labelled->calibrator);
    free(labelled);
}

/* ---- what a tally of outcomes holds ---- */

void labelled_scores_of(const struct tally *outcomes, struct labelled_scores *out)
{
    for (uint32_t cell = 0; cell < 4; cell++) {
        out->class_only[cell] = (double)outcomes->counters[OUT_CLASS_ONLY + cell];
        for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
            out->cells[cell][bin] = (double)outcomes->counters[OUT_SCORES + cell * SCORE_BINS + bin];
    }
}

struct confusion labelled_confusion(const struct labelled_scores *scores, bool with_class_only)
{
    double n[4];
    for (uint32_t cell = 0; cell < 4; cell++) {
        n[cell] = with_class_only ? scores->class_only[cell] : 0;
        for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
            n[cell] += scores->cells[cell][bin];
    }
    return (struct confusion){.tn = n[0], .fp = n[1], .fn = n[2], .tp = n[3]};
}

uint64_t labelled_labels_of(const struct tally *outcomes)
{
    uint64_t n = outcomes->counters[OUT_REGRESSION_N];
    for (uint32_t cell = 0; cell < 4; cell++)
        n += outcomes->counters[OUT_CLASS_ONLY + cell];
    for (uint32_t i = 0; i < 4 * SCORE_BINS; i++)
        n += outcomes->counters[OUT_SCORES + i];
    return n;
}

uint64_t labelled_count(const struct labelled *labelled)
{
    uint64_t n = label_classes_total(&labelled->classes);
    for (uint32_t i = 0; i < labelled->chunk_count; i++)
        n += labelled_labels_of(labelled->chunks[i]);
    return n;
}

/* ---- chunks ---- */

static void merge_least(struct labelled *labelled)
{
    uint32_t best = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i + 1 < labelled->chunk_count; i++) {
        uint64_t n = labelled_labels_of(labelled->chunks[i]) + labelled_labels_of(labelled->chunks[i + 1]);
        if (n < least) {
            least = n;
            best = i;
        }
    }
    tally_add(labelled->chunks[best], labelled->chunks[best + 1]);
    tally_free(labelled->chunks[best + 1]);
    for (uint32_t i = best + 1; i + 1 < labelled->chunk_count; i++)
        labelled->chunks[i] = labelled->chunks[i + 1];
    labelled->chunk_count--;
}

int labelled_add(struct labelled *labelled, const struct tally *outcomes)
{
    struct tally *chunk = tally_new(outcomes_size());
    if (!chunk)
        return ERR_NOMEM;
    tally_copy(chunk, outcomes);
    if (labelled->chunk_count == LABELLED_CHUNKS)
        merge_least(labelled);
    labelled->chunks[labelled->chunk_count++] = chunk;
    return 0;
}

/* ---- what is learned from them ---- */

/* Score bins of the chunks that are held out, or of the others; all when `third` is negative. */
static int points_of(const struct labelled *labelled, int third, struct score_count out[SCORE_BINS])
{
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
        out[bin] = (struct score_count){.score = (bin + 0.5) / SCORE_BINS};
    for (uint32_t i = 0; i < labelled->chunk_count; i++) {
        if (third >= 0 && (i % 3 == 2) != (third == 1))
            continue;
        const uint64_t *cells = labelled->chunks[i]->counters + OUT_SCORES;
        for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
            double negatives = (double)(cells[bin] + cells[SCORE_BINS + bin]);
            double positives = (double)(cells[2 * SCORE_BINS + bin] + cells[3 * SCORE_BINS + bin]);
            out[bin].n += negatives + positives;
            out[bin].positives += positives;
        }
    }
    double n = 0;
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
        n += out[bin].n;
    return n > 0;
}

static int fit_calibrator(struct labelled *labelled)
{
    struct score_count fit[SCORE_BINS], held_out[SCORE_BINS];
    if (labelled->chunk_count >= 3 && points_of(labelled, 0, fit) && points_of(labelled, 1, held_out)) {
        struct calibrator trial;
        int code = calibrator_fit(fit, SCORE_BINS, held_out, SCORE_BINS, &trial);
        bool keeps = code == 0 && trial.kind != CALIBRATOR_NONE;
        calibrator_clear(&trial);
        if (!keeps)
            return code;
    }
    return points_of(labelled, -1, fit) ? calibrator_fit(fit, SCORE_BINS, NULL, 0, &labelled->calibrator) : 0;
}

static void metrics_of(const struct tally *outcomes, double out[LABELLED_METRICS], double *out_n)
{
    struct labelled_scores scores;
    labelled_scores_of(outcomes, &scores);
    struct confusion confusion = labelled_confusion(&scores, true);
    struct binary_metrics metrics = binary_metrics(&confusion);
    double positives[SCORE_BINS], negatives[SCORE_BINS];
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        negatives[bin] = scores.cells[0][bin] + scores.cells[1][bin];
        positives[bin] = scores.cells[2][bin] + scores.cells[3][bin];
    }
    out[LABELLED_ACCURACY] = metrics.accuracy;
    out[LABELLED_PRECISION] = metrics.precision;
    out[LABELLED_RECALL] = metrics.recall;
    out[LABELLED_F1] = metrics.f1;
    out[LABELLED_AUC] = score_auc(&(struct score_histogram){positives, negatives, SCORE_BINS}).value;
    *out_n = metrics.n;
}

static struct usual usual_of(double values[LABELLED_CHUNKS][LABELLED_METRICS], uint32_t count, int metric)
{
    double n = 0, sum = 0, squares = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!isnan(values[i][metric])) {
            n++;
            sum += values[i][metric];
        }
    if (n < 2)
        return (struct usual){(double)NAN, (double)NAN};
    double mean = sum / n;
    for (uint32_t i = 0; i < count; i++)
        if (!isnan(values[i][metric]))
            squares += (values[i][metric] - mean) * (values[i][metric] - mean);
    return (struct usual){mean, sqrt(squares / n)};
}

int labelled_finish(struct labelled *labelled)
{
    double values[LABELLED_CHUNKS][LABELLED_METRICS], n = 0;
    labelled->total = tally_new(outcomes_size());
    if (!labelled->total)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < labelled->chunk_count; i++) {
        double chunk_n;
        tally_add(labelled->total, labelled->chunks[i]);
        metrics_of(labelled->chunks[i], values[i], &chunk_n);
        n += isnan(chunk_n) ? 0 : chunk_n;
    }
    labelled->labels = labelled_labels_of(labelled->total);
    labelled->chunk_n = labelled->chunk_count ? n / labelled->chunk_count : 0;
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
        for (uint32_t cell = 0; cell < 4; cell++)
            labelled->bin_labels[bin] +=
                (double)labelled->total->counters[OUT_SCORES + cell * SCORE_BINS + bin];
    for (int metric = 0; metric < LABELLED_METRICS; metric++)
        labelled->usual[metric] = usual_of(values, labelled->chunk_count, metric);
    return fit_calibrator(labelled);
}

void labelled_forget_chunks(struct labelled *labelled)
{
    for (uint32_t i = 0; i < labelled->chunk_count; i++)
        tally_free(labelled->chunks[i]);
    labelled->chunk_count = 0;
}

/* ---- bytes ---- */

void labelled_encode(const struct labelled *labelled, struct strbuf *out)
{
    struct strbuf chunk;
    strbuf_init(&chunk, 1 << 20);
    strbuf_add(out, &labelled->unit, sizeof(labelled->unit));
    strbuf_add_varint(out, labelled->chunk_count);
    for (uint32_t i = 0; i < labelled->chunk_count; i++) {
        strbuf_reset(&chunk);
        tally_encode(labelled->chunks[i], &chunk);
        strbuf_add_varint(out, strbuf_failed(&chunk) ? UINT32_MAX : chunk.len); /* does not read back */
        strbuf_add(out, chunk.bytes, chunk.len);
    }
    strbuf_release(&chunk);
    bool with_groups = labelled->groups.count > 0;
    /* others end here, as they always did */
    if (labelled->classes.names.count > 0 || labelled->classes.other > 0 || with_groups)
        label_classes_encode(&labelled->classes, out);
    if (with_groups)
        named_counts_encode(&labelled->groups, GROUP_CELLS, out);
}

static int decode_chunk(struct cursor *in, struct labelled *labelled)
{
    uint64_t len = cursor_varint(in);
    const void *bytes = cursor_bytes(in, len);
    struct tally_size size, ours = outcomes_size();
    if (!bytes || tally_decode_size(bytes, len, &size) != 0 || size.counters != ours.counters ||
        size.sums != ours.sums)
        return ERR_CORRUPT;
    struct tally *chunk = tally_new(ours);
    if (!chunk)
        return ERR_NOMEM;
    labelled->chunks[labelled->chunk_count++] = chunk;
    return tally_decode_add(bytes, len, chunk);
}

int labelled_decode(const void *bytes, size_t len, struct labelled **out)
{
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    const unsigned char *unit = cursor_bytes(&in, sizeof(double));
    uint64_t count = cursor_varint(&in);
    struct labelled *labelled = labelled_new(1);
    if (!labelled)
        return ERR_NOMEM;
    int code = in.failed || !unit || count > LABELLED_CHUNKS ? ERR_CORRUPT : 0;
    if (code == 0)
        memcpy(&labelled->unit, unit, sizeof(double));
    for (uint64_t i = 0; code == 0 && i < count; i++)
        code = decode_chunk(&in, labelled);
    if (code == 0 && !in.failed && in.at != in.end)
        code = label_classes_decode(&in, &labelled->classes);
    if (code == 0 && !in.failed && in.at != in.end)
        code = named_counts_decode(&in, OUTCOME_GROUPS_MAX, GROUP_CELLS, &labelled->groups);
    if (code == 0 && (in.failed || in.at != in.end || !(labelled->unit > 0)))
        code = ERR_CORRUPT;
    if (code == 0)
        *out = labelled;
    else
        labelled_free(labelled);
    return code;
}

/* ---- rows ---- */

static int compare_rows(const void *left, const void *right)
{
    const struct labelled_row *a = left, *b = right;
    if (a->ts_ms != b->ts_ms)
        return a->ts_ms < b->ts_ms ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->outcome.predicted != b->outcome.predicted)
        return a->outcome.predicted < b->outcome.predicted ? -1 : 1;
    if (a->outcome.truth < b->outcome.truth || a->outcome.truth > b->outcome.truth)
        return a->outcome.truth < b->outcome.truth ? -1 : 1;
    return a->outcome.value < b->outcome.value ? -1 : a->outcome.value > b->outcome.value;
}

int labelled_from_rows(struct labelled_row *rows, size_t count, double unit, struct labelled **out)
{
    *out = NULL;
    if (count == 0)
        return 0;
    struct labelled *labelled = labelled_new(unit);
    struct tally *chunk = tally_new(outcomes_size());
    int code = labelled && chunk ? 0 : ERR_NOMEM;
    qsort(rows, count, sizeof(*rows), compare_rows);
    size_t chunks = count / CHUNK_LABELS_MIN;
    chunks = chunks < 1 ? 1 : chunks > LABELLED_CHUNKS ? (size_t)LABELLED_CHUNKS : chunks;
    for (size_t i = 0; code == 0 && i < chunks; i++) {
        tally_reset(chunk);
        for (size_t at = i * count / chunks; at < (i + 1) * count / chunks; at++)
            for (uint64_t time = 0; time < rows[at].times; time++)
                outcomes_add(chunk, &rows[at].outcome, unit, 1);
        code = labelled_add(labelled, chunk);
    }
    if (code == 0)
        code = labelled_finish(labelled);
    tally_free(chunk);
    if (code == 0)
        *out = labelled;
    else
        labelled_free(labelled);
    return code;
}
