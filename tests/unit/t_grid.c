/* grid.c and grid_build.c: the vectors of the binning suite, properties of edges, groups and slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "agent/base/hash.h"
#include "detectors/grid_build.h"

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(*state);
}

static double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

static cJSON *read_json(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static const size_t max = 1 << 20;
    char *bytes = malloc(max);
    size_t len = fread(bytes, 1, max - 1, file);
    (void)fclose(file);
    cJSON *json = cJSON_ParseWithLength(bytes, len);
    free(bytes);
    assert_non_null(json);
    return json;
}

static double number_of(const cJSON *item)
{
    if (cJSON_IsNumber(item))
        return item->valuedouble;
    assert_true(cJSON_IsString(item));
    return strtod(item->valuestring, NULL);
}

static uint32_t numbers_of(const cJSON *array, double *out, uint32_t max)
{
    uint32_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        assert_true(count < max);
        out[count++] = number_of(item);
    }
    return count;
}

static unsigned option_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(item);
    return (unsigned)item->valuedouble;
}

static void check_vector(const cJSON *input, const cJSON *expect)
{
    double values[1000], edges[600], query[100], want[600];
    uint64_t counts[600] = {0};
    uint8_t groups[600];
    uint32_t count = numbers_of(cJSON_GetObjectItem(input, "values"), values, 1000);
    bool discrete;
    uint32_t edge_count = grid_build_edges(values, count, option_of(input, "fine_bins"),
                                           option_of(input, "discrete_max"), edges, &discrete);
    assert_int_equal(edge_count, numbers_of(cJSON_GetObjectItem(expect, "edges"), want, 600));
    assert_memory_equal(edges, want, edge_count * sizeof(double));
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItem(expect, "kind"));
    assert_string_equal(kind, discrete ? "discrete" : "continuous");

    for (uint32_t i = 0; i < count; i++)
        counts[grid_lower_bound(edges, edge_count, values[i])]++;
    uint32_t slots = numbers_of(cJSON_GetObjectItem(expect, "ref_counts"), want, 600);
    assert_int_equal(slots, edge_count + 1);
    for (uint32_t i = 0; i < slots; i++)
        assert_int_equal(counts[i], want[i]);

    uint32_t queries = numbers_of(cJSON_GetObjectItem(expect, "query"), query, 100);
    assert_int_equal(queries, numbers_of(cJSON_GetObjectItem(expect, "query_bin"), want, 600));
    for (uint32_t i = 0; i < queries; i++)
        assert_int_equal(grid_lower_bound(edges, edge_count, query[i]), want[i]);

    uint32_t bins = edge_count - 1;
    uint32_t group_count = grid_coarse_groups(counts + 1, bins, option_of(input, "coarse_bins"), groups);
    assert_int_equal(edge_count + 1, numbers_of(cJSON_GetObjectItem(expect, "coarse_map"), want, 600));
    for (uint32_t slot = 0; slot <= edge_count; slot++) {
        unsigned group = slot == 0 ? 0 : slot == edge_count ? group_count - 1 : groups[slot - 1];
        assert_int_equal(group, want[slot]);
    }
}

static void test_vectors(void **unused)
{
    (void)unused;
    cJSON *suite = read_json("tests/vectors/binning.json");
    const cJSON *item;
    unsigned checked = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(suite, "cases"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(item, "fn")), "build_grid") != 0)
            continue;
        check_vector(cJSON_GetObjectItem(item, "input"), cJSON_GetObjectItem(item, "expect"));
        checked++;
    }
    assert_true(checked >= 3);
    cJSON_Delete(suite);
}

static double hostile(uint64_t *state, const double *edges, unsigned edge_count)
{
    static const double special[] = {0.0,     -0.0,     INFINITY, -INFINITY, 5e-324, -5e-324,
                                     1.7e308, -1.7e308, 1e-310,   1.0,       -1.0};
    uint64_t kind = random_next(state) % 4;
    if (kind == 0)
        return special[random_next(state) % (sizeof(special) / sizeof(special[0]))];
    if (kind == 1 && edge_count) {
        double edge = edges[random_next(state) % edge_count];
        uint64_t side = random_next(state) % 3;
        return side == 0 ? edge : nextafter(edge, side == 1 ? -INFINITY : INFINITY);
    }
    if (kind == 2) {
        uint64_t bits = random_next(state);
        double value;
        memcpy(&value, &bits, sizeof(value));
        return isnan(value) ? 0 : value;
    }
    return random_unit(state) * 20 - 10;
}

static void test_lower_bound(void **unused)
{
    (void)unused;
    uint64_t state = 7;
    double edges[252];
    for (unsigned count = 0; count <= 252; count++) {
        edges[0] = -8;
        for (unsigned i = 1; i < count; i++)
            edges[i] = nextafter(edges[i - 1], INFINITY) + (i % 5 ? random_unit(&state) * 0.1 : 0);
        for (unsigned round = 0; round < 400; round++) {
            double x = hostile(&state, edges, count);
            unsigned want = 0;
            while (want < count && edges[want] < x)
                want++;
            assert_int_equal(grid_lower_bound(edges, count, x), want);
        }
    }
}

/* Every property of METHODS §2 that does not need a second implementation. */
static void check_edges(double *values, size_t count, bool expect_discrete)
{
    double edges[2 * GRID_FINE_BINS + 2];
    uint64_t counts[2 * GRID_FINE_BINS + 3] = {0};
    bool discrete;
    uint32_t edge_count =
        grid_build_edges(values, count, GRID_FINE_BINS, GRID_DISCRETE_MAX, edges, &discrete);
    assert_true(edge_count >= 2 && edge_count <= GRID_EDGES_MAX);
    assert_int_equal(discrete, expect_discrete);
    assert_true(edges[0] == nextafter(values[0], -INFINITY));
    assert_true(edges[edge_count - 1] == values[count - 1]);
    for (uint32_t i = 0; i < edge_count; i++)
        assert_true(isfinite(edges[i]) && (i == 0 || edges[i - 1] < edges[i]));
    for (size_t i = 0; i < count; i++)
        counts[grid_lower_bound(edges, edge_count, values[i])]++;
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[edge_count], 0);
    if (!discrete)
        return;
    for (size_t i = 0; i < count; i++) { /* a bin of its own */
        unsigned bin = grid_lower_bound(edges, edge_count, values[i]);
        assert_true(edges[bin - 1] == nextafter(values[i], -INFINITY));
    }
}

