#ifndef DRIFTD_AGENT_CLI_OUTPUT_H
#define DRIFTD_AGENT_CLI_OUTPUT_H
/*
 * Rows of a query on standard output: an aligned table for people, JSON (an array of objects) or CSV (RFC
 * 4180, with a header) for machines. JSON and CSV stream; a table is kept until its end, because widths come
 * from all rows. Control characters never reach a terminal.
 */
#include <stdio.h>

#include "agent/reader.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV };

struct output;

/* NULL: out of memory. `out` stays the caller's. */
struct output *output_new(FILE *out, enum output_format format);
/* A reader_row_fn; `context` is the struct output. ERR_NOMEM, ERR_IO. */
int output_row(void *context, const struct reader_row *row);
uint64_t output_rows(const struct output *output);
/* Writes what is left and frees. `none` is what a table without rows says (may be NULL). ERR_NOMEM, ERR_IO.
 */
int output_end(struct output *output, const char *none) MUST_USE;
/* Drops what was not written. */
void output_free(struct output *output);

#endif
