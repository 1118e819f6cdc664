#include "agent/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        (void)vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return code;
}

void err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return;
    char context[256];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    if (written < 0)
        return;
    size_t context_len = strlen(context);
    size_t room = sizeof(err->message) - context_len - 3;
    size_t old_len = strlen(err->message);
    if (old_len > room)
        old_len = room;
    memmove(err->message + context_len + 2, err->message, old_len);
    memcpy(err->message, context, context_len);
    memcpy(err->message + context_len, ": ", 2);
    err->message[context_len + 2 + old_len] = '\0';
}

const char *err_name(int code)
{
    switch (code) {
    case 0:
        return "ok";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_INVALID:
        return "invalid input";
    case ERR_IO:
        return "input/output error";
    case ERR_LIMIT:
        return "limit reached";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_CONFIG:
        return "unusable configuration";
    case ERR_TEMPORARY:
        return "temporary failure";
    case ERR_CORRUPT:
        return "corrupt data";
    case ERR_BUSY:
        return "busy";
    case ERR_UNSUPPORTED:
        return "not supported";
    default:
        return "unknown error";
    }
}

int err_exit_status(int code)
{
    switch (code) {
    case 0:
        return 0;
    case ERR_CONFIG:
        return 78;
    case ERR_TEMPORARY:
        return 75;
    default:
        return 1;
    }
}

void bug(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "driftd: internal error at %s:%d: %s\n", file, line, what);
    abort();
}
