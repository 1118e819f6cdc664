#ifndef DRIFTD_ALERTING_IDENTITY_H
#define DRIFTD_ALERTING_IDENTITY_H
/*
 * Names that a replay reproduces: the key of an alert, the id of one transition, the id of a group of
 * transitions. Each is the first 16 bytes of a SHA-256 over a domain tag and length-prefixed fields (8 bytes,
 * big endian), so that no two lists of fields give the same bytes. Part of the contract with receivers and
 * stores: never to change. ERR_NOMEM is the only error.
 */
#include <stdint.h>

#include "alerting/alert_table.h"

enum { IDENTITY_BYTES = 16, IDENTITY_HEX = 2 * IDENTITY_BYTES + 1 };

/* Of (pipeline, rule, model, version, segment, feature, window length). */
int identity_alert_key(const char *pipeline, const struct alert_subject *subject,
                       char out[IDENTITY_HEX]) MUST_USE;
/* Of (pipeline, model, version, segment, feature, rule, window length, window end, change, severity). */
int identity_transition(const char *pipeline, const struct alert *alert, enum alert_change change,
                        enum severity severity, int64_t window_end_ms,
                        unsigned char out[IDENTITY_BYTES]) MUST_USE;
/* Of a set of transitions: their order does not matter. Sorts `ids` (count · 16 bytes) in place. */
int identity_group(unsigned char *ids, size_t count, char out[IDENTITY_HEX]) MUST_USE;

#endif
