#ifndef DRIFTD_ALERTING_SENTENCE_H
#define DRIFTD_ALERTING_SENTENCE_H
/*
 * Words for people. Names come from outside and may hold anything: here control characters become spaces and
 * long names are cut at a character with "…", so a sentence is bounded and harmless in a terminal.
 */
#include "agent/base/strbuf.h"
#include "alerting/payload.h"

/* One to three sentences: what drifted, by how much, since when, which bins carry it, what else. */
void sentence_summary(const struct payload *payload, struct strbuf *out);

/* `text` cut so that its JSON form has at most `max` bytes, at a character; "…" is appended when it was cut.
 */
void sentence_add_clipped(struct strbuf *out, struct text text, uint32_t max);

#endif
