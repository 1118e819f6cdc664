#include "agent/whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, CHUNK_BYTES = 65536 };

static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

int whole_file_read(const char *path, struct strbuf *out, struct err *err)
{
    FILE *file = is_standard(path) ? stdin : fopen(path, "rbe");
    if (!file)
        return err_set(err, ERR_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    char chunk[CHUNK_BYTES];
    for (size_t got; !strbuf_failed(out) && (got = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        strbuf_add(out, chunk, got);
    int failure = ferror(file) ? errno : 0;
    if (file != stdin)
        (void)fclose(file);
    if (failure)
        return err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(failure));
    if (strbuf_failed(out))
        return err_set(err, ERR_LIMIT, "%s is larger than %zu MiB", path, out->max >> 20);
    return 0;
}

static bool write_all(FILE *file, const struct strbuf *bytes)
{
    return fwrite(bytes->bytes, 1, bytes->len, file) == bytes->len && fflush(file) == 0;
}

/* Flushed and closed in any case; 0 or errno. */
static int write_and_close(FILE *file, const struct strbuf *bytes, bool sync)
{
    int failure = write_all(file, bytes) && (!sync || fsync(fileno(file)) == 0) ? 0 : errno;
    if (fclose(file) != 0 && !failure)
        failure = errno;
    return failure;
}

/* A device or a pipe is written to, never replaced. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static int replace(const char *path, const struct strbuf *bytes)
{
    char temporary[PATH_BYTES];
    int len = snprintf(temporary, sizeof(temporary), "%s.tmp.%ld", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof(temporary))
        return ENAMETOOLONG;
    FILE *file = fopen(temporary, "wbe");
    if (!file)
        return errno;
    int failure = write_and_close(file, bytes, true);
    if (!failure && rename(temporary, path) != 0)
        failure = errno;
    if (failure)
        (void)unlink(temporary);
    return failure;
}

int whole_file_write(const char *path, const struct strbuf *bytes, struct err *err)
{
    int failure;
    if (is_standard(path)) {
        failure = write_all(stdout, bytes) ? 0 : errno;
    } else if (is_special(path)) {
        FILE *file = fopen(path, "wbe");
        failure = file ? write_and_close(file, bytes, false) : errno;
    } else {
        failure = replace(path, bytes);
    }
    if (!failure)
        return 0;
    return err_set(err, ERR_IO, "cannot write %s: %s", is_standard(path) ? "to standard output" : path,
                   strerror(failure));
}
