/* Suite performance: binary, multiclass, regression and ranking. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/performance.h"
#include "detectors/performance_multiclass.h"
#include "detectors/performance_ranking.h"
#include "detectors/performance_regression.h"
#include "tests/vectors/vectors.h"

static double in(struct vector_case *vc, const char *key)
{
    return case_number(vc, vc->input, key);
}

static void put_binary(struct vector_case *vc, const struct binary_metrics *m)
{
    case_put(vc, "accuracy", m->accuracy);
    case_put(vc, "precision", m->precision);
    case_put(vc, "recall", m->recall);
    case_put(vc, "specificity", m->specificity);
    case_put(vc, "fpr", m->fpr);
    case_put(vc, "fnr", m->fnr);
    case_put(vc, "npv", m->npv);
    case_put(vc, "fdr", m->fdr);
    case_put(vc, "for", m->for_rate);
    case_put(vc, "f1", m->f1);
    case_put(vc, "mcc", m->mcc);
    case_put(vc, "balanced_accuracy", m->balanced_accuracy);
    case_put(vc, "kappa", m->kappa);
    case_put(vc, "prevalence", m->prevalence);
    case_put(vc, "selection_rate", m->selection_rate);
}

static void run_binary_confusion(struct vector_case *vc)
{
    struct confusion c = {in(vc, "tp"), in(vc, "fp"), in(vc, "fn"), in(vc, "tn")};
    struct binary_metrics m = binary_metrics(&c);
    put_binary(vc, &m);
    /* As printed by ProPublica: rates in per cent, values with two decimals. */
    cJSON *published = cJSON_CreateObject();
    put_number(published, "fpr", round(m.fpr * 1e4) / 1e2);
    put_number(published, "fnr", round(m.fnr * 1e4) / 1e2);
    put_number(published, "ppv", round(m.precision * 1e2) / 1e2);
    put_number(published, "npv", round(m.npv * 1e2) / 1e2);
    case_put_item(vc, "published", published);
}

static void run_binned_scores(struct vector_case *vc)
{
    size_t bins, negative_bins;
    struct score_histogram h = {.positives = case_numbers(vc, vc->input, "pos", &bins),
                                .negatives = case_numbers(vc, vc->input, "neg", &negative_bins)};
    if (bins != negative_bins) {
        case_fail(vc, "pos and neg differ in length");
        return;
    }
    h.bins = bins;
    struct auc auc = score_auc(&h);
    struct average_precision ap = score_average_precision(&h);
    case_put(vc, "roc_auc", auc.value);
    case_put(vc, "auc_half_width", auc.half_width);
    case_put(vc, "auc_var_delong", auc.variance);
    case_put(vc, "ks_separation", score_ks_separation(&h));
    case_put(vc, "average_precision_binned", ap.value);
    case_put(vc, "ap_upper", ap.upper);
    case_put(vc, "ap_lower", ap.lower);
    case_put_bracket(vc, "exact_auc", auc.value - auc.half_width, auc.value + auc.half_width);
    case_put_bracket(vc, "exact_ap", ap.lower, ap.upper);
}

struct scored {
    double score;
    size_t index;
    uint8_t label;
};

static int by_score(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

/* Ascending by score; ties in order of arrival. */
static struct scored *read_scored(struct vector_case *vc, const char *score_key, size_t *out_count)
{
    size_t count;
    const double *labels = case_numbers(vc, vc->input, "y", &count);
    const double *scores = case_numbers(vc, vc->input, score_key, out_count);
    struct scored *items = case_alloc(vc, count, sizeof *items);
    if (count != *out_count) {
        case_fail(vc, "y and %s differ in length", score_key);
        *out_count = 0;
        return items;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = (struct scored){scores[i], i, labels[i] != 0};
    qsort(items, count, sizeof *items, by_score);
    return items;
}

/* One bin per distinct score. */
static struct score_histogram exact_histogram(struct vector_case *vc, const struct scored *items,
                                              size_t count)
{
    double *positives = case_alloc(vc, count, sizeof *positives);
    double *negatives = case_alloc(vc, count, sizeof *negatives);
    size_t bins = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || items[i].score != items[i - 1].score)
            bins++;
        *(items[i].label ? &positives[bins - 1] : &negatives[bins - 1]) += 1;
    }
    return (struct score_histogram){positives, negatives, bins};
}

