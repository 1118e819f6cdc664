#include "detectors/evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

enum {
    FEW_BINS = 10,
    MANY_VALUES = 5000, /* of the reference: from here on twice as many bins */
    VALUES_PER_BIN = 50
};
#define REFERENCES_MISSED 0.05 /* chance that some reference of a model is not in its ball */

/* A reference in its bins. */
struct base {
    struct evidence_bins bins;
    struct e_reference *reference;
    double n;
    int64_t epoch_ms; /* windows that start before do not look at it */
};

struct evidence {
    struct base *fixed, *moving; /* moving NULL: none */
    struct e_history *history;
};

/* ---- bins ---- */

/* `groups` are ordered bins in a row; as many of them are left as the reference can tell apart. */
static void join_groups(struct evidence_bins *out, const uint64_t *reference, uint32_t ordered_slots,
                        uint32_t groups, double n)
{
    uint64_t counts[GRID_SLOTS_MAX + 1] = {0};
    uint8_t joined[GRID_SLOTS_MAX + 1];
    uint32_t most = n < 2.0 * VALUES_PER_BIN ? 2 : n < 1e6 ? (uint32_t)(n / VALUES_PER_BIN) : groups;
    if (most < groups) {
        for (uint32_t s = 0; s < ordered_slots; s++)
            counts[out->bin_of[s]] += reference[s];
        groups = grid_coarse_groups(counts, groups, most, joined);
        for (uint32_t s = 0; s < ordered_slots; s++)
            out->bin_of[s] = joined[out->bin_of[s]];
    }
    for (uint32_t b = 0; b < groups; b++)
        out->ordered[b] = true;
    out->bins = groups;
}

static double sum_of(const uint64_t *counts, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += (double)counts[i];
    return sum;
}

/* Number of the last fine bin, from 0. */
static uint32_t inside_fine(const struct feature_grid *feature)
{
    return feature->edge_count > 1 ? feature->edge_count - 2u : 0;
}

/* Is the fine bin a value of its own? */
static bool is_single(const struct feature_grid *feature, uint32_t bin)
{
    return feature->edge_count > bin + 1u &&
           nextafter(feature->edges[bin + 1], -INFINITY) <= feature->edges[bin];
}

void evidence_bins_of_feature(const struct feature_grid *feature, const uint64_t *reference,
                              struct evidence_bins *out)
{
    *out = (struct evidence_bins){.slots = feature->slot_count[GRID_COARSE]};
    uint32_t valid = feature_slot_missing(feature, GRID_COARSE);
    double n = sum_of(reference, valid);
    if (feature->type == FEATURE_CATEGORICAL) {
        for (uint32_t s = 0; s < out->slots; s++)
            out->bin_of[s] = (uint8_t)s;
        out->bins = out->slots;
        return;
    }
    /* Slots are below, the coarse bins, above. What is out of range joins the bin beside it, unless that
     * begins or ends with a value that has a bin of its own: beside a value that repeats another one is news.
     */
    uint32_t inside = valid > 2 ? valid - 2 : 1, groups = 0;
    uint32_t below = is_single(feature, 0), above = is_single(feature, inside_fine(feature));
    for (uint32_t s = 0; s < valid; s++) {
        uint32_t bin = s == 0 ? 0 : s > inside ? inside - 1 : s - 1;
        bin = n >= MANY_VALUES ? bin : feature->coarse_psi_bin[s];
        bool apart = (s == 0 && below) || (s > inside && above);
        out->bin_of[s] = (uint8_t)(bin + (s ? below : 0) + (s > inside && apart));
        groups = out->bin_of[s] + 1u > groups ? out->bin_of[s] + 1u : groups;
    }
    join_groups(out, reference, valid, groups, n);
    out->bin_of[valid] = (uint8_t)out->bins++;
    out->bin_of[valid + 1] = (uint8_t)out->bins++;
}

void evidence_bins_of_score(const uint64_t *reference, uint32_t slots, struct evidence_bins *out)
{
    *out = (struct evidence_bins){.slots = slots};
    double n = sum_of(reference, slots);
    bool pairs = n < MANY_VALUES && slots > FEW_BINS;
    uint32_t groups = 0;
    for (uint32_t s = 0; s < slots; s++) {
        uint32_t bin = pairs ? s / 2 : s;
        out->bin_of[s] = (uint8_t)(pairs && bin >= FEW_BINS ? FEW_BINS - 1 : bin);
        groups = out->bin_of[s] + 1u;
    }
    join_groups(out, reference, slots, groups, n);
}

static void into_bins(const struct evidence_bins *bins, const uint64_t *slots, uint64_t *out)
{
    memset(out, 0, bins->bins * sizeof *out);
    for (uint32_t s = 0; s < bins->slots; s++)
        out[bins->bin_of[s]] += slots[s];
}

/* ---- life ---- */

static void base_free(struct base *base)
{
    if (base)
        e_reference_free(base->reference);
    free(base);
}

