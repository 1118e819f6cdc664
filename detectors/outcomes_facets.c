/* The facet comparisons of SageMaker Clarify, under its names (METHODS §9): each group of an attribute
 * against the advantaged one, or against all others. Labels and positive predictions are 1. */
#include <string.h>

#include "detectors/outcome_slots.h"
#include "detectors/outcomes_groups.h"
#include "detectors/outcomes_layout.h"
#include "detectors/outcomes_rows.h"

enum { CELLS_MAX = OUTCOME_GROUP_CELLS_MAX + 1 };

/* The tool lets x/0 be infinite; a slot is finite or undefined. */
static double or_undefined(double value)
{
    return isfinite(value) ? value : (double)NAN;
}

/* x of a less x of d, with Newcombe's interval; the tool's 0/0 = 0 has none. */
static void put_difference(struct report_row *row, int slot, double value, struct group_rate a,
                           struct group_rate d)
{
    row->slots[slot] = or_undefined(value);
    if (a.n <= 0 || d.n <= 0)
        return;
    struct interval interval = interval_newcombe(a.k, a.n, d.k, d.n, OUTCOME_ALPHA);
    row->slots[slot + 1] = interval.low;
    row->slots[slot + 2] = interval.high;
}

static struct group_rate prevalence_of(const struct confusion *c)
{
    return (struct group_rate){c->tp + c->fn, confusion_n(c)};
}

static struct group_rate npv_of(const struct confusion *c)
{
    return (struct group_rate){c->tn, c->tn + c->fn};
}

/* `seen` counts every prediction, labelled or not: selection needs no label. */
static void put_selection(struct report_row *row, const struct confusion *a, const struct confusion *d,
                          double facets)
{
    struct group_rate of_a = group_rate(a, GROUP_SELECTION_RATE);
    struct group_rate of_d = group_rate(d, GROUP_SELECTION_RATE);
    struct clarify m = clarify_metrics(a, d);
    double *slots = row->slots;
    slots[FACET_CI] = or_undefined(m.CI);
    put_difference(row, FACET_DPPL, m.DPPL, of_a, of_d);
    struct interval ratio = interval_ratio(of_d.k, of_d.n, of_a.k, of_a.n, OUTCOME_ALPHA);
    slots[FACET_DI] = or_undefined(m.DI);
    slots[FACET_DI_LOW] = or_undefined(ratio.low);
    slots[FACET_DI_HIGH] = or_undefined(ratio.high);
    slots[FACET_DI_SHORTFALL] = or_undefined(1 - m.DI);
    slots[FACET_DI_EXCESS] = or_undefined(m.DI - 1);
    slots[FACET_DPPL_P] = fmin(1, two_proportion_z(of_a.k, of_a.n, of_d.k, of_d.n).p * facets);
}

static void put_labelled(struct report_row *row, const struct confusion *a, const struct confusion *d,
                         double facets)
{
    struct clarify m = clarify_metrics(a, d);
    struct group_rate tpr_a = group_rate(a, GROUP_TPR), tpr_d = group_rate(d, GROUP_TPR);
    double *slots = row->slots;
    put_difference(row, FACET_DPL, m.DPL, prevalence_of(a), prevalence_of(d));
    put_difference(row, FACET_RD, m.RD, tpr_a, tpr_d);
    /* The tool turns two of its differences around: d less a. */
    put_difference(row, FACET_SD, m.SD, group_rate(d, GROUP_TNR), group_rate(a, GROUP_TNR));
    put_difference(row, FACET_DAR, m.DAR, group_rate(a, GROUP_PPV), group_rate(d, GROUP_PPV));
    put_difference(row, FACET_DRR, m.DRR, npv_of(d), npv_of(a));
    put_difference(row, FACET_AD, m.AD, group_rate(a, GROUP_ACCURACY), group_rate(d, GROUP_ACCURACY));
    slots[FACET_KL] = or_undefined(m.KL);
    slots[FACET_JS] = or_undefined(m.JS);
    slots[FACET_LP] = or_undefined(m.LP);
    slots[FACET_TVD] = or_undefined(m.TVD);
    slots[FACET_KS] = or_undefined(m.KS);
    slots[FACET_DCA] = or_undefined(m.DCA);
    slots[FACET_DCR] = or_undefined(m.DCR);
    slots[FACET_TE] = or_undefined(m.TE);
    slots[FACET_GE] = or_undefined(m.GE2);
    slots[FACET_RD_P] = fmin(1, two_proportion_z(tpr_a.k, tpr_a.n, tpr_d.k, tpr_d.n).p * facets);
}

/* ---- conditional demographic disparity ---- */

/* Is `name` the cell "attribute|strata=value|…"? Its stratum in *out. */
static bool is_cell_of(struct text name, struct text attribute, struct text strata, struct text value,
                       struct text *out)
{
    size_t head = (size_t)attribute.len + 1 + strata.len + 1 + value.len + 1;
    const char *at = name.ptr;
    if (name.len < head || memcmp(at, attribute.ptr, attribute.len) != 0 || at[attribute.len] != '|')
        return false;
    at += attribute.len + 1;
    if (memcmp(at, strata.ptr, strata.len) != 0 || at[strata.len] != '=')
        return false;
    at += strata.len + 1;
    if (memcmp(at, value.ptr, value.len) != 0 || at[value.len] != '|')
        return false;
    *out = (struct text){name.ptr + head, (uint32_t)(name.len - head)};
    return true;
}

/* The cells of an attribute's groups by stratum, read once for all facets. */
struct strata {
    struct text names[CELLS_MAX]; /* ascending */
    uint32_t count;
    struct cell {
        uint32_t group; /* index in the attribute */
        uint32_t stratum;
        struct text name; /* of the stratum */
        struct confusion labelled, seen;
    } cells[CELLS_MAX];
    uint32_t cell_count;
};

