/* collectors/file*.c: files cut into records, gzip, resuming, holding, and what broken files do. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "collectors/file.h"

enum { SEEN_MAX = 4096, SLOTS_MAX = 4 };

struct seen {
    uint32_t slot;
    int64_t offset, next_offset;
    char *payload;
    uint32_t len;
};

/* What a receiver saw, and how it answers. */
struct receiver {
    struct seen seen[SEEN_MAX];
    uint32_t count;
    uint32_t holds;      /* HOLD verdicts given */
    unsigned hold_every; /* 0: never; else every n-th delivery is held once */
    unsigned deliveries;
    int64_t held_offset; /* of the record that must come next for the held slot, -1: none */
    uint32_t held_slot;
    int ends[SLOTS_MAX], finished[SLOTS_MAX], failed[SLOTS_MAX];
    char header[256];
    char detail[1024];
};

static enum source_verdict deliver(void *context, uint32_t slot, const struct record *record)
{
    struct receiver *receiver = context;

    assert_true(record->padded);
    unsigned sum = 0; /* the padding is readable: the sanitizer says when it is not */
    for (unsigned i = 0; i < RECORD_PADDING; i++)
        sum += (unsigned char)record->payload.ptr[record->payload.len + i];
    assert_true(sum < 256 * RECORD_PADDING);
    assert_true(record->ts_ms == INT64_MIN);
    if (receiver->held_offset >= 0 && slot == receiver->held_slot) {
        assert_int_equal(record->offset, receiver->held_offset);
        receiver->held_offset = -1;
    } else if (receiver->hold_every && ++receiver->deliveries % receiver->hold_every == 0) {
        receiver->held_offset = record->offset;
        receiver->held_slot = slot;
        receiver->holds++;
        return SOURCE_HOLD;
    }
    assert_true(receiver->count < SEEN_MAX);
    struct seen *seen = &receiver->seen[receiver->count++];
    *seen = (struct seen){slot, record->offset, record->next_offset, malloc(record->payload.len + 1u),
                          record->payload.len};
    memcpy(seen->payload, record->payload.ptr, record->payload.len);
    seen->payload[record->payload.len] = '\0';
    if (record->csv_header.ptr)
        (void)snprintf(receiver->header, sizeof(receiver->header), "%.*s", (int)record->csv_header.len,
                       record->csv_header.ptr);
    return SOURCE_TAKEN;
}

static void on_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    struct receiver *receiver = context;
    int *counts = signal == SIGNAL_END        ? receiver->ends
                  : signal == SIGNAL_FINISHED ? receiver->finished
                                              : receiver->failed;
    assert_true(signal != SIGNAL_GAP);
    counts[slot]++;
    if (signal == SIGNAL_FAILED)
        (void)snprintf(receiver->detail, sizeof(receiver->detail), "%s", detail);
}

static struct receiver *receiver_new(void)
{
    struct receiver *receiver = calloc(1, sizeof(*receiver));
    assert_non_null(receiver);
    receiver->held_offset = -1;
    return receiver;
}

static void receiver_free(struct receiver *receiver)
{
    for (uint32_t i = 0; i < receiver->count; i++)
        free(receiver->seen[i].payload);
    free(receiver);
}

static struct source_sink sink_of(struct receiver *receiver)
{
    return (struct source_sink){deliver, on_signal, receiver};
}

/* A temporary file with these bytes; the caller frees the name and removes the file (drop_file). */
static char *put_file(const void *bytes, size_t len, bool gzip)
{
    char *path = strdup("/tmp/driftd_t_file_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    if (gzip) {
        gzFile out = gzdopen(fd, "wb1");
        assert_non_null(out);
        if (len > 0)
            assert_int_equal(gzwrite(out, bytes, (unsigned)len), (int)len);
        assert_int_equal(gzclose(out), Z_OK);
    } else {
        assert_int_equal(write(fd, bytes, len), (ssize_t)len);
        assert_int_equal(close(fd), 0);
    }
    return path;
}

static void drop_file(char *path)
{
    assert_int_equal(unlink(path), 0);
    free(path);
}

static struct source *open_one(const char *path, uint32_t event_bytes, bool csv, int64_t offset,
                               int64_t end_offset)
{
    struct err err = {0};
    struct source *source = file_source_new(event_bytes);
    assert_non_null(source);
    struct source_slot slot = {
        .slot = 0, .topic = path, .offset = offset, .end_offset = end_offset, .csv = csv};
    if (source_add(source, &slot, &err) < 0)
        fail_msg("%s", err.message);
    return source;
}

