#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "detectors/grid_build.h"
#include "detectors/reference_multivariate.h"
#include "detectors/reference_private.h"

/*
 * Reading what reference_write.c wrote, or what somebody made of it since. Everything is checked before it is
 * used: a grid with falling edges or a sum that its counts cannot give would make wrong findings for months.
 */
enum { FAMILY_ENTRIES_MAX = 1 << 20 };
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

struct reader {
    struct err *err;
    const char *feature; /* NULL at the top */
    uint64_t rows;
};

static int wrong(const struct reader *reader, const char *member, const char *what)
{
    if (!reader->feature)
        return err_set(reader->err, ERR_INVALID, "reference: `%s` %s", member, what);
    return err_set(reader->err, ERR_INVALID, "reference: feature `%.80s`: `%s` %s", reader->feature, member,
                   what);
}

static const cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static int read_text(const struct reader *reader, const cJSON *object, const char *name, const char **out)
{
    const cJSON *item = member_of(object, name);
    if (!cJSON_IsString(item) || strlen(item->valuestring) > REFERENCE_TEXT_MAX)
        return wrong(reader, name, "is not a text of at most 1024 bytes");
    *out = item->valuestring;
    return 0;
}

bool reference_as_count(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= EXACT_MAX) ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *out = (uint64_t)item->valuedouble;
    return true;
}

static int read_count(const struct reader *reader, const cJSON *object, const char *name, uint64_t *out)
{
    if (!reference_as_count(member_of(object, name), out))
        return wrong(reader, name, "is not a count (an integer from 0 to 2^53)");
    return 0;
}

static int read_number(const struct reader *reader, const cJSON *object, const char *name, double *out)
{
    const cJSON *item = member_of(object, name);
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        return wrong(reader, name, "is not a finite number");
    *out = item->valuedouble;
    return 0;
}

static int read_time(const struct reader *reader, const cJSON *object, const char *name, int64_t *out_ms)
{
    const cJSON *item = member_of(object, name);
    if (cJSON_IsNull(item))
        *out_ms = INT64_MIN;
    else if (!cJSON_IsString(item) || !timestamp_parse(text_of(item->valuestring), out_ms))
        return wrong(reader, name, "is neither null nor a time such as 2026-03-01T00:00:00Z");
    return 0;
}

static int read_edges(const struct reader *reader, const cJSON *object, double *edges, uint32_t *out_count)
{
    const cJSON *array = member_of(object, "edges"), *item;
    uint32_t count = 0;
    if (!cJSON_IsArray(array))
        return wrong(reader, "edges", "is not an array");
    cJSON_ArrayForEach(item, array)
    {
        if (count == GRID_EDGES_MAX)
            return wrong(reader, "edges", "has more than 252 entries");
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
            return wrong(reader, "edges", "holds something that is not a finite number");
        if (count && !(item->valuedouble > edges[count - 1]))
            return wrong(reader, "edges", "does not ascend");
        edges[count++] = item->valuedouble;
    }
    if (count == 1)
        return wrong(reader, "edges", "has a single entry: a bin has two ends");
    *out_count = count;
    return 0;
}

/* Sizes of groups to the group of each bin. */
static int read_groups(const struct reader *reader, const cJSON *object, const char *name, uint32_t max,
                       uint32_t bin_count, uint8_t *out_group)
{
    const cJSON *array = member_of(object, name), *item;
    uint32_t bin = 0, group = 0;
    if (!cJSON_IsArray(array))
        return wrong(reader, name, "is not an array");
    cJSON_ArrayForEach(item, array)
    {
        uint64_t size;
        if (!reference_as_count(item, &size) || size == 0 || size > bin_count - bin || group == max)
            return wrong(reader, name, "does not divide the bins into groups, or into too many");
        for (; size; size--)
            out_group[bin++] = (uint8_t)group;
        group++;
    }
    return bin == bin_count ? 0 : wrong(reader, name, "does not cover all bins");
}

