/*
 * A line is built on the stack and leaves in one write(2), so that lines of several threads do not mix. The
 * mutex guards only the rate table, never the write: a full pipe delays the thread that writes, no other.
 */
#include "agent/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/hash.h"
#include "agent/base/text.h"

enum {
    LINE_MAX_BYTES = 4096,
    TAIL_BYTES = 64, /* kept free for what closes a line */
    MESSAGE_MAX_BYTES = 2048,
    RATE_SLOTS = 256,
    RATE_PER_MINUTE = 60
};

struct rate {
    uint64_t key; /* 0: free */
    int64_t minute_start_ms;
    unsigned passed, held_back;
};

struct log {
    int fd;
    enum log_format format;
    _Atomic int level;
    _Atomic(const struct clock *) clock;
    pthread_mutex_t mutex;
    struct rate rates[RATE_SLOTS];
};

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t len;
};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

struct log *log_new(int fd, enum log_level level, enum log_format format)
{
    struct log *log = calloc(1, sizeof(*log));
    if (!log)
        return NULL;
    log->fd = fd;
    log->format = format;
    atomic_init(&log->level, (int)level);
    atomic_init(&log->clock, &clock_system);
    if (pthread_mutex_init(&log->mutex, NULL) != 0) {
        free(log);
        return NULL;
    }
    return log;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    (void)pthread_mutex_destroy(&log->mutex);
    free(log);
}

void log_set_level(struct log *log, enum log_level level)
{
    if (log)
        atomic_store(&log->level, (int)level);
}

void log_set_clock(struct log *log, const struct clock *clock)
{
    if (log)
        atomic_store(&log->clock, clock);
}

bool log_level_parse(const char *text, enum log_level *out_level)
{
    for (int i = 0; i <= LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Whether this line may pass; *out_held_back is what was kept from the reader since the last that did. A full
 * table (more distinct formats than the program has) lets lines pass. */
static bool rate_allows(struct log *log, const char *component, const char *format, unsigned *out_held_back)
{
    uint64_t key = hash64(format, strlen(format), hash64(component, strlen(component), 0)) | 1;
    const struct clock *clock = atomic_load(&log->clock);
    int64_t now_ms = clock->monotonic_ms(clock);
    bool allowed = true;
    *out_held_back = 0;
    (void)pthread_mutex_lock(&log->mutex);
    for (unsigned i = 0; i < RATE_SLOTS; i++) {
        struct rate *rate = &log->rates[(key + i) % RATE_SLOTS];
        if (rate->key != 0 && rate->key != key)
            continue;
        if (rate->key == 0 || now_ms - rate->minute_start_ms >= 60000) {
            rate->key = key;
            rate->minute_start_ms = now_ms;
            rate->passed = 0;
        }
        allowed = rate->passed < RATE_PER_MINUTE;
        if (allowed) {
            rate->passed++;
            *out_held_back = rate->held_back;
            rate->held_back = 0;
        } else {
            rate->held_back++;
        }
        break;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return allowed;
}

static void put(struct line *line, const char *bytes, size_t len)
{
    size_t room = sizeof(line->bytes) - line->len;
    if (len > room)
        len = room;
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void puts_line(struct line *line, const char *string)
{
    put(line, string, strlen(string));
}

/* Inside double quotes; the same escapes serve logfmt and JSON. A log line never breaks, whatever came in. */
static void put_escaped(struct line *line, const char *string)
{
    const char *at = string, *end = string + strlen(string);
    while (at < end) {
        char escape[8];
        if (line->len > sizeof(line->bytes) - TAIL_BYTES) {
            puts_line(line, "...");
            return;
        }
        uint32_t len = text_utf8_length(at, (size_t)(end - at));
        if (len == 0) {
            puts_line(line, "\xef\xbf\xbd");
            at++;
        } else if (*at == '"' || *at == '\\') {
            put(line, (char[]){'\\', *at++}, 2);
        } else if (*at == '\n') {
            puts_line(line, "\\n");
            at++;
        } else if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            (void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)*at++);
            puts_line(line, escape);
        } else {
            put(line, at, len);
            at += len;
        }
    }
}

static void format_now(const struct clock *clock, char *out, size_t size)
{
    int64_t now_ms = clock->wall_ms(clock);
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof(tm));
    (void)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now_ms % 1000));
}

static void build(const struct log *log, struct line *line, enum log_level level, const char *component,
                  const char *message, unsigned held_back)
{
    bool json = log->format == LOG_FORMAT_JSON;
    char now[80], count[64];
    format_now(atomic_load(&log->clock), now, sizeof(now));
    puts_line(line, json ? "{\"ts\":\"" : "ts=");
    puts_line(line, now);
    puts_line(line, json ? "\",\"level\":\"" : " level=");
    puts_line(line, level_names[level]);
    puts_line(line, json ? "\",\"component\":\"" : " component=");
    puts_line(line, component);
    puts_line(line, json ? "\",\"msg\":\"" : " msg=\"");
    put_escaped(line, message);
    puts_line(line, "\"");
    if (held_back) {
        (void)snprintf(count, sizeof(count), json ? ",\"held_back\":%u" : " held_back=%u", held_back);
        puts_line(line, count);
    }
    puts_line(line, json ? "}\n" : "\n");
}

/* A line that is not written is lost: there is nobody left to tell. */
static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        len -= (size_t)written;
    }
}

void log_write(struct log *log, enum log_level level, const char *component, const char *format, ...)
{
    if (!log || (int)level < atomic_load_explicit(&log->level, memory_order_relaxed))
        return;
    int saved_errno = errno;
    unsigned held_back = 0;
    if (level < LOG_WARNING || rate_allows(log, component, format, &held_back)) {
        char message[MESSAGE_MAX_BYTES];
        va_list args;
        va_start(args, format);
        int len = vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        if (len < 0)
            (void)snprintf(message, sizeof(message), "(unprintable) %s", format);
        struct line line = {.len = 0};
        build(log, &line, level, component, message, held_back);
        write_all(log->fd, line.bytes, line.len);
    }
    errno = saved_errno;
}
