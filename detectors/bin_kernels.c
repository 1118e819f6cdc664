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

/* Products instead of choices, and no loop: gcc makes branches of `?:`. */
static unsigned count_below(const double *block, double x)
{
    const double *at = block;
    at += (size_t)(at[7] < x) * 8;
    at += (size_t)(at[3] < x) * 4;
    at += (size_t)(at[1] < x) * 2;
    at += at[0] < x;
    return (unsigned)(at - block) + (*at < x);
}

static uint8_t select_slot(unsigned old, unsigned found, double x)
{
    return (uint8_t)(old ^ ((old ^ found) & (0u - (unsigned)(x == x))));
}

static void lookup_portable(const struct bin_plan *plan, const double *x, uint8_t *slot)
{
    for (uint32_t i = 0; i < plan->table_count; i++) {
        const struct bin_table *table = &plan->tables[i];
        double value = x[table->feature];
        unsigned block = i < plan->single_count ? 0 : count_below(table->pivots, value);
        unsigned found = block * BIN_BLOCK + count_below(table->blocks + (size_t)block * BIN_BLOCK, value);
        slot[table->feature] = select_slot(slot[table->feature], found, value);
    }
}

static void standardise_portable(const struct bin_plan *plan, const double *x, int64_t *out_z,
                                 int64_t *out_z2, uint8_t *clipped)
{
    for (uint32_t i = 0; i < plan->padded; i++) {
        int64_t number = -(int64_t)(x[i] == x[i]);
        double raw = (x[i] - plan->location[i]) / plan->scale[i];
        double z = raw < Z_CLIP ? raw : Z_CLIP;
        z = z > -Z_CLIP ? z : -Z_CLIP;
        out_z[i] = round_half_even(z * Z_UNIT) & number;
        out_z2[i] = round_half_even(z * z * Z2_UNIT) & number;
        clipped[i] = (raw > Z_CLIP) | (raw < -Z_CLIP);
    }
}

static void add_sums_portable(uint32_t padded, const uint8_t *slot, const int64_t *z, const int64_t *z2,
                              const int64_t *above, int64_t *sums)
{
    int64_t *squares = sums + padded, *below = squares + padded, *beyond = below + padded;
    for (uint32_t i = 0; i < padded; i++) {
        sums[i] += z[i];
        squares[i] += z2[i];
        below[i] += z[i] & -(int64_t)(slot[i] == 0);
        beyond[i] += z[i] & -(int64_t)(slot[i] == above[i]);
    }
}

const struct bin_kernels bin_kernels_portable = {"portable", lookup_portable, standardise_portable,
                                                 add_sums_portable};

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,popcnt")))

/* All 16 at once; each lane below x leaves two bits in the mask. */
AVX2 static inline unsigned count_below_avx2(const double *block, __m256d x)
{
    __m256i a = _mm256_castpd_si256(_mm256_cmp_pd(_mm256_load_pd(block), x, _CMP_LT_OQ));
    __m256i b = _mm256_castpd_si256(_mm256_cmp_pd(_mm256_load_pd(block + 4), x, _CMP_LT_OQ));
    __m256i c = _mm256_castpd_si256(_mm256_cmp_pd(_mm256_load_pd(block + 8), x, _CMP_LT_OQ));
    __m256i d = _mm256_castpd_si256(_mm256_cmp_pd(_mm256_load_pd(block + 12), x, _CMP_LT_OQ));
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(packed)) / 2;
}

AVX2 static void lookup_avx2(const struct bin_plan *plan, const double *x, uint8_t *slot)
{
    const struct bin_table *table = plan->tables, *end = table + plan->single_count;
    for (; table < end; table++) {
        double value = x[table->feature];
        unsigned found = count_below_avx2(table->blocks, _mm256_set1_pd(value));
        slot[table->feature] = select_slot(slot[table->feature], found, value);
    }
    for (end = plan->tables + plan->table_count; table < end; table++) {
        double value = x[table->feature];
        __m256d lanes = _mm256_set1_pd(value);
        unsigned first = count_below_avx2(table->pivots, lanes) * BIN_BLOCK;
        unsigned found = first + count_below_avx2(table->blocks + first, lanes);
        slot[table->feature] = select_slot(slot[table->feature], found, value);
    }
}

