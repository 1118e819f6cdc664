#ifndef DRIFTD_BASE_JSON_H
#define DRIFTD_BASE_JSON_H
/*
 * JSON text. Writing: a streaming writer on a strbuf, commas and escapes are its own business; numbers are
 * the shortest text that reads back bit-equal; NaN and infinities become null. Reading of *trusted* documents
 * (references, API answers) goes through cJSON in the files that need it; events have a decoder of their own
 * (collectors/decode.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/strbuf.h"
#include "agent/base/text.h"

enum { JSON_DEPTH_MAX = 32 };

struct json {
    struct strbuf *out;
    int depth;
    bool first[JSON_DEPTH_MAX + 1]; /* per level: nothing written yet */
    bool after_key;
    bool pretty; /* newline and two spaces a level; set after json_init */
};

void json_init(struct json *json, struct strbuf *out);
void json_object_begin(struct json *json);
void json_object_end(struct json *json);
void json_array_begin(struct json *json);
void json_array_end(struct json *json);
void json_key(struct json *json, const char *key);
void json_key_text(struct json *json, struct text key);
void json_string(struct json *json, const char *value); /* NULL writes null */
void json_text(struct json *json, struct text value);   /* invalid UTF-8 becomes U+FFFD */
void json_integer(struct json *json, int64_t value);
void json_unsigned(struct json *json, uint64_t value);
void json_number(struct json *json, double value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
/* Bytes that are JSON already. */
void json_raw(struct json *json, const char *bytes, size_t len);

/* A key and its value. */
static inline void json_member_string(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_string(json, value);
}
static inline void json_member_text(struct json *json, const char *key, struct text value)
{
    json_key(json, key);
    json_text(json, value);
}
static inline void json_member_integer(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_integer(json, value);
}
static inline void json_member_unsigned(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_unsigned(json, value);
}
static inline void json_member_number(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_number(json, value);
}
static inline void json_member_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

/* The shortest decimal text that strtod reads back bit-equal; at least 32 bytes. Returns out. */
char *double_format(double value, char *out);

#endif