static int check_nesting(const struct reader *reader, const uint8_t *coarse, const uint8_t *psi,
                         uint32_t bin_count)
{
    for (uint32_t bin = 1; bin < bin_count; bin++)
        if (psi[bin] != psi[bin - 1] && coarse[bin] == coarse[bin - 1])
            return wrong(reader, "psi_bins", "cuts through one of `coarse_bins`");
    return 0;
}

static int read_numeric_grid(const struct reader *reader, const cJSON *object, struct feature_grid *feature)
{
    double edges[GRID_EDGES_MAX], location = 0, scale = 1;
    uint8_t coarse[GRID_EDGES_MAX], psi[GRID_EDGES_MAX];
    uint32_t edge_count = 0;
    const cJSON *discrete = member_of(object, "discrete");
    if (!cJSON_IsBool(discrete))
        return wrong(reader, "discrete", "is neither true nor false");
    int rc = read_edges(reader, object, edges, &edge_count);
    uint32_t bins = edge_count ? edge_count - 1 : 0;
    if (rc == 0)
        rc = read_number(reader, object, "location", &location);
    if (rc == 0)
        rc = read_number(reader, object, "scale", &scale);
    if (rc == 0 && !(scale > 0))
        rc = wrong(reader, "scale", "is not above 0");
    if (rc == 0)
        rc = read_groups(reader, object, "coarse_bins", GRID_COARSE_BINS, bins, coarse);
    if (rc == 0)
        rc = read_groups(reader, object, "psi_bins", GRID_PSI_BINS, bins, psi);
    if (rc == 0)
        rc = check_nesting(reader, coarse, psi, bins);
    return rc ? rc
              : feature_grid_set_numeric(feature, edges, edge_count, cJSON_IsTrue(discrete), location, scale,
                                         coarse, psi);
}

static bool parse_hash(const cJSON *item, uint64_t *out)
{
    const char *text = cJSON_GetStringValue(item);
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

static int read_known(const struct reader *reader, const cJSON *object, uint64_t **out, uint32_t *out_count)
{
    const cJSON *array = member_of(object, "other_hashes"), *item;
    if (!cJSON_IsArray(array))
        return wrong(reader, "other_hashes", "is not an array");
    int size = cJSON_GetArraySize(array);
    if (size > GRID_KNOWN_MAX)
        return wrong(reader, "other_hashes", "has too many entries");
    uint64_t *hashes = malloc(((size_t)size + 1) * sizeof(*hashes));
    if (!hashes)
        return ERR_NOMEM;
    *out = hashes;
    *out_count = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (!parse_hash(item, &hashes[*out_count]))
            return wrong(reader, "other_hashes", "holds something that is not 16 hexadecimal digits");
        if (*out_count && hashes[*out_count] <= hashes[*out_count - 1])
            return wrong(reader, "other_hashes", "does not ascend");
        ++*out_count;
    }
    return 0;
}

static int read_categorical_grid(const struct reader *reader, const cJSON *object,
                                 struct feature_grid *feature)
{
    struct text names[GRID_CATEGORIES_MAX];
    uint32_t count = 0, known_count = 0;
    uint64_t *known = NULL;
    const cJSON *categories = member_of(object, "categories"), *item;
    if (!cJSON_IsObject(categories))
        return wrong(reader, "categories", "is not an object of names and counts");
    cJSON_ArrayForEach(item, categories)
    {
        struct text name = text_of(item->string);
        if (count == GRID_CATEGORIES_MAX || name.len > GRID_CATEGORY_BYTES_MAX)
            return wrong(reader, "categories", "has more than 64 names, or one of more than 256 bytes");
        for (uint32_t i = 0; i < count; i++)
            if (text_equal(names[i], name))
                return wrong(reader, "categories", "has a name twice");
        names[count++] = name;
    }
    int rc = read_known(reader, object, &known, &known_count);
    if (rc == 0)
        rc = feature_grid_set_categories(feature, names, count, known, known_count);
    free(known);
    return rc;
}