static struct base *base_new(const struct evidence_bins *bins, const uint64_t *slots, int64_t epoch_ms)
{
    uint64_t counts[GRID_SLOTS_MAX + 1];
    struct base *base = calloc(1, sizeof *base);
    if (!base)
        return NULL;
    into_bins(bins, slots, counts);
    base->bins = *bins;
    base->n = sum_of(counts, bins->bins);
    base->epoch_ms = epoch_ms;
    base->reference = e_reference_new(counts, bins->ordered, bins->bins);
    if (base->reference)
        return base;
    base_free(base);
    return NULL;
}

struct evidence *evidence_new(const struct evidence_settings *settings, const struct evidence_bins *bins,
                              const uint64_t *reference)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);
    if (!evidence)
        return NULL;
    struct e_history_options options = {.origin_ms = settings->origin_ms, .counters = bins->slots};
    memcpy(options.tier_ms, settings->tier_ms, sizeof options.tier_ms);
    evidence->fixed = base_new(bins, reference, INT64_MIN);
    evidence->history = e_history_new(&options);
    if (evidence->fixed && evidence->history)
        return evidence;
    evidence_free(evidence);
    return NULL;
}

void evidence_free(struct evidence *evidence)
{
    if (!evidence)
        return;
    base_free(evidence->fixed);
    base_free(evidence->moving);
    e_history_free(evidence->history);
    free(evidence);
}

int evidence_move(struct evidence *evidence, const struct evidence_bins *bins, const uint64_t *slots,
                  int64_t epoch_ms)
{
    BUG_ON(bins->slots != evidence->fixed->bins.slots);
    struct base *moving = base_new(bins, slots, epoch_ms);
    if (!moving)
        return ERR_NOMEM;
    base_free(evidence->moving);
    evidence->moving = moving;
    return 0;
}

static size_t base_bytes(const struct base *base)
{
    return base ? sizeof *base + e_reference_bytes(base->reference) : 0;
}

size_t evidence_bytes(const struct evidence *evidence)
{
    return sizeof *evidence + base_bytes(evidence->fixed) + base_bytes(evidence->moving) +
           e_history_bytes(evidence->history);
}

static const struct base *base_of(const struct evidence *evidence, bool moving)
{
    return moving && evidence->moving ? evidence->moving : evidence->fixed;
}

double evidence_reference_n(const struct evidence *evidence, bool moving)
{
    return base_of(evidence, moving)->n;
}

/* METHODS §4.6: a window may be as long as from its start to the end of its last pane. */
static void set_null(const struct base *base, const struct evidence_settings *settings, uint32_t entry,
                     struct evidence_limits *limits)
{
    const struct evidence_options *options = settings->options;
    double tolerance = options->tolerance * settings->tolerance_factor;
    double delta = REFERENCES_MISSED / settings->series, given = options->overdispersion;
    int64_t length_ms = e_ladder[entry].age * settings->tier_ms[e_ladder[entry].tier];
    struct dispersion_at phi =
        isnan(given) ? dispersion_at(settings->dispersion, length_ms) : (struct dispersion_at){given, given};
    double by_counts = null_radius(base->n / phi.pearson, base->bins.bins, delta, tolerance);
    double by_scores = null_radius(base->n / phi.all, 2, delta, tolerance);
    limits->rho[entry] = fmax(by_counts, by_scores);
    limits->phi[entry] = phi.all;
}

struct evidence_limits evidence_limits_of(const struct evidence *evidence,
                                          const struct evidence_settings *settings, bool moving)
{
    const struct evidence_options *options = settings->options;
    const struct base *base = base_of(evidence, moving);
    double panes = (double)options->per_ms / (double)settings->tier_ms[0] / options->false_alarms;
    struct evidence_limits limits = {.moving = base == evidence->moving,
                                     .epoch_ms = base->epoch_ms,
                                     .threshold =
                                         e_threshold(panes, settings->series, E_LADDER_SIZE, options->share),
                                     .run_length = panes * settings->series / options->share};
    for (uint32_t entry = 0; entry < E_LADDER_SIZE; entry++)
        set_null(base, settings, entry, &limits);
    return limits;
}

void evidence_reset(struct evidence *evidence)
{
    e_history_reset(evidence->history);
}

int evidence_close(struct evidence *evidence, int64_t start_ms, const uint64_t *slots)
{
    return e_history_close(evidence->history, start_ms, slots);
}

void evidence_resume(struct evidence *evidence, int64_t begin_ms)
{
    e_history_resume(evidence->history, begin_ms);
}

/* ---- looking ---- */

struct looking {
    const struct base *base;
    const struct evidence_limits *limits;
    double *bounds; /* by place in the ladder */
};

static double bound_of(const uint64_t *slots, uint32_t entry, const void *context)
{
    const struct looking *looking = context;
    uint64_t counts[GRID_SLOTS_MAX + 1];
    into_bins(&looking->base->bins, slots, counts);
    looking->bounds[entry] = e_value_bound(looking->base->reference, counts, looking->limits->rho[entry],
                                           1 / looking->limits->phi[entry]);
    return looking->bounds[entry];
}

static double value_of(const uint64_t *slots, uint32_t entry, const void *context)
{
    const struct looking *looking = context;
    uint64_t counts[GRID_SLOTS_MAX + 1];
    into_bins(&looking->base->bins, slots, counts);
    return e_value_of(looking->base->reference, counts, looking->limits->rho[entry],
                      1 / looking->limits->phi[entry])
        .log_e;
}

