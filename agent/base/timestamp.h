#ifndef DRIFTD_BASE_TIMESTAMP_H
#define DRIFTD_BASE_TIMESTAMP_H
/* Points in time and lengths of time as text. Times are UTC milliseconds since 1970, int64; leap seconds
 * (…:60) count as …:59.999. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"

#define TIME_MIN_MS INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z */
#define TIME_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/*
 * RFC 3339 with `T`, `t` or a space, any number of fraction digits (cut to milliseconds), zone `Z`, `±hh:mm`,
 * `±hhmm`, `±hh` or none (then UTC). A bare date is its midnight. The whole text must match. False when it
 * does not or is out of range.
 */
bool timestamp_parse(struct text text, int64_t *out_ms);

/* Writes 2026-03-01T12:00:00Z, with .250 when there are milliseconds. `out` holds at least 32 bytes. Returns
 * out. */
char *timestamp_format(int64_t ms, char *out);

/* "250ms", "30s", "5m", "24h", "7d", "2w", also sums such as "1h30m" and "0". Negative or overflowing: false.
 */
bool duration_parse(struct text text, int64_t *out_ms);
/* Such a text, each unit at most once and days the longest: "5m", "1h30m", "7d", "0s". `out` holds at least
 * 48 bytes. */
char *duration_format(int64_t ms, char *out);

#endif
