/* How large a change is, in units of the bands of METHODS §15: what decides whether evidence notifies. */
#include <math.h>

#include "detectors/distance.h"
#include "detectors/evidence.h"
#include "detectors/feature_slots.h"

#define ALPHA         0.001               /* of what chance gives */
#define JS_NOISE      0.42466090014400953 /* √(1/(8 ln 2)) */
#define W1_NOISE      4.2
#define PSI_WARNING   0.10
#define PSI_CRITICAL  0.25
#define JS_WARNING    0.10
#define JS_CRITICAL   0.20
#define W1_WARNING    0.10
#define W1_CRITICAL   0.25
#define RATE_WARNING  0.01
#define RATE_CRITICAL 0.05

/* Undefined values say nothing. */
static void weigh(struct evidence_effect *effect, double value, double floor, double warning, double critical)
{
    floor = isnan(floor) ? 0 : floor;
    if (isnan(value))
        return;
    effect->warning = fmax(effect->warning, value / fmax(warning, floor));
    effect->critical = fmax(effect->critical, value / fmax(critical, floor));
}

static void weigh_rate(struct evidence_effect *effect, const double *delta_and_p)
{
    if (delta_and_p[1] < ALPHA)
        weigh(effect, fabs(delta_and_p[0]), 0, RATE_WARNING, RATE_CRITICAL);
}

struct evidence_effect evidence_effect_of_row(const struct report_row *row)
{
    struct evidence_effect effect = {.psi = row->slots[SLOT_PSI_DEBIASED],
                                     .js = row->slots[SLOT_JS],
                                     .w1 = NAN,
                                     .missing_delta = row->slots[SLOT_MISSING_DELTA]};
    weigh(&effect, effect.psi, 0, PSI_WARNING, PSI_CRITICAL);
    weigh(&effect, effect.js, JS_NOISE * row->slots[SLOT_ROOT_FLOOR], JS_WARNING, JS_CRITICAL);
    if (!(row->flags & REPORT_CATEGORICAL)) {
        effect.w1 = row->slots[SLOT_W1_NORMALIZED];
        weigh(&effect, effect.w1, W1_NOISE * row->slots[SLOT_W1_NOISE], W1_WARNING, W1_CRITICAL);
    } else {
        weigh_rate(&effect, &row->slots[SLOT_OUTSIDE_DELTA]);
    }
    weigh_rate(&effect, &row->slots[SLOT_MISSING_DELTA]);
    weigh_rate(&effect, &row->slots[SLOT_INVALID_DELTA]);
    return effect;
}

struct evidence_effect evidence_effect_of_slots(const uint64_t *reference, const uint64_t *current,
                                                uint32_t slots)
{
    struct evidence_effect effect = {.psi = NAN, .js = NAN, .w1 = NAN, .missing_delta = NAN};
    struct count_pair pair = count_pair_of(reference, current, slots);
    if (pair.n == 0 || pair.M == 0 || pair.nonempty < 2)
        return effect;
    struct frequency_distances d = frequency_distances(&pair, JEFFREYS);
    double v = count_pair_variance(&pair);
    uint32_t df = pair.nonempty - 1;
    effect.psi = d.psi - v * df;
    effect.js = d.js_distance;
    weigh(&effect, effect.psi, 0, PSI_WARNING, PSI_CRITICAL);
    weigh(&effect, effect.js, JS_NOISE * sqrt(psi_null(v, df, ALPHA).threshold), JS_WARNING, JS_CRITICAL);
    return effect;
}
