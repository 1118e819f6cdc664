#include "detectors/reference_multivariate.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/reference_private.h"

/*
 * Written: what rows cannot be rebuilt from. Not written: the frequencies (they follow from seed and
 * bandwidth) and the shares of categories (they follow from the reference's counts).
 */

static void write_numbers(struct json *json, const char *key, const double *numbers, size_t count)
{
    reference_row_begin(json, key);
    for (size_t i = 0; i < count; i++)
        json_number(json, numbers[i]);
    reference_row_end(json);
}

static void write_mean(struct json *json, const struct mean_embedding *mean)
{
    json_member_number(json, "bandwidth", mean->bandwidth);
    json_member_unsigned(json, "seed", mean->seed);
    json_member_number(json, "trace", mean->trace);
    json_member_number(json, "trace2", mean->trace2);
}

/* Sizes of blocks, and the two limits of each; nothing when they are not known. */
static void write_null(struct json *json, const struct centroid_null *null)
{
    double numbers[3 * CENTROID_BLOCKS];
    for (uint32_t i = 0; i < null->count; i++) {
        numbers[3 * i] = null->rows[i];
        numbers[3 * i + 1] = null->limits[i].cosine;
        numbers[3 * i + 2] = null->limits[i].euclidean;
    }
    if (null->count)
        write_numbers(json, "centroid_limits", numbers, 3 * (size_t)null->count);
}

static void write_pca(struct json *json, const struct multivariate *multivariate)
{
    const struct pca *pca = multivariate->pca;
    uint32_t d = multivariate->d;
    json_member_unsigned(json, "components", pca->components);
    write_numbers(json, "explained", pca->explained, d);
    write_numbers(json, "vectors", pca->vectors, (size_t)d * d);
    write_numbers(json, "error_edges", multivariate->error_edges, MULTIVARIATE_BINS - 1);
    if (multivariate->has_distance)
        write_numbers(json, "distance_edges", multivariate->distance_edges, MULTIVARIATE_BINS - 1);
    double pairs[2 * MULTIVARIATE_LEVELS];
    for (uint32_t i = 0; i < multivariate->level_count; i++) {
        pairs[2 * i] = multivariate->levels[i].size;
        pairs[2 * i + 1] = multivariate->levels[i].sd;
    }
    write_numbers(json, "chunks", pairs, 2 * (size_t)multivariate->level_count);
}

void reference_write_multivariate(struct json *json, const struct reference *reference)
{
    const struct multivariate *multivariate = reference->multivariate;
    if (multivariate) {
        json_key(json, "multivariate");
        json_object_begin(json);
        json_key(json, "features");
        json_array_begin(json);
        for (uint32_t i = 0; i < multivariate->d; i++)
            json_string(json, reference->grid->features[multivariate->feature[i]].name);
        json_array_end(json);
        write_numbers(json, "mean", multivariate->mean, multivariate->d);
        write_numbers(json, "scale", multivariate->scale, multivariate->d);
        write_mean(json, &multivariate->embedding);
        if (multivariate->pca)
            write_pca(json, multivariate);
        json_object_end(json);
    }
    const struct embeddings *embeddings = reference->embeddings;
    if (embeddings) {
        json_key(json, "embeddings");
        json_object_begin(json);
        for (uint32_t i = 0; i < embeddings->count; i++) {
            json_key(json, embeddings->items[i].name);
            json_object_begin(json);
            json_member_unsigned(json, "dimension", embeddings->items[i].dimension);
            write_mean(json, &embeddings->items[i].mean);
            write_null(json, &embeddings->items[i].null);
            json_object_end(json);
        }
        json_object_end(json);
    }
}

void reference_write_dispersion(struct json *json, const struct reference *reference)
{
    bool any = false;
    for (uint32_t f = 0; reference->dispersion && f < reference->grid->feature_count; f++)
        any |= reference->dispersion[f].levels > 0;
    if (!any)
        return;
    json_key(json, "dispersion");
    json_object_begin(json);
    for (uint32_t f = 0; f < reference->grid->feature_count; f++) {
        const struct dispersion *dispersion = &reference->dispersion[f];
        double pairs[2 * DISPERSION_LEVELS];
        for (uint32_t level = 0; level < dispersion->levels; level++) {
            pairs[2 * level] = dispersion->pearson[level];
            pairs[2 * level + 1] = dispersion->score[level];
        }
        if (dispersion->levels)
            write_numbers(json, reference->grid->features[f].name, pairs, 2 * (size_t)dispersion->levels);
    }
    json_object_end(json);
}

/* ---- reading ---- */

static const cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Exactly `count` finite numbers. */
static bool read_numbers(const cJSON *object, const char *name, double *out, size_t count)
{
    const cJSON *array = member_of(object, name), *item;
    size_t at = 0;
    if (!cJSON_IsArray(array) || (size_t)cJSON_GetArraySize(array) != count)
        return false;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
            return false;
        out[at++] = item->valuedouble;
    }
    return true;
}