static int read_feature_grid(struct reader *reader, const cJSON *object, struct feature_grid *feature)
{
    reader->feature = object->string;
    const char *type = cJSON_GetStringValue(member_of(object, "type"));
    if (strlen(object->string) == 0 || strlen(object->string) > REFERENCE_TEXT_MAX)
        return wrong(reader, "name", "is empty or longer than 1024 bytes");
    feature->name = strdup(object->string);
    if (!feature->name)
        return ERR_NOMEM;
    if (type && strcmp(type, "numeric") == 0)
        return read_numeric_grid(reader, object, feature);
    if (type && strcmp(type, "categorical") == 0)
        return read_categorical_grid(reader, object, feature);
    return wrong(reader, "type", "is neither \"numeric\" nor \"categorical\"");
}

static int read_grid(struct reader *reader, const cJSON *root, struct grid **out)
{
    const cJSON *features = member_of(root, "features"), *item;
    const char *id = NULL;
    int size = cJSON_IsObject(features) ? cJSON_GetArraySize(features) : 0;
    if (size < 1 || size > GRID_FEATURES_MAX)
        return wrong(reader, "features", "is not an object of 1 to 4096 features");
    struct grid *grid = grid_new((uint32_t)size);
    if (!grid)
        return ERR_NOMEM;
    *out = grid;
    struct feature_grid *feature = grid->features;
    cJSON_ArrayForEach(item, features)
    {
        int rc = read_feature_grid(reader, item, feature++);
        if (rc != 0)
            return rc;
    }
    reader->feature = NULL;
    int rc = grid_finish(grid);
    for (int i = 1; i < size && rc == 0; i++)
        if (strcmp(grid->features[i - 1].name, grid->features[i].name) == 0)
            rc = wrong(reader, "features", "has a name twice");
    if (rc == 0)
        rc = read_text(reader, root, "grid", &id);
    if (rc == 0 && strcmp(id, grid->id) != 0)
        rc = err_set(
            reader->err, ERR_CORRUPT,
            "reference: edges or categories do not give the grid id %.20s that it names (they give %s): they "
            "were changed after it was built; build it again",
            id, grid->id);
    return rc;
}

/* ----------------------------------------------------------------- counters */

static bool parse_sum(const char *text, int128 *out)
{
    if (!text)
        return false;
    bool negative = *text == '-';
    text += negative;
    size_t len = strlen(text);
    if (len == 0 || len > 38 || strspn(text, "0123456789") != len) /* 38 digits stay below 2^127 */
        return false;
    int128 sum = 0;
    for (; *text; text++)
        sum = sum * 10 + (*text - '0');
    *out = negative ? -sum : sum;
    return true;
}

/* The largest |sum| that so many values can have. */
static bool sum_fits(int128 sum, uint64_t values)
{
    int128 most = ((int128)1 << 48) * (int128)values;
    return sum <= most && sum >= -most;
}

static int read_sums(const struct reader *reader, const cJSON *object, const uint64_t *counts,
                     const struct feature_grid *feature, int128 *sums)
{
    const cJSON *array = member_of(object, "sums"), *item;
    uint32_t count = 0;
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != FEATURE_SUMS)
        return wrong(reader, "sums", "is not an array of 4 integers in quotes");
    cJSON_ArrayForEach(item, array)
    {
        if (!parse_sum(cJSON_GetStringValue(item), &sums[count++]))
            return wrong(reader, "sums", "is not an array of 4 integers in quotes");
    }
    uint64_t valid = 0;
    for (uint32_t slot = 0; slot <= feature->edge_count; slot++)
        valid += counts[slot];
    uint64_t above = feature->edge_count ? counts[feature->edge_count] : 0;
    if (!sum_fits(sums[0], valid) || sums[1] < 0 || !sum_fits(sums[1], valid) ||
        !sum_fits(sums[2], counts[0]) || !sum_fits(sums[3], above))
        return wrong(reader, "sums", "is more than the counts can give");
    return 0;
}

