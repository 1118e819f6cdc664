/* Reading the input of a case and writing its output. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/vectors.h"

void case_fail(struct vector_case *vc, const char *format, ...)
{
    if (vc->problem[0])
        return;
    va_list va;
    va_start(va, format);
    vsnprintf(vc->problem, sizeof vc->problem, format, va);
    va_end(va);
}

NO_RETURN static void out_of_memory(void)
{
    fputs("vectors: out of memory\n", stderr);
    exit(1);
}

void *case_alloc(struct vector_case *vc, size_t count, size_t size)
{
    if (vc->allocation_count == CASE_ALLOCATIONS_MAX) {
        fputs("vectors: a handler allocates too often; raise CASE_ALLOCATIONS_MAX\n", stderr);
        exit(1);
    }
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    vc->allocations[vc->allocation_count++] = memory;
    return memory;
}

bool case_has(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
}

const cJSON *case_item(struct vector_case *vc, const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item)
        case_fail(vc, "input has no \"%s\"", key);
    return item;
}

static bool special_value(const cJSON *item, double *out)
{
    static const struct {
        const char *name;
        double value;
    } specials[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};
    const char *name = cJSON_GetStringValue(item);
    for (size_t i = 0; name && i < ARRAY_LEN(specials); i++)
        if (strcmp(name, specials[i].name) == 0) {
            *out = specials[i].value;
            return true;
        }
    return false;
}

double case_value(struct vector_case *vc, const cJSON *item)
{
    double value = NAN;
    if (cJSON_IsNumber(item))
        return item->valuedouble;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? 1 : 0;
    if (!special_value(item, &value))
        case_fail(vc, "\"%s\" is not a number", item && item->string ? item->string : "an array member");
    return value;
}

double case_number(struct vector_case *vc, const cJSON *object, const char *key)
{
    const cJSON *item = case_item(vc, object, key);
    return item ? case_value(vc, item) : NAN;
}

double case_number_or(struct vector_case *vc, const cJSON *object, const char *key, double otherwise)
{
    return case_has(object, key) ? case_number(vc, object, key) : otherwise;
}

static uint64_t count_value(struct vector_case *vc, const cJSON *item)
{
    double value = case_value(vc, item);
    if (!(value >= 0 && value < 9007199254740993.0) || value != floor(value)) {
        case_fail(vc, "%g is not a count", value);
        return 0;
    }
    return (uint64_t)value;
}

uint64_t case_count(struct vector_case *vc, const cJSON *object, const char *key)
{
    const cJSON *item = case_item(vc, object, key);
    return item ? count_value(vc, item) : 0;
}

const char *case_string(struct vector_case *vc, const cJSON *object, const char *key)
{
    const char *string = cJSON_GetStringValue(case_item(vc, object, key));
    if (!string)
        case_fail(vc, "\"%s\" is not a string", key);
    return string ? string : "";
}

static const cJSON *array_item(struct vector_case *vc, const cJSON *object, const char *key,
                               size_t *out_count)
{
    const cJSON *array = case_item(vc, object, key);
    *out_count = 0;
    if (!array)
        return NULL;
    if (!cJSON_IsArray(array)) {
        case_fail(vc, "\"%s\" is not an array", key);
        return NULL;
    }
    *out_count = (size_t)cJSON_GetArraySize(array);
    return array;
}

double *case_numbers(struct vector_case *vc, const cJSON *object, const char *key, size_t *out_count)
{
    const cJSON *array = array_item(vc, object, key, out_count), *item;
    double *values = case_alloc(vc, *out_count, sizeof *values);
    size_t i = 0;
    cJSON_ArrayForEach(item, array) values[i++] = case_value(vc, item);
    return values;
}

uint64_t *case_counts(struct vector_case *vc, const cJSON *object, const char *key, size_t *out_count)
{
    const cJSON *array = array_item(vc, object, key, out_count), *item;
    uint64_t *values = case_alloc(vc, *out_count, sizeof *values);
    size_t i = 0;
    cJSON_ArrayForEach(item, array) values[i++] = count_value(vc, item);
    return values;
}

double *case_matrix(struct vector_case *vc, const cJSON *object, const char *key, size_t *out_rows,
                    size_t *out_columns)
{
    const cJSON *array = array_item(vc, object, key, out_rows), *row, *item;
    *out_columns = array && array->child ? (size_t)cJSON_GetArraySize(array->child) : 0;
    double *values = case_alloc(vc, *out_rows * *out_columns, sizeof *values);
    size_t i = 0;
    cJSON_ArrayForEach(row, array)
    {
        if ((size_t)cJSON_GetArraySize(row) != *out_columns) {
            case_fail(vc, "rows of \"%s\" differ in length", key);
            break;
        }
        cJSON_ArrayForEach(item, row) values[i++] = case_value(vc, item);
    }
    return values;
}

cJSON *number_item(double value)
{
    cJSON *item;
    if (isnan(value))
        item = cJSON_CreateString("nan");
    else if (isinf(value))
        item = cJSON_CreateString(value > 0 ? "inf" : "-inf");
    else
        item = cJSON_CreateNumber(value);
    if (!item)
        out_of_memory();
    return item;
}

static void put_item(cJSON *object, const char *key, cJSON *item)
{
    if (!item || !cJSON_AddItemToObject(object, key, item))
        out_of_memory();
}

void put_number(cJSON *object, const char *key, double value)
{
    put_item(object, key, number_item(value));
}

void case_put_item(struct vector_case *vc, const char *key, cJSON *item)
{
    put_item(vc->output, key, item);
}

void case_put(struct vector_case *vc, const char *key, double value)
{
    put_number(vc->output, key, value);
}

void case_put_bracket(struct vector_case *vc, const char *key, double low, double high)
{
    if (!case_has(vc->expect, key))
        return;
    double want = case_number(vc, vc->expect, key);
    case_put(vc, key, fmin(fmax(want, low), high));
}

void case_put_bool(struct vector_case *vc, const char *key, bool value)
{
    put_item(vc->output, key, cJSON_CreateBool(value));
}

void case_put_string(struct vector_case *vc, const char *key, const char *value)
{
    put_item(vc->output, key, cJSON_CreateString(value));
}

void case_put_numbers(struct vector_case *vc, const char *key, const double *values, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array && i < count; i++)
        if (!cJSON_AddItemToArray(array, number_item(values[i])))
            out_of_memory();
    put_item(vc->output, key, array);
}

void case_put_counts(struct vector_case *vc, const char *key, const uint64_t *values, size_t count)
{
    double *numbers = case_alloc(vc, count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (double)values[i];
    case_put_numbers(vc, key, numbers, count);
}

void case_put_bytes(struct vector_case *vc, const char *key, const uint8_t *values, size_t count)
{
    double *numbers = case_alloc(vc, count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = values[i];
    case_put_numbers(vc, key, numbers, count);
}