/* Polls until slot 0 finishes or fails. */
static void drain(struct source *source, struct receiver *receiver, uint32_t max_records)
{
    struct source_sink sink = sink_of(receiver);
    for (int polls = 0; receiver->finished[0] + receiver->failed[0] == 0; polls++) {
        struct err err = {0};
        uint32_t before = receiver->count;
        int got = source_poll(source, 0, max_records, &sink, &err);
        assert_true(got >= 0 && (uint32_t)got <= max_records);
        assert_int_equal(receiver->count - before, got);
        if (receiver->held_offset >= 0) {
            before = receiver->count;
            assert_int_equal(source_poll(source, 0, max_records, &sink, &err), 0);
            assert_int_equal(receiver->count, before);
            source_release(source, receiver->held_slot);
        }
        assert_true(polls < 1000000);
    }
}

static struct receiver *read_all(const char *path, uint32_t event_bytes, bool csv, int64_t offset)
{
    struct receiver *receiver = receiver_new();
    struct source *source = open_one(path, event_bytes, csv, offset, INT64_MAX);
    drain(source, receiver, 100);
    source_free(source);
    return receiver;
}

struct cut_case {
    const char *name, *bytes;
    bool csv;
    uint32_t event_bytes;
    const char *records[8]; /* payloads */
    int64_t offsets[9];     /* of each, then the end */
};

static const struct cut_case cut_cases[] = {
    {"lines", "{}\n[1]\n", false, 64, {"{}", "[1]"}, {0, 3, 7}},
    {"last line without end", "a\nbc", false, 64, {"a", "bc"}, {0, 2, 4}},
    {"carriage returns", "a\r\nb\r\n", false, 64, {"a", "b"}, {0, 3, 6}},
    {"a lone carriage return stays inside", "a\rb\n", false, 64, {"a\rb"}, {0, 4}},
    {"empty lines are passed over", "\n\na\n\r\n\nb\n\n", false, 64, {"a", "b"}, {2, 7, 9}},
    {"byte-order mark", "\xef\xbb\xbf{}\n", false, 64, {"{}"}, {3, 6}},
    {"half a byte-order mark is data", "\xef\xbb\n", false, 64, {"\xef\xbb"}, {0, 3}},
    {"exactly event_bytes", "1234\n1234\r\n1234", false, 4, {"1234", "1234", "1234"}, {0, 5, 11, 15}},
    {"one more", "12345\nx\n", false, 4, {"12345", "x"}, {0, 6, 8}},
    {"much more", "123456789\nx\n", false, 4, {"12345", "x"}, {0, 10, 12}},
    {"much more at the end", "x\n123456789", false, 4, {"x", "12345"}, {0, 2, 11}},
    {"empty", "", false, 64, {NULL}, {0}},
    {"only empty lines", "\n\r\n\n", false, 64, {NULL}, {0}},
    {"csv", "a,b\n1,2\n3,4\n", true, 64, {"1,2", "3,4"}, {4, 8, 12}},
    {"csv header only", "a,b\n", true, 64, {NULL}, {0}},
    {"csv with a mark",
     "\xef\xbb\xbf"
     "a,b\n1,2\n",
     true,
     64,
     {"1,2"},
     {7, 11}},
    {"csv line end in quotes", "a,b\n\"x\ny\",2\n3,4\n", true, 64, {"\"x\ny\",2", "3,4"}, {4, 12, 16}},
    {"csv escaped quotes", "a\n\"x\"\"\n\"\"y\"\nz\n", true, 64, {"\"x\"\"\n\"\"y\"", "z"}, {2, 12, 14}},
    {"csv quote inside a word is data",
     "a,b\n5\" disk,1\n6,2\n",
     true,
     64,
     {"5\" disk,1", "6,2"},
     {4, 14, 18}},
    {"csv open quote at the end", "a\n\"x\ny\nz\n", true, 64, {"\"x", "y", "z"}, {2, 5, 7, 9}},
    {"csv open quote beyond event_bytes",
     "a\n\"x\nyyyyyyyyyyyy\nz\n",
     true,
     8,
     {"\"x", "yyyyyyyyy", "z"},
     {2, 5, 18, 20}},
    {"csv quoted record too long is cut after its line",
     "a\n\"x\nyyyyyyyyy\"\nz\n",
     true,
     8,
     {"\"x", "yyyyyyyyy", "z"},
     {2, 5, 16, 18}},
    {"csv quoted line alone too long",
     "a\n\"xxxxxxxxxxxx\n\"\nz\n",
     true,
     8,
     {"\"xxxxxxxx", "\"", "z"},
     {2, 16, 18, 20}},
};