static int read_numeric_counts(const struct reader *reader, const cJSON *object, struct reference *reference,
                               uint32_t f)
{
    const struct feature_grid *feature = &reference->grid->features[f];
    uint64_t *counts = reference->features->counters + reference->layout->slot_at[f], above = 0;
    uint32_t bins = feature->edge_count ? feature->edge_count - 1u : 0, bin = 0;
    const cJSON *array = member_of(object, "counts"), *item;
    if (!cJSON_IsArray(array) || (uint32_t)cJSON_GetArraySize(array) != bins)
        return wrong(reader, "counts", "does not have one entry per bin");
    cJSON_ArrayForEach(item, array)
    {
        if (!reference_as_count(item, &counts[1 + bin++]))
            return wrong(reader, "counts", "holds something that is not a count");
    }
    int rc = read_count(reader, object, "below", &counts[0]);
    if (rc == 0)
        rc = read_count(reader, object, "above", &above);
    if (rc == 0 && feature->edge_count)
        counts[feature->edge_count] = above;
    if (rc == 0 && !feature->edge_count && above)
        rc = wrong(reader, "above", "is not 0 though there are no edges");
    if (rc == 0)
        rc = read_count(reader, object, "clipped",
                        &reference->features->counters[reference->layout->clipped_at[f]]);
    return rc ? rc
              : read_sums(reader, object, counts, feature,
                          reference->features->sums + reference->layout->sums_at[f]);
}

static int read_categorical_counts(const struct reader *reader, const cJSON *object,
                                   struct reference *reference, uint32_t f)
{
    const struct feature_grid *feature = &reference->grid->features[f];
    uint64_t *counts = reference->features->counters + reference->layout->slot_at[f];
    const cJSON *item;
    uint32_t slot = 0;
    cJSON_ArrayForEach(item, member_of(object, "categories"))
    {
        if (!reference_as_count(item, &counts[slot++]))
            return wrong(reader, "categories", "holds something that is not a count");
    }
    int rc = read_count(reader, object, "other", &counts[feature_slot_other(feature)]);
    return rc ? rc : read_count(reader, object, "unseen", &counts[feature_slot_unseen(feature)]);
}

static int read_feature_counts(struct reader *reader, const cJSON *object, struct reference *reference)
{
    uint32_t f = grid_find(reference->grid, text_of(object->string));
    const struct feature_grid *feature = &reference->grid->features[f];
    uint64_t *counts = reference->features->counters + reference->layout->slot_at[f], total = 0;
    bool numeric = feature->type == FEATURE_NUMERIC;
    reader->feature = object->string;
    int rc = numeric ? read_numeric_counts(reader, object, reference, f)
                     : read_categorical_counts(reader, object, reference, f);
    if (rc == 0)
        rc = read_count(reader, object, "missing", &counts[feature_slot_missing(feature, GRID_FINE)]);
    if (rc == 0)
        rc = read_count(reader, object, "invalid", &counts[feature_slot_invalid(feature, GRID_FINE)]);
    for (uint32_t slot = 0; slot < feature->slot_count[GRID_FINE]; slot++)
        total += counts[slot]; /* at most 255 · 2^53 */
    if (rc == 0 && total > reader->rows)
        rc = wrong(reader, numeric ? "counts" : "categories", "add up to more than `rows`");
    if (rc == 0 && numeric && reference->features->counters[reference->layout->clipped_at[f]] > total)
        rc = wrong(reader, "clipped", "is more than all counts");
    reader->feature = NULL;
    return rc;
}

