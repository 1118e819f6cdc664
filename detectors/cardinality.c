#include "detectors/cardinality.h"

#include <math.h>
#include <string.h>

#include "agent/base/hash.h"
#include "detectors/features_private.h"
#include "detectors/intervals.h"

static const uint64_t SEED_TEXT = UINT64_C(0x2f6b19d4c3a85e71);
static const uint64_t SEED_NUMBER = UINT64_C(0x91c4e0f7582b6da3);

/* ---- counting ---- */

static bool value_hash(const struct value *value, uint64_t *out)
{
    char buffer[CATEGORY_TEXT_MAX];
    struct text category;
    if (feature_category(value, buffer, &category)) {
        *out = hash_text(category, SEED_TEXT);
        return true;
    }
    if (value->type != VALUE_NUMBER || isnan(value->number))
        return false;
    uint64_t bits;
    memcpy(&bits, &value->number, sizeof(bits));
    *out = hash_mix(bits ^ SEED_NUMBER);
    return true;
}

/* NULL: the event does not have it. */
static const struct value *find_value(const struct event *ev, const char *name, uint32_t *hint)
{
    struct text wanted = text_of(name);
    if (*hint < ev->features.count && text_equal(ev->features.items[*hint].name, wanted))
        return &ev->features.items[*hint].value;
    for (uint32_t i = 0; i < ev->features.count; i++)
        if (text_equal(ev->features.items[i].name, wanted)) {
            *hint = i;
            return &ev->features.items[i].value;
        }
    return NULL;
}

bool cardinality_applies(const char *const *features, uint32_t *hints, const struct event *ev)
{
    uint64_t hash;
    for (uint32_t i = 0; features[i]; i++) {
        const struct value *value = find_value(ev, features[i], &hints[i]);
        if (value && value_hash(value, &hash))
            return true;
    }
    return false;
}

int cardinality_add(struct distinct_sketch *sketch, const char *const *features, uint32_t *hints,
                    const struct event *ev, uint64_t times)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && features[i]; i++) {
        const struct value *value = find_value(ev, features[i], &hints[i]);
        uint64_t hash;
        if (value && value_hash(value, &hash))
            code = distinct_sketch_add(sketch, text_of(features[i]), hash, times);
    }
    return code;
}

/* ---- estimates ---- */

/* The k-th lowest hash as a share of all: how likely a value is among the k − 1 below it. 1: all are known.
 */
static double inclusion(const struct distinct_values *values)
{
    if (values->count < DISTINCT_K)
        return 1;
    return ldexp((double)values->entries[DISTINCT_K - 1].hash + 0.5, -64);
}

/* log of C(n − c, m)/C(n, m): none of the c copies is among m of n. */
static double log_absent(double c, double m, double n)
{
    enum { EXACT = 64 }; /* beyond it, the middle of its factors stands for all: within 1e-4 */
    double sum = 0;
    if (c > n - m)
        return (double)-INFINITY;
    if (c > EXACT)
        return c * log1p(-m / (n - (c - 1) / 2));
    for (double i = 0; i < c; i++)
        sum += log1p(-m / (n - i));
    return sum;
}

struct rarefied cardinality_rarefy(const struct distinct_values *values, uint64_t m)
{
    double u = inclusion(values), n = (double)values->n, size = (double)m, squares = 0;
    struct rarefied out = {0, 0, 0};
    uint32_t used = u < 1 ? DISTINCT_K - 1 : values->count;
    for (uint32_t i = 0; i < used; i++) {
        double c = (double)values->entries[i].times;
        double absent = m < values->n ? exp(log_absent(c, size, n)) : 0;
        double once = m < values->n ? absent * c * size / (n - c - size + 1) : values->entries[i].times == 1;
        out.distinct += 1 - absent;
        out.once += absent > 0 || m == values->n ? once : 0;
        squares += (1 - absent) * (1 - absent);
    }
    if (out.distinct > 0)
        out.relative_variance = squares * (1 - u) / (out.distinct * out.distinct);
    out.distinct /= u;
    out.once /= u;
    return out;
}

/* ---- reporting ---- */

static const double Z95 = 1.959963984540054;

static double at_most(double a, double b)
{
    return a < b ? a : b;
}

static void report_values(const struct distinct_values *values, double *slots)
{
    double n = (double)values->n, low = values->count, value = low, high = low;
    if (values->count == DISTINCT_K) {
        double error = Z95 / sqrt(DISTINCT_K - 2);
        value = at_most((DISTINCT_K - 1) / inclusion(values), n);
        low = fmax(value * (1 - error), DISTINCT_K);
        high = at_most(value * (1 + error), n);
        value = fmax(value, low);
    }
    slots[DISTINCT_VALUES] = value;
    slots[DISTINCT_VALUES_LOW] = low;
    slots[DISTINCT_VALUES_HIGH] = high;
    slots[DISTINCT_SHARE] = value / n;
    slots[DISTINCT_SHARE_LOW] = low / n;
    slots[DISTINCT_SHARE_HIGH] = high / n;
}

static void compare(const struct distinct_values *now, const struct distinct_values *before, double *slots)
{
    uint64_t m = now->n < before->n ? now->n : before->n;
    struct rarefied here = cardinality_rarefy(now, m), there = cardinality_rarefy(before, m);
    if (!(here.distinct > 0 && there.distinct > 0))
        return;
    double log_ratio = log(here.distinct / there.distinct);
    double error =
        sqrt(here.relative_variance + there.relative_variance + here.once / (here.distinct * here.distinct) +
             there.once / (there.distinct * there.distinct));
    slots[DISTINCT_EXPECTED] = there.distinct;
    slots[DISTINCT_RATIO] = exp(log_ratio);
    slots[DISTINCT_RATIO_LOW] = exp(log_ratio - Z95 * error);
    slots[DISTINCT_RATIO_HIGH] = exp(log_ratio + Z95 * error);
    double change = fabs(log_ratio) / M_LN2, change_error = error / M_LN2;
    slots[DISTINCT_CHANGE] = change;
    slots[DISTINCT_CHANGE_LOW] = fmax(change - Z95 * change_error, 0);
    slots[DISTINCT_CHANGE_HIGH] = change + Z95 * change_error;
    slots[DISTINCT_CHANGE_FLOOR] = 5 * change_error;
}

uint32_t cardinality_report(const struct distinct_sketch *current, const struct distinct_sketch *reference,
                            const char *const *features, uint64_t n_min, struct report_row *rows,
                            struct text *names)
{
    uint32_t count = 0;
    for (; *features; features++) {
        struct distinct_values now, before;
        struct text name = text_of(*features);
        if (!distinct_sketch_values(current, name, &now))
            continue;
        struct report_row *row = &rows[count];
        *row = (struct report_row){.family = FAMILY_CARDINALITY, .n = now.n};
        report_row_undefine(row);
        report_values(&now, row->slots);
        if (reference && distinct_sketch_values(reference, name, &before)) {
            row->reference_n = before.n;
            compare(&now, &before, row->slots);
        }
        if (now.n < n_min || (row->reference_n && row->reference_n < n_min))
            row->flags |= REPORT_INSUFFICIENT;
        names[count++] = name;
    }
    return count;
}
