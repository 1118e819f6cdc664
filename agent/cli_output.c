#include "agent/cli_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/json.h"
#include "agent/base/strbuf.h"

enum { LINE_BYTES_MAX = 64 << 20, CELL_GAP = 2 };

struct table_row {
    struct table_row *next;
    const char **cells;
    bool *numeric;
};

struct output {
    FILE *out;
    enum output_format format;
    uint64_t rows;
    struct strbuf line;
    struct arena *arena; /* tables */
    struct table_row *first, **last;
    const char *names[READER_COLUMNS_MAX];
    size_t widths[READER_COLUMNS_MAX];
    uint32_t columns;
};

struct output *output_new(FILE *out, enum output_format format)
{
    struct output *output = calloc(1, sizeof(*output));
    if (!output)
        return NULL;
    output->out = out;
    output->format = format;
    output->last = &output->first;
    strbuf_init(&output->line, LINE_BYTES_MAX);
    output->arena = arena_new(1 << 16, 0);
    if (output->arena)
        return output;
    strbuf_release(&output->line);
    free(output);
    return NULL;
}

uint64_t output_rows(const struct output *output)
{
    return output->rows;
}

static int flush_line(struct output *output)
{
    if (strbuf_failed(&output->line))
        return ERR_NOMEM;
    size_t len = output->line.len;
    bool ok = fwrite(output->line.bytes, 1, len, output->out) == len;
    strbuf_reset(&output->line);
    return ok ? 0 : ERR_IO;
}

/* ---- JSON ---- */

static void json_cell(struct json *json, const struct reader_cell *cell)
{
    switch (cell->type) {
    case READER_INTEGER:
        json_integer(json, cell->integer);
        break;
    case READER_REAL:
        json_number(json, cell->real);
        break;
    case READER_TEXT:
    case READER_BLOB:
        json_text(json, cell->text);
        break;
    case READER_NULL:
    default:
        json_null(json);
    }
}

static int json_row(struct output *output, const struct reader_row *row)
{
    struct json json;
    strbuf_adds(&output->line, output->rows == 1 ? "[\n" : ",\n");
    json_init(&json, &output->line);
    json_object_begin(&json);
    for (uint32_t i = 0; i < row->count; i++) {
        json_key(&json, row->names[i]);
        json_cell(&json, &row->cells[i]);
    }
    json_object_end(&json);
    return flush_line(output);
}

/* ---- CSV ---- */

static void csv_text(struct strbuf *line, struct text text)
{
    bool quote = false;
    for (uint32_t i = 0; i < text.len && !quote; i++)
        quote = strchr("\",\r\n", text.ptr[i]) != NULL;
    if (!quote) {
        strbuf_add(line, text.ptr, text.len);
        return;
    }
    strbuf_addc(line, '"');
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            strbuf_addc(line, '"');
        strbuf_addc(line, text.ptr[i]);
    }
    strbuf_addc(line, '"');
}

static void csv_cell(struct strbuf *line, const struct reader_cell *cell)
{
    char number[40];
    if (cell->type == READER_INTEGER)
        strbuf_addf(line, "%" PRId64, cell->integer);
    else if (cell->type == READER_REAL)
        strbuf_adds(line, double_format(cell->real, number));
    else if (cell->type != READER_NULL)
        csv_text(line, cell->text);
}

static int csv_row(struct output *output, const struct reader_row *row)
{
    for (uint32_t i = 0; output->rows == 1 && i < row->count; i++) {
        if (i)
            strbuf_addc(&output->line, ',');
        csv_text(&output->line, text_of(row->names[i]));
    }
    if (output->rows == 1)
        strbuf_adds(&output->line, "\r\n");
    for (uint32_t i = 0; i < row->count; i++) {
        if (i)
            strbuf_addc(&output->line, ',');
        csv_cell(&output->line, &row->cells[i]);
    }
    strbuf_adds(&output->line, "\r\n");
    return flush_line(output);
}

/* ---- tables ---- */