/* Index and value in turns, ascending. */
static int read_sparse(const struct reader *reader, const cJSON *object, const char *name, uint32_t size,
                       bool (*set)(struct tally *tally, uint32_t at, const cJSON *value), struct tally *tally)
{
    const cJSON *array = member_of(object, name);
    uint64_t next = 0;
    if (!cJSON_IsArray(array))
        return wrong(reader, name, "is not an array");
    for (const cJSON *item = array->child; item; item = item->next->next) {
        uint64_t at;
        if (!reference_as_count(item, &at) || at < next || at >= size || !item->next ||
            !set(tally, (uint32_t)at, item->next))
            return wrong(reader, name, "is not a list of ascending places and values");
        next = at + 1;
    }
    return 0;
}

static bool set_counter(struct tally *tally, uint32_t at, const cJSON *value)
{
    return reference_as_count(value, &tally->counters[at]);
}

static bool set_sum(struct tally *tally, uint32_t at, const cJSON *value)
{
    return cJSON_IsString(value) && parse_sum(value->valuestring, &tally->sums[at]);
}

/* What write_tally wrote. */
static int read_tally(const struct reader *reader, const cJSON *item, struct tally **out)
{
    uint64_t counters, sums;
    int rc = read_count(reader, item, "counter_count", &counters);
    if (rc == 0)
        rc = read_count(reader, item, "sum_count", &sums);
    if (rc == 0 && (counters > FAMILY_ENTRIES_MAX || sums > FAMILY_ENTRIES_MAX))
        rc = wrong(reader, "counter_count", "or `sum_count` is beyond anything counted");
    if (rc != 0)
        return rc;
    struct tally_size size = {(uint32_t)counters, (uint32_t)sums};
    *out = tally_new(size);
    if (!*out)
        return ERR_NOMEM;
    rc = read_sparse(reader, item, "counters", size.counters, set_counter, *out);
    return rc ? rc : read_sparse(reader, item, "sums", size.sums, set_sum, *out);
}

/* A family that this program does not know, or counts otherwise, is passed over: it will be compared with
 * nothing. */
static int read_family(struct reader *reader, const cJSON *item, struct reference *reference)
{
    int family = 0;
    while (family < COUNT_FAMILY_COUNT && strcmp(family_table[family]->name, item->string) != 0)
        family++;
    reader->feature = item->string;
    struct tally *unknown = NULL;
    struct tally **out = family < COUNT_FAMILY_COUNT ? &reference->counts[family] : &unknown;
    tally_free(*out);
    *out = NULL;
    int rc = read_tally(reader, item, out);
    tally_free(unknown);
    return rc;
}

static int read_segment(struct reader *reader, const cJSON *item, struct reference *reference)
{
    reader->feature = item->string;
    struct reference_segment *segment = reference_add_segment(reference, text_of(item->string));
    if (!segment)
        return wrong(reader, "segments", "are too many, or not in the order of their names");
    tally_free(segment->features);
    segment->features = NULL;
    int rc = read_tally(reader, item, &segment->features);
    const struct tally_size *size = &reference->coarse->size;
    if (rc == 0 &&
        (segment->features->size.counters != size->counters || segment->features->size.sums != size->sums))
        rc = wrong(reader, "counter_count", "or `sum_count` does not fit the features");
    return rc;
}

/* Names of fields that are no features; none, when it is not there. */
static int read_ignored(const struct reader *reader, const cJSON *root, struct reference *reference)
{
    const cJSON *array = member_of(root, "ignored"), *item;
    if (array && (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > REFERENCE_IGNORED_MAX))
        return wrong(reader, "ignored", "is not an array of at most 4096 names");
    const char *before = "";
    cJSON_ArrayForEach(item, array)
    {
        const char *name = cJSON_GetStringValue(item);
        if (!name || strcmp(before, name) >= 0)
            return wrong(reader, "ignored", "is not an ascending list of names");
        int rc = reference_ignore(reference, text_of(name));
        if (rc != 0)
            return rc;
        before = name;
    }
    return 0;
}

