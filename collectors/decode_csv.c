/*
 * CSV by RFC 4180: a header line names the columns, a row is an event. What each column means is worked out
 * once per header (a plan) and kept until another header comes.
 */
#include <stdlib.h>

#include "agent/base/number.h"
#include "collectors/decode_internal.h"

struct column {
    uint32_t slot;    /* MAP_NONE: none */
    uint32_t name_id; /* when groups take it */
    struct text name; /* of the member: without "features." */
    uint8_t groups;
};

struct csv_reader {
    char *header; /* the text that the plan was made from */
    uint32_t header_len;
    struct column *columns;
    uint32_t column_count;
    uint32_t present;   /* bits of groups that have columns */
    enum reject reject; /* of the header itself: so is every row */
    char detail[DETAIL_BYTES];
};

struct csv_reader *csv_reader_new(void)
{
    return calloc(1, sizeof(struct csv_reader));
}

static void plan_forget(struct csv_reader *csv)
{
    free(csv->header);
    free(csv->columns);
    *csv = (struct csv_reader){0};
}

void csv_reader_free(struct csv_reader *csv)
{
    if (csv)
        plan_forget(csv);
    free(csv);
}

/* ---- cells ---- */

struct cells {
    const char *at, *end;
    char delimiter;
    char *unquoted; /* where cells with doubled quotes are written */
    bool done;      /* the last cell was taken */
    const char *what;
};

static bool take_quoted(struct cells *cells, struct text *out)
{
    const char *from = ++cells->at;
    char *to = cells->unquoted;
    bool doubled = false;
    for (;; cells->at++) {
        if (cells->at == cells->end) {
            cells->what = "a quote is not closed";
            return false;
        }
        if (*cells->at == '"') {
            if (cells->at + 1 == cells->end || cells->at[1] != '"')
                break;
            doubled = true;
            cells->at++;
        }
        *to++ = *cells->at;
    }
    *out = (struct text){from, (uint32_t)(cells->at - from)};
    if (doubled) {
        *out = (struct text){cells->unquoted, (uint32_t)(to - cells->unquoted)};
        cells->unquoted = to;
    }
    cells->at++;
    if (cells->at < cells->end && *cells->at != cells->delimiter) {
        cells->what = "something stands between a closing quote and the delimiter";
        return false;
    }
    return true;
}

static bool take_plain(struct cells *cells, struct text *out)
{
    const char *from = cells->at;
    for (; cells->at < cells->end && *cells->at != cells->delimiter; cells->at++) {
        if (*cells->at == '"' || *cells->at == '\n' || *cells->at == '\r') {
            cells->what = *cells->at == '"' ? "a quote inside a cell that does not begin with one"
                                            : "a line break outside quotes";
            return false;
        }
    }
    *out = (struct text){from, (uint32_t)(cells->at - from)};
    return true;
}

/* False at the end and on errors (`what`). A row has one cell more than delimiters. */
static bool take_cell(struct cells *cells, struct text *out)
{
    if (cells->done)
        return false;
    bool ok = cells->at < cells->end && *cells->at == '"' ? take_quoted(cells, out) : take_plain(cells, out);
    if (!ok)
        return false;
    cells->done = cells->at == cells->end;
    cells->at++;
    return true;
}