/* Code points, which is close enough to columns. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *table_text(struct output *output, const struct reader_cell *cell)
{
    char number[40] = "-";
    if (cell->type == READER_INTEGER)
        (void)snprintf(number, sizeof(number), "%" PRId64, cell->integer);
    else if (cell->type == READER_REAL)
        (void)snprintf(number, sizeof(number), "%.4g", cell->real);
    else if (cell->type != READER_NULL) {
        char *text = arena_text(output->arena, cell->text);
        for (char *c = text; c && *c; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f)
                *c = '?';
        return text;
    }
    return arena_strdup(output->arena, number);
}

static int table_begin(struct output *output, const struct reader_row *row)
{
    output->columns = row->count;
    for (uint32_t i = 0; i < row->count; i++) {
        output->names[i] = arena_strdup(output->arena, row->names[i]);
        if (!output->names[i])
            return ERR_NOMEM;
        output->widths[i] = text_width(output->names[i]);
    }
    return 0;
}

static int table_row(struct output *output, const struct reader_row *row)
{
    if (output->rows == 1 && table_begin(output, row) != 0)
        return ERR_NOMEM;
    struct table_row *kept = arena_zalloc(output->arena, sizeof(*kept));
    if (!kept)
        return ERR_NOMEM;
    kept->cells = arena_alloc(output->arena, row->count * sizeof(*kept->cells));
    kept->numeric = arena_alloc(output->arena, row->count * sizeof(*kept->numeric));
    if (!kept->cells || !kept->numeric)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < row->count; i++) {
        kept->cells[i] = table_text(output, &row->cells[i]);
        if (!kept->cells[i])
            return ERR_NOMEM;
        kept->numeric[i] = row->cells[i].type == READER_INTEGER || row->cells[i].type == READER_REAL;
        size_t width = text_width(kept->cells[i]);
        output->widths[i] = width > output->widths[i] ? width : output->widths[i];
    }
    *output->last = kept;
    output->last = &kept->next;
    return 0;
}

static void pad(struct strbuf *line, size_t count)
{
    while (count--)
        strbuf_addc(line, ' ');
}

static int table_line(struct output *output, const char *const *cells, const bool *numeric)
{
    struct strbuf *line = &output->line;
    for (uint32_t i = 0; i < output->columns; i++) {
        size_t space = output->widths[i] - text_width(cells[i]);
        bool last = i + 1 == output->columns;
        if (numeric && numeric[i])
            pad(line, space);
        strbuf_adds(line, cells[i]);
        if (!(numeric && numeric[i]) && !last)
            pad(line, space);
        if (!last)
            pad(line, CELL_GAP);
    }
    strbuf_addc(line, '\n');
    return flush_line(output);
}

static int table_end(struct output *output, const char *none)
{
    if (!output->first)
        return none && fprintf(output->out, "%s\n", none) < 0 ? ERR_IO : 0;
    /* Headings stand like the first row's cells. */
    int rc = table_line(output, output->names, output->first->numeric);
    for (struct table_row *row = output->first; row && rc == 0; row = row->next)
        rc = table_line(output, row->cells, row->numeric);
    return rc;
}

/* ---- all ---- */

int output_row(void *context, const struct reader_row *row)
{
    struct output *output = context;
    output->rows++;
    switch (output->format) {
    case OUTPUT_JSON:
        return json_row(output, row);
    case OUTPUT_CSV:
        return csv_row(output, row);
    case OUTPUT_TABLE:
    default:
        return table_row(output, row);
    }
}

void output_free(struct output *output)
{
    if (!output)
        return;
    arena_free(output->arena);
    strbuf_release(&output->line);
    free(output);
}

int output_end(struct output *output, const char *none)
{
    int rc = 0;
    if (output->format == OUTPUT_JSON)
        rc = fputs(output->rows ? "\n]\n" : "[]\n", output->out) < 0 ? ERR_IO : 0;
    else if (output->format == OUTPUT_TABLE)
        rc = table_end(output, none);
    if (rc == 0 && fflush(output->out) != 0)
        rc = ERR_IO;
    output_free(output);
    return rc;
}
