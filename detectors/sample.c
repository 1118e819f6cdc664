#include "detectors/sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/base/hash.h"

/*
 * A bottom-k sample: the rows with the lowest hashes, in a max-heap, and in a table by hash that finds a row
 * again. `limit` is the lowest hash that was ever turned away: nothing at or above it is taken, so that what
 * is in the sample is in it completely, whatever the order of events and merges.
 *
 * A row with an id stands for one event: of several with one id the bytewise smallest stays. Rows without id
 * that say the same are one row with a number of times; were they rows of their own, all copies of a few
 * contents would fill the sample. So k counts different rows, and a stream with fewer different contents than
 * k is represented exactly.
 */
enum { FORMAT = 1, TABLE_FIRST = 16, HASH_BYTES = 8, FLOAT_BYTES = 4 };

/* How a vector that is kept is marked; VALUE_VECTOR alone only notes that there was one. */
enum { VALUE_KEPT_VECTOR = VALUE_OTHER + 1 };

static const uint64_t SEED_ID = UINT64_C(0x5a3b1e0c49d7f286);
static const uint64_t SEED_CONTENT = UINT64_C(0xc7d24f9a6e13b508);

struct row {
    uint64_t hash;
    uint64_t times; /* 1 with an id */
    uint32_t len;
    bool has_id;
    unsigned char bytes[];
};

struct sample {
    uint32_t k, count, capacity;
    struct row **heap;  /* the greatest first */
    struct row **table; /* open addressing by hash, load ≤ 1/2 */
    uint64_t mask;      /* of the table; 0: none yet */
    uint64_t limit;
    uint64_t events;
    bool vectors; /* are kept, not only noted */
    size_t row_bytes;
    struct strbuf scratch;
    const struct field **order; /* scratch: the fields of an event by name */
    uint32_t order_capacity;
};

struct sample *sample_new(uint32_t k)
{
    struct sample *sample = calloc(1, sizeof(*sample));
    if (!sample)
        return NULL;
    sample->k = k == 0 ? SAMPLE_DEFAULT : k > SAMPLE_MAX ? SAMPLE_MAX : k;
    sample->limit = UINT64_MAX;
    strbuf_init(&sample->scratch, SAMPLE_BYTES_MAX);
    return sample;
}

void sample_keep_vectors(struct sample *sample)
{
    sample->vectors = true;
}

void sample_reset(struct sample *sample)
{
    for (uint32_t i = 0; i < sample->count; i++)
        free(sample->heap[i]);
    if (sample->table)
        memset(sample->table, 0, (sample->mask + 1) * sizeof(struct row *));
    sample->count = 0;
    sample->events = 0;
    sample->row_bytes = 0;
    sample->limit = UINT64_MAX;
}

void sample_free(struct sample *sample)
{
    if (!sample)
        return;
    sample_reset(sample);
    free(sample->heap);
    free(sample->table);
    free(sample->order);
    strbuf_release(&sample->scratch);
    free(sample);
}

uint32_t sample_count(const struct sample *sample)
{
    return sample->events > UINT32_MAX ? UINT32_MAX : (uint32_t)sample->events;
}

uint32_t sample_row_count(const struct sample *sample)
{
    return sample->count;
}

size_t sample_bytes(const struct sample *sample)
{
    return sizeof(*sample) + sample->row_bytes + sample->capacity * sizeof(struct row *) +
           (sample->table ? (sample->mask + 1) * sizeof(struct row *) : 0) + sample->scratch.capacity +
           sample->order_capacity * sizeof(struct field *);
}

/* ------------------------------------------------------------ heap and table */

/* Total: two rows that compare equal are the same row. */
static int compare_rows(const struct row *a, const struct row *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->has_id != b->has_id)
        return a->has_id ? 1 : -1;
    return text_compare((struct text){(const char *)a->bytes, a->len},
                        (struct text){(const char *)b->bytes, b->len});
}

static void sift_up(struct row **heap, uint32_t i)
{
    struct row *row = heap[i];
    for (; i > 0 && compare_rows(heap[(i - 1) / 2], row) < 0; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = row;
}

static void sift_down(struct row **heap, uint32_t count, uint32_t i)
{
    struct row *row = heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= count)
            break;
        if (child + 1 < count && compare_rows(heap[child], heap[child + 1]) < 0)
            child++;
        if (compare_rows(row, heap[child]) >= 0)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = row;
}

