/* Suite fairness. */
#include <math.h>
#include <string.h>

#include "detectors/fairness.h"
#include "tests/vectors/vectors.h"

static const struct group_limits no_limits = {0, 0};

static struct confusion *read_groups(struct vector_case *vc, size_t *out_count)
{
    const cJSON *groups = case_item(vc, vc->input, "groups"), *group;
    *out_count = groups ? (size_t)cJSON_GetArraySize(groups) : 0;
    struct confusion *counts = case_alloc(vc, *out_count, sizeof *counts);
    size_t i = 0;
    cJSON_ArrayForEach(group, groups)
    {
        counts[i++] = (struct confusion){case_number(vc, group, "tp"), case_number(vc, group, "fp"),
                                         case_number(vc, group, "fn"), case_number(vc, group, "tn")};
    }
    return counts;
}

/* Two groups: the first against the second, with its sign. More: largest less smallest. */
static void put_many(struct vector_case *vc, const struct confusion *g, size_t count)
{
    struct group_aggregate fpr = group_aggregate(g, count, GROUP_FPR, no_limits);
    case_put(vc, "fpr_difference", fpr.difference);
    case_put(vc, "fpr_ratio", fpr.ratio);
    case_put(vc, "fnr_difference", group_aggregate(g, count, GROUP_FNR, no_limits).difference);
    case_put(vc, "ppv_difference", group_aggregate(g, count, GROUP_PPV, no_limits).difference);
}

static void put_first_two(struct vector_case *vc, const struct confusion *g)
{
    struct group_rate a = group_rate(&g[0], GROUP_FPR), b = group_rate(&g[1], GROUP_FPR);
    struct interval ci = interval_newcombe(a.k, a.n, b.k, b.n, 0.05);
    double limits[2] = {ci.low, ci.high};
    case_put(vc, "fpr_difference", group_metric(&g[0], GROUP_FPR) - group_metric(&g[1], GROUP_FPR));
    case_put_numbers(vc, "fpr_diff_newcombe95", limits, 2);
    case_put(vc, "fpr_ratio", group_metric(&g[0], GROUP_FPR) / group_metric(&g[1], GROUP_FPR));
    case_put(vc, "fnr_difference", group_metric(&g[0], GROUP_FNR) - group_metric(&g[1], GROUP_FNR));
    case_put(vc, "ppv_difference", group_metric(&g[0], GROUP_PPV) - group_metric(&g[1], GROUP_PPV));
}

static void run_groups(struct vector_case *vc)
{
    size_t count;
    const struct confusion *g = read_groups(vc, &count);
    if (count < 2) {
        case_fail(vc, "fewer than two groups");
        return;
    }
    if (count == 2)
        put_first_two(vc, g);
    else
        put_many(vc, g, count);
    struct group_aggregate selection = group_aggregate(g, count, GROUP_SELECTION_RATE, no_limits);
    struct group_aggregate tpr = group_aggregate(g, count, GROUP_TPR, no_limits);
    struct group_aggregate fpr = group_aggregate(g, count, GROUP_FPR, no_limits);
    struct equalized_odds odds = equalized_odds(&tpr, &fpr);
    case_put(vc, "demographic_parity_difference", selection.difference);
    case_put(vc, "demographic_parity_ratio", selection.ratio);
    case_put(vc, "to_overall_selection_rate_difference", selection.difference_to_overall);
    case_put(vc, "to_overall_selection_rate_ratio", selection.ratio_to_overall);
    case_put(vc, "equalized_odds_difference", odds.difference);
    case_put(vc, "equalized_odds_ratio", odds.ratio);
    case_put(vc, "equalized_odds_difference_mean", odds.mean_difference);
    case_put(vc, "equalized_odds_ratio_mean", odds.mean_ratio);
    case_put(vc, "equal_opportunity_difference", tpr.difference);
    case_put(vc, "equal_opportunity_ratio", tpr.ratio);
    case_put(vc, "accuracy_difference", group_aggregate(g, count, GROUP_ACCURACY, no_limits).difference);
    case_put(vc, "to_overall_tpr_difference", tpr.difference_to_overall);
    case_put(vc, "to_overall_fpr_difference", fpr.difference_to_overall);
    case_put(vc, "to_overall_fpr_ratio", fpr.ratio_to_overall);
    cJSON *treatment = cJSON_CreateObject();
    const cJSON *group;
    size_t i = 0;
    cJSON_ArrayForEach(group, case_item(vc, vc->input, "groups"))
        put_number(treatment, group->string ? group->string : "", group_metric(&g[i++], GROUP_FN_OVER_FP));
    case_put_item(vc, "treatment_equality_fn_over_fp", treatment);
}

