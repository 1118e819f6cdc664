#include <string.h>

#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "detectors/reference_multivariate.h"
#include "detectors/reference_private.h"

/*
 * The canonical JSON: fixed order of members, features by name, one block each, arrays on one line, so that a
 * diff in git shows which feature changed and how.
 */

void reference_row_begin(struct json *json, const char *key)
{
    json_key(json, key);
    json->pretty = false;
    json_array_begin(json);
}

void reference_row_end(struct json *json)
{
    json_array_end(json);
    json->pretty = true;
}

static void write_counts(struct json *json, const char *key, const uint64_t *counts, uint32_t count)
{
    reference_row_begin(json, key);
    for (uint32_t i = 0; i < count; i++)
        json_unsigned(json, counts[i]);
    reference_row_end(json);
}

/* Group sizes from ascending group numbers of bins. */
static void write_groups(struct json *json, const char *key, const uint8_t *group, uint32_t bin_count)
{
    reference_row_begin(json, key);
    for (uint32_t bin = 0; bin < bin_count;) {
        uint32_t start = bin;
        while (bin < bin_count && group[bin] == group[start])
            bin++;
        json_unsigned(json, bin - start);
    }
    reference_row_end(json);
}

/* Decimal digits of a 128-bit sum, as a string: JSON numbers end at 2^53. */
static void write_sum(struct json *json, int128 sum)
{
    char buffer[48], *end = buffer + sizeof(buffer), *at = end;
    uint128 magnitude = sum < 0 ? 0 - (uint128)sum : (uint128)sum;
    *--at = '\0';
    do {
        *--at = (char)('0' + (int)(magnitude % 10));
        magnitude /= 10;
    } while (magnitude);
    if (sum < 0)
        *--at = '-';
    json_string(json, at);
}

static void write_time(struct json *json, const char *key, int64_t ms)
{
    char buffer[32];
    json_key(json, key);
    if (ms == INT64_MIN)
        json_null(json);
    else
        json_string(json, timestamp_format(ms, buffer));
}

static void write_numeric(struct json *json, const struct reference *reference, uint32_t f)
{
    const struct feature_grid *feature = &reference->grid->features[f];
    const struct feature_layout *layout = reference->layout;
    const uint64_t *counts = reference->features->counters + layout->slot_at[f];
    const int128 *sums = reference->features->sums + layout->sums_at[f];
    uint32_t bins = feature->edge_count ? feature->edge_count - 1u : 0;
    json_member_bool(json, "discrete", feature->discrete);
    json_member_number(json, "location", feature->location);
    json_member_number(json, "scale", feature->scale);
    reference_row_begin(json, "edges");
    for (uint32_t i = 0; i < feature->edge_count; i++)
        json_number(json, feature->edges[i]);
    reference_row_end(json);
    write_groups(json, "coarse_bins", feature->coarse_slot + 1, bins);
    write_groups(json, "psi_bins", feature->psi_bin + 1, bins);
    json_member_unsigned(json, "below", counts[0]);
    write_counts(json, "counts", counts + 1, bins);
    json_member_unsigned(json, "above", feature->edge_count ? counts[feature->edge_count] : 0);
    json_member_unsigned(json, "clipped", reference->features->counters[layout->clipped_at[f]]);
    reference_row_begin(json, "sums");
    for (uint32_t i = 0; i < FEATURE_SUMS; i++)
        write_sum(json, sums[i]);
    reference_row_end(json);
}

static void write_categorical(struct json *json, const struct reference *reference, uint32_t f)
{
    const struct feature_grid *feature = &reference->grid->features[f];
    const uint64_t *counts = reference->features->counters + reference->layout->slot_at[f];
    json_key(json, "categories");
    json_object_begin(json);
    for (uint32_t i = 0; i < feature->category_count; i++)
        json_member_unsigned(json, feature->categories[i], counts[i]);
    json_object_end(json);
    json_member_unsigned(json, "other", counts[feature_slot_other(feature)]);
    json_member_unsigned(json, "unseen", counts[feature_slot_unseen(feature)]);
    reference_row_begin(json, "other_hashes");
    for (uint32_t i = 0; i < feature->known_count; i++) {
        unsigned char bytes[8];
        char hex[17];
        for (unsigned k = 0; k < 8; k++)
            bytes[k] = (unsigned char)(feature->known_hashes[i] >> (56 - 8 * k));
        json_string(json, hex_encode(bytes, sizeof(bytes), hex));
    }
    reference_row_end(json);
}

static void write_feature(struct json *json, const struct reference *reference, uint32_t f)
{
    const struct feature_grid *feature = &reference->grid->features[f];
    const uint64_t *counts = reference->features->counters + reference->layout->slot_at[f];
    bool numeric = feature->type == FEATURE_NUMERIC;
    json_key(json, feature->name);
    json_object_begin(json);
    json_member_string(json, "type", numeric ? "numeric" : "categorical");
    if (numeric)
        write_numeric(json, reference, f);
    else
        write_categorical(json, reference, f);
    json_member_unsigned(json, "missing", counts[feature_slot_missing(feature, GRID_FINE)]);
    json_member_unsigned(json, "invalid", counts[feature_slot_invalid(feature, GRID_FINE)]);
    json_object_end(json);
}