static bool is_same(const struct row *row, const struct row *key)
{
    return row->hash == key->hash && row->has_id == key->has_id &&
           (key->has_id || (row->len == key->len && memcmp(row->bytes, key->bytes, key->len) == 0));
}

/* The place of a row like `key`, or the free place where it belongs. */
static uint64_t find_place(const struct sample *sample, const struct row *key)
{
    uint64_t i = hash_mix(key->hash) & sample->mask;
    while (sample->table[i] && !is_same(sample->table[i], key))
        i = (i + 1) & sample->mask;
    return i;
}

/* Takes the row at `hole` out; rows behind it move up, so that every one is still found from its home. */
static void table_remove(struct sample *sample, uint64_t hole)
{
    uint64_t mask = sample->mask;
    sample->table[hole] = NULL;
    for (uint64_t i = (hole + 1) & mask; sample->table[i]; i = (i + 1) & mask) {
        uint64_t home = hash_mix(sample->table[i]->hash) & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        sample->table[hole] = sample->table[i];
        sample->table[i] = NULL;
        hole = i;
    }
}

static int reserve(struct sample *sample)
{
    if (sample->count == sample->capacity) {
        struct row **heap =
            grow_array(sample->heap, &sample->capacity, TABLE_FIRST / 2, sizeof(struct row *));
        if (!heap)
            return ERR_NOMEM;
        sample->heap = heap;
    }
    if (sample->table && ((uint64_t)sample->count + 1) * 2 <= sample->mask + 1)
        return 0;
    uint64_t size = sample->table ? (sample->mask + 1) * 2 : TABLE_FIRST;
    struct row **table = calloc(size, sizeof(struct row *));
    if (!table)
        return ERR_NOMEM;
    free(sample->table);
    sample->table = table;
    sample->mask = size - 1;
    for (uint32_t i = 0; i < sample->count; i++)
        table[find_place(sample, sample->heap[i])] = sample->heap[i];
    return 0;
}

static void drop_greatest(struct sample *sample)
{
    struct row *row = sample->heap[0];
    table_remove(sample, find_place(sample, row));
    sample->heap[0] = sample->heap[--sample->count];
    if (sample->count)
        sift_down(sample->heap, sample->count, 0);
    if (row->hash < sample->limit)
        sample->limit = row->hash;
    sample->events -= row->times;
    sample->row_bytes -= sizeof(*row) + row->len;
    free(row);
}

static void enforce_bounds(struct sample *sample)
{
    while (sample->count > sample->k || sample->row_bytes > SAMPLE_BYTES_MAX)
        drop_greatest(sample);
    while (sample->count && sample->heap[0]->hash >= sample->limit)
        drop_greatest(sample);
}