static void test_edges(void **unused)
{
    (void)unused;
    uint64_t state = 11;
    enum { COUNT = 6000 };
    double *values = malloc(COUNT * sizeof(*values));
    for (unsigned round = 0; round < 40; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            double u = random_unit(&state);
            /* The odd rounds are full of point masses: more bins than the target. */
            values[i] = round % 2 ? (u < 0.5 ? floor(u * 2 * 130) + 0.25 : u * 130) : tan(u * 3.1);
        }
        check_edges(values, COUNT, false);
    }
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (double)(random_next(&state) % 64) * 0.5;
    check_edges(values, COUNT, true);
    for (size_t i = 0; i < COUNT; i++) /* neighbours: no room for gap bins */
        values[i] = 1 + (double)(random_next(&state) % 60) * 0x1p-52;
    check_edges(values, COUNT, true);
    for (size_t i = 0; i < COUNT; i++)
        values[i] = -0.0;
    check_edges(values, COUNT, true);
    free(values);
}

static void test_edges_of_nothing(void **unused)
{
    (void)unused;
    double values[] = {INFINITY, -INFINITY, NAN, -1.7976931348623157e308}, edges[482];
    bool discrete;
    assert_int_equal(grid_build_edges(values, 4, 240, 64, edges, &discrete), 0);
    assert_int_equal(grid_build_edges(values, 0, 240, 64, edges, &discrete), 0);
    double one[] = {NAN, 1.7976931348623157e308, INFINITY};
    assert_int_equal(grid_build_edges(one, 3, 240, 64, edges, &discrete), 2);
    assert_true(edges[1] == 1.7976931348623157e308);
}

static void test_weights_are_repetition(void **unused)
{
    (void)unused;
    uint64_t state = 13;
    double values[500], repeated[4000], edges[482], again[482], loc, scale, loc2, scale2;
    uint64_t weights[500];
    for (unsigned round = 0; round < 50; round++) {
        size_t count = 0;
        double at = -3;
        for (size_t i = 0; i < 500; i++) {
            values[i] = at += random_unit(&state);
            weights[i] = random_next(&state) % 40 ? 1 + random_next(&state) % 2 : 60;
            for (uint64_t k = 0; k < weights[i] && count < 4000; k++)
                repeated[count++] = at;
        }
        bool discrete, discrete2;
        uint32_t n = grid_edges_of_sorted(values, weights, 500, 240, 64, edges, &discrete);
        uint32_t n2 = grid_edges_of_sorted(repeated, NULL, count, 240, 64, again, &discrete2);
        assert_int_equal(n, n2);
        assert_memory_equal(edges, again, n * sizeof(double));
        grid_moments_of_sorted(values, weights, 500, &loc, &scale);
        grid_moments_of_sorted(repeated, NULL, count, &loc2, &scale2);
        assert_true(fabs(loc - loc2) <= 1e-14 * fabs(loc) && fabs(scale - scale2) <= 1e-14 * scale);
    }
}