static int read_classes(const struct reader *reader, const cJSON *object, struct label_classes *classes)
{
    const cJSON *list = member_of(object, "classes"), *item;
    const char *before = NULL;
    if (!list)
        return 0;
    if (!cJSON_IsObject(list) || cJSON_GetArraySize(list) > LABEL_CLASSES_MAX)
        return wrong(reader, "classes", "is not an object of at most 64 members");
    cJSON_ArrayForEach(item, list)
    {
        uint64_t labels;
        if (!reference_as_count(item, &labels) || (before && strcmp(before, item->string) >= 0))
            return wrong(reader, "classes", "does not hold counts by ascending names");
        before = item->string;
        int rc = label_classes_add(classes, text_of(item->string), labels);
        if (rc != 0)
            return rc;
    }
    return read_count(reader, object, "other_classes", &classes->other);
}

static int read_chunks(const struct reader *reader, const cJSON *object, struct labelled *labelled)
{
    const cJSON *array = member_of(object, "chunks"), *item;
    struct tally_size ours = outcomes_size();
    int rc = read_number(reader, object, "unit", &labelled->unit);
    if (rc == 0 && !(labelled->unit > 0))
        rc = wrong(reader, "unit", "is not above 0");
    if (rc == 0 && (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > LABELLED_CHUNKS))
        rc = wrong(reader, "chunks", "is not an array of at most 10 entries");
    if (rc != 0)
        return rc;
    cJSON_ArrayForEach(item, array)
    {
        struct tally **chunk = &labelled->chunks[labelled->chunk_count++];
        rc = read_tally(reader, item, chunk);
        if (rc != 0)
            return rc;
        if ((*chunk)->size.counters != ours.counters || (*chunk)->size.sums != ours.sums)
            return wrong(reader, "chunks", "was counted by another version of this program: build it again");
    }
    rc = read_classes(reader, object, &labelled->classes);
    return rc ? rc : labelled_finish(labelled);
}

static int read_labelled(struct reader *reader, const cJSON *root, struct reference *reference)
{
    const cJSON *object = member_of(root, "labelled");
    if (!object)
        return 0;
    reader->feature = "labelled";
    reference->labelled = labelled_new(1);
    return reference->labelled ? read_chunks(reader, object, reference->labelled) : ERR_NOMEM;
}

static int read_head(struct reader *reader, const cJSON *root, struct reference *reference)
{
    const char *name = NULL, *model = NULL, *version = NULL, *source = NULL;
    int rc = read_text(reader, root, "name", &name);
    if (rc == 0)
        rc = read_text(reader, root, "model", &model);
    if (rc == 0)
        rc = read_text(reader, root, "version", &version);
    if (rc == 0)
        rc = read_text(reader, root, "source", &source);
    if (rc == 0)
        rc = read_time(reader, root, "from", &reference->from_ms);
    if (rc == 0)
        rc = read_time(reader, root, "to", &reference->to_ms);
    reference->rows = reader->rows;
    reference->features->counters[0] = reader->rows;
    return rc ? rc : reference_set_texts(reference, name, model, version, source);
}

/* Whoever edits a reference by hand says so by deleting the hash. */
static int check_hash(const struct reader *reader, const cJSON *root, struct reference *reference)
{
    int rc = reference_seal(reference);
    const cJSON *item = member_of(root, "hash");
    if (rc != 0 || !item)
        return rc;
    if (!cJSON_IsString(item) || strcmp(item->valuestring, reference->hash) != 0)
        return err_set(
            reader->err, ERR_CORRUPT,
            "reference: its content does not give the hash that it names: it was changed after it was "
            "built; build it again, or delete `hash` to accept the change");
    return 0;
}