static uint64_t add_times(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* `key` is like a row that is there already. Takes `key` over. */
static void join(struct sample *sample, struct row *there, struct row *key)
{
    if (!key->has_id) {
        uint64_t times = add_times(there->times, key->times);
        sample->events += times - there->times;
        there->times = times;
        free(key);
        return;
    }
    if (compare_rows(key, there) >= 0) {
        free(key);
        return;
    }
    uint32_t i = 0;
    while (sample->heap[i] != there)
        i++;
    sample->table[find_place(sample, there)] = key;
    sample->heap[i] = key;
    sift_down(sample->heap, sample->count, i); /* it is smaller than the old one */
    sample->row_bytes = sample->row_bytes - there->len + key->len;
    free(there);
}

/* Takes `row` over, also when it fails. */
static int insert(struct sample *sample, struct row *row)
{
    if (row->hash >= sample->limit) {
        free(row);
        return 0;
    }
    if (reserve(sample) != 0) {
        free(row);
        return ERR_NOMEM;
    }
    uint64_t place = find_place(sample, row);
    if (sample->table[place]) {
        join(sample, sample->table[place], row);
    } else {
        sample->table[place] = row;
        sample->heap[sample->count] = row;
        sift_up(sample->heap, sample->count++);
        sample->events = add_times(sample->events, row->times);
        sample->row_bytes += sizeof(*row) + row->len;
    }
    enforce_bounds(sample);
    return 0;
}

static struct row *row_new(uint64_t hash, uint64_t times, bool has_id, const void *bytes, size_t len)
{
    struct row *row = len > SAMPLE_BYTES_MAX ? NULL : malloc(sizeof(*row) + len);
    if (!row)
        return NULL;
    row->hash = hash;
    row->times = times;
    row->len = (uint32_t)len;
    row->has_id = has_id;
    memcpy(row->bytes, bytes, len);
    return row;
}

/* ---------------------------------------------------------------- row bytes */

static void put_u64(struct strbuf *out, uint64_t value)
{
    unsigned char bytes[HASH_BYTES];
    for (unsigned i = 0; i < HASH_BYTES; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    strbuf_add(out, bytes, sizeof(bytes));
}

static uint64_t get_u64(struct cursor *in)
{
    const unsigned char *bytes = cursor_bytes(in, HASH_BYTES);
    uint64_t value = 0;
    for (unsigned i = 0; bytes && i < HASH_BYTES; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void put_text(struct strbuf *out, struct text text)
{
    strbuf_add_varint(out, text.len);
    strbuf_add(out, text.ptr, text.len);
}

static struct text get_text(struct cursor *in)
{
    uint64_t len = cursor_varint(in);
    const char *bytes = cursor_bytes(in, len);
    return (struct text){bytes ? bytes : "", bytes ? (uint32_t)len : 0};
}

static void put_u32(struct strbuf *out, uint32_t value)
{
    unsigned char bytes[FLOAT_BYTES];
    for (unsigned i = 0; i < FLOAT_BYTES; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    strbuf_add(out, bytes, sizeof(bytes));
}

/* Can it be kept in single precision? */
static bool is_keepable(const struct value *value)
{
    bool fits = value->type == VALUE_VECTOR && value->count <= SAMPLE_VECTOR_MAX;
    for (uint32_t i = 0; fits && i < value->count; i++)
        fits = fabs(value->vector[i]) <= (double)FLT_MAX;
    return fits;
}

static void put_vector(struct strbuf *out, const struct value *value)
{
    strbuf_addc(out, (char)VALUE_KEPT_VECTOR);
    strbuf_add_varint(out, value->count);
    for (uint32_t i = 0; i < value->count; i++) {
        float number = (float)value->vector[i] + 0.0f;
        uint32_t bits;
        memcpy(&bits, &number, sizeof(bits));
        put_u32(out, bits);
    }
}

/* One form for what counts the same: NaN is null, there is one zero. Objects are only noted; so are vectors
 * unless they are `kept`, in single precision. */
static void put_value(struct strbuf *out, const struct value *value, bool kept)
{
    if (kept && is_keepable(value)) {
        put_vector(out, value);
        return;
    }
    if (value->type == VALUE_NUMBER && isnan(value->number)) {
        strbuf_addc(out, (char)VALUE_NULL);
        return;
    }
    strbuf_addc(out, (char)value->type);
    if (value->type == VALUE_NUMBER) {
        double number = value->number + 0.0;
        uint64_t bits;
        memcpy(&bits, &number, sizeof(bits));
        put_u64(out, bits);
    } else if (value->type == VALUE_BOOL) {
        strbuf_addc(out, value->number != 0);
    } else if (value->type == VALUE_STRING) {
        put_text(out, value->text);
    }
}

/* `vectors`: room for the numbers of a row's vectors, which moves on; NULL: they are only checked. */
static struct value get_vector(struct cursor *in, double **vectors)
{
    struct value value = {.type = VALUE_VECTOR};
    uint64_t count = cursor_varint(in);
    in->failed |= count > SAMPLE_VECTOR_MAX;
    const unsigned char *bytes = in->failed ? NULL : cursor_bytes(in, count * FLOAT_BYTES);
    if (!bytes)
        return value;
    value.count = (uint32_t)count;
    value.vector = vectors ? *vectors : NULL;
    for (uint32_t i = 0; i < value.count; i++, bytes += FLOAT_BYTES) {
        uint32_t bits = 0;
        for (unsigned k = 0; k < FLOAT_BYTES; k++)
            bits |= (uint32_t)bytes[k] << (8 * k);
        float number;
        memcpy(&number, &bits, sizeof(number));
        in->failed |= !isfinite(number);
        if (vectors)
            *(*vectors)++ = (double)number;
    }
    return value;
}

static struct value get_value(struct cursor *in, double **vectors)
{
    struct value value = {.type = VALUE_ABSENT};
    const unsigned char *type = cursor_bytes(in, 1);
    if (!type || *type > VALUE_KEPT_VECTOR) {
        in->failed = true;
        return value;
    }
    if (*type == VALUE_KEPT_VECTOR)
        return get_vector(in, vectors);
    value.type = (enum value_type) * type;
    if (value.type == VALUE_NUMBER) {
        uint64_t bits = get_u64(in);
        memcpy(&value.number, &bits, sizeof(bits));
        in->failed |= isnan(value.number);
    } else if (value.type == VALUE_BOOL) {
        const unsigned char *truth = cursor_bytes(in, 1);
        in->failed |= truth && *truth > 1;
        value.number = truth && *truth == 1;
        value.text = text_of(value.number != 0 ? "true" : "false");
    } else if (value.type == VALUE_STRING) {
        value.text = get_text(in);
        in->failed |= value.text.len && memchr(value.text.ptr, 0, value.text.len);
    }
    return value;
}

static int compare_fields(const void *a, const void *b)
{
    return text_compare((*(const struct field *const *)a)->name, (*(const struct field *const *)b)->name);
}

/* The fields by name: the bytes must not depend on the order in which a producer writes them. */
static int put_fields(struct sample *sample, const struct fields *fields)
{
    if (fields->count > sample->order_capacity) {
        const struct field **order = realloc(sample->order, fields->count * sizeof(struct field *));
        if (!order)
            return ERR_NOMEM;
        sample->order = order;
        sample->order_capacity = fields->count;
    }
    bool sorted = true;
    for (uint32_t i = 0; i < fields->count; i++) {
        sample->order[i] = &fields->items[i];
        sorted = sorted && (i == 0 || compare_fields(&sample->order[i - 1], &sample->order[i]) < 0);
    }
    if (!sorted)
        qsort(sample->order, fields->count, sizeof(struct field *), compare_fields);
    strbuf_add_varint(&sample->scratch, fields->count);
    for (uint32_t i = 0; i < fields->count; i++) {
        put_text(&sample->scratch, sample->order[i]->name);
        put_value(&sample->scratch, &sample->order[i]->value, sample->vectors);
    }
    return 0;
}

/* What a row holds beside its features, in this order. */
enum { ROW_VALUES = 4 /* score, prediction, label, latency */, FIELD_LISTS = 4 };
static const struct fields *field_list(const struct event *ev, int i)
{
    static const struct fields none = {NULL, 0};
    if (ev->kind != EVENT_PREDICTION)
        return &none;
    return i == 0 ? &ev->scores : i == 1 ? &ev->attributions : i == 2 ? &ev->groups : &ev->segments;
}

static int put_event(struct sample *sample, const struct event *ev)
{
    static const struct value absent = {.type = VALUE_ABSENT};
    bool predicts = ev->kind == EVENT_PREDICTION;
    strbuf_reset(&sample->scratch);
    strbuf_addc(&sample->scratch, (char)ev->kind);
    strbuf_add_svarint(&sample->scratch, ev->ts_ms);
    put_value(&sample->scratch, predicts ? &ev->score : &absent, false);
    put_value(&sample->scratch, predicts ? &ev->prediction : &absent, false);
    put_value(&sample->scratch, predicts ? &ev->label : &absent, false);
    put_value(&sample->scratch, predicts ? &ev->latency_ms : &absent, false);
    int rc = put_fields(sample, &ev->features);
    for (int i = 0; rc == 0 && i < FIELD_LISTS; i++)
        rc = put_fields(sample, field_list(ev, i));
    return rc == 0 && strbuf_failed(&sample->scratch) ? ERR_NOMEM : rc;
}

static bool says_something(const struct event *ev)
{
    if (ev->kind != EVENT_PREDICTION && ev->kind != EVENT_FEATURES)
        return false;
    return ev->features.count ||
           (ev->kind == EVENT_PREDICTION &&
            (ev->score.type != VALUE_ABSENT || ev->prediction.type != VALUE_ABSENT || ev->scores.count));
}

int sample_add(struct sample *sample, const struct event *ev)
{
    if (!says_something(ev))
        return 0;
    bool has_id = ev->id.ptr != NULL;
    uint64_t hash = has_id ? hash_text(ev->id, SEED_ID + ev->kind) : 0;
    if (has_id && hash >= sample->limit)
        return 0;
    int rc = put_event(sample, ev);
    if (rc != 0)
        return rc;
    if (!has_id)
        hash = hash64(sample->scratch.bytes, sample->scratch.len, SEED_CONTENT);
    if (hash >= sample->limit)
        return 0;
    struct row *row = row_new(hash, 1, has_id, sample->scratch.bytes, sample->scratch.len);
    return row ? insert(sample, row) : ERR_NOMEM;
}

static void lower_limit(struct sample *sample, uint64_t limit)
{
    if (limit < sample->limit)
        sample->limit = limit;
    enforce_bounds(sample);
}

int sample_merge(struct sample *into, const struct sample *from)
{
    lower_limit(into, from->limit);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct row *row = from->heap[i];
        if (row->hash >= into->limit)
            continue;
        struct row *copy = row_new(row->hash, row->times, row->has_id, row->bytes, row->len);
        if (!copy || insert(into, copy) != 0)
            return ERR_NOMEM;
    }
    return 0;
}

/* ------------------------------------------------------------------ storage */

static int compare_row_places(const void *a, const void *b)
{
    return compare_rows(*(struct row *const *)a, *(struct row *const *)b);
}

void sample_encode(const struct sample *sample, struct strbuf *out)
{
    struct row **rows = malloc(((size_t)sample->count + 1) * sizeof(struct row *));
    if (!rows) {
        out->failed = true;
        return;
    }
    if (sample->count)
        memcpy(rows, sample->heap, sample->count * sizeof(struct row *));
    qsort(rows, sample->count, sizeof(struct row *), compare_row_places);
    strbuf_addc(out, FORMAT);
    put_u64(out, sample->limit);
    strbuf_add_varint(out, sample->count);
    for (uint32_t i = 0; i < sample->count; i++) {
        const struct row *row = rows[i];
        put_u64(out, row->hash);
        strbuf_addc(out, row->has_id);
        strbuf_add_varint(out, row->times);
        strbuf_add_varint(out, row->len);
        strbuf_add(out, row->bytes, row->len);
    }
    free(rows);
}

static bool fields_are_sound(struct cursor *in)
{
    struct text before = {NULL, 0};
    uint64_t count = cursor_varint(in);
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        struct text name = get_text(in);
        (void)get_value(in, NULL);
        if (i && text_compare(before, name) >= 0)
            return false;
        before = name;
    }
    return !in->failed;
}

static bool row_is_sound(const unsigned char *bytes, size_t len)
{
    struct cursor in = {bytes, bytes + len, false};
    const unsigned char *kind = cursor_bytes(&in, 1);
    if (!kind || (*kind != EVENT_PREDICTION && *kind != EVENT_FEATURES))
        return false;
    (void)cursor_svarint(&in);
    for (int i = 0; i < ROW_VALUES; i++)
        (void)get_value(&in, NULL);
    for (int i = 0; i < 1 + FIELD_LISTS; i++)
        if (!fields_are_sound(&in))
            return false;
    return !in.failed && in.at == in.end;
}

static struct row *read_row(struct cursor *in, uint64_t limit, int *out_rc)
{
    uint64_t hash = get_u64(in);
    const unsigned char *has_id = cursor_bytes(in, 1);
    uint64_t times = cursor_varint(in), len = cursor_varint(in);
    const unsigned char *bytes = in->failed ? NULL : cursor_bytes(in, len);
    *out_rc = ERR_CORRUPT;
    if (!bytes || hash >= limit || *has_id > 1 || times == 0 || (*has_id && times != 1) ||
        !row_is_sound(bytes, len) || (!*has_id && hash != hash64(bytes, len, SEED_CONTENT)))
        return NULL;
    struct row *row = row_new(hash, times, *has_id == 1, bytes, len);
    *out_rc = row ? 0 : ERR_NOMEM;
    return row;
}

int sample_decode_merge(const void *bytes, size_t len, struct sample *into)
{
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    const unsigned char *format = cursor_bytes(&in, 1);
    uint64_t limit = get_u64(&in), count = cursor_varint(&in), before = 0;
    if (in.failed || *format != FORMAT)
        return ERR_CORRUPT;
    lower_limit(into, limit);
    for (uint64_t i = 0; i < count; i++) {
        int rc;
        struct row *row = read_row(&in, limit, &rc);
        if (!row)
            return rc;
        bool ascends = i == 0 || row->hash >= before;
        before = row->hash;
        rc = insert(into, row);
        if (rc != 0 || !ascends)
            return rc ? rc : ERR_CORRUPT;
    }
    return in.at == in.end ? 0 : ERR_CORRUPT;
}

/* ------------------------------------------------------------------ reading */

int sample_reader_init(struct sample_reader *reader)
{
    *reader = (struct sample_reader){.names = intern_new(UINT32_C(1) << 24)};
    return reader->names ? 0 : ERR_NOMEM;
}

void sample_reader_release(struct sample_reader *reader)
{
    intern_free(reader->names);
    free(reader->fields);
    free(reader->vectors);
}

/* Room for all vectors of a row of so many bytes: it must not move while they are read. */
static int reserve_vectors(struct sample_reader *reader, uint32_t row_bytes)
{
    uint32_t most = row_bytes / FLOAT_BYTES;
    if (most <= reader->vector_capacity)
        return 0;
    double *vectors = realloc(reader->vectors, most * sizeof(*vectors));
    if (!vectors)
        return ERR_NOMEM;
    reader->vectors = vectors;
    reader->vector_capacity = most;
    return 0;
}

static int grow_fields(struct sample_reader *reader)
{
    struct field *fields = grow_array(reader->fields, &reader->capacity, 32, sizeof(*fields));
    if (!fields)
        return ERR_NOMEM;
    reader->fields = fields;
    return 0;
}

static int read_fields(struct sample_reader *reader, struct cursor *in, double **vectors, uint32_t *used)
{
    uint64_t count = cursor_varint(in);
    for (uint64_t f = 0; f < count && !in->failed; f++) {
        if (*used == reader->capacity && grow_fields(reader) != 0)
            return ERR_NOMEM;
        struct field *field = &reader->fields[(*used)++];
        field->name = get_text(in);
        field->value = get_value(in, vectors);
        field->name_id = intern_add(reader->names, field->name);
        if (field->name_id == INTERN_NONE)
            return ERR_NOMEM;
    }
    return 0;
}

uint64_t sample_row_hash(const struct sample *sample, uint32_t i)
{
    return sample->heap[i]->hash;
}

static int compare_row_pointers(const void *a, const void *b, void *rows)
{
    struct row *const *all = rows;
    return compare_rows(all[*(const uint32_t *)a], all[*(const uint32_t *)b]);
}

void sample_row_order(const struct sample *sample, uint32_t *order)
{
    for (uint32_t i = 0; i < sample->count; i++)
        order[i] = i;
    if (sample->count)
        qsort_r(order, sample->count, sizeof(*order), compare_row_pointers, sample->heap);
}

int sample_row_read(const struct sample *sample, uint32_t i, struct sample_reader *reader, struct event *out,
                    uint64_t *out_times)
{
    const struct row *row = sample->heap[i];
    struct cursor in = {row->bytes, row->bytes + row->len, false};
    if (reserve_vectors(reader, row->len) != 0)
        return ERR_NOMEM;
    double *vectors = reader->vectors;
    *out = (struct event){.kind = (enum event_kind)row->bytes[0]};
    in.at++;
    out->ts_ms = cursor_svarint(&in);
    out->score = get_value(&in, &vectors);
    out->prediction = get_value(&in, &vectors);
    out->label = get_value(&in, &vectors);
    out->latency_ms = get_value(&in, &vectors);
    struct fields *lists[1 + FIELD_LISTS] = {&out->features, &out->scores, &out->attributions, &out->groups,
                                             &out->segments};
    uint32_t first[1 + FIELD_LISTS], used = 0;
    for (int list = 0; list < 1 + FIELD_LISTS; list++) {
        uint32_t before = first[list] = used;
        int rc = read_fields(reader, &in, &vectors, &used);
        if (rc != 0)
            return rc;
        lists[list]->count = used - before;
    }
    for (int list = 0; list < 1 + FIELD_LISTS; list++) /* only now: reading may have moved them */
        lists[list]->items = reader->fields + first[list];
    *out_times = row->times;
    return in.failed || in.at != in.end ? ERR_CORRUPT : 0;
}

int sample_each(const struct sample *sample, sample_add_fn *add, void *context)
{
    struct sample_reader reader;
    int rc = sample_reader_init(&reader);
    for (uint32_t i = 0; rc == 0 && i < sample->count; i++) {
        struct event ev;
        uint64_t times;
        rc = sample_row_read(sample, i, &reader, &ev, &times);
        if (rc == 0)
            rc = add(context, &ev, times);
    }
    sample_reader_release(&reader);
    return rc;
}