static void test_moments(void **unused)
{
    (void)unused;
    static const struct {
        double values[4];
        size_t count;
        double location, scale;
    } cases[] = {
        {{0}, 0, 0, 1},
        {{7}, 1, 7, 1},
        {{0.1, 0.1, 0.1}, 3, 0.1, 1}, /* a constant is exactly itself */
        {{1, 2, 3, 4}, 4, 2.5, 1.1180339887498949},
        {{-1e308, 1e308}, 2, 0, 1e308},
        {{0, 5e-324}, 2, 0, 1}, /* half the smallest number rounds to 0 */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double location, scale;
        grid_moments_of_sorted(cases[i].values, NULL, cases[i].count, &location, &scale);
        assert_true(location == cases[i].location);
        assert_true(fabs(scale - cases[i].scale) <= 1e-15 * cases[i].scale);
    }
}

static void test_groups(void **unused)
{
    (void)unused;
    uint64_t state = 17;
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t counts[251];
        uint8_t psi[251], coarse[251];
        uint32_t bins = 1 + (uint32_t)(random_next(&state) % 251);
        for (uint32_t i = 0; i < bins; i++)
            counts[i] = random_next(&state) % 3 ? random_next(&state) % (round % 7 ? 50 : 5000) : 0;
        uint32_t psi_count = grid_coarse_groups(counts, bins, GRID_PSI_BINS, psi);
        uint32_t coarse_count = grid_nested_groups(counts, bins, GRID_COARSE_BINS, psi, coarse);
        assert_true(psi_count >= 1 && psi_count <= GRID_PSI_BINS);
        assert_true(coarse_count >= psi_count && coarse_count <= GRID_COARSE_BINS);
        assert_int_equal(psi[bins - 1] + 1, psi_count);
        assert_int_equal(coarse[bins - 1] + 1, coarse_count);
        assert_int_equal(psi[0] + coarse[0], 0);
        for (uint32_t i = 1; i < bins; i++) {
            unsigned step = coarse[i] - coarse[i - 1], psi_step = psi[i] - psi[i - 1];
            assert_true(step <= 1 && psi_step <= step); /* ascending, nested */
        }
    }
}

/* Equal masses: 240 bins give exactly 20 and 10 groups, deciles among them. */
static void test_even_groups(void **unused)
{
    (void)unused;
    uint64_t counts[240];
    uint8_t psi[240], coarse[240];
    for (unsigned i = 0; i < 240; i++)
        counts[i] = 42;
    assert_int_equal(grid_coarse_groups(counts, 240, 10, psi), 10);
    assert_int_equal(grid_nested_groups(counts, 240, 20, psi, coarse), 20);
    for (unsigned i = 0; i < 240; i++) {
        assert_int_equal(psi[i], i / 24);
        assert_int_equal(coarse[i], i / 12);
    }
}

static void test_numeric_slots(void **unused)
{
    (void)unused;
    double values[1000];
    for (unsigned i = 0; i < 1000; i++)
        values[i] = i < 300 ? 0 : i;
    struct grid *grid = grid_new(2);
    grid->features[0].name = strdup("b");
    grid->features[1].name = strdup("a");
    assert_int_equal(feature_grid_from_sorted(&grid->features[0], values, NULL, 1000), 0);
    assert_int_equal(feature_grid_from_sorted(&grid->features[1], values, NULL, 0), 0);
    assert_int_equal(grid_finish(grid), 0);
    assert_string_equal(grid->features[0].name, "a");
    assert_int_equal(grid_find(grid, text_of("b")), 1);
    assert_int_equal(grid_find(grid, text_of("a")), 0);
    assert_int_equal(grid_find(grid, text_of("aa")), UINT32_MAX);
    assert_int_equal(grid_find(grid, text_of("")), UINT32_MAX);
    assert_int_equal(strlen(grid->id), 16);

    const struct feature_grid *f = &grid->features[1];
    unsigned above = f->edge_count, coarse_above = f->coarse_bin_count + 1u;
    assert_int_equal(f->slot_count[GRID_FINE], f->edge_count + 3);
    assert_int_equal(f->slot_count[GRID_COARSE], f->coarse_bin_count + 4);
    assert_int_equal(f->coarse_slot[0], 0);
    assert_int_equal(f->coarse_slot[1], 1);
    assert_int_equal(f->coarse_slot[above], coarse_above);
    for (int r = GRID_FINE; r < GRID_RESOLUTION_COUNT; r++) {
        const uint8_t *psi = r == GRID_FINE ? f->psi_bin : f->coarse_psi_bin;
        assert_int_equal(psi[feature_slot_missing(f, (enum grid_resolution)r)], 255);
        assert_int_equal(psi[feature_slot_invalid(f, (enum grid_resolution)r)], 255);
    }
    assert_int_equal(f->coarse_slot[feature_slot_missing(f, GRID_FINE)],
                     feature_slot_missing(f, GRID_COARSE));
    assert_int_equal(f->coarse_slot[feature_slot_invalid(f, GRID_FINE)],
                     feature_slot_invalid(f, GRID_COARSE));
    assert_int_equal(f->psi_bin[above], f->psi_bin_count - 1);
    for (unsigned slot = 0; slot <= above; slot++)
        assert_int_equal(f->psi_bin[slot], f->coarse_psi_bin[f->coarse_slot[slot]]);

    /* No finite value in the reference: everything is out of range. */
    f = &grid->features[0];
    assert_int_equal(f->edge_count, 0);
    assert_int_equal(f->slot_count[GRID_FINE], 3);
    assert_int_equal(f->slot_count[GRID_COARSE], 3);
    assert_int_equal(grid_lower_bound(f->edges, 0, 5.0), 0);
    assert_int_equal(f->psi_bin[0], 0);

    struct grid *copy = grid_copy(grid);
    assert_non_null(copy);
    char id[17];
    memcpy(id, grid->id, sizeof(id));
    assert_int_equal(grid_finish(copy), 0);
    assert_string_equal(copy->id, id);
    copy->features[1].edges[3] = nextafter(copy->features[1].edges[3], INFINITY);
    assert_int_equal(grid_finish(copy), 0);
    assert_string_not_equal(copy->id, id);
    grid_free(copy);
    grid_free(grid);
    grid_free(NULL);
}

