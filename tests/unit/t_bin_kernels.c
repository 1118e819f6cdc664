/* bin_kernels.c: every set of kernels gives the bits of the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "detectors/bin_kernels.h"
#include "detectors/features.h"
#include "tests/unit/skip.h"

enum { FEATURES = 24, TABLES = 21, ROUNDS = 60000 }; /* × 2 kernels × 24 = 2.9 million values */

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(*state);
}

static double random_bits(uint64_t *state)
{
    uint64_t bits = random_next(state);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct fixture {
    double memory[TABLES * 18 * BIN_BLOCK + BIN_BLOCK];
    double *aligned;
    double edges[TABLES][252];
    uint32_t edge_count[TABLES];
    const double *pivots[FEATURES];
    uint32_t table_of[FEATURES]; /* by feature: index in edges and edge_count */
    double location[FEATURES], scale[FEATURES], low[FEATURES], high[FEATURES];
    struct bin_name names[2 * FEATURES]; /* by name id: 2 × feature */
    struct bin_plan plan;
};

/* Edge counts around every border of the two-level form; features in another order than tables. */
static void fixture_init(struct fixture *fx, uint64_t *state)
{
    static const uint32_t counts[TABLES] = {0,  2,  3,  15,  4,   9,   16,  17,  31,  32, 33,
                                            47, 64, 65, 128, 129, 239, 240, 241, 251, 252};
    static const double scales[] = {1, 3.7, 1e-310, 1e300, 0x1p-30, 0.1, 256, 1e5};
    fx->aligned = (double *)(((uintptr_t)fx->memory + 63) & ~(uintptr_t)63);
    double *at = fx->aligned;
    for (uint32_t t = 0; t < TABLES; t++) {
        fx->edge_count[t] = counts[t];
        double edge = -10;
        for (uint32_t i = 0; i < counts[t]; i++) {
            edge = random_next(state) % 4 ? edge + 0.1 : nextafter(edge, INFINITY);
            fx->edges[t][i] = edge;
        }
        uint32_t blocks = counts[t] / BIN_BLOCK + 1;
        uint32_t feature = (t * 5 + 3) % TABLES;
        fx->table_of[feature] = t;
        fx->pivots[feature] = at;
        for (uint32_t i = 0; i < BIN_BLOCK; i++)
            *at++ = 16 * i + 15 < counts[t] ? fx->edges[t][16 * i + 15] : (double)INFINITY;
        for (uint32_t i = 0; i < blocks * BIN_BLOCK; i++)
            *at++ = i < counts[t] ? fx->edges[t][i] : (double)INFINITY;
    }
    for (uint32_t f = 0; f < FEATURES; f++) {
        fx->location[f] = f < TABLES ? (double)f - 8 : 0;
        fx->scale[f] = f < TABLES ? scales[f % 8] : 1;
    }
    for (uint32_t f = 0; f < FEATURES; f++) {
        uint32_t t = fx->table_of[f];
        fx->low[f] = fx->edge_count[t] ? fx->edges[t][0] : (double)INFINITY;
        fx->high[f] = fx->edge_count[t] ? fx->edges[t][fx->edge_count[t] - 1] : (double)INFINITY;
        fx->names[2 * f] = (struct bin_name){fx->pivots[f], f};
        fx->names[2 * f + 1] = (struct bin_name){NULL, f % 2 ? NAME_FOREIGN : f};
    }
    fx->plan = (struct bin_plan){.padded = FEATURES,
                                 .name_count = 2 * TABLES,
                                 .names = fx->names,
                                 .location = fx->location,
                                 .scale = fx->scale,
                                 .low = fx->low,
                                 .high = fx->high};
}

static double hostile(const struct fixture *fx, uint32_t feature, uint64_t *state)
{
    static const double special[] = {NAN,     -NAN,   INFINITY, -INFINITY, 0.0,      -0.0,  5e-324,
                                     -5e-324, 1e-310, 1.7e308,  -1.7e308,  2.2e-308, 256.0, -256.0};
    uint32_t table = fx->table_of[feature];
    switch (random_next(state) % 6) {
    case 0:
        return special[random_next(state) % (sizeof(special) / sizeof(special[0]))];
    case 1:
        if (fx->edge_count[table]) {
            double edge = fx->edges[table][random_next(state) % fx->edge_count[table]];
            uint64_t side = random_next(state) % 3;
            return side == 0 ? edge : nextafter(edge, side == 1 ? -INFINITY : INFINITY);
        }
        return 1;
    case 2:
        return random_bits(state);
    case 3: { /* halves of the last place of z·2^40, and the clip's border */
        double z = ((double)(random_next(state) % 4096) + 0.5) * 0x1p-40;
        z = random_next(state) % 2 ? z : 256 - z;
        return fx->location[feature] + z * fx->scale[feature];
    }
    default:
        return (double)(random_next(state) >> 11) * 0x1p-53 * 30 - 15;
    }
}

/* The definition, with libm. */
static void check_value(const struct fixture *fx, uint32_t f, double x, int64_t z, int64_t z2,
                        unsigned outside)
{
    double raw = (x - fx->location[f]) / fx->scale[f];
    double bounded = fmax(fmin(raw, 256), -256);
    assert_true(z == (int64_t)nearbyint(bounded * 0x1p40));
    assert_true(z2 == (int64_t)nearbyint(bounded * bounded * 0x1p32));
    assert_int_equal(outside, x <= fx->low[f] || x > fx->high[f]);
}

/* Fields in an order of their own, up to one that is not a number of a known name. */
static void check_slots(const struct bin_kernels *kernels, const struct fixture *fx, const double *x,
                        unsigned round)
{
    struct field fields[TABLES] = {0};
    double numbers[FEATURES];
    uint8_t slot[FEATURES];
    uint32_t until = 0;
    memset(slot, 0xee, sizeof(slot));
    for (uint32_t i = 0; i < TABLES; i++) {
        uint32_t f = (i + round) % TABLES;
        fields[i].name_id = 2 * f;
        fields[i].value = (struct value){.type = VALUE_NUMBER, .number = x[f]};
        until += until == i && !isnan(x[f]);
    }
    assert_int_equal(kernels->put_numbers(&fx->plan, fields, TABLES, numbers, slot), until);
    for (uint32_t i = 0; i < TABLES; i++) {
        uint32_t f = (i + round) % TABLES, t = fx->table_of[f], want = 0;
        if (isnan(x[f]))
            continue;
        while (want < fx->edge_count[t] && fx->edges[t][want] < x[f])
            want++;
        assert_int_equal(kernels->lookup(fx->pivots[f], x[f]), want);
        assert_int_equal(slot[f], i < until ? want : 0xee);
        assert_true(i >= until || numbers[f] == x[f]);
    }
    static const struct field others[] = {{.name_id = 0, .value = {.type = VALUE_STRING}},
                                          {.name_id = 1, .value = {.type = VALUE_NUMBER}},
                                          {.name_id = 2 * TABLES, .value = {.type = VALUE_NUMBER}},
                                          {.name_id = UINT32_MAX, .value = {.type = VALUE_NUMBER}}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(kernels->put_numbers(&fx->plan, &others[i], 1, numbers, slot), 0);
}

static void check_kernels(const struct bin_kernels *kernels)
{
    struct fixture *fx = malloc(sizeof(*fx));
    memset(fx, 0, sizeof(*fx));
    uint64_t state = 23;
    fixture_init(fx, &state);
    double x[FEATURES];
    int64_t z[FEATURES], z2[FEATURES];
    uint8_t outside[FEATURES / BIN_LANES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint32_t f = 0; f < FEATURES; f++)
            x[f] = f < TABLES ? hostile(fx, f, &state) : (double)NAN;
        check_slots(kernels, fx, x, round);
        for (uint32_t f = 0; f < FEATURES; f++)
            x[f] = isnan(x[f]) ? fx->location[f] : x[f];
        kernels->standardise(&fx->plan, x, z, z2, outside);
        for (uint32_t f = 0; f < FEATURES; f++)
            check_value(fx, f, x[f], z[f], z2[f], outside[f / BIN_LANES] >> f % BIN_LANES & 1);
    }
    free(fx);
}

static void check_sums(const struct bin_kernels *kernels)
{
    uint64_t state = 29;
    int64_t sums[2 * FEATURES] = {0}, want[2 * FEATURES] = {0}, z[FEATURES], z2[FEATURES];
    for (unsigned round = 0; round < 1000; round++) {
        for (uint32_t f = 0; f < FEATURES; f++) {
            z[f] = (int64_t)random_next(&state) >> 15;
            z2[f] = (int64_t)(random_next(&state) >> 16);
            want[f] += z[f];
            want[FEATURES + f] += z2[f];
        }
        kernels->add_sums(FEATURES, z, z2, sums);
        assert_memory_equal(sums, want, sizeof(sums));
    }
}

static void test_portable(void **unused)
{
    (void)unused;
    check_kernels(&bin_kernels_portable);
    check_sums(&bin_kernels_portable);
}

static void test_best(void **unused)
{
    (void)unused;
    if (bin_kernels_best() == &bin_kernels_portable)
        skip_because("this processor has nothing better than the portable kernels");
    check_kernels(bin_kernels_best());
    check_sums(bin_kernels_best());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_portable), cmocka_unit_test(test_best)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