static void put_auc(struct vector_case *vc, const struct score_histogram *h)
{
    double positives = 0, negatives = 0;
    for (size_t b = 0; b < h->bins; b++) {
        positives += h->positives[b];
        negatives += h->negatives[b];
    }
    struct auc auc = score_auc(h);
    struct interval ci = auc_interval(&auc, 0.05);
    double limits[2] = {ci.low, ci.high};
    case_put(vc, "roc_auc", auc.value);
    case_put(vc, "gini", 2 * auc.value - 1);
    case_put(vc, "auc_var_delong", auc.variance);
    case_put(vc, "auc_var_hanley_mcneil", auc_variance_hanley_mcneil(auc.value, positives, negatives));
    case_put_numbers(vc, "auc_ci95_logit", limits, 2);
}

static void run_binary_scores(struct vector_case *vc)
{
    size_t count;
    const struct scored *items = read_scored(vc, "score", &count);
    double threshold = case_number_or(vc, vc->input, "threshold", 0.5);
    struct score_histogram h = exact_histogram(vc, items, count);
    struct confusion c = {0, 0, 0, 0};
    double loss = 0, brier = 0;
    for (size_t i = 0; i < count; i++) {
        double y = items[i].label, p = items[i].score;
        bool predicted = p >= threshold;
        *(predicted ? (y > 0 ? &c.tp : &c.fp) : (y > 0 ? &c.fn : &c.tn)) += 1;
        loss += log_loss_term(p, y, 1e-15) / (double)count;
        brier += (p - y) * (p - y) / (double)count;
    }
    struct binary_metrics m = binary_metrics(&c);
    char key[64];
    put_auc(vc, &h);
    put_binary(vc, &m);
    case_put(vc, "average_precision", score_average_precision(&h).value);
    case_put(vc, "log_loss", loss);
    case_put(vc, "brier", brier);
    case_put(vc, "ks_separation", score_ks_separation(&h));
    snprintf(key, sizeof key, "f1_at_%g", threshold);
    case_put(vc, key, m.f1);
    snprintf(key, sizeof key, "mcc_at_%g", threshold);
    case_put(vc, key, m.mcc);
}

static void run_lift(struct vector_case *vc)
{
    size_t count;
    const struct scored *items = read_scored(vc, "score", &count);
    uint8_t *labels = case_alloc(vc, count, sizeof *labels);
    size_t at = 0;
    /* Descending, but ties in order of arrival. */
    for (size_t end = count; end > 0;) {
        size_t first = end - 1;
        while (first > 0 && items[first - 1].score == items[end - 1].score)
            first--;
        for (size_t i = first; i < end; i++)
            labels[at++] = items[i].label;
        end = first;
    }
    struct lift lift = ranked_lift(labels, count, in(vc, "fraction"));
    case_put(vc, "k", lift.k);
    case_put(vc, "lift", lift.value);
    case_put(vc, "captured", lift.captured);
}

static void run_log_loss(struct vector_case *vc)
{
    size_t count;
    const struct scored *items = read_scored(vc, "p", &count);
    double clip = case_number_or(vc, vc->input, "clip", 1e-15), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += log_loss_term(items[i].score, items[i].label, clip);
    case_put(vc, "value", count ? sum / (double)count : NAN);
}