/* Members may be strings or numbers. */
static bool is_disadvantaged(struct vector_case *vc, const cJSON *facet)
{
    return cJSON_Compare(facet, case_item(vc, vc->input, "disadvantaged"), true);
}

/* Label distributions of both facets over all labels that occur. */
static struct clarify label_distances(struct vector_case *vc)
{
    const cJSON *labels = case_item(vc, vc->input, "label"), *facet = case_item(vc, vc->input, "facet"),
                *label;
    size_t count = labels ? (size_t)cJSON_GetArraySize(labels) : 0, used = 0;
    double *a = case_alloc(vc, count, sizeof *a), *d = case_alloc(vc, count, sizeof *d);
    const cJSON **names = case_alloc(vc, count, sizeof *names);
    struct clarify m = {.CI = 0};
    facet = facet ? facet->child : NULL;
    cJSON_ArrayForEach(label, labels)
    {
        size_t k = 0;
        while (k < used && !cJSON_Compare(names[k], label, true))
            k++;
        if (k == used)
            names[used++] = label;
        if (!facet) {
            case_fail(vc, "facet and label differ in length");
            break;
        }
        *(is_disadvantaged(vc, facet) ? &d[k] : &a[k]) += 1;
        facet = facet->next;
    }
    clarify_label_distances(a, d, used, &m);
    return m;
}

static struct clarify confusion_metrics(struct vector_case *vc)
{
    size_t count, predictions, at = 0;
    const double *label = case_numbers(vc, vc->input, "label", &count);
    const double *predicted = case_has(vc->input, "predicted")
                                  ? case_numbers(vc, vc->input, "predicted", &predictions)
                                  : case_numbers(vc, vc->input, "label", &predictions);
    struct confusion a = {0, 0, 0, 0}, d = a;
    const cJSON *facet;
    cJSON_ArrayForEach(facet, case_item(vc, vc->input, "facet"))
    {
        if (at >= count || at >= predictions) {
            case_fail(vc, "facet, label and predicted differ in length");
            break;
        }
        struct confusion *c = is_disadvantaged(vc, facet) ? &d : &a;
        bool y = label[at] != 0, p = predicted[at] != 0;
        *(p ? (y ? &c->tp : &c->fp) : (y ? &c->fn : &c->tn)) += 1;
        at++;
    }
    return clarify_metrics(&a, &d);
}

static void run_clarify(struct vector_case *vc)
{
    struct clarify m = confusion_metrics(vc), distances = label_distances(vc);
    const struct {
        const char *key;
        double value;
    } values[] = {
        {"CI", m.CI},         {"DPL", m.DPL},       {"KL", distances.KL},
        {"JS", distances.JS}, {"LP", distances.LP}, {"TVD", distances.TVD},
        {"KS", distances.KS}, {"DPPL", m.DPPL},     {"DI", m.DI},
        {"DCA", m.DCA},       {"DCR", m.DCR},       {"RD", m.RD},
        {"SD", m.SD},         {"DAR", m.DAR},       {"DRR", m.DRR},
        {"AD", m.AD},         {"TE", m.TE},         {"GE", m.GE2},
        {"GE2", m.GE2},       {"theil", m.theil},   {"coefficient_of_variation", m.coefficient_of_variation}};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        case_put(vc, values[i].key, values[i].value);
}

static void run_cdd(struct vector_case *vc)
{
    size_t count, at = 0, used = 0;
    const double *label = case_numbers(vc, vc->input, "label", &count);
    const cJSON *facet = case_item(vc, vc->input, "facet"), *stratum;
    struct stratum *strata = case_alloc(vc, count, sizeof *strata);
    const cJSON **names = case_alloc(vc, count, sizeof *names);
    facet = facet ? facet->child : NULL;
    cJSON_ArrayForEach(stratum, case_item(vc, vc->input, "strata"))
    {
        if (at >= count || !facet) {
            case_fail(vc, "facet, label and strata differ in length");
            return;
        }
        size_t s = 0;
        while (s < used && !cJSON_Compare(names[s], stratum, true))
            s++;
        if (s == used)
            names[used++] = stratum;
        bool d = is_disadvantaged(vc, facet), accepted = label[at] != 0;
        *(accepted ? &strata[s].accepted : &strata[s].rejected) += 1;
        if (d)
            *(accepted ? &strata[s].accepted_d : &strata[s].rejected_d) += 1;
        at++;
        facet = facet->next;
    }
    case_put(vc, "cdd", conditional_demographic_disparity(strata, used));
}

const struct vector_handler fairness_handlers[] = {
    {"fairness_groups", run_groups},
    {"clarify_metrics", run_clarify},
    {"cdd", run_cdd},
    {NULL, NULL},
};
