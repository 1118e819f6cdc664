#ifndef DRIFTD_COLLECTORS_DECODE_H
#define DRIFTD_COLLECTORS_DECODE_H
/*
 * Bytes in, struct event out: pure, total, bounded. Every input ends as an event or as a reason; a payload is
 * never read past its end, numbers are bit-equal to strtod in the C locale, UTF-8 validity and duplicate keys
 * are decided the same way on every path. One decoder per worker and input; no allocation in steady state.
 */
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/base/strbuf.h"
#include "collectors/event.h"
#include "collectors/mapping.h"

struct record_header {
    struct text name, value;
};

/* One record as it came from its source; views valid during the call that delivers it. */
struct record {
    struct text payload; /* ptr NULL: a tombstone. At least RECORD_PADDING readable bytes follow the payload
                            when `padded`. */
    bool padded;
    struct text key;
    struct text topic;
    int32_t partition;
    int64_t offset;      /* Kafka offset; in files the byte offset of the line in the uncompressed stream */
    int64_t next_offset; /* where the record after this one starts */
    int64_t ts_ms;       /* the record's own timestamp; INT64_MIN when it has none (files) */
    const struct record_header *headers;
    uint32_t header_count;
    struct text csv_header; /* CSV inputs: the file's header line; for Kafka records ptr NULL: the header is
                               the first line */
};

enum { RECORD_PADDING = 64 };

struct decoder;

/* `mapping` must outlive the decoder. `limits` may be NULL (defaults). */
int decoder_new(struct decoder **out, const struct mapping *mapping,
                const struct decode_limits *limits) MUST_USE;
void decoder_free(struct decoder *decoder);

/* REJECT_NONE: *ev is filled and valid until the next call. Otherwise decoder_detail says what was wrong and
 * where, in one line. */
enum reject decoder_decode(struct decoder *decoder, const struct record *record, struct event *ev);
const char *decoder_detail(const struct decoder *decoder);

/* Counts since decoder_new: how many events took the slow path (cJSON), for `decode_fallback_total`. */
uint64_t decoder_fallbacks(const struct decoder *decoder);

/* For `driftd map test`: appends one line per field: which accessor hit and what value it gave, or why the
 * event is rejected. */
void decoder_explain(struct decoder *decoder, const struct record *record, struct strbuf *out);

#endif