static struct text trim_line_end(struct text line)
{
    if (line.len && line.ptr[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Offset of the first byte that is no UTF-8, or is NUL; the length when all is well. */
static uint32_t check_utf8(struct text text)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    while (at < end) {
        unsigned len = *at >= 0x80 ? utf8_sequence_len(at, end) : *at != 0;
        if (len == 0)
            break;
        at += len;
    }
    return (uint32_t)(at - (const unsigned char *)text.ptr);
}

/* ---- the plan ---- */

/* "features.income" is the member `income` of features. */
static unsigned prefix_group(const struct mapping *mapping, struct text name, struct text *member)
{
    for (unsigned id = 0; id < GROUP_COUNT; id++) {
        uint32_t len = (uint32_t)strlen(map_group_names[id]);
        if (mapping->groups[id].from_prefix && name.len > len && name.ptr[len] == '.' &&
            memcmp(name.ptr, map_group_names[id], len) == 0) {
            *member = (struct text){name.ptr + len + 1, name.len - len - 1};
            return id;
        }
    }
    return GROUP_COUNT;
}

static bool has_feature_columns(const struct mapping *mapping, const struct csv_reader *csv)
{
    struct text member;
    for (uint32_t i = 0; i < csv->column_count; i++)
        if (prefix_group(mapping, csv->columns[i].name, &member) == GROUP_FEATURES)
            return true;
    return false;
}

/* The groups that a column's value goes to, and its name there. */
static unsigned column_groups(const struct decoder *decoder, struct text *name, bool features_prefixed)
{
    const struct mapping *mapping = decoder->mapping;
    struct text member;
    unsigned id = prefix_group(mapping, *name, &member), groups = 0;
    if (id < GROUP_COUNT) {
        *name = member;
        return mapping_group_takes(&mapping->groups[id], member) ? 1U << id : 0;
    }
    /* A column that an accessor names is that field; one without a name (the index of a data frame) is none.
     */
    if (name->len == 0 || mapping_child(mapping, 0, *name) != MAP_NONE)
        return 0;
    for (id = 0; id < GROUP_COUNT; id++) {
        const struct map_group *group = &mapping->groups[id];
        bool row = group->from_row || (id == GROUP_FEATURES && group->from_prefix && !features_prefixed);
        if (row && mapping_group_takes(group, *name))
            groups |= 1U << id;
    }
    return groups;
}

static enum reject plan_column(struct decoder *decoder, struct column *column, bool features_prefixed)
{
    const struct mapping *mapping = decoder->mapping;
    uint32_t node = mapping_child(mapping, 0, column->name);
    column->slot = node == MAP_NONE ? MAP_NONE : mapping->nodes[node].slot;
    column->groups = (uint8_t)column_groups(decoder, &column->name, features_prefixed);
    if (!column->groups)
        return REJECT_NONE;
    if (!mapping_name_is_sound(column->name, decoder->limits.name_bytes))
        return decoder_refuse(
            decoder, REJECT_NAME,
            "header: a column name that is empty, has control characters or is longer than %u bytes",
            decoder->limits.name_bytes);
    column->name_id = intern_add(decoder->names, column->name);
    if (column->name_id == INTERN_NONE)
        return decoder_refuse(decoder, REJECT_TOO_MANY_FIELDS,
                              "header: more than %u distinct names since the start", decoder->limits.names);
    column->name = intern_text(decoder->names, column->name_id);
    decoder->csv->present |= column->groups;
    return REJECT_NONE;
}

static enum reject header_cells(struct decoder *decoder, struct csv_reader *csv, char *unquoted)
{
    struct cells cells = {
        csv->header, csv->header + csv->header_len, decoder->mapping->csv_delimiter, unquoted, false, NULL};
    struct text name;
    while (take_cell(&cells, &name)) {
        if (csv->column_count == decoder->limits.members)
            return decoder_refuse(decoder, REJECT_TOO_MANY_FIELDS, "header: more than %u columns",
                                  decoder->limits.members);
        csv->columns[csv->column_count++].name = name;
        /* Headers are few and short; a square of the columns is nothing. */
        for (uint32_t i = 0; name.len && i + 1 < csv->column_count; i++)
            if (text_equal(csv->columns[i].name, name))
                return decoder_refuse(decoder, REJECT_DUPLICATE_KEY, "header: column \"%.*s\" twice",
                                      (int)(name.len < 80 ? name.len : 80), name.ptr);
    }
    return cells.what ? decoder_refuse(decoder, REJECT_CSV, "header: %s", cells.what) : REJECT_NONE;
}

static enum reject plan_make(struct decoder *decoder, struct text header)
{
    struct csv_reader *csv = decoder->csv;
    plan_forget(csv);
    /* Behind the text there is room for its cells with quotes undone; names live as long as the plan. */
    csv->header = malloc((size_t)header.len * 2 + 2);
    uint32_t most = header.len < decoder->limits.members ? header.len + 1 : decoder->limits.members;
    csv->columns = calloc(most, sizeof(*csv->columns));
    if (!csv->header || !csv->columns) {
        plan_forget(csv);
        return decoder_refuse(decoder, REJECT_MEMORY, "header: out of memory");
    }
    memcpy(csv->header, header.ptr, header.len);
    csv->header_len = header.len;
    enum reject reject = REJECT_NONE;
    uint32_t valid = check_utf8(header);
    if (valid < header.len)
        reject = decoder_refuse(decoder, REJECT_UTF8, "header: byte %u: invalid UTF-8 or NUL", valid);
    if (reject == REJECT_NONE)
        reject = header_cells(decoder, csv, csv->header + header.len + 1);
    bool prefixed = reject == REJECT_NONE && has_feature_columns(decoder->mapping, csv);
    for (uint32_t i = 0; i < csv->column_count && reject == REJECT_NONE; i++)
        reject = plan_column(decoder, &csv->columns[i], prefixed);
    csv->reject = reject;
    memcpy(csv->detail, decoder->detail, sizeof(csv->detail));
    return reject;
}

/* ---- rows ---- */

static bool is_nan(struct text cell)
{
    return cell.len == 3 && (cell.ptr[0] | 0x20) == 'n' && (cell.ptr[1] | 0x20) == 'a' &&
           (cell.ptr[2] | 0x20) == 'n';
}

static enum reject cell_value(struct decoder *decoder, struct text cell, uint32_t column, struct value *out)
{
    *out = (struct value){.type = VALUE_STRING, .text = cell};
    if (cell.len == 0 || is_nan(cell)) {
        *out = (struct value){.type = VALUE_NULL};
        return REJECT_NONE;
    }
    char c = cell.ptr[0];
    if ((unsigned char)(c - '0') > 9 && c != '-' && c != '+' && c != '.')
        return REJECT_NONE;
    switch (number_parse_plain(cell, &out->number)) {
    case NUMBER_OK:
        out->type = VALUE_NUMBER;
        break;
    case NUMBER_RANGE:
        return decoder_refuse(decoder, REJECT_NUMBER_RANGE,
                              "column %u: a number beyond the range of a double", column + 1);
    case NUMBER_SYNTAX:
        break;
    }
    return REJECT_NONE;
}

static enum reject keep_cell(struct decoder *decoder, const struct column *column, const struct value *value)
{
    if (column->slot != MAP_NONE)
        decoder->slots[column->slot] = *value;
    for (unsigned groups = column->groups; groups; groups &= groups - 1) {
        unsigned id = (unsigned)__builtin_ctz(groups);
        struct captured_group *group = &decoder->groups[id];
        if (group->count >= decoder->limits.features)
            return decoder_refuse(decoder, REJECT_TOO_MANY_FIELDS, "%s: more than %u in one event",
                                  map_group_names[id], decoder->limits.features);
        group->items[group->count] = (struct field){column->name, column->name_id, *value};
        value_bound(decoder, &group->items[group->count++].value);
    }
    return REJECT_NONE;
}

static enum reject read_row(struct decoder *decoder, struct text row)
{
    const struct csv_reader *csv = decoder->csv;
    struct cells cells = {
        row.ptr, row.ptr + row.len, decoder->mapping->csv_delimiter, decoder->scratch, false, NULL};
    struct text cell;
    uint32_t count = 0;
    for (; take_cell(&cells, &cell); count++) {
        if (count >= csv->column_count)
            return decoder_refuse(decoder, REJECT_CSV, "the row has more cells than the header's %u",
                                  csv->column_count);
        const struct column *column = &csv->columns[count];
        struct value value;
        enum reject reject = cell_value(decoder, cell, count, &value);
        if (reject == REJECT_NONE && value.type != VALUE_ABSENT)
            reject = keep_cell(decoder, column, &value);
        if (reject != REJECT_NONE)
            return reject;
    }
    if (cells.what)
        return decoder_refuse(decoder, REJECT_CSV, "byte %u: %s", (unsigned)(cells.at - row.ptr), cells.what);
    if (count != csv->column_count)
        return decoder_refuse(decoder, REJECT_CSV, "the row has %u cells, the header %u", count,
                              csv->column_count);
    return REJECT_NONE;
}

/* A Kafka record brings its header as the first line. */
static bool split_header(struct text payload, struct text *header, struct text *row)
{
    bool quoted = false;
    for (uint32_t i = 0; i < payload.len; i++) {
        quoted ^= payload.ptr[i] == '"';
        if (payload.ptr[i] == '\n' && !quoted) {
            *header = (struct text){payload.ptr, i + 1};
            *row = (struct text){payload.ptr + i + 1, payload.len - i - 1};
            return true;
        }
    }
    return false;
}

enum reject csv_reader_run(struct decoder *decoder, const struct record *record)
{
    struct csv_reader *csv = decoder->csv;
    struct text header = record->csv_header, row = record->payload;
    if (!header.ptr && !split_header(record->payload, &header, &row))
        return decoder_refuse(decoder, REJECT_CSV, "a header line and a row expected");
    header = trim_line_end(header);
    row = trim_line_end(row);
    if (header.len > decoder->limits.event_bytes)
        return decoder_refuse(decoder, REJECT_TOO_LARGE, "header: %u bytes, the limit is %u", header.len,
                              decoder->limits.event_bytes);
    bool known =
        csv->header && csv->header_len == header.len && memcmp(csv->header, header.ptr, header.len) == 0;
    if (!known) {
        enum reject reject = plan_make(decoder, header);
        if (reject != REJECT_NONE)
            return reject;
    } else if (csv->reject != REJECT_NONE) {
        return decoder_refuse(decoder, csv->reject, "%s", csv->detail);
    }
    uint32_t valid = check_utf8(row);
    if (valid < row.len)
        return decoder_refuse(decoder, REJECT_UTF8, "byte %u: invalid UTF-8 or NUL", valid);
    if (row.len == 0)
        return decoder_refuse(decoder, REJECT_EMPTY, "an empty row");
    for (unsigned id = 0; id < GROUP_COUNT; id++)
        if (csv->present & (1U << id))
            decoder->groups[id].state = GROUP_PRESENT;
    return read_row(decoder, row);
}