/* What belongs to families that count by the reference. */
static int read_models(const struct reader *reader, const cJSON *root, struct reference *reference)
{
    const char *what = "";
    int rc = reference_read_multivariate(root, reference, &what);
    if (rc == ERR_INVALID)
        return wrong(reader, "multivariate", what);
    if (rc == 0)
        rc = reference_read_embeddings(root, reference, &what);
    if (rc == ERR_INVALID)
        return wrong(reader, "embeddings", what);
    if (rc == 0)
        rc = reference_read_dispersion(root, reference, &what);
    if (rc == ERR_INVALID)
        return wrong(reader, "dispersion", what);
    if (rc == 0)
        rc = reference_read_values(root, reference, &what);
    if (rc == ERR_INVALID)
        return wrong(reader, "distinct", what);
    if (rc == 0)
        rc = reference_read_groups(root, reference, &what);
    return rc == ERR_INVALID ? wrong(reader, "groups", what) : rc;
}

static int read_duplicates(const struct reader *reader, const cJSON *root, struct reference *reference)
{
    struct duplicate_counts *duplicates = &reference->duplicates;
    const cJSON *object = member_of(root, "duplicates");
    if (!object)
        return 0;
    int rc = read_count(reader, object, "events", &duplicates->events);
    if (rc == 0)
        rc = read_count(reader, object, "again", &duplicates->again);
    if (rc == 0 && (duplicates->events == 0 || duplicates->again > duplicates->events))
        rc = wrong(reader, "duplicates", "does not have `again` of at least one of `events`");
    return rc;
}

static int read_root(struct reader *reader, const cJSON *root, struct reference **out)
{
    const char *format = cJSON_GetStringValue(member_of(root, "format"));
    if (!format || strcmp(format, REFERENCE_FORMAT) != 0)
        return wrong(reader, "format",
                     "is not \"" REFERENCE_FORMAT "\": not a reference of this program's version");
    int rc = read_count(reader, root, "rows", &reader->rows);
    struct grid *grid = NULL;
    if (rc == 0)
        rc = read_grid(reader, root, &grid);
    if (rc != 0) {
        grid_free(grid);
        return rc;
    }
    struct reference *reference = reference_of_grid(grid);
    if (!reference)
        return ERR_NOMEM;
    rc = read_head(reader, root, reference);
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(root, "features"))
    {
        if (rc == 0)
            rc = read_feature_counts(reader, item, reference);
    }
    if (rc == 0)
        rc = read_ignored(reader, root, reference);
    if (rc == 0)
        rc = reference_derive(reference);
    cJSON_ArrayForEach(item, member_of(root, "segments"))
    {
        if (rc == 0)
            rc = read_segment(reader, item, reference);
    }
    cJSON_ArrayForEach(item, member_of(root, "families"))
    {
        if (rc == 0)
            rc = read_family(reader, item, reference);
    }
    if (rc == 0)
        rc = read_labelled(reader, root, reference);
    if (rc == 0)
        rc = read_duplicates(reader, root, reference);
    reader->feature = NULL;
    if (rc == 0)
        rc = read_models(reader, root, reference);
    if (rc == 0)
        rc = check_hash(reader, root, reference);
    if (rc == 0)
        *out = reference;
    else
        reference_free(reference);
    return rc;
}

int reference_read(const char *bytes, size_t len, struct reference **out, struct err *err)
{
    struct reader reader = {.err = err};
    if (len > REFERENCE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "reference: longer than 64 MiB");
    const char *end = NULL;
    cJSON *root = len ? cJSON_ParseWithLengthOpts(bytes, len, &end, false) : NULL;
    for (; root && end < bytes + len; end++)
        if (!strchr(" \t\r\n", *end)) { /* NUL counts as white space */
            cJSON_Delete(root);
            return err_set(err, ERR_INVALID, "reference: there is more behind the JSON object");
        }
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return err_set(err, ERR_INVALID, "reference: not a JSON object");
    }
    int rc = read_root(&reader, root, out);
    cJSON_Delete(root);
    if (rc == ERR_NOMEM)
        (void)err_set(err, rc, "out of memory while reading a reference");
    return rc;
}