/* Bounds that all together stay a factor e below the threshold will do. */
static double tighter_bound_of(const uint64_t *slots, uint32_t entry, const void *context)
{
    const struct looking *looking = context;
    double bound = looking->bounds[entry];
    bool small = bound < looking->limits->threshold - log(E_LADDER_SIZE) - 1;
    return small ? bound : value_of(slots, entry, context);
}

static int64_t first_start(const struct evidence_limits *limits, const struct evidence_watch *watch)
{
    return watch->restart_ms > limits->epoch_ms ? watch->restart_ms : limits->epoch_ms;
}

/* R is below the threshold for certain. */
static bool is_far(const struct evidence *evidence, const struct evidence_limits *limits,
                   const struct evidence_watch *watch)
{
    double bounds[E_LADDER_SIZE];
    struct looking looking = {base_of(evidence, limits->moving), limits, bounds};
    const struct e_history *history = evidence->history;
    int64_t first_ms = first_start(limits, watch);
    return e_history_evaluate(history, first_ms, bound_of, &looking).log_r < limits->threshold ||
           e_history_evaluate(history, first_ms, tighter_bound_of, &looking).log_r < limits->threshold;
}

struct evidence_look evidence_look(const struct evidence *evidence, const struct evidence_limits *limits,
                                   const struct evidence_watch *watch, bool exactly)
{
    if (!exactly && is_far(evidence, limits, watch))
        return (struct evidence_look){.log_r = NAN, .log_e = NAN, .onset_ms = INT64_MIN};
    struct looking looking = {base_of(evidence, limits->moving), limits, NULL};
    struct e_evaluation found =
        e_history_evaluate(evidence->history, first_start(limits, watch), value_of, &looking);
    return (struct evidence_look){found.log_r, found.log_e, found.onset_ms, found.entry};
}

bool evidence_window(const struct evidence *evidence, int64_t start_ms, uint64_t *out_slots)
{
    return e_history_window(evidence->history, start_ms, out_slots);
}

int64_t evidence_start(const struct evidence_settings *settings, uint32_t entry, int64_t now_ms)
{
    int64_t length = settings->tier_ms[e_ladder[entry].tier];
    int64_t offset = (now_ms - 1 - settings->origin_ms) % length;
    int64_t newest = now_ms - 1 - (offset < 0 ? offset + length : offset);
    return newest - (int64_t)(e_ladder[entry].age - 1) * length;
}

/* ---- watches ---- */

struct evidence_watch evidence_watch_new(void)
{
    return (struct evidence_watch){.restart_ms = INT64_MIN, .onset_ms = INT64_MIN};
}

void evidence_watch_encode(const struct evidence_watch *watch, struct strbuf *out)
{
    strbuf_add_svarint(out, watch->restart_ms);
    strbuf_add_svarint(out, watch->onset_ms);
    strbuf_add_svarint(out, watch->length_ms);
    strbuf_add_varint(out, watch->entry);
    strbuf_add_varint(out, watch->level);
    strbuf_add_varint(out, watch->crossings);
}

bool evidence_watch_decode(struct cursor *in, struct evidence_watch *out)
{
    *out = (struct evidence_watch){.restart_ms = cursor_svarint(in)};
    out->onset_ms = cursor_svarint(in);
    out->length_ms = cursor_svarint(in);
    uint64_t entry = cursor_varint(in), level = cursor_varint(in);
    out->crossings = cursor_varint(in);
    if (in->failed || entry >= E_LADDER_SIZE || level > EVIDENCE_CRITICAL || out->length_ms < 0)
        return false;
    out->entry = (uint32_t)entry;
    out->level = (uint32_t)level;
    return true;
}

void evidence_cross(struct evidence_watch *watch, const struct evidence_look *look,
                    const struct evidence_effect *effect, int64_t now_ms)
{
    uint32_t level = effect->critical >= 1  ? EVIDENCE_CRITICAL
                     : effect->warning >= 1 ? EVIDENCE_WARNING
                                            : EVIDENCE_NOTICE;
    if (watch->level == EVIDENCE_NONE)
        watch->onset_ms = look->onset_ms;
    if (level > watch->level)
        watch->level = level;
    watch->length_ms = now_ms - look->onset_ms;
    watch->entry = look->entry;
    watch->restart_ms = now_ms;
    watch->crossings++;
}

bool evidence_may_clear(const struct evidence_watch *watch, int64_t now_ms, int64_t pane_ms)
{
    int64_t quiet_ms = watch->length_ms > pane_ms ? watch->length_ms : pane_ms;
    return watch->level != EVIDENCE_NONE && now_ms - watch->restart_ms >= 3 * quiet_ms;
}

bool evidence_clear(struct evidence_watch *watch, const struct evidence_effect *effect)
{
    if (effect->warning >= EVIDENCE_CLEAR_RATIO)
        return false;
    watch->level = EVIDENCE_NONE;
    watch->onset_ms = INT64_MIN;
    return true;
}