/* What is not zero, as index and count in turns. */
static void write_tally(struct json *json, const struct tally *tally)
{
    json_object_begin(json);
    json_member_unsigned(json, "counter_count", tally->size.counters);
    json_member_unsigned(json, "sum_count", tally->size.sums);
    reference_row_begin(json, "counters");
    for (uint32_t i = 0; i < tally->size.counters; i++)
        if (tally->counters[i]) {
            json_unsigned(json, i);
            json_unsigned(json, tally->counters[i]);
        }
    reference_row_end(json);
    reference_row_begin(json, "sums");
    for (uint32_t i = 0; i < tally->size.sums; i++)
        if (tally->sums[i]) {
            json_unsigned(json, i);
            write_sum(json, tally->sums[i]);
        }
    reference_row_end(json);
    json_object_end(json);
}

/* References without labels look as they did before there were any. */
static void write_labelled(struct json *json, const struct labelled *labelled)
{
    if (!labelled)
        return;
    json_key(json, "labelled");
    json_object_begin(json);
    json_member_number(json, "unit", labelled->unit);
    json_key(json, "chunks");
    json_array_begin(json);
    for (uint32_t i = 0; i < labelled->chunk_count; i++)
        write_tally(json, labelled->chunks[i]);
    json_array_end(json);
    const struct label_classes *classes = &labelled->classes;
    if (classes->names.count > 0) {
        json_key(json, "classes");
        json_object_begin(json);
        for (uint32_t i = 0; i < classes->names.count; i++)
            json_member_unsigned(json, classes->names.items[i].name, label_class_labels(classes, i));
        json_object_end(json);
        json_member_unsigned(json, "other_classes", classes->other);
    }
    json_object_end(json);
}

/* What a reference has nothing of is not written: those of before keep their hash. */
static void write_segments(struct json *json, const struct reference *reference)
{
    if (reference->segment_count == 0)
        return;
    json_key(json, "segments");
    json_object_begin(json);
    for (uint32_t i = 0; i < reference->segment_count; i++) {
        json_key(json, reference->segments[i].name);
        write_tally(json, reference->segments[i].features);
    }
    json_object_end(json);
}

static void write_families(struct json *json, const struct reference *reference)
{
    bool begun = false;
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        if (!reference->counts[family])
            continue;
        if (!begun) {
            json_key(json, "families");
            json_object_begin(json);
            begun = true;
        }
        json_key(json, family_table[family]->name);
        write_tally(json, reference->counts[family]);
    }
    if (begun)
        json_object_end(json);
}

static void write_duplicates(struct json *json, const struct duplicate_counts *duplicates)
{
    if (duplicates->events == 0)
        return;
    json_key(json, "duplicates");
    json_object_begin(json);
    json_member_unsigned(json, "events", duplicates->events);
    json_member_unsigned(json, "again", duplicates->again);
    json_object_end(json);
}

static void write_document(const struct reference *reference, bool with_hash, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json.pretty = true;
    json_object_begin(&json);
    json_member_string(&json, "format", REFERENCE_FORMAT);
    if (with_hash)
        json_member_string(&json, "hash", reference->hash);
    json_member_string(&json, "name", reference->name);
    json_member_string(&json, "model", reference->model);
    json_member_string(&json, "version", reference->version);
    json_member_string(&json, "source", reference->source);
    write_time(&json, "from", reference->from_ms);
    write_time(&json, "to", reference->to_ms);
    json_member_unsigned(&json, "rows", reference->rows);
    json_member_string(&json, "grid", reference->grid->id);
    json_key(&json, "features");
    json_object_begin(&json);
    for (uint32_t f = 0; f < reference->grid->feature_count; f++)
        write_feature(&json, reference, f);
    json_object_end(&json);
    if (reference->ignored_count) {
        reference_row_begin(&json, "ignored");
        for (uint32_t i = 0; i < reference->ignored_count; i++)
            json_string(&json, reference->ignored[i]);
        reference_row_end(&json);
    }
    write_segments(&json, reference);
    write_families(&json, reference);
    write_labelled(&json, reference->labelled);
    reference_write_multivariate(&json, reference);
    reference_write_dispersion(&json, reference);
    reference_write_values(&json, reference);
    write_duplicates(&json, &reference->duplicates);
    reference_write_groups(&json, reference);
    json_object_end(&json);
    strbuf_addc(out, '\n');
}

int reference_write(const struct reference *reference, struct strbuf *out)
{
    write_document(reference, true, out);
    return strbuf_failed(out) ? ERR_NOMEM : 0;
}

int reference_seal(struct reference *reference)
{
    struct strbuf bytes;
    unsigned char digest[SHA256_BYTES];
    strbuf_init(&bytes, REFERENCE_BYTES_MAX);
    write_document(reference, false, &bytes);
    int rc = strbuf_failed(&bytes) ? ERR_NOMEM : sha256(bytes.bytes, bytes.len, digest);
    if (rc == 0)
        (void)hex_encode(digest, sizeof(digest), reference->hash);
    strbuf_release(&bytes);
    return rc;
}
