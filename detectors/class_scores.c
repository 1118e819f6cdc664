#include "detectors/class_scores.h"

#include <math.h>
#include <string.h>

enum {
    MANTISSA_BITS = 9,
    OCTAVES = 30,
    SMALL_CODES = OCTAVES << MANTISSA_BITS,
    SMALL_FIRST = CLASS_SCORE_STEPS + 1,
    LOWEST_EXPONENT = 1023 - 37, /* biased: 2^-37 up to 2^-7 */
    BITS_DROPPED = 52 - MANTISSA_BITS
};

_Static_assert(SMALL_FIRST + SMALL_CODES <= UINT16_MAX + 1, "codes have 16 bits");

#define ABOVE_ONE   1e-6
#define SMALL_BELOW 0x1p-6 /* from here on a step is nearer than any of the small ones */

bool class_score_is_valid(double score)
{
    return score >= 0 && score <= 1 + ABOVE_ONE;
}

/* Exponent and mantissa as one number: the nearest there is. */
static uint32_t small_index(double score)
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof(bits));
    int64_t index = (int64_t)((bits + (UINT64_C(1) << (BITS_DROPPED - 1))) >> BITS_DROPPED) -
                    ((int64_t)LOWEST_EXPONENT << MANTISSA_BITS);
    return index < 0 ? 0 : index < SMALL_CODES ? (uint32_t)index : SMALL_CODES - 1;
}

/* The nearest step; not up into the next bin of a histogram, so that bins hold what they would without codes.
 */
static uint16_t step_of(double score)
{
    uint16_t step = (uint16_t)rint(score * CLASS_SCORE_STEPS);
    bool is_edge = step < CLASS_SCORE_STEPS && step % CLASS_SCORE_BIN_STEPS == 0;
    return is_edge && class_score_decode(step) > score ? step - 1 : step;
}

uint16_t class_score_encode(double score)
{
    double kept = score < 1 ? score : 1;
    if (!(kept > 0))
        return 0;
    uint16_t step = step_of(kept);
    if (kept >= SMALL_BELOW)
        return step;
    uint16_t small = (uint16_t)(SMALL_FIRST + small_index(kept));
    bool nearer = fabs(class_score_decode(small) - kept) < fabs(class_score_decode(step) - kept);
    return nearer || step == 0 ? small : step;
}

double class_score_decode(uint16_t code)
{
    if (code < SMALL_FIRST)
        return (double)code / CLASS_SCORE_STEPS;
    uint64_t bits = (code - (uint64_t)SMALL_FIRST + ((uint64_t)LOWEST_EXPONENT << MANTISSA_BITS))
                    << BITS_DROPPED;
    double score;
    memcpy(&score, &bits, sizeof(score));
    return score;
}
