#include "detectors/reference_multivariate.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"

/*
 * The model of embeddings: which features are vectors, of which dimension, and the kernel of each. Names that
 * the grid has are scalars most of the time and no embeddings unless asked for.
 */
enum { FOUND_MAX = 256, KERNEL_NUMBERS_MAX = 1 << 22 };

/* Vectors of one name and dimension. */
struct found {
    struct text name; /* in the sample's rows */
    uint32_t dimension;
    uint64_t weight;
};

struct search {
    const struct reference *reference;
    const struct reference_options *options;
    const struct sample *sample;
    struct sample_reader reader;
    uint32_t *order;
    struct found found[FOUND_MAX];
    uint32_t count;
};

static bool is_wanted(const struct search *search, struct text name)
{
    char **names = search->options->options ? search->options->options->embeddings : NULL;
    if (!names)
        return name.len > 0 && grid_find(search->reference->grid, name) == UINT32_MAX &&
               !reference_excludes(search->options->exclude, name);
    for (; *names; names++)
        if (text_equal(text_of(*names), name))
            return true;
    return false;
}

static void note(struct search *search, const struct field *field, uint64_t times)
{
    const struct value *value = &field->value;
    if (value->type != VALUE_VECTOR || !value->vector || value->count == 0 ||
        value->count > EMBEDDING_DIMENSION_MAX)
        return;
    for (uint32_t i = 0; i < search->count; i++)
        if (search->found[i].dimension == value->count && text_equal(search->found[i].name, field->name)) {
            search->found[i].weight += times;
            return;
        }
    if (search->count < FOUND_MAX && is_wanted(search, field->name))
        search->found[search->count++] = (struct found){field->name, value->count, times};
}

static int find_vectors(struct search *search)
{
    for (uint32_t i = 0; i < sample_row_count(search->sample); i++) {
        struct event ev;
        uint64_t times;
        int rc = sample_row_read(search->sample, search->order[i], &search->reader, &ev, &times);
        for (uint32_t f = 0; rc == 0 && f < ev.features.count; f++)
            note(search, &ev.features.items[f], times);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* By name; the most frequent dimension first, of equally frequent ones the smaller. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = text_compare(x->name, y->name);
    if (order)
        return order;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return (x->dimension > y->dimension) - (x->dimension < y->dimension);
}

static int compare_weights(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return text_compare(x->name, y->name);
}

/* One entry per name; of too many names those that are there most often; then by name. */
static void choose(struct search *search)
{
    uint32_t kept = 0;
    qsort(search->found, search->count, sizeof search->found[0], compare_found);
    for (uint32_t i = 0; i < search->count; i++)
        if (kept == 0 || !text_equal(search->found[kept - 1].name, search->found[i].name))
            search->found[kept++] = search->found[i];
    qsort(search->found, kept, sizeof search->found[0], compare_weights);
    search->count = kept < EMBEDDINGS_MAX ? kept : EMBEDDINGS_MAX;
    qsort(search->found, search->count, sizeof search->found[0], compare_found);
}

static int build_kernel(struct search *search, struct embedding *embedding)
{
    uint32_t d = embedding->dimension, rows = sample_row_count(search->sample), n = 0;
    uint32_t most = KERNEL_NUMBERS_MAX / d < MEAN_ROWS ? KERNEL_NUMBERS_MAX / d : MEAN_ROWS;
    double *units = malloc(((size_t)most + 1) * d * sizeof *units);
    double *weight = malloc(((size_t)most + 1) * sizeof *weight);
    int rc = units && weight ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < rows && n < most; i++) {
        struct event ev;
        uint64_t times;
        rc = sample_row_read(search->sample, search->order[i], &search->reader, &ev, &times);
        if (rc == 0 && embedding_unit(embedding_value(&ev, text_of(embedding->name)), d,
                                      units + (size_t)n * d) == EMBEDDING_COUNTED)
            weight[n++] = (double)times;
    }
    if (rc == 0)
        rc = mean_embedding_build(&embedding->mean, units, weight, n, d);
    if (rc == 0) /* the seed is what the rows say: the reference's hash is not known before this */
        rc = centroid_null_build(
            &embedding->null, units, weight, n, d,
            hash64(units, (size_t)n * d * sizeof *units, hash_text(text_of(embedding->name), 0)));
    free(units);
    free(weight);
    return rc;
}

static int build_model(struct search *search, struct embeddings **out)
{
    *out = embeddings_new();
    if (!*out)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < search->count; i++) {
        struct embedding *embedding = &(*out)->items[(*out)->count];
        embedding->dimension = search->found[i].dimension;
        embedding->name = strndup(search->found[i].name.ptr, search->found[i].name.len);
        if (!embedding->name)
            return ERR_NOMEM;
        (*out)->count++;
        int rc = build_kernel(search, embedding);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int count_all(struct search *search, struct tally **tally)
{
    const struct family_ops *ops = &embeddings_family;
    struct event ev;
    struct count_input input = {.reference = search->reference, .event = &ev};
    *tally = tally_new(ops->size(NULL, search->reference));
    int rc = *tally ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < sample_row_count(search->sample); i++) {
        uint64_t times;
        rc = sample_row_read(search->sample, search->order[i], &search->reader, &ev, &times);
        if (rc == 0 && ev.features.count > 0)
            ops->add(*tally, &input, times);
    }
    return rc;
}

int reference_build_embeddings(struct reference *reference, const struct sample *sample,
                               const struct reference_options *options)
{
    struct search *search = calloc(1, sizeof *search);
    if (!search)
        return ERR_NOMEM;
    search->reference = reference;
    search->options = options;
    search->sample = sample;
    search->order = malloc(((size_t)sample_row_count(sample) + 1) * sizeof *search->order);
    int rc = sample_reader_init(&search->reader) == 0 && search->order ? 0 : ERR_NOMEM;
    if (rc == 0) {
        sample_row_order(sample, search->order);
        rc = find_vectors(search);
    }
    if (rc == 0) {
        choose(search);
        rc = search->count ? build_model(search, &reference->embeddings) : 0;
    }
    if (rc == 0 && reference->embeddings)
        rc = count_all(search, &reference->counts[COUNT_EMBEDDINGS]);
    sample_reader_release(&search->reader);
    free(search->order);
    free(search);
    return rc;
}
