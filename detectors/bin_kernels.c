#include "detectors/bin_kernels.h"

#include <stddef.h>
#include <string.h>

#include "detectors/features.h"

/*
 * Rounding to an integer, half to even, is the addition of 1.5·2^52: the sum's mantissa holds the integer.
 * Right for |x| < 2^51 in the default rounding mode; ours stay within 2^48. No libm call, the same in every
 * lane width.
 */
#define ROUND_SHIFT 6755399441055744.0
#define ROUND_BITS  INT64_C(0x4338000000000000)

static int64_t round_half_even(double x)
{
    double shifted = x + ROUND_SHIFT;
    int64_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    return bits - ROUND_BITS;
}

/* Never all of them: the last one of the pivots is +inf, that of a block its pivot, which is not below x.
 * Products instead of choices, and no loop: gcc makes branches of `?:`. */
static unsigned count_below(const double *block, double x)
{
    const double *at = block;
    at += (size_t)(at[7] < x) * 8;
    at += (size_t)(at[3] < x) * 4;
    at += (size_t)(at[1] < x) * 2;
    return (unsigned)(at - block) + (*at < x);
}

static inline unsigned lookup_portable(const double *pivots, double x)
{
    unsigned first = count_below(pivots, x) * BIN_BLOCK;
    return first + count_below(pivots + BIN_BLOCK + first, x);
}

/* The entry of a field that put_numbers takes, or NULL. */
static inline const struct bin_name *number_name(const struct bin_name *names, uint32_t name_count,
                                                 const struct field *field)
{
    if (UNLIKELY(field->name_id >= name_count || field->value.type != VALUE_NUMBER ||
                 field->value.number != field->value.number))
        return NULL;
    const struct bin_name *name = &names[field->name_id];
    return LIKELY(name->pivots != NULL) ? name : NULL;
}

static uint32_t put_numbers_portable(const struct bin_plan *plan, const struct field *fields, uint32_t count,
                                     double *x, uint8_t *slot)
{
    const struct bin_name *names = plan->names, *name;
    uint32_t name_count = plan->name_count, taken = 0;
    for (; taken < count && (name = number_name(names, name_count, &fields[taken])) != NULL; taken++) {
        double number = fields[taken].value.number;
        x[name->feature] = number;
        slot[name->feature] = (uint8_t)lookup_portable(name->pivots, number);
    }
    return taken;
}

static void standardise_portable(const struct bin_plan *plan, const double *x, int64_t *out_z,
                                 int64_t *out_z2, uint8_t *outside)
{
    memset(outside, 0, plan->padded / BIN_LANES);
    for (uint32_t i = 0; i < plan->padded; i++) {
        double z = (x[i] - plan->location[i]) / plan->scale[i];
        z = z < Z_CLIP ? z : Z_CLIP;
        z = z > -Z_CLIP ? z : -Z_CLIP;
        out_z[i] = round_half_even(z * Z_UNIT);
        out_z2[i] = round_half_even(z * z * Z2_UNIT);
        unsigned beyond = (x[i] <= plan->low[i]) | (x[i] > plan->high[i]);
        outside[i / BIN_LANES] |= (uint8_t)(beyond << i % BIN_LANES);
    }
}

static void add_sums_portable(uint32_t padded, const int64_t *z, const int64_t *z2, int64_t *sums)
{
    int64_t *squares = sums + padded;
    for (uint32_t i = 0; i < padded; i++) {
        sums[i] += z[i];
        squares[i] += z2[i];
    }
}

const struct bin_kernels bin_kernels_portable = {"portable", lookup_portable, put_numbers_portable,
                                                 standardise_portable, add_sums_portable};

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,popcnt")))

/* Twice the number of edges below x: all 16 at once, and each lane leaves two bits in the mask. */
AVX2 static inline unsigned twice_below_avx2(const double *block, __m256d x)
{
    __m256i a = _mm256_castpd_si256(_mm256_cmp_pd(x, _mm256_load_pd(block), _CMP_GT_OQ));
    __m256i b = _mm256_castpd_si256(_mm256_cmp_pd(x, _mm256_load_pd(block + 4), _CMP_GT_OQ));
    __m256i c = _mm256_castpd_si256(_mm256_cmp_pd(x, _mm256_load_pd(block + 8), _CMP_GT_OQ));
    __m256i d = _mm256_castpd_si256(_mm256_cmp_pd(x, _mm256_load_pd(block + 12), _CMP_GT_OQ));
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(packed));
}

