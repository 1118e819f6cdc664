#include "detectors/performance_ranking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

static double discount(size_t rank)
{
    return 1 / log2((double)rank + 2);
}

double ranking_dcg(const double *relevance, size_t n, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < n && (k == 0 || i < k); i++)
        sum += relevance[i] * discount(i);
    return sum;
}

static int descending(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return *a > *b ? -1 : *a < *b;
}

static int ideal_dcg(const double *relevance, size_t n, size_t k, double *out)
{
    *out = 0;
    if (n == 0)
        return 0;
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted)
        return ERR_NOMEM;
    memcpy(sorted, relevance, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, descending);
    *out = ranking_dcg(sorted, n, k);
    free(sorted);
    return 0;
}

int ranking_ndcg(const double *relevance, size_t n, size_t k, double *out)
{
    double ideal;
    int rc = ideal_dcg(relevance, n, k, &ideal);
    if (rc)
        return rc;
    *out = ideal > 0 ? ranking_dcg(relevance, n, k) / ideal : NAN;
    return 0;
}

struct item {
    double score, relevance;
};

static int by_score_descending(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    return a->score > b->score ? -1 : a->score < b->score;
}

static double tied_dcg(const struct item *items, size_t n, size_t k)
{
    double sum = 0;
    for (size_t first = 0; first < n;) {
        size_t end = first;
        double gain = 0;
        double weight = 0;
        do {
            gain += items[end].relevance;
            weight += k == 0 || end < k ? discount(end) : 0;
            end++;
        } while (end < n && items[end].score == items[first].score);
        sum += gain / (double)(end - first) * weight;
        first = end;
    }
    return sum;
}

int ranking_ndcg_by_score(const double *relevance, const double *score, size_t n, size_t k, double *out_dcg,
                          double *out_ndcg)
{
    double ideal;
    int rc = ideal_dcg(relevance, n, k, &ideal);
    if (rc)
        return rc;
    double dcg = 0;
    if (n > 0) {
        struct item *items = malloc(n * sizeof *items);
        if (!items)
            return ERR_NOMEM;
        for (size_t i = 0; i < n; i++)
            items[i] = (struct item){isnan(score[i]) ? -INFINITY : score[i], relevance[i]};
        qsort(items, n, sizeof *items, by_score_descending);
        dcg = tied_dcg(items, n, k);
        free(items);
    }
    if (out_dcg)
        *out_dcg = dcg;
    if (out_ndcg)
        *out_ndcg = ideal > 0 ? dcg / ideal : NAN;
    return 0;
}
