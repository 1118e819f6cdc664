/* Standard Webhooks 1.0.0: HMAC-SHA-256 of `id.timestamp.body` under the decoded secret, in base64. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/digest.h"
#include "alerting/webhook.h"

static const char SECRET_PREFIX[] = "whsec_";
static const char VERSION_PREFIX[] = "v1,";

enum {
    KEY_MIN_BYTES = 24,
    KEY_MAX_BYTES = 64,
    KEY_TEXT_MAX = 88,                  /* base64 of KEY_MAX_BYTES */
    SIGNATURE_BYTES = 44,               /* base64 of 32 bytes */
    SIGNED_BYTES = 3 + SIGNATURE_BYTES, /* with "v1," */
    DECODE_ROOM = 3 * KEY_TEXT_MAX / 4
};

static int decode_secret(const char *secret, unsigned char key[DECODE_ROOM], size_t *out_len)
{
    size_t prefix = sizeof(SECRET_PREFIX) - 1;
    if (strncmp(secret, SECRET_PREFIX, prefix) != 0)
        return ERR_INVALID;
    size_t len = strlen(secret + prefix);
    if (len > KEY_TEXT_MAX)
        return ERR_INVALID;
    int bytes = base64_decode(secret + prefix, len, key);
    if (bytes < KEY_MIN_BYTES || bytes > KEY_MAX_BYTES)
        return ERR_INVALID;
    *out_len = (size_t)bytes;
    return 0;
}

/* id.timestamp.body, malloc'ed; NULL when memory is out. */
static char *signed_content(const char *id, const char *timestamp, const char *body, size_t body_len,
                            size_t *out_len)
{
    size_t id_len = strlen(id), timestamp_len = strlen(timestamp);
    *out_len = id_len + timestamp_len + 2 + body_len;
    char *content = malloc(*out_len);
    if (!content)
        return NULL;
    char *at = content;
    memcpy(at, id, id_len);
    at += id_len;
    *at++ = '.';
    memcpy(at, timestamp, timestamp_len);
    at += timestamp_len;
    *at++ = '.';
    if (body_len)
        memcpy(at, body, body_len);
    return content;
}

/* Writes "v1,<base64>", SIGNED_BYTES and a NUL. */
static int sign_one(const char *secret, const char *content, size_t content_len, char *out)
{
    unsigned char key[DECODE_ROOM], mac[SHA256_BYTES];
    size_t key_len = 0;
    int rc = decode_secret(secret, key, &key_len);
    if (rc == 0)
        rc = hmac_sha256(key, key_len, content, content_len, mac);
    if (rc == 0) {
        memcpy(out, VERSION_PREFIX, sizeof(VERSION_PREFIX));
        (void)base64_encode(mac, sizeof(mac), out + sizeof(VERSION_PREFIX) - 1);
    }
    explicit_bzero(key, sizeof(key));
    return rc;
}

int webhook_sign(const char *const *secrets, const char *id, int64_t timestamp_s, const char *body,
                 size_t body_len, char *out, size_t out_size)
{
    char timestamp[24];
    (void)snprintf(timestamp, sizeof(timestamp), "%lld", (long long)timestamp_s);
    size_t content_len = 0, len = 0;
    char *content = signed_content(id, timestamp, body, body_len, &content_len);
    if (!content)
        return ERR_NOMEM;
    int rc = secrets && secrets[0] ? 0 : ERR_INVALID;
    for (size_t i = 0; rc == 0 && secrets[i]; i++) {
        if (out_size - len < SIGNED_BYTES + 2) {
            rc = ERR_LIMIT;
            break;
        }
        if (len)
            out[len++] = ' ';
        rc = sign_one(secrets[i], content, content_len, out + len);
        len += SIGNED_BYTES;
    }
    free(content);
    return rc;
}

bool webhook_verify(const char *secret, const char *id, const char *timestamp, const char *signatures,
                    const char *body, size_t body_len)
{
    char expected[SIGNED_BYTES + 1];
    size_t content_len = 0;
    char *content = signed_content(id, timestamp, body, body_len, &content_len);
    int rc = content ? sign_one(secret, content, content_len, expected) : ERR_NOMEM;
    free(content);
    bool found = false;
    for (const char *at = signatures; rc == 0 && *at;) {
        size_t len = strcspn(at, " ");
        /* All are compared: the time does not say which one matched. */
        found |= len == SIGNED_BYTES && bytes_equal_constant_time(at, expected, SIGNED_BYTES);
        at += len + strspn(at + len, " ");
    }
    return found;
}
