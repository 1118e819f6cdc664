#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "detectors/cardinality.h"
#include "detectors/reference_private.h"
#include "detectors/sample.h"

/* What a reference knows of different values (cardinality.h): counted from its sample; in JSON the hashes in
 * hexadecimal, since numbers end at 2^53. */

enum { HASH_HEX = 16 };

struct value_study {
    struct distinct_sketch *into;
    const char *const *features;
    uint32_t hints[CARDINALITY_FEATURES_MAX];
};

static int count_values(void *context, const struct event *ev, uint64_t times)
{
    struct value_study *study = context;
    return cardinality_add(study->into, study->features, study->hints, ev, times);
}

int reference_count_values(struct reference *reference, const struct sample *sample,
                           const struct reference_options *options)
{
    const char *const *features = options->cardinality ? options->cardinality
                                  : options->options   ? options->options->cardinality
                                                       : NULL;
    if (!features)
        return 0;
    if (!(reference->distinct = distinct_sketch_new()))
        return ERR_NOMEM;
    struct value_study study = {.into = reference->distinct, .features = features};
    int rc = sample_each(sample, count_values, &study);
    if (rc == 0 && distinct_sketch_is_empty(reference->distinct)) {
        distinct_sketch_free(reference->distinct);
        reference->distinct = NULL;
    }
    return rc;
}

/* ---- JSON ---- */

static void write_values(struct json *json, const struct distinct_values *values)
{
    json_key_text(json, values->feature);
    json_object_begin(json);
    json_member_unsigned(json, "n", values->n);
    reference_row_begin(json, "hashes");
    for (uint32_t i = 0; i < values->count; i++) {
        unsigned char bytes[HASH_HEX / 2];
        char hex[HASH_HEX + 1];
        for (unsigned k = 0; k < sizeof(bytes); k++)
            bytes[k] = (unsigned char)(values->entries[i].hash >> (56 - 8 * k));
        json_string(json, hex_encode(bytes, sizeof(bytes), hex));
    }
    reference_row_end(json);
    reference_row_begin(json, "times");
    for (uint32_t i = 0; i < values->count; i++)
        json_unsigned(json, values->entries[i].times);
    reference_row_end(json);
    json_object_end(json);
}

void reference_write_values(struct json *json, const struct reference *reference)
{
    struct distinct_values values;
    if (!reference->distinct)
        return;
    json_key(json, "distinct");
    json_object_begin(json);
    for (uint32_t i = 0; distinct_sketch_nth(reference->distinct, i, &values); i++)
        write_values(json, &values);
    json_object_end(json);
}

/* Of what was seen. */
static bool as_positive(const cJSON *item, uint64_t *out)
{
    return reference_as_count(item, out) && *out > 0;
}

static bool as_hash(const cJSON *item, uint64_t *out)
{
    const char *hex = cJSON_GetStringValue(item);
    if (!hex || strlen(hex) != HASH_HEX || strspn(hex, "0123456789abcdef") != HASH_HEX)
        return false;
    *out = strtoull(hex, NULL, 16);
    return true;
}

static bool read_values(const cJSON *object, struct distinct_values *out)
{
    const cJSON *hashes = cJSON_GetObjectItemCaseSensitive(object, "hashes"), *hash;
    const cJSON *times = cJSON_GetObjectItemCaseSensitive(object, "times");
    *out = (struct distinct_values){.feature = text_of(object->string)};
    if (!cJSON_IsArray(hashes) || !cJSON_IsArray(times) || out->feature.len > DISTINCT_NAME_BYTES_MAX ||
        !as_positive(cJSON_GetObjectItemCaseSensitive(object, "n"), &out->n))
        return false;
    const cJSON *time = times->child;
    cJSON_ArrayForEach(hash, hashes)
    {
        if (out->count == DISTINCT_K || !time || !as_hash(hash, &out->entries[out->count].hash) ||
            !as_positive(time, &out->entries[out->count].times))
            return false;
        out->count++;
        time = time->next;
    }
    return !time;
}

int reference_read_values(const cJSON *root, struct reference *reference, const char **what)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, "distinct"), *item;
    uint32_t count = 0;
    if (!object)
        return 0;
    *what = "is not an object of at most 32 features with `n`, ascending `hashes` (16 digits) and as many "
            "`times`";
    if (!cJSON_IsObject(object))
        return ERR_INVALID;
    if (!(reference->distinct = distinct_sketch_new()))
        return ERR_NOMEM;
    cJSON_ArrayForEach(item, object)
    {
        struct distinct_values values, before;
        if (count++ == DISTINCT_FEATURES || !read_values(item, &values) ||
            distinct_sketch_values(reference->distinct, values.feature, &before))
            return ERR_INVALID;
        int rc = distinct_sketch_add_values(reference->distinct, &values);
        if (rc != 0)
            return rc;
    }
    return 0;
}