AVX2 static inline unsigned lookup_lanes(const double *pivots, __m256d x)
{
    size_t first = (size_t)twice_below_avx2(pivots, x) * (BIN_BLOCK / 2);
    return (unsigned)first + twice_below_avx2(pivots + BIN_BLOCK + first, x) / 2;
}

AVX2 static unsigned lookup_avx2(const double *pivots, double x)
{
    return lookup_lanes(pivots, _mm256_set1_pd(x));
}

AVX2 static uint32_t put_numbers_avx2(const struct bin_plan *plan, const struct field *fields, uint32_t count,
                                      double *x, uint8_t *slot)
{
    const struct bin_name *names = plan->names, *name;
    uint32_t name_count = plan->name_count, taken = 0;
    for (; taken < count && (name = number_name(names, name_count, &fields[taken])) != NULL; taken++) {
        double number = fields[taken].value.number;
        x[name->feature] = number;
        slot[name->feature] = (uint8_t)lookup_lanes(name->pivots, _mm256_set1_pd(number));
    }
    return taken;
}

AVX2 static inline __m256i round_avx2(__m256d x)
{
    __m256i bits = _mm256_castpd_si256(_mm256_add_pd(x, _mm256_set1_pd(ROUND_SHIFT)));
    return _mm256_sub_epi64(bits, _mm256_set1_epi64x(ROUND_BITS));
}

/* Four lanes from i on; a bit for each that is outside. */
AVX2 static inline unsigned standardise_four(const struct bin_plan *plan, const double *x, uint32_t i,
                                             int64_t *out_z, int64_t *out_z2)
{
    __m256d value = _mm256_loadu_pd(x + i);
    __m256d z = _mm256_div_pd(_mm256_sub_pd(value, _mm256_loadu_pd(plan->location + i)),
                              _mm256_loadu_pd(plan->scale + i));
    z = _mm256_max_pd(_mm256_min_pd(z, _mm256_set1_pd(Z_CLIP)), _mm256_set1_pd(-Z_CLIP));
    __m256d squares = _mm256_mul_pd(_mm256_mul_pd(z, z), _mm256_set1_pd(Z2_UNIT));
    _mm256_storeu_si256((__m256i *)(void *)(out_z + i), round_avx2(_mm256_mul_pd(z, _mm256_set1_pd(Z_UNIT))));
    _mm256_storeu_si256((__m256i *)(void *)(out_z2 + i), round_avx2(squares));
    __m256d low = _mm256_cmp_pd(value, _mm256_loadu_pd(plan->low + i), _CMP_LE_OQ);
    __m256d high = _mm256_cmp_pd(value, _mm256_loadu_pd(plan->high + i), _CMP_GT_OQ);
    return (unsigned)_mm256_movemask_pd(_mm256_or_pd(low, high));
}

AVX2 static void standardise_avx2(const struct bin_plan *plan, const double *x, int64_t *out_z,
                                  int64_t *out_z2, uint8_t *outside)
{
    const struct bin_plan own = *plan; /* stores of bytes might change the caller's, for all gcc knows */
    for (uint32_t i = 0; i < own.padded; i += BIN_LANES) {
        unsigned first = standardise_four(&own, x, i, out_z, out_z2);
        unsigned second = standardise_four(&own, x, i + 4, out_z, out_z2);
        outside[i / BIN_LANES] = (uint8_t)(first | second << 4);
    }
}

AVX2 static inline void add_lanes(int64_t *sums, __m256i more)
{
    __m256i *at = (__m256i *)(void *)sums;
    _mm256_storeu_si256(at, _mm256_add_epi64(_mm256_loadu_si256(at), more));
}

AVX2 static void add_sums_avx2(uint32_t padded, const int64_t *z, const int64_t *z2, int64_t *sums)
{
    for (uint32_t i = 0; i < padded; i += 4) {
        add_lanes(sums + i, _mm256_loadu_si256((const __m256i *)(const void *)(z + i)));
        add_lanes(sums + padded + i, _mm256_loadu_si256((const __m256i *)(const void *)(z2 + i)));
    }
}

static const struct bin_kernels bin_kernels_avx2 = {"avx2", lookup_avx2, put_numbers_avx2, standardise_avx2,
                                                    add_sums_avx2};

const struct bin_kernels *bin_kernels_best(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") ? &bin_kernels_avx2
                                                                              : &bin_kernels_portable;
}

#else

const struct bin_kernels *bin_kernels_best(void)
{
    return &bin_kernels_portable;
}

#endif
