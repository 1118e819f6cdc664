#include "collectors/file_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { STREAM_BUFFER_BYTES = 64 * 1024, GZIP_WINDOW_BITS = 15 + 16 };

enum stream_form { FORM_UNKNOWN, FORM_PLAIN, FORM_GZIP };

/* Invariant: bytes[start, end) were read from fd and not yet handed out or inflated; once the form is plain
 * they go first, and then reads bypass the buffer. */
struct file_stream {
    int fd;
    bool owns_fd;
    bool regular;
    bool at_eof; /* read() has returned 0 */
    enum stream_form form;
    bool inflating;    /* `zlib` is initialised */
    bool inside;       /* between a member's first and last byte */
    bool had_a_member; /* at least one member ended well */
    int64_t read_bytes;
    int64_t size; /* -1: not a regular file */
    size_t start, end;
    z_stream zlib;
    char *path;
    unsigned char bytes[STREAM_BUFFER_BYTES];
};

static int open_failed(const char *path, struct err *err)
{
    int number = errno;
    int code = number == ENOENT ? ERR_NOT_FOUND : number == EMFILE || number == ENFILE ? ERR_LIMIT : ERR_IO;
    const char *advice = code == ERR_LIMIT ? "; raise the limit on open files (ulimit -n)" : "";
    return err_set(err, code, "cannot open %s: %s%s", path, strerror(number), advice);
}

static int stream_attach(struct file_stream *stream, const char *path, struct err *err)
{
    struct stat info;

    if (strcmp(path, "-") == 0) {
        stream->fd = STDIN_FILENO;
    } else {
        stream->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (stream->fd < 0)
            return open_failed(path, err);
        stream->owns_fd = true;
    }
    if (fstat(stream->fd, &info) != 0)
        return err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return err_set(err, ERR_IO, "%s is a directory: name the files in it", path);
    stream->regular = S_ISREG(info.st_mode);
    stream->size = stream->regular ? (int64_t)info.st_size : -1;
    return 0;
}

int file_stream_open(struct file_stream **out, const char *path, struct err *err)
{
    struct file_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return err_set(err, ERR_NOMEM, "out of memory opening %s", path);
    stream->fd = -1;
    stream->path = strdup(path);
    int rc = stream->path ? stream_attach(stream, path, err)
                          : err_set(err, ERR_NOMEM, "out of memory opening %s", path);
    if (rc < 0) {
        file_stream_free(stream);
        return rc;
    }
    *out = stream;
    return 0;
}

void file_stream_free(struct file_stream *stream)
{
    if (!stream)
        return;
    if (stream->inflating)
        (void)inflateEnd(&stream->zlib);
    if (stream->owns_fd)
        (void)close(stream->fd);
    free(stream->path);
    free(stream);
}

/* As read(2), but never waits longer than timeout_ms on what is not a regular file. */
static int raw_read(struct file_stream *stream, void *out, size_t len, int timeout_ms, struct err *err)
{
    if (stream->at_eof)
        return 0;
    if (!stream->regular) {
        struct pollfd ready = {.fd = stream->fd, .events = POLLIN};
        int rc = poll(&ready, 1, timeout_ms);
        if (rc == 0 || (rc < 0 && errno == EINTR))
            return ERR_BUSY;
        if (rc < 0)
            return err_set(err, ERR_IO, "cannot wait for %s: %s", stream->path, strerror(errno));
    }
    ssize_t got = read(stream->fd, out, len);
    if (got < 0) {
        if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)
            return ERR_BUSY;
        return err_set(err, ERR_IO, "cannot read %s: %s", stream->path, strerror(errno));
    }
    stream->at_eof = got == 0;
    stream->read_bytes += got;
    return (int)got;
}

/* Appends to the buffer. 0 at the end. */
static int buffer_more(struct file_stream *stream, int timeout_ms, struct err *err)
{
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
    int got =
        raw_read(stream, stream->bytes + stream->end, sizeof(stream->bytes) - stream->end, timeout_ms, err);
    if (got > 0)
        stream->end += (size_t)got;
    return got;
}

static int begin_inflate(struct file_stream *stream, struct err *err)
{
    if (inflateInit2(&stream->zlib, GZIP_WINDOW_BITS) != Z_OK)
        return err_set(err, ERR_NOMEM, "out of memory uncompressing %s", stream->path);
    stream->inflating = true;
    return 0;
}

/* Looks at the first two bytes. */
static int recognise(struct file_stream *stream, int timeout_ms, struct err *err)
{
    while (stream->end < 2 && !stream->at_eof) {
        int got = buffer_more(stream, timeout_ms, err);
        if (got < 0)
            return got;
    }
    bool gzip = stream->end >= 2 && stream->bytes[0] == 0x1f && stream->bytes[1] == 0x8b;
    if (gzip) {
        int rc = begin_inflate(stream, err);
        if (rc < 0)
            return rc;
    }
    stream->form = gzip ? FORM_GZIP : FORM_PLAIN;
    return 0;
}