/* By name: slots are in the order of appearance, which must not show in the last bit of a sum. */
static void add_stratum(struct strata *strata, struct text name)
{
    uint32_t at = strata->count;
    while (at > 0 && text_compare(strata->names[at - 1], name) > 0)
        at--;
    if (at > 0 && text_equal(strata->names[at - 1], name))
        return;
    memmove(strata->names + at + 1, strata->names + at, (strata->count - at) * sizeof(struct text));
    strata->names[at] = name;
    strata->count++;
}

static void read_strata(const struct tally *tally, const struct text *names, uint32_t name_count,
                        const struct attribute *attribute, struct text strata_name, struct strata *out)
{
    out->count = out->cell_count = 0;
    for (uint32_t slot = 0; slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++)
        for (uint32_t i = 0; i < attribute->count && out->cell_count < CELLS_MAX; i++) {
            struct cell *cell = &out->cells[out->cell_count];
            struct text value = outcome_group_value(names[attribute->slots[i]]);
            if (!is_cell_of(names[slot], attribute->name, strata_name, value, &cell->name) ||
                !outcome_read_group(tally, slot, &cell->labelled, &cell->seen))
                continue;
            cell->group = i;
            out->cell_count++;
            add_stratum(out, cell->name);
            break;
        }
    for (uint32_t i = 0; i < out->cell_count; i++)
        for (out->cells[i].stratum = 0; !text_equal(out->names[out->cells[i].stratum], out->cells[i].name);)
            out->cells[i].stratum++;
}

static void add_cell(const struct cell *cell, bool disadvantaged, struct stratum *labels,
                     struct stratum *predictions)
{
    double positive = cell->labelled.tp + cell->labelled.fn, negative = cell->labelled.fp + cell->labelled.tn;
    labels->accepted += positive;
    labels->rejected += negative;
    predictions->accepted += cell->seen.tp;
    predictions->rejected += cell->seen.tn;
    if (!disadvantaged)
        return;
    labels->accepted_d += positive;
    labels->rejected_d += negative;
    predictions->accepted_d += cell->seen.tp;
    predictions->rejected_d += cell->seen.tn;
}

/* Over all strata and all groups of the attribute: d among the accepted and the rejected. */
static void put_disparity(struct report_row *row, const struct strata *strata, uint32_t which)
{
    struct stratum labels[CELLS_MAX] = {{0}}, predictions[CELLS_MAX] = {{0}};
    for (uint32_t i = 0; i < strata->cell_count; i++) {
        const struct cell *cell = &strata->cells[i];
        add_cell(cell, cell->group == which, &labels[cell->stratum], &predictions[cell->stratum]);
    }
    row->slots[FACET_CDDL] = or_undefined(conditional_demographic_disparity(labels, strata->count));
    row->slots[FACET_CDDPL] = or_undefined(conditional_demographic_disparity(predictions, strata->count));
}

/* ---- rows ---- */

static void add(struct confusion *into, const struct confusion *what)
{
    into->tp += what->tp;
    into->fp += what->fp;
    into->fn += what->fn;
    into->tn += what->tn;
}

/* The facet that group `which` is compared with; false when it is that facet itself or there is none. */
static bool other_facet(const struct attribute *attribute, const struct facet_spec *spec,
                        const struct text *names, uint32_t which, struct confusion *out,
                        struct confusion *out_seen)
{
    *out = *out_seen = (struct confusion){0, 0, 0, 0};
    bool found = false;
    for (uint32_t i = 0; i < attribute->count; i++) {
        struct text value = outcome_group_value(names[attribute->slots[i]]);
        bool is_advantaged = spec->advantaged && text_equal(value, text_of(spec->advantaged));
        if (i == which) {
            if (is_advantaged)
                return false;
            continue;
        }
        if (spec->advantaged && !is_advantaged)
            continue;
        add(out, &attribute->groups[i]);
        add(out_seen, &attribute->seen[i]);
        found = true;
    }
    return found;
}

uint32_t outcome_facets_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                               const struct attribute *attribute, const struct outcome_options *options,
                               struct report_row *rows, struct text *out_names)
{
    const struct facet_spec *spec = NULL;
    for (uint32_t i = 0; i < options->facet_count && !spec; i++)
        if (text_equal(attribute->name, text_of(options->facets[i].attribute)))
            spec = &options->facets[i];
    if (!spec)
        return 0;
    uint32_t count = 0;
    struct strata strata;
    if (spec->strata)
        read_strata(tally, names, name_count, attribute, text_of(spec->strata), &strata);
    double facets = spec->advantaged ? attribute->count - 1.0 : attribute->count;
    for (uint32_t i = 0; i < attribute->count; i++) {
        struct confusion a, a_seen;
        const struct confusion *d = &attribute->groups[i], *d_seen = &attribute->seen[i];
        if (!other_facet(attribute, spec, names, i, &a, &a_seen))
            continue;
        struct report_row *row = &rows[count];
        out_names[count++] = names[attribute->slots[i]];
        double events_d = fmax(confusion_n(d), confusion_n(d_seen));
        outcome_row_start(row, FAMILY_FACETS, fmax(confusion_n(&a), confusion_n(&a_seen)) + events_d,
                          options);
        if (events_d < (double)options->n_min)
            row->flags |= REPORT_INSUFFICIENT;
        put_selection(row, &a_seen, d_seen, facets);
        if (confusion_n(&a) > 0 && confusion_n(d) > 0)
            put_labelled(row, &a, d, facets);
        if (spec->strata)
            put_disparity(row, &strata, i);
    }
    return count;
}
