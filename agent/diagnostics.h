#ifndef DRIFTD_AGENT_DIAGNOSTICS_H
#define DRIFTD_AGENT_DIAGNOSTICS_H
/*
 * What is wrong with a text file, all of it at once: messages with a line and a column, sorted by place when
 * printed. Of several messages for one place only the first is kept: what follows is usually its echo.
 * Bounded: beyond DIAGNOSTICS_MAX only counted.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"

enum { DIAGNOSTICS_MAX = 100, DIAGNOSTIC_BYTES_MAX = 512 };

struct diagnostic {
    uint32_t line, column; /* from 1; 0: the file as a whole */
    bool is_warning;
    char *text;
};

struct diagnostics {
    struct diagnostic items[DIAGNOSTICS_MAX];
    uint32_t count;
    uint32_t error_count; /* kept or not */
    uint32_t dropped;
    bool out_of_memory; /* counts as an error */
};

void diagnostics_init(struct diagnostics *diagnostics);
void diagnostics_release(struct diagnostics *diagnostics);
void diagnostics_error(struct diagnostics *diagnostics, uint32_t line, uint32_t column, const char *format,
                       ...) PRINTF_LIKE(4, 5);
void diagnostics_warning(struct diagnostics *diagnostics, uint32_t line, uint32_t column, const char *format,
                         ...) PRINTF_LIKE(4, 5);
bool diagnostics_failed(const struct diagnostics *diagnostics);
/* "path:line:column: message", a line each; warnings begin with "warning: ". Sorts. */
void diagnostics_print(struct diagnostics *diagnostics, const char *path, struct strbuf *out);

#endif
