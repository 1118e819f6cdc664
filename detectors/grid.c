#include "detectors/grid.h"

#include <stdlib.h>

#include "agent/base/digest.h"
#include "agent/base/hash.h"
#include "agent/base/strbuf.h"
#include "detectors/grid_build.h"

enum { PSI_NONE = 255 };

/* Open addressing, load ≤ 1/4 for few categories. A category is its 64-bit hash: a stranger that hits one by
 * chance is rarer than a fault of the memory. Free entries hold the slot `unseen`, and only they do. */
struct category_entry {
    uint64_t hash;
    uint64_t slot;
};

/* Most categories are short words: those of the top K with at most eight bytes are also found by their bytes,
 * in a third of the instructions. A word is never 0. */
enum { SHORT_BYTES = 8, SHORT_BITS = 8, SHORT_SIZE = 1 << SHORT_BITS };

struct category_index {
    uint64_t mask;
    uint64_t words[SHORT_SIZE]; /* 0: free */
    uint8_t word_slots[SHORT_SIZE];
    struct category_entry entries[];
};

_Static_assert(4 * GRID_CATEGORIES_MAX <= SHORT_SIZE, "short categories: load at most 1/4");

static uint64_t load4(const char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* 1–8 bytes without NUL as a number, first byte lowest, by loads that overlap. */
static uint64_t short_word(struct text text)
{
    const char *at = text.ptr, *end = at + text.len;
    if (text.len >= 4)
        return load4(at) | load4(end - 4) << 8 * (text.len - 4);
    return (uint64_t)(unsigned char)at[0] | (uint64_t)(unsigned char)at[text.len / 2] << 8 * (text.len / 2) |
           (uint64_t)(unsigned char)end[-1] << 8 * (text.len - 1);
}

/* Where a word is or would be. */
static uint32_t word_place(const struct category_index *index, uint64_t word)
{
    uint32_t i = (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SHORT_BITS));
    while (index->words[i] != word && index->words[i] != 0)
        i = (i + 1) % SHORT_SIZE;
    return i;
}

static bool is_short(struct text category)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && category.len - 1 < SHORT_BYTES; /* "" is not */
}

unsigned grid_lower_bound(const double *edges, unsigned edge_count, double x)
{
    /* A product instead of a choice: gcc makes branches of `?:`, which cost four times as much here. */
    const double *at = edges;
    unsigned left = edge_count;
    while (left > 1) {
        unsigned half = left / 2;
        at += (size_t)(at[half - 1] < x) * half;
        left -= half;
    }
    return (unsigned)(at - edges) + (left && *at < x);
}

unsigned grid_category_slot(const struct feature_grid *feature, struct text category)
{
    const struct category_index *index = feature->index;
    if (LIKELY(is_short(category))) {
        uint64_t word = short_word(category);
        uint32_t place = word_place(index, word);
        if (LIKELY(index->words[place] == word))
            return index->word_slots[place];
    }
    unsigned unseen = feature_slot_unseen(feature);
    uint64_t hash = hash_text(category, 0), i = hash & index->mask;
    while (index->entries[i].hash != hash && index->entries[i].slot != unseen)
        i = (i + 1) & index->mask;
    return (unsigned)index->entries[i].slot;
}