static void check_case(const struct cut_case *c, bool gzip)
{
    char *path = put_file(c->bytes, strlen(c->bytes), gzip);
    struct receiver *receiver = read_all(path, c->event_bytes, c->csv, 0);
    uint32_t count = 0;

    assert_int_equal(receiver->failed[0], 0);
    for (; c->records[count]; count++) {
        if (count >= receiver->count)
            fail_msg("%s: only %u records", c->name, receiver->count);
        const struct seen *seen = &receiver->seen[count];
        if (strcmp(seen->payload, c->records[count]) != 0)
            fail_msg("%s: record %u is `%s`", c->name, count, seen->payload);
        if (seen->offset != c->offsets[count])
            fail_msg("%s: record %u at %lld", c->name, count, (long long)seen->offset);
    }
    if (receiver->count != count)
        fail_msg("%s: %u records", c->name, receiver->count);
    if (count > 0 && receiver->seen[count - 1].next_offset > c->offsets[count])
        fail_msg("%s: ends at %lld", c->name, (long long)receiver->seen[count - 1].next_offset);
    if (c->csv && count > 0)
        assert_string_equal(receiver->header, strchr(c->bytes, ',') ? "a,b" : "a");
    receiver_free(receiver);
    drop_file(path);
}

static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cut_cases); i++) {
        check_case(&cut_cases[i], false);
        check_case(&cut_cases[i], true);
    }
}

/* A slow second opinion on where lines end. */
static uint32_t expect_lines(const char *bytes, size_t len, uint32_t event_bytes, struct seen *out)
{
    uint32_t count = 0;
    for (size_t at = 0; at < len;) {
        size_t stop = at;
        while (stop < len && bytes[stop] != '\n')
            stop++;
        size_t next = stop < len ? stop + 1 : stop, content = stop - at;
        if (content > 0 && bytes[at + content - 1] == '\r')
            content--;
        if (content > event_bytes)
            content = (size_t)event_bytes + 1;
        if (content > 0)
            out[count++] =
                (struct seen){0, (int64_t)at, (int64_t)next, strndup(bytes + at, content), (uint32_t)content};
        at = next;
    }
    return count;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Lines of all lengths, some beyond the reader's buffer, so that every cut of the reads is met. */
static char *random_lines(uint32_t *seed, size_t *out_len)
{
    size_t len = 0, capacity = 700000;
    char *bytes = malloc(capacity);
    assert_non_null(bytes);
    while (len < 500000) {
        uint32_t kind = next_random(seed) % 40;
        size_t line = kind == 0   ? next_random(seed) % 150000
                      : kind < 20 ? next_random(seed) % 4000
                                  : next_random(seed) % 60;
        for (size_t i = 0; i < line; i++)
            bytes[len++] = (char)('a' + next_random(seed) % 26);
        if (next_random(seed) % 5 == 0)
            bytes[len++] = '\r';
        bytes[len++] = '\n';
    }
    *out_len = len - next_random(seed) % 2;
    return bytes;
}

static void check_against(const struct receiver *receiver, const struct seen *expected, uint32_t count)
{
    assert_int_equal(receiver->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(receiver->seen[i].offset, expected[i].offset);
        assert_int_equal(receiver->seen[i].next_offset, expected[i].next_offset);
        assert_int_equal(receiver->seen[i].len, expected[i].len);
        assert_memory_equal(receiver->seen[i].payload, expected[i].payload, expected[i].len);
    }
}

static void test_random(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 50, 3000, 65536, 200000};
    uint32_t seed = 7;
    for (unsigned round = 0; round < 10; round++) {
        size_t len;
        char *bytes = random_lines(&seed, &len);
        uint32_t event_bytes = limits[round % ARRAY_LEN(limits)];
        struct seen *expected = calloc(SEEN_MAX, sizeof(*expected));
        uint32_t count = expect_lines(bytes, len, event_bytes, expected);
        char *path = put_file(bytes, len, round % 2);
        struct receiver *receiver = receiver_new();
        receiver->hold_every = 1 + round;
        struct source *source = open_one(path, event_bytes, false, OFFSET_BEGINNING, INT64_MAX);
        drain(source, receiver, 1 + round * 37);
        check_against(receiver, expected, count);
        assert_true(receiver->holds > 0);
        assert_int_equal(receiver->finished[0], 1);
        /* Resuming at any record gives exactly the rest. */
        for (unsigned i = 0; i < 8; i++) {
            uint32_t from = next_random(&seed) % count;
            bool csv = i % 2 && expected[0].len <= event_bytes;
            struct receiver *rest = read_all(path, event_bytes, csv, expected[from].offset);
            uint32_t extra = csv && from == 0; /* as CSV the first line is the header */
            check_against(rest, expected + from + extra, count - from - extra);
            receiver_free(rest);
        }
        source_free(source);
        receiver_free(receiver);
        for (uint32_t i = 0; i < count; i++)
            free(expected[i].payload);
        free(expected);
        free(bytes);
        drop_file(path);
    }
}