static void run_regression(struct vector_case *vc)
{
    size_t count, predicted;
    const double *y = case_numbers(vc, vc->input, "y", &count);
    const double *prediction = case_numbers(vc, vc->input, "pred", &predicted);
    struct regression_sums sums = {.n = 0};
    for (size_t i = 0; i < count && i < predicted; i++)
        regression_add(&sums, y[i], prediction[i], y[0]);
    struct regression_metrics m = regression_metrics(&sums);
    case_put(vc, "mae", m.mae);
    case_put(vc, "mse", m.mse);
    case_put(vc, "rmse", m.rmse);
    case_put(vc, "mape", m.mape);
    case_put(vc, "r2", m.r2);
    case_put(vc, "bias_pred_minus_y", m.bias);
    case_put(vc, "residual_std", m.residual_sd);
    case_put(vc, "explained_variance", m.explained_variance);
    case_put(vc, "smape", m.smape);
    case_put(vc, "wape", m.wape);
}

static void put_average(struct vector_case *vc, const char *name, const struct multiclass_average *a)
{
    char key[64];
    snprintf(key, sizeof key, "%s_precision", name);
    case_put(vc, key, a->precision);
    snprintf(key, sizeof key, "%s_recall", name);
    case_put(vc, key, a->recall);
    snprintf(key, sizeof key, "%s_f1", name);
    case_put(vc, key, a->f1);
}

static void run_multiclass(struct vector_case *vc)
{
    size_t rows, columns;
    const double *matrix = case_matrix(vc, vc->input, "confusion_rows_true", &rows, &columns);
    if (rows != columns || rows == 0) {
        case_fail(vc, "the confusion matrix is not square");
        return;
    }
    uint64_t *counts = case_alloc(vc, rows * rows, sizeof *counts);
    for (size_t i = 0; i < rows * rows; i++)
        counts[i] = (uint64_t)matrix[i];
    struct multiclass_metrics m = multiclass_metrics(counts, (uint32_t)rows);
    case_put(vc, "accuracy", m.accuracy);
    case_put(vc, "balanced_accuracy", m.balanced_accuracy);
    case_put(vc, "mcc", m.mcc);
    case_put(vc, "kappa", m.kappa);
    put_average(vc, "macro", &m.macro);
    put_average(vc, "micro", &m.micro);
    put_average(vc, "weighted", &m.weighted);
    double *precision = case_alloc(vc, 3 * rows, sizeof *precision);
    for (size_t k = 0; k < rows; k++) {
        struct class_metrics c = class_metrics(counts, (uint32_t)rows, (uint32_t)k);
        precision[k] = c.precision;
        precision[rows + k] = c.recall;
        precision[2 * rows + k] = c.f1;
    }
    case_put_numbers(vc, "per_class_precision", precision, rows);
    case_put_numbers(vc, "per_class_recall", precision + rows, rows);
    case_put_numbers(vc, "per_class_f1", precision + 2 * rows, rows);
}

static void run_ndcg(struct vector_case *vc)
{
    size_t count, scored;
    const double *relevance = case_numbers(vc, vc->input, "relevance", &count);
    const double *score = case_numbers(vc, vc->input, "score", &scored);
    char key[64];
    if (count != scored) {
        case_fail(vc, "relevance and score differ in length");
        return;
    }
    for (size_t k = 0; k <= (count < 20 ? 20 : count); k++) {
        double dcg, ndcg;
        if (ranking_ndcg_by_score(relevance, score, count, k, &dcg, &ndcg))
            case_fail(vc, "out of memory");
        k ? snprintf(key, sizeof key, "dcg_at_%zu", k) : snprintf(key, sizeof key, "dcg");
        case_put(vc, key, dcg);
        k ? snprintf(key, sizeof key, "ndcg_at_%zu", k) : snprintf(key, sizeof key, "ndcg");
        case_put(vc, key, ndcg);
    }
}

const struct vector_handler performance_handlers[] = {
    {"binary_confusion", run_binary_confusion},
    {"binned_scores", run_binned_scores},
    {"binary_scores", run_binary_scores},
    {"lift", run_lift},
    {"log_loss", run_log_loss},
    {"regression", run_regression},
    {"multiclass_confusion", run_multiclass},
    {"ndcg", run_ndcg},
    {NULL, NULL},
};