static int compare_texts(struct text a, struct text b)
{
    uint32_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

uint32_t grid_find(const struct grid *grid, struct text name)
{
    uint32_t low = 0, high = grid->feature_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_texts(text_of(grid->features[middle].name), name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return UINT32_MAX;
}

static void feature_release(struct feature_grid *feature)
{
    for (uint32_t i = 0; feature->categories && i < feature->category_count; i++)
        free(feature->categories[i]);
    free(feature->categories);
    free(feature->known_hashes);
    free(feature->index);
    free(feature->edges);
    free(feature->name);
}

void grid_free(struct grid *grid)
{
    if (!grid)
        return;
    for (uint32_t i = 0; i < grid->feature_count; i++)
        feature_release(&grid->features[i]);
    free(grid->features);
    free(grid);
}

struct grid *grid_new(uint32_t feature_count)
{
    struct grid *grid = calloc(1, sizeof(*grid));
    if (!grid)
        return NULL;
    grid->features = calloc(feature_count ? feature_count : 1, sizeof(*grid->features));
    if (!grid->features) {
        free(grid);
        return NULL;
    }
    grid->feature_count = feature_count;
    return grid;
}

/* Numeric slots: under and over range join the end groups for PSI and keep slots of their own otherwise. */
static void map_numeric(struct feature_grid *f, const uint8_t *coarse_group, const uint8_t *psi_group)
{
    uint32_t bins = f->edge_count ? f->edge_count - 1u : 0;
    uint32_t in_range = f->edge_count + 1u; /* below, bins, above; one slot when there are no edges */
    f->coarse_bin_count = (uint8_t)(bins ? coarse_group[bins - 1] + 1 : 0);
    f->psi_bin_count = (uint8_t)(bins ? psi_group[bins - 1] + 1 : 1);
    uint32_t coarse_in_range = bins ? f->coarse_bin_count + 2u : 1u;
    memset(f->psi_bin, PSI_NONE, sizeof(f->psi_bin));
    memset(f->coarse_psi_bin, PSI_NONE, sizeof(f->coarse_psi_bin));
    for (uint32_t slot = 0; slot < in_range; slot++) {
        uint32_t bin = slot == 0 ? 0 : slot > bins ? bins - 1 : slot - 1;
        bool outside = slot == 0 || slot > bins;
        f->psi_bin[slot] = bins ? psi_group[bin] : 0;
        f->coarse_slot[slot] = (uint8_t)(outside ? (slot ? coarse_in_range - 1 : 0) : coarse_group[bin] + 1u);
        uint8_t *coarse_psi = &f->coarse_psi_bin[f->coarse_slot[slot]];
        BUG_ON(*coarse_psi != PSI_NONE && *coarse_psi != f->psi_bin[slot]);
        *coarse_psi = f->psi_bin[slot];
    }
    f->coarse_slot[in_range] = (uint8_t)coarse_in_range;
    f->coarse_slot[in_range + 1] = (uint8_t)(coarse_in_range + 1);
    f->slot_count[GRID_FINE] = (uint16_t)(in_range + 2);
    f->slot_count[GRID_COARSE] = (uint16_t)(coarse_in_range + 2);
}

int feature_grid_set_numeric(struct feature_grid *feature, const double *edges, uint32_t edge_count,
                             bool discrete, double location, double scale, const uint8_t *coarse_group,
                             const uint8_t *psi_group)
{
    BUG_ON(edge_count > GRID_EDGES_MAX || edge_count == 1);
    feature->edges = malloc((edge_count ? edge_count : 1) * sizeof(*edges));
    if (!feature->edges)
        return ERR_NOMEM;
    if (edge_count)
        memcpy(feature->edges, edges, edge_count * sizeof(*edges));
    feature->type = FEATURE_NUMERIC;
    feature->edge_count = (uint16_t)edge_count;
    feature->discrete = discrete;
    feature->location = location;
    feature->scale = scale;
    map_numeric(feature, coarse_group, psi_group);
    return 0;
}

static void index_put(struct category_index *index, uint64_t hash, unsigned slot, unsigned unseen)
{
    uint64_t i = hash & index->mask;
    while (index->entries[i].slot != unseen)
        i = (i + 1) & index->mask;
    index->entries[i] = (struct category_entry){hash, slot};
}

static int index_build(struct feature_grid *feature)
{
    uint64_t count = (uint64_t)feature->category_count + feature->known_count;
    uint64_t least = (count <= 1024 ? 4 : 2) * count, size = 8;
    unsigned unseen = feature_slot_unseen(feature);
    while (size <= least)
        size *= 2;
    struct category_index *index = calloc(1, sizeof(*index) + size * sizeof(index->entries[0]));
    if (!index)
        return ERR_NOMEM;
    index->mask = size - 1;
    for (uint64_t i = 0; i < size; i++)
        index->entries[i] = (struct category_entry){0, unseen};
    for (unsigned slot = 0; slot < feature->category_count; slot++) {
        struct text category = text_of(feature->categories[slot]);
        index_put(index, hash_text(category, 0), slot, unseen);
        if (is_short(category)) {
            uint64_t word = short_word(category);
            uint32_t place = word_place(index, word);
            index->words[place] = word;
            index->word_slots[place] = (uint8_t)slot;
        }
    }
    for (uint32_t i = 0; i < feature->known_count; i++)
        index_put(index, feature->known_hashes[i], feature_slot_other(feature), unseen);
    feature->index = index;
    return 0;
}

int feature_grid_set_categories(struct feature_grid *feature, const struct text *categories,
                                uint32_t category_count, const uint64_t *known_hashes, uint32_t known_count)
{
    BUG_ON(category_count > GRID_CATEGORIES_MAX || known_count > GRID_KNOWN_MAX);
    feature->type = FEATURE_CATEGORICAL;
    feature->location = 0;
    feature->scale = 1;
    feature->categories = calloc(category_count ? category_count : 1, sizeof(*feature->categories));
    feature->known_hashes = malloc((known_count ? known_count : 1) * sizeof(*known_hashes));
    if (!feature->categories || !feature->known_hashes)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < category_count; i++) {
        feature->categories[i] = strndup(categories[i].ptr, categories[i].len);
        if (!feature->categories[i])
            return ERR_NOMEM;
        feature->category_count++;
    }
    if (known_count)
        memcpy(feature->known_hashes, known_hashes, known_count * sizeof(*known_hashes));
    feature->known_count = known_count;
    uint32_t valid = category_count + 2;
    memset(feature->psi_bin, PSI_NONE, sizeof(feature->psi_bin));
    memset(feature->coarse_psi_bin, PSI_NONE, sizeof(feature->coarse_psi_bin));
    for (uint32_t slot = 0; slot < valid + 2; slot++)
        feature->coarse_slot[slot] = (uint8_t)slot;
    for (uint32_t slot = 0; slot < valid; slot++)
        feature->psi_bin[slot] = feature->coarse_psi_bin[slot] = (uint8_t)slot;
    feature->psi_bin_count = feature->coarse_bin_count = (uint8_t)valid;
    feature->slot_count[GRID_FINE] = feature->slot_count[GRID_COARSE] = (uint16_t)(valid + 2);
    return index_build(feature);
}

static void add_u64(struct strbuf *out, uint64_t value)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    strbuf_add(out, bytes, sizeof(bytes));
}