static void test_end_offset(void **state)
{
    (void)state;
    char *path = put_file("a\nb\nc\n", 6, false);
    struct receiver *receiver = receiver_new();
    struct source *source = open_one(path, 64, false, 0, 4);
    drain(source, receiver, 100);
    assert_int_equal(receiver->count, 2);
    assert_int_equal(receiver->finished[0], 1);
    source_free(source);
    receiver_free(receiver);
    receiver = read_all(path, 64, false, OFFSET_END);
    assert_int_equal(receiver->count, 0);
    assert_int_equal(receiver->finished[0], 1);
    receiver_free(receiver);
    drop_file(path);
}

static void test_gzip_members_and_padding(void **state)
{
    (void)state;
    char *one = put_file("a\nb", 3, true), *two = put_file("c\nd\n", 4, true);
    char joined[512];
    size_t len = 0;
    for (int i = 0; i < 2; i++) {
        FILE *in = fopen(i ? two : one, "rb");
        assert_non_null(in);
        len += fread(joined + len, 1, sizeof(joined) - len, in);
        (void)fclose(in);
    }
    memset(joined + len, 0, 20);
    char *path = put_file(joined, len + 20, false);
    struct receiver *receiver = read_all(path, 64, false, 0);
    assert_int_equal(receiver->finished[0], 1);
    assert_int_equal(receiver->count, 3);
    assert_string_equal(receiver->seen[1].payload, "bc");
    receiver_free(receiver);
    drop_file(path);

    memcpy(joined + len, "junk", 4);
    path = put_file(joined, len + 4, false);
    receiver = read_all(path, 64, false, 0);
    assert_int_equal(receiver->failed[0], 1);
    assert_non_null(strstr(receiver->detail, path));
    receiver_free(receiver);
    drop_file(path);
    drop_file(one);
    drop_file(two);
}

static void test_broken(void **state)
{
    (void)state;
    char bytes[4000], packed[8000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i % 7 == 6 ? '\n' : (char)('a' + i * i % 23);
    char *path = put_file(bytes, sizeof(bytes), true);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t len = fread(packed, 1, sizeof(packed), in);
    (void)fclose(in);
    drop_file(path);
    for (unsigned i = 0; i < 2; i++) { /* cut off; one bit wrong */
        if (i)
            packed[len / 2] = (char)(packed[len / 2] ^ 0x10);
        path = put_file(packed, i ? len : len / 2, false);
        struct receiver *receiver = read_all(path, 64, false, 0);
        assert_int_equal(receiver->failed[0], 1);
        assert_int_equal(receiver->finished[0], 0);
        assert_non_null(strstr(receiver->detail, path));
        receiver_free(receiver);
        drop_file(path);
    }
    for (unsigned i = 0; i < 2; i++) { /* shorter than where we were */
        path = put_file("a\nb\n", 4, i);
        struct receiver *receiver = read_all(path, 64, false, 5);
        assert_int_equal(receiver->failed[0], 1);
        assert_non_null(strstr(receiver->detail, "cut or replaced"));
        receiver_free(receiver);
        receiver = read_all(path, 64, false, 4);
        assert_int_equal(receiver->finished[0], 1);
        receiver_free(receiver);
        drop_file(path);
    }
}

static void test_cannot_open(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int code;
    } cases[] = {{"/tmp/no/such/driftd/file", ERR_NOT_FOUND}, {"/tmp", ERR_IO}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct source *source = file_source_new(64);
        struct source_slot slot = {.topic = cases[i].path, .end_offset = INT64_MAX};
        assert_int_equal(source_add(source, &slot, &err), cases[i].code);
        assert_non_null(strstr(err.message, cases[i].path));
        source_free(source);
    }
}

