#include "agent/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/text.h"

void diagnostics_init(struct diagnostics *diagnostics)
{
    memset(diagnostics, 0, sizeof(*diagnostics));
}

void diagnostics_release(struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < diagnostics->count; i++)
        free(diagnostics->items[i].text);
    diagnostics_init(diagnostics);
}

static bool is_known(const struct diagnostics *diagnostics, const struct diagnostic *item)
{
    for (uint32_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *old = &diagnostics->items[i];
        if (old->line == item->line && old->column == item->column && old->is_warning == item->is_warning &&
            item->line != 0)
            return true;
    }
    return false;
}

/* Control characters and halves of characters of a hostile file must not reach a terminal. */
static void make_printable(char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        uint32_t len = text_utf8_length(text, left);
        if (len == 0 || (unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
            len = 1;
        }
        text += len;
        left -= len;
    }
}

static void add(struct diagnostics *diagnostics, struct diagnostic item, const char *format, va_list args)
    PRINTF_LIKE(3, 0);

static void add(struct diagnostics *diagnostics, struct diagnostic item, const char *format, va_list args)
{
    if (is_known(diagnostics, &item))
        return;
    if (!item.is_warning)
        diagnostics->error_count++;
    if (diagnostics->count == DIAGNOSTICS_MAX) {
        diagnostics->dropped++;
        return;
    }
    char text[DIAGNOSTIC_BYTES_MAX];
    (void)vsnprintf(text, sizeof(text), format, args);
    make_printable(text);
    item.text = strdup(text);
    if (!item.text)
        diagnostics->out_of_memory = true;
    else
        diagnostics->items[diagnostics->count++] = item;
}

void diagnostics_error(struct diagnostics *diagnostics, uint32_t line, uint32_t column, const char *format,
                       ...)
{
    va_list args;
    va_start(args, format);
    add(diagnostics, (struct diagnostic){line, column, false, NULL}, format, args);
    va_end(args);
}

void diagnostics_warning(struct diagnostics *diagnostics, uint32_t line, uint32_t column, const char *format,
                         ...)
{
    va_list args;
    va_start(args, format);
    add(diagnostics, (struct diagnostic){line, column, true, NULL}, format, args);
    va_end(args);
}

bool diagnostics_failed(const struct diagnostics *diagnostics)
{
    return diagnostics->error_count > 0 || diagnostics->out_of_memory;
}

/* Insertion sort: stable, and there are at most a hundred. */
static void sort(struct diagnostics *diagnostics)
{
    struct diagnostic *items = diagnostics->items;
    for (uint32_t i = 1; i < diagnostics->count; i++) {
        struct diagnostic item = items[i];
        uint32_t to = i;
        for (; to > 0 && (items[to - 1].line > item.line ||
                          (items[to - 1].line == item.line && items[to - 1].column > item.column));
             to--)
            items[to] = items[to - 1];
        items[to] = item;
    }
}

void diagnostics_print(struct diagnostics *diagnostics, const char *path, struct strbuf *out)
{
    sort(diagnostics);
    for (uint32_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *item = &diagnostics->items[i];
        strbuf_adds(out, item->is_warning ? "warning: " : "");
        if (item->line)
            strbuf_addf(out, "%s:%u:%u: %s\n", path, item->line, item->column, item->text);
        else
            strbuf_addf(out, "%s: %s\n", path, item->text);
    }
    if (diagnostics->dropped)
        strbuf_addf(out, "%s: and %u more\n", path, diagnostics->dropped);
    if (diagnostics->out_of_memory)
        strbuf_addf(out, "%s: out of memory\n", path);
}