static void add_double(struct strbuf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    add_u64(out, bits);
}

static void add_text(struct strbuf *out, const char *text)
{
    strbuf_add_varint(out, strlen(text));
    strbuf_adds(out, text);
}

/* All that decides which counter an event of this feature adds to, and how much to which sum. */
static void add_feature(struct strbuf *out, const struct feature_grid *f)
{
    add_text(out, f->name);
    strbuf_addc(out, f->type == FEATURE_NUMERIC ? 'n' : 'c');
    add_double(out, f->location);
    add_double(out, f->scale);
    strbuf_add_varint(out, f->edge_count);
    for (uint32_t i = 0; i < f->edge_count; i++)
        add_double(out, f->edges[i]);
    strbuf_add(out, f->coarse_slot, f->slot_count[GRID_FINE]);
    strbuf_add(out, f->psi_bin, f->slot_count[GRID_FINE]);
    strbuf_add_varint(out, f->category_count);
    for (uint32_t i = 0; i < f->category_count; i++)
        add_text(out, f->categories[i]);
    strbuf_add_varint(out, f->known_count);
    for (uint32_t i = 0; i < f->known_count; i++)
        add_u64(out, f->known_hashes[i]);
}

/* A digest of the features' digests: no copy of the whole grid is needed. */
static int compute_id(struct grid *grid)
{
    struct strbuf one, all;
    strbuf_init(&one, (size_t)1 << 30);
    strbuf_init(&all, (size_t)1 << 30);
    unsigned char digest[SHA256_BYTES];
    int rc = 0;
    strbuf_adds(&all, "driftd-grid/1\n");
    for (uint32_t i = 0; i < grid->feature_count && rc == 0; i++) {
        strbuf_reset(&one);
        add_feature(&one, &grid->features[i]);
        rc = strbuf_failed(&one) ? ERR_NOMEM : sha256(one.bytes, one.len, digest);
        strbuf_add(&all, digest, sizeof(digest));
    }
    if (rc == 0)
        rc = strbuf_failed(&all) ? ERR_NOMEM : sha256(all.bytes, all.len, digest);
    if (rc == 0)
        (void)hex_encode(digest, 8, grid->id);
    strbuf_release(&one);
    strbuf_release(&all);
    return rc;
}

static int compare_features(const void *a, const void *b)
{
    return strcmp(((const struct feature_grid *)a)->name, ((const struct feature_grid *)b)->name);
}

int grid_finish(struct grid *grid)
{
    qsort(grid->features, grid->feature_count, sizeof(*grid->features), compare_features);
    return compute_id(grid);
}

static int copy_feature(struct feature_grid *into, const struct feature_grid *from)
{
    into->name = strdup(from->name);
    if (!into->name)
        return ERR_NOMEM;
    if (from->type == FEATURE_CATEGORICAL) {
        struct text categories[GRID_CATEGORIES_MAX];
        for (uint32_t i = 0; i < from->category_count; i++)
            categories[i] = text_of(from->categories[i]);
        return feature_grid_set_categories(into, categories, from->category_count, from->known_hashes,
                                           from->known_count);
    }
    uint8_t coarse[GRID_EDGES_MAX], psi[GRID_EDGES_MAX];
    for (uint32_t bin = 0; bin + 1 < from->edge_count; bin++) {
        coarse[bin] = (uint8_t)(from->coarse_slot[bin + 1] - 1);
        psi[bin] = from->psi_bin[bin + 1];
    }
    return feature_grid_set_numeric(into, from->edges, from->edge_count, from->discrete, from->location,
                                    from->scale, coarse, psi);
}

struct grid *grid_copy(const struct grid *grid)
{
    struct grid *copy = grid_new(grid->feature_count);
    for (uint32_t i = 0; copy && i < grid->feature_count; i++) {
        if (copy_feature(&copy->features[i], &grid->features[i]) != 0) {
            grid_free(copy);
            return NULL;
        }
    }
    if (copy)
        memcpy(copy->id, grid->id, sizeof(copy->id));
    return copy;
}
