#ifndef DRIFTD_DETECTORS_CLASS_SCORES_H
#define DRIFTD_DETECTORS_CLASS_SCORES_H
/*
 * The scores of all classes of one prediction, small enough to wait for a label (METHODS §7.2): 16 bits a
 * class. Codes up to 50,000 are steps of 1/50,000, so scores with three decimals are exact; the others are
 * floating point with 9 bits of mantissa for scores below 1/128, whose logarithms matter. The nearer of the
 * two is taken: off by at most 1e-5 (2e-5 just below a multiple of 1/200, which is not crossed), and by at
 * most 0.13 % of itself from 7.3e-12 up to 1/128. Codes ascend with scores. Basic operations only, so that
 * codes are the same everywhere.
 */
#include <stdbool.h>
#include <stdint.h>

enum { CLASS_SCORES_MAX = 32, CLASS_SCORE_STEPS = 50000, CLASS_SCORE_BIN_STEPS = 250 };

/* By the slot of the class; those behind `count` have the score 0. */
struct class_scores {
    uint32_t count;
    uint16_t codes[CLASS_SCORES_MAX];
};

/* Is it a score of a class? What rounding leaves above 1 (1e-6: single precision) is. */
bool class_score_is_valid(double score);
/* Of a valid one. 0 is for a score of 0 only. O(1) */
uint16_t class_score_encode(double score);
double class_score_decode(uint16_t code);

#endif