static void test_categories(void **unused)
{
    (void)unused;
    enum { KNOWN = 3000 };
    struct text top[] = {text_of("north"), text_of(""), text_of("1"), text_of("true")};
    static uint64_t known[KNOWN];
    char name[32];
    for (unsigned i = 0; i < KNOWN; i++) {
        (void)snprintf(name, sizeof(name), "rare%u", i);
        known[i] = hash_text(text_of(name), 0);
    }
    struct grid *grid = grid_new(1);
    struct feature_grid *f = &grid->features[0];
    f->name = strdup("region");
    assert_int_equal(feature_grid_set_categories(f, top, 4, known, KNOWN), 0);
    assert_int_equal(grid_finish(grid), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(grid_category_slot(f, top[i]), i);
    for (unsigned i = 0; i < KNOWN; i++) {
        (void)snprintf(name, sizeof(name), "rare%u", i);
        assert_int_equal(grid_category_slot(f, text_of(name)), feature_slot_other(f));
        (void)snprintf(name, sizeof(name), "new%u", i);
        assert_int_equal(grid_category_slot(f, text_of(name)), feature_slot_unseen(f));
    }
    assert_int_equal(feature_slot_other(f), 4);
    assert_int_equal(f->slot_count[GRID_FINE], 8);
    assert_int_equal(f->psi_bin_count, 6);
    assert_int_equal(f->psi_bin[feature_slot_unseen(f)], 5);
    assert_int_equal(f->psi_bin[feature_slot_missing(f, GRID_FINE)], 255);
    grid_free(grid);
}

/* Categories of 0–20 bytes that differ in length, in one byte, or in case only. */
static void test_category_lengths(void **unused)
{
    (void)unused;
    enum { LENGTHS = 21 };
    static const char base[] = "aaaaaaaaaaaaaaaaaaaa";
    struct text top[2 * LENGTHS];
    char names[LENGTHS][LENGTHS + 1];
    uint32_t count = 0;
    for (uint32_t len = 0; len < LENGTHS; len++) {
        top[count++] = (struct text){base, len};
        memcpy(names[len], base, sizeof(base));
        names[len][len / 2] = 'b';
        if (len > 0)
            top[count++] = (struct text){names[len], len};
    }
    struct grid *grid = grid_new(1);
    struct feature_grid *f = &grid->features[0];
    f->name = strdup("code");
    assert_int_equal(feature_grid_set_categories(f, top, count, NULL, 0), 0);
    assert_int_equal(grid_finish(grid), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(grid_category_slot(f, top[i]), i);
        for (uint32_t at = 0; at < top[i].len; at++) {
            char other[LENGTHS];
            memcpy(other, top[i].ptr, top[i].len);
            other[at] = 'A';
            assert_int_equal(grid_category_slot(f, (struct text){other, top[i].len}), feature_slot_unseen(f));
        }
    }
    grid_free(grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_category_lengths),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_lower_bound),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_edges_of_nothing),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_weights_are_repetition),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_even_groups),
        cmocka_unit_test(test_numeric_slots),
        cmocka_unit_test(test_categories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