static bool read_number(const cJSON *object, const char *name, double least, double most, double *out)
{
    const cJSON *item = member_of(object, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= least && item->valuedouble <= most))
        return false;
    *out = item->valuedouble;
    return true;
}

static bool read_whole(const cJSON *object, const char *name, uint32_t least, uint32_t most, uint32_t *out)
{
    double number;
    if (!read_number(object, name, least, most, &number) || number != floor(number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static int read_mean(const cJSON *object, struct mean_embedding *mean, uint32_t d, const char **what)
{
    *what = "`bandwidth`, `seed`, `trace` or `trace2` is missing or out of range";
    if (!read_number(object, "bandwidth", 1e-9, 1e9, &mean->bandwidth) ||
        !read_whole(object, "seed", 0, UINT32_MAX, &mean->seed) ||
        !read_number(object, "trace", 0, 2, &mean->trace) ||
        !read_number(object, "trace2", 0, 4, &mean->trace2))
        return ERR_INVALID;
    return mean_embedding_prepare(mean, d);
}

static int read_features(const cJSON *object, struct reference *reference, struct multivariate *multivariate)
{
    const cJSON *array = member_of(object, "features"), *item;
    if (!cJSON_IsArray(array))
        return ERR_INVALID;
    cJSON_ArrayForEach(item, array)
    {
        const char *name = cJSON_GetStringValue(item);
        uint32_t f = name ? grid_find(reference->grid, text_of(name)) : UINT32_MAX, d = multivariate->d;
        if (f == UINT32_MAX || d == MULTIVARIATE_FEATURES_MAX || (d && f <= multivariate->feature[d - 1]))
            return ERR_INVALID;
        multivariate->feature[multivariate->d++] = f;
    }
    return multivariate->d ? 0 : ERR_INVALID;
}

static bool read_chunks(const cJSON *object, struct multivariate *multivariate)
{
    double pairs[2 * MULTIVARIATE_LEVELS];
    int count = cJSON_GetArraySize(member_of(object, "chunks"));
    if (count < 0 || count > 2 * MULTIVARIATE_LEVELS || count % 2 ||
        !read_numbers(object, "chunks", pairs, (size_t)count))
        return false;
    multivariate->level_count = (uint32_t)count / 2;
    for (uint32_t i = 0; i < multivariate->level_count; i++) {
        if (!(pairs[2 * i] > 0) || !(pairs[2 * i + 1] > 0))
            return false;
        multivariate->levels[i] = (struct multivariate_chunks){pairs[2 * i], pairs[2 * i + 1]};
    }
    return true;
}

static bool ascends(const double *edges)
{
    for (uint32_t i = 1; i < MULTIVARIATE_BINS - 1; i++)
        if (edges[i] < edges[i - 1])
            return false;
    return true;
}

static int read_pca(const cJSON *object, struct multivariate *multivariate, const char **what)
{
    uint32_t d = multivariate->d;
    if (!member_of(object, "components"))
        return 0; /* nothing varied */
    struct pca *pca = multivariate->pca = pca_alloc(d);
    if (!pca)
        return ERR_NOMEM;
    *what = "`components`, `explained` or `vectors` do not fit its features";
    if (!read_whole(object, "components", 1, d, &pca->components) ||
        !read_numbers(object, "explained", pca->explained, d) ||
        !read_numbers(object, "vectors", pca->vectors, (size_t)d * d))
        return ERR_INVALID;
    for (uint32_t i = 0; i < d; i++)
        pca->scale[i] = 1;
    for (size_t i = 0; i < (size_t)d * d; i++)
        if (fabs(pca->vectors[i]) > 1 + 1e-9)
            return ERR_INVALID;
    *what = "`error_edges` does not ascend, or `chunks` is no list of sizes and deviations";
    if (!read_numbers(object, "error_edges", multivariate->error_edges, MULTIVARIATE_BINS - 1) ||
        !read_chunks(object, multivariate) || !ascends(multivariate->error_edges))
        return ERR_INVALID;
    *what = "`distance_edges` does not ascend";
    multivariate->has_distance = member_of(object, "distance_edges") != NULL;
    if (multivariate->has_distance &&
        (!read_numbers(object, "distance_edges", multivariate->distance_edges, MULTIVARIATE_BINS - 1) ||
         !ascends(multivariate->distance_edges)))
        return ERR_INVALID;
    return 0;
}

int reference_read_multivariate(const cJSON *root, struct reference *reference, const char **what)
{
    const cJSON *object = member_of(root, "multivariate");
    if (!object)
        return 0;
    struct multivariate *multivariate = reference->multivariate = calloc(1, sizeof *multivariate);
    if (!multivariate)
        return ERR_NOMEM;
    *what = "`features` is no ascending list of 1 to 64 of the reference's features";
    int rc = read_features(object, reference, multivariate);
    if (rc == 0)
        rc = multivariate_encode(multivariate, reference);
    if (rc != 0)
        return rc;
    *what = "`mean` or `scale` does not fit its features";
    if (!read_numbers(object, "mean", multivariate->mean, multivariate->d) ||
        !read_numbers(object, "scale", multivariate->scale, multivariate->d))
        return ERR_INVALID;
    for (uint32_t i = 0; i < multivariate->d; i++)
        if (!(multivariate->scale[i] > 0))
            return ERR_INVALID;
    rc = read_mean(object, &multivariate->embedding, multivariate->d, what);
    return rc ? rc : read_pca(object, multivariate, what);
}

static bool read_null(const cJSON *object, struct centroid_null *null)
{
    const cJSON *array = member_of(object, "centroid_limits");
    double numbers[3 * CENTROID_BLOCKS];
    if (!array)
        return true;
    size_t count = cJSON_IsArray(array) ? (size_t)cJSON_GetArraySize(array) : 0;
    if (count == 0 || count > ARRAY_LEN(numbers) || count % 3 != 0 ||
        !read_numbers(object, "centroid_limits", numbers, count))
        return false;
    for (uint32_t i = 0; i < count / 3; i++) {
        const double *at = numbers + 3 * (size_t)i;
        if (!(at[0] >= 1 && at[0] <= 1e9) || at[0] != floor(at[0]) || (i && at[0] <= at[-3]) ||
            !(at[1] >= 0 && at[1] <= 2) || !(at[2] >= 0 && at[2] <= 2))
            return false;
        null->rows[i] = (uint32_t)at[0];
        null->limits[i] = (struct centroid_distance){.cosine = at[1], .euclidean = at[2]};
    }
    null->count = (uint32_t)(count / 3);
    return true;
}

int reference_read_embeddings(const cJSON *root, struct reference *reference, const char **what)
{
    const cJSON *object = member_of(root, "embeddings"), *item;
    if (!object)
        return 0;
    struct embeddings *embeddings = reference->embeddings = embeddings_new();
    if (!embeddings)
        return ERR_NOMEM;
    *what = "is not an object of at most 16 vectors of 1 to 4096 numbers, by ascending names";
    if (!cJSON_IsObject(object))
        return ERR_INVALID;
    cJSON_ArrayForEach(item, object)
    {
        uint32_t count = embeddings->count;
        struct embedding *embedding = &embeddings->items[count];
        if (count == EMBEDDINGS_MAX || strlen(item->string) == 0 || strlen(item->string) > 1024 ||
            (count && strcmp(embeddings->items[count - 1].name, item->string) >= 0) ||
            !read_whole(item, "dimension", 1, EMBEDDING_DIMENSION_MAX, &embedding->dimension))
            return ERR_INVALID;
        embedding->name = strdup(item->string);
        if (!embedding->name)
            return ERR_NOMEM;
        embeddings->count++;
        const char *inner;
        if (!read_null(item, &embedding->null)) {
            *what = "`centroid_limits` are not ascending sizes of blocks with two distances up to 2 each";
            return ERR_INVALID;
        }
        int rc = read_mean(item, &embedding->mean, embedding->dimension, &inner);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int reference_read_dispersion(const cJSON *root, struct reference *reference, const char **what)
{
    const cJSON *object = member_of(root, "dispersion"), *item;
    if (!object)
        return 0;
    *what = "is not an object of features with pairs of numbers from 1 that never fall";
    reference->dispersion = calloc(reference->grid->feature_count + 1u, sizeof *reference->dispersion);
    if (!reference->dispersion)
        return ERR_NOMEM;
    if (!cJSON_IsObject(object))
        return ERR_INVALID;
    cJSON_ArrayForEach(item, object)
    {
        uint32_t f = grid_find(reference->grid, text_of(item->string));
        int count = cJSON_GetArraySize(item);
        double pairs[2 * DISPERSION_LEVELS];
        if (f == UINT32_MAX || count <= 0 || count > 2 * DISPERSION_LEVELS || count % 2 ||
            !read_numbers(object, item->string, pairs, (size_t)count))
            return ERR_INVALID;
        struct dispersion *dispersion = &reference->dispersion[f];
        for (uint32_t level = 0; level < (uint32_t)count / 2; level++) {
            dispersion->pearson[level] = pairs[2 * level];
            dispersion->score[level] = pairs[2 * level + 1];
            if (!(pairs[2 * level] >= (level ? pairs[2 * level - 2] : 1)) ||
                !(pairs[2 * level + 1] >= (level ? pairs[2 * level - 1] : 1)))
                return ERR_INVALID;
        }
        dispersion->levels = (uint32_t)count / 2;
    }
    return 0;
}