/* A pipe: what is there is delivered, then END once, then it goes on; closing it finishes. */
static void test_standard_input(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    struct receiver *receiver = receiver_new();
    struct source_sink sink = sink_of(receiver);
    struct source *source = open_one("-", 64, false, 2, INT64_MAX);
    assert_int_equal(write(ends[1], "x\na\nb", 5), 5);
    for (int i = 0; i < 5; i++)
        assert_true(source_poll(source, 1, 100, &sink, NULL) >= 0);
    assert_int_equal(receiver->count, 1);
    assert_int_equal(receiver->seen[0].offset, 2);
    assert_int_equal(receiver->ends[0], 1);
    assert_int_equal(write(ends[1], "c\n", 2), 2);
    for (int i = 0; i < 5; i++)
        assert_true(source_poll(source, 1, 100, &sink, NULL) >= 0);
    assert_int_equal(receiver->count, 2);
    assert_string_equal(receiver->seen[1].payload, "bc");
    assert_int_equal(receiver->ends[0], 2);
    assert_int_equal(close(ends[1]), 0);
    drain(source, receiver, 100);
    assert_int_equal(receiver->finished[0], 1);
    source_free(source);
    receiver_free(receiver);
    assert_true(dup2(saved, STDIN_FILENO) == STDIN_FILENO);
    (void)close(saved);
    (void)close(ends[0]);
}

static void test_several_files(void **state)
{
    (void)state;
    struct receiver *receiver = receiver_new();
    struct source_sink sink = sink_of(receiver);
    struct source *source = file_source_new(64);
    char *paths[3];
    for (uint32_t i = 0; i < 3; i++) {
        paths[i] = put_file("1\n2\n3\n", 6, false);
        struct source_slot slot = {.slot = i, .topic = paths[i], .end_offset = INT64_MAX};
        assert_int_equal(source_add(source, &slot, NULL), 0);
    }
    file_source_prefer(source, 2);
    assert_int_equal(source_poll(source, 0, 2, &sink, NULL), 2);
    assert_int_equal(receiver->seen[0].slot, 2);
    assert_int_equal(receiver->seen[1].slot, 2);
    for (int i = 0; i < 20; i++)
        assert_true(source_poll(source, 0, 2, &sink, NULL) >= 0);
    assert_int_equal(receiver->count, 9);
    int64_t read_bytes, total_bytes;
    file_source_progress(source, &read_bytes, &total_bytes);
    assert_int_equal(read_bytes, 18);
    assert_int_equal(total_bytes, 18);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(receiver->finished[i], 1);
        drop_file(paths[i]);
    }
    struct source_slot again = {.slot = 1, .topic = "/dev/null", .end_offset = INT64_MAX};
    assert_int_equal(source_add(source, &again, NULL), ERR_INVALID);
    source_free(source);
    receiver_free(receiver);
}

static void test_fingerprint(void **state)
{
    (void)state;
    char long_bytes[6000];
    uint64_t plain, same, other;
    memset(long_bytes, 'x', sizeof(long_bytes));
    char *path = put_file(long_bytes, sizeof(long_bytes), false);
    assert_int_equal(file_fingerprint(path, &plain, NULL), 0);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "more", 4), 4); /* a file that grows stays the same file */
    assert_int_equal(file_fingerprint(path, &same, NULL), 0);
    assert_true(plain == same);
    assert_int_equal(pwrite(fd, "y", 1, 4095), -1 + 2); /* O_APPEND: lands at the end */
    (void)close(fd);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "y", 1, 4095), 1);
    (void)close(fd);
    assert_int_equal(file_fingerprint(path, &other, NULL), 0);
    assert_true(plain != other);
    assert_int_equal(file_fingerprint("-", &other, NULL), ERR_UNSUPPORTED);
    drop_file(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_end_offset),
        cmocka_unit_test(test_gzip_members_and_padding),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_standard_input),
        cmocka_unit_test(test_several_files),
        cmocka_unit_test(test_fingerprint),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
