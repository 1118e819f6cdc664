#ifndef DRIFTD_TESTS_UNIT_REFERENCE_DOCUMENT_H
#define DRIFTD_TESTS_UNIT_REFERENCE_DOCUMENT_H
/* References in unit tests: what a builder has made, and the document that a reference is written as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "detectors/reference.h"

/* Frees the builder. The reference is the caller's. */
static inline struct reference *finished(struct reference_builder *builder)
{
    struct reference *reference = NULL;
    struct err err = {0};
    if (reference_builder_finish(builder, &reference, &err) != 0)
        fail_msg("no reference: %s", err.message);
    reference_builder_free(builder);
    return reference;
}

/* The caller releases it. */
static inline struct strbuf written_bytes(const struct reference *reference)
{
    struct strbuf out;
    strbuf_init(&out, 1 << 24);
    assert_int_equal(reference_write(reference, &out), 0);
    return out;
}

/* The same as a string that the caller frees. */
static inline char *written(const struct reference *reference)
{
    struct strbuf out = written_bytes(reference);
    char *text = strndup(out.bytes, out.len);
    assert_non_null(text);
    strbuf_release(&out);
    return text;
}

#endif