AVX2 static inline __m256i round_avx2(__m256d x)
{
    __m256i bits = _mm256_castpd_si256(_mm256_add_pd(x, _mm256_set1_pd(ROUND_SHIFT)));
    return _mm256_sub_epi64(bits, _mm256_set1_epi64x(ROUND_BITS));
}

AVX2 static void standardise_avx2(const struct bin_plan *plan, const double *x, int64_t *out_z,
                                  int64_t *out_z2, uint8_t *clipped)
{
    const __m256d high = _mm256_set1_pd(Z_CLIP), low = _mm256_set1_pd(-Z_CLIP);
    for (uint32_t i = 0; i < plan->padded; i += 4) {
        __m256d value = _mm256_loadu_pd(x + i);
        __m256i number = _mm256_castpd_si256(_mm256_cmp_pd(value, value, _CMP_ORD_Q));
        __m256d raw = _mm256_div_pd(_mm256_sub_pd(value, _mm256_loadu_pd(plan->location + i)),
                                    _mm256_loadu_pd(plan->scale + i));
        __m256d z = _mm256_max_pd(_mm256_min_pd(raw, high), low);
        __m256d squares = _mm256_mul_pd(_mm256_mul_pd(z, z), _mm256_set1_pd(Z2_UNIT));
        __m256i rounded = round_avx2(_mm256_mul_pd(z, _mm256_set1_pd(Z_UNIT)));
        _mm256_storeu_si256((__m256i *)(void *)(out_z + i), _mm256_and_si256(rounded, number));
        _mm256_storeu_si256((__m256i *)(void *)(out_z2 + i), _mm256_and_si256(round_avx2(squares), number));
        __m256d outside =
            _mm256_or_pd(_mm256_cmp_pd(raw, high, _CMP_GT_OQ), _mm256_cmp_pd(raw, low, _CMP_LT_OQ));
        /* One bit a lane to one byte a lane. */
        uint32_t bytes =
            ((uint32_t)_mm256_movemask_pd(outside) * UINT32_C(0x00204081)) & UINT32_C(0x01010101);
        memcpy(clipped + i, &bytes, sizeof(bytes));
    }
}

AVX2 static inline void add_lanes(int64_t *sums, __m256i more)
{
    __m256i *at = (__m256i *)(void *)sums;
    _mm256_storeu_si256(at, _mm256_add_epi64(_mm256_loadu_si256(at), more));
}

AVX2 static void add_sums_avx2(uint32_t padded, const uint8_t *slot, const int64_t *z, const int64_t *z2,
                               const int64_t *above, int64_t *sums)
{
    for (uint32_t i = 0; i < padded; i += 4) {
        int32_t four_slots;
        memcpy(&four_slots, slot + i, sizeof(four_slots));
        __m256i slots = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four_slots));
        __m256i value = _mm256_loadu_si256((const __m256i *)(const void *)(z + i));
        __m256i limit = _mm256_loadu_si256((const __m256i *)(const void *)(above + i));
        add_lanes(sums + i, value);
        add_lanes(sums + padded + i, _mm256_loadu_si256((const __m256i *)(const void *)(z2 + i)));
        add_lanes(sums + 2 * (size_t)padded + i,
                  _mm256_and_si256(value, _mm256_cmpeq_epi64(slots, _mm256_setzero_si256())));
        add_lanes(sums + 3 * (size_t)padded + i, _mm256_and_si256(value, _mm256_cmpeq_epi64(slots, limit)));
    }
}

static const struct bin_kernels bin_kernels_avx2 = {"avx2", lookup_avx2, standardise_avx2, add_sums_avx2};

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
