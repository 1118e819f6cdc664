#include "detectors/ranking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/outcomes_rows.h"
#include "detectors/portable_log.h"
#include "detectors/ranking_slots.h"

enum { CUTS = 3 };
static const uint32_t cuts[CUTS] = {5, 10, RANKING_LENGTH_MAX};

enum { QUERIES, SKIPPED, REFUSED, ITEMS, COUNTERS }; /* QUERIES: those in the means */
enum { SUM_NDCG, SUM_NDCG2 = SUM_NDCG + CUTS, SUMS = SUM_NDCG2 + CUTS };
#define SCALE 0x1p40

struct ranking_tables {
    double discounts[RANKING_LENGTH_MAX];
};

struct ranking_tables *ranking_tables_new(void)
{
    struct ranking_tables *tables = malloc(sizeof(*tables));
    for (uint32_t i = 0; tables && i < RANKING_LENGTH_MAX; i++)
        tables->discounts[i] = portable_log(2) / portable_log(i + 2.0);
    return tables;
}

void ranking_tables_free(struct ranking_tables *tables)
{
    free(tables);
}

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    (void)reference;
    return (struct tally_size){COUNTERS, SUMS};
}

static bool applies(const struct count_input *input)
{
    return input->event->label.type == VALUE_VECTOR && input->event->kind == EVENT_PREDICTION;
}

static int descending(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a > *b ? -1 : *a < *b;
}

/* Gains of the first items of a list at each cut. */
static void gains(const struct ranking_tables *tables, const double *relevance, uint32_t n, double out[CUTS])
{
    double sum = 0;
    uint32_t cut = 0;
    for (uint32_t i = 0; i < n; i++) {
        while (i == cuts[cut])
            out[cut++] = sum;
        sum += relevance[i] * tables->discounts[i];
    }
    while (cut < CUTS)
        out[cut++] = sum;
}

static bool is_valid(const struct value *label)
{
    for (uint32_t i = 0; i < label->count; i++)
        if (!(label->vector[i] >= 0) || !(label->vector[i] <= 1e300 / RANKING_LENGTH_MAX))
            return false;
    return label->count <= RANKING_LENGTH_MAX;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct value *label = &input->event->label;
    double best[RANKING_LENGTH_MAX], got[CUTS], ideal[CUTS];
    if (!is_valid(label)) {
        tally->counters[REFUSED] += times;
        return;
    }
    tally->counters[ITEMS] += label->count * times;
    best[0] = 0;
    if (label->count) {
        memcpy(best, label->vector, label->count * sizeof(double));
        qsort(best, label->count, sizeof(double), descending);
    }
    if (!(best[0] > 0)) {
        tally->counters[SKIPPED] += times;
        return;
    }
    gains(input->tools->ranking, label->vector, label->count, got);
    gains(input->tools->ranking, best, label->count, ideal);
    tally->counters[QUERIES] += times;
    for (uint32_t i = 0; i < CUTS; i++) {
        double ndcg = got[i] / ideal[i];
        tally->sums[SUM_NDCG + i] += (int128)rint(ndcg * SCALE) * (int128)times;
        tally->sums[SUM_NDCG2 + i] += (int128)rint(ndcg * ndcg * SCALE) * (int128)times;
    }
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 1;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    static const int slots[CUTS] = {RANKING_NDCG_5, RANKING_NDCG_10, RANKING_NDCG};
    const struct tally *tally = in->current;
    double n = (double)tally->counters[QUERIES], skipped = (double)tally->counters[SKIPPED];
    double refused = (double)tally->counters[REFUSED];
    if (n + skipped + refused <= 0)
        return 0;
    struct outcome_options options = {.n_min = OUTCOME_LABELS_MIN};
    outcome_row_start(&rows[0], FAMILY_RANKING, n, &options);
    for (uint32_t i = 0; i < CUTS && n > 0; i++) {
        double mean = (double)tally->sums[SUM_NDCG + i] / SCALE / n;
        double square = (double)tally->sums[SUM_NDCG2 + i] / SCALE / n;
        outcome_put(&rows[0], slots[i], mean,
                    outcome_around(mean, outcome_mean_error(mean, square, n), 0, 1));
    }
    rows[0].slots[RANKING_SKIPPED] = outcome_ratio(skipped, n + skipped);
    rows[0].slots[RANKING_REFUSED] = refused / (n + skipped + refused);
    rows[0].slots[RANKING_LENGTH] = outcome_ratio((double)tally->counters[ITEMS], n + skipped);
    names[0] = text_of("@model");
    return 1;
}

const struct family_ops ranking_family = {
    .name = "ranking",
    .of_segments = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