static int read_plain(struct file_stream *stream, void *out, size_t len, int timeout_ms, struct err *err)
{
    size_t have = stream->end - stream->start;
    if (have == 0)
        return raw_read(stream, out, len, timeout_ms, err);
    size_t take = have < len ? have : len;
    memcpy(out, stream->bytes + stream->start, take);
    stream->start += take;
    return (int)take;
}

/* Between two members: padding of zero bytes is allowed, as gzip does. True when another member begins. */
static int next_member(struct file_stream *stream, struct err *err)
{
    while (stream->start < stream->end && stream->bytes[stream->start] == 0)
        stream->start++;
    if (stream->start == stream->end)
        return 0;
    if (stream->bytes[stream->start] != 0x1f)
        return err_set(err, ERR_CORRUPT, "%s: bytes behind the gzip data that are not gzip", stream->path);
    if (inflateReset(&stream->zlib) != Z_OK)
        return err_set(err, ERR_CORRUPT, "%s: the gzip data cannot be read on", stream->path);
    return 1;
}

static int inflate_some(struct file_stream *stream, void *out, size_t len, struct err *err)
{
    z_stream *zlib = &stream->zlib;
    zlib->next_in = stream->bytes + stream->start;
    zlib->avail_in = (uInt)(stream->end - stream->start);
    zlib->next_out = out;
    zlib->avail_out = (uInt)len;
    int rc = inflate(zlib, Z_NO_FLUSH);
    stream->start = stream->end - zlib->avail_in;
    if (rc == Z_STREAM_END) {
        stream->inside = false;
        stream->had_a_member = true;
    } else if (rc == Z_MEM_ERROR) {
        return err_set(err, ERR_NOMEM, "out of memory uncompressing %s", stream->path);
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return err_set(err, ERR_CORRUPT, "%s is damaged: gzip %s at compressed byte %lld", stream->path,
                       zlib->msg ? zlib->msg : "error",
                       (long long)(stream->read_bytes - (int64_t)zlib->avail_in));
    }
    return (int)(len - zlib->avail_out);
}

static int read_gzip(struct file_stream *stream, void *out, size_t len, int timeout_ms, struct err *err)
{
    for (;;) {
        if (stream->start == stream->end) {
            int got = buffer_more(stream, timeout_ms, err);
            if (got < 0)
                return got;
            if (got == 0 && stream->inside)
                return err_set(err, ERR_CORRUPT, "%s is cut off: the gzip data ends too early", stream->path);
            if (got == 0)
                return 0;
        }
        if (!stream->inside && stream->had_a_member) {
            int rc = next_member(stream, err);
            if (rc < 0)
                return rc;
            if (rc == 0)
                continue;
        }
        stream->inside = true;
        int got = inflate_some(stream, out, len, err);
        if (got != 0)
            return got;
    }
}

int file_stream_read(struct file_stream *stream, void *out, size_t len, int timeout_ms, struct err *err)
{
    BUG_ON(len == 0 || len > INT_MAX);
    if (stream->form == FORM_UNKNOWN) {
        int rc = recognise(stream, timeout_ms, err);
        if (rc < 0)
            return rc;
    }
    if (stream->form == FORM_GZIP)
        return read_gzip(stream, out, len, timeout_ms, err);
    return read_plain(stream, out, len, timeout_ms, err);
}

int file_stream_seek(struct file_stream *stream, int64_t offset, bool to_end, int64_t *out_offset,
                     struct err *err)
{
    struct stat info;

    if (!stream->regular)
        return ERR_UNSUPPORTED;
    if (stream->form == FORM_UNKNOWN) {
        int rc = recognise(stream, 0, err);
        if (rc < 0)
            return rc;
    }
    if (stream->form == FORM_GZIP)
        return ERR_UNSUPPORTED;
    if (fstat(stream->fd, &info) != 0)
        return err_set(err, ERR_IO, "cannot read %s: %s", stream->path, strerror(errno));
    if (to_end)
        offset = (int64_t)info.st_size;
    if (offset > (int64_t)info.st_size)
        return err_set(err, ERR_INVALID,
                       "%s has %lld bytes but was read up to byte %lld before: it was cut or replaced",
                       stream->path, (long long)info.st_size, (long long)offset);
    if (lseek(stream->fd, (off_t)offset, SEEK_SET) < 0)
        return err_set(err, ERR_IO, "cannot seek in %s: %s", stream->path, strerror(errno));
    stream->start = stream->end = 0;
    stream->at_eof = false;
    stream->read_bytes = offset;
    *out_offset = offset;
    return 0;
}

const char *file_stream_path(const struct file_stream *stream)
{
    return stream->path;
}

void file_stream_progress(const struct file_stream *stream, int64_t *out_read_bytes, int64_t *out_total_bytes)
{
    *out_read_bytes = stream->read_bytes;
    *out_total_bytes = stream->size;
}
