#ifndef DRIFTD_TESTS_VECTORS_H
#define DRIFTD_TESTS_VECTORS_H
/*
 * The vectors runner: reads the cases of a suite (a *.json file) and puts them through the public functions
 * of detectors/. A suite_*.c file has one handler per function name and one table; runner.c lists the tables.
 *
 * A handler reads its input with the case_* readers and answers with the case_put* writers. A reader that
 * does not find what it wants fails the case and returns something harmless, so that handlers need no checks
 * of their own. What readers return belongs to the case and is freed after it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "agent/base/compiler.h"

enum { CASE_ALLOCATIONS_MAX = 512 };

struct vector_case {
    const cJSON *suite; /* the whole document: shared inputs such as "streams"; NULL in --eval */
    const cJSON *input;
    const cJSON *expect; /* only for case_put_bracket; NULL in --eval */
    cJSON *output;       /* an object */
    char problem[256];
    void *allocations[CASE_ALLOCATIONS_MAX];
    size_t allocation_count;
};

struct vector_handler {
    const char *fn;
    void (*run)(struct vector_case *vc);
};

/* Tables end with {NULL, NULL}. */
extern const struct vector_handler binning_handlers[];
extern const struct vector_handler continuous_handlers[];
extern const struct vector_handler distances_handlers[];
extern const struct vector_handler special_handlers[];
extern const struct vector_handler intervals_handlers[];
extern const struct vector_handler performance_handlers[];
extern const struct vector_handler calibration_handlers[];
extern const struct vector_handler cbpe_handlers[];
extern const struct vector_handler fairness_handlers[];
extern const struct vector_handler attribution_handlers[];
extern const struct vector_handler quality_handlers[];
extern const struct vector_handler multivariate_handlers[];
extern const struct vector_handler detectors_handlers[];
extern const struct vector_handler edetector_handlers[];

/* The case cannot be computed; the first reason is kept. */
void case_fail(struct vector_case *vc, const char *format, ...) PRINTF_LIKE(2, 3);
/* Zeroed memory that lives as long as the case; never NULL (stops the program when memory is out). */
void *case_alloc(struct vector_case *vc, size_t count, size_t size);

/* Readers of members of an object; `key` must be there. Numbers may be the strings nan, inf, -inf. */
const cJSON *case_item(struct vector_case *vc, const cJSON *object, const char *key);
bool case_has(const cJSON *object, const char *key);
double case_number(struct vector_case *vc, const cJSON *object, const char *key);
double case_number_or(struct vector_case *vc, const cJSON *object, const char *key, double otherwise);
uint64_t case_count(struct vector_case *vc, const cJSON *object, const char *key);
const char *case_string(struct vector_case *vc, const cJSON *object, const char *key);
/* Arrays: *out_count members; never NULL, also when empty. */
double *case_numbers(struct vector_case *vc, const cJSON *object, const char *key, size_t *out_count);
uint64_t *case_counts(struct vector_case *vc, const cJSON *object, const char *key, size_t *out_count);
/* An array of arrays of equal length, row by row. */
double *case_matrix(struct vector_case *vc, const cJSON *object, const char *key, size_t *out_rows,
                    size_t *out_columns);
/* The value of one item: a number or nan, inf, -inf. */
double case_value(struct vector_case *vc, const cJSON *item);

/* Writers into the output (case_put*) or into an object of the handler's (put*). */
void case_put(struct vector_case *vc, const char *key, double value);
void case_put_bool(struct vector_case *vc, const char *key, bool value);
void case_put_string(struct vector_case *vc, const char *key, const char *value);
void case_put_numbers(struct vector_case *vc, const char *key, const double *values, size_t count);
void case_put_counts(struct vector_case *vc, const char *key, const uint64_t *values, size_t count);
void case_put_bytes(struct vector_case *vc, const char *key, const uint8_t *values, size_t count);
/* For an expected value that the input cannot give, only bounds on it: passes when it lies in [low, high]. */
void case_put_bracket(struct vector_case *vc, const char *key, double low, double high);
/* Takes over `item`. */
void case_put_item(struct vector_case *vc, const char *key, cJSON *item);
/* A number item; NaN and infinities are strings. */
cJSON *number_item(double value);
void put_number(cJSON *object, const char *key, double value);

#endif
