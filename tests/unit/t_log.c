#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/compiler.h"
#include "agent/base/log.h"

struct fixture {
    int64_t now_ms;
    struct clock clock;
    int read_fd, write_fd;
    struct log *log;
    char text[65536];
};

static int64_t fixture_ms(const struct clock *clock)
{
    return ((const struct fixture *)clock->context)->now_ms;
}

static void open_log(struct fixture *fixture, enum log_level level, enum log_format format)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    fixture->read_fd = fds[0];
    fixture->write_fd = fds[1];
    fixture->now_ms = INT64_C(1772366400250); /* 2026-03-01T12:00:00.250Z */
    fixture->clock = (struct clock){fixture_ms, fixture_ms, fixture};
    fixture->log = log_new(fds[1], level, format);
    assert_non_null(fixture->log);
    log_set_clock(fixture->log, &fixture->clock);
}

static const char *written(struct fixture *fixture)
{
    ssize_t len = read(fixture->read_fd, fixture->text, sizeof(fixture->text) - 1);
    fixture->text[len > 0 ? len : 0] = '\0';
    return fixture->text;
}

static void close_log(struct fixture *fixture)
{
    log_free(fixture->log);
    assert_int_equal(close(fixture->read_fd), 0);
    assert_int_equal(close(fixture->write_fd), 0);
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void test_logfmt(void **state)
{
    (void)state;
    struct fixture fixture;
    open_log(&fixture, LOG_INFO, LOG_FORMAT_LOGFMT);
    log_write(fixture.log, LOG_INFO, "kafka", "took %d ms", 12);
    assert_string_equal(written(&fixture),
                        "ts=2026-03-01T12:00:00.250Z level=info component=kafka msg=\"took 12 ms\"\n");
    log_write(fixture.log, LOG_ERROR, "store", "a \"b\"\n\\c\td\x01");
    assert_string_equal(written(&fixture), "ts=2026-03-01T12:00:00.250Z level=error component=store "
                                           "msg=\"a \\\"b\\\"\\n\\\\c\\u0009d\\u0001\"\n");
    close_log(&fixture);
}

static void test_json(void **state)
{
    (void)state;
    struct fixture fixture;
    open_log(&fixture, LOG_INFO, LOG_FORMAT_JSON);
    log_write(fixture.log, LOG_WARNING, "main", "\xc3\xa4 \"x\" \xff\xc3 \xed\xa0\x80");
    assert_string_equal(written(&fixture),
                        "{\"ts\":\"2026-03-01T12:00:00.250Z\",\"level\":\"warning\",\"component\":\"main\","
                        "\"msg\":\"\xc3\xa4 \\\"x\\\" \xef\xbf\xbd\xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n");
    close_log(&fixture);
}

static void test_levels(void **state)
{
    (void)state;
    struct fixture fixture;
    open_log(&fixture, LOG_WARNING, LOG_FORMAT_LOGFMT);
    log_write(fixture.log, LOG_INFO, "main", "quiet");
    assert_string_equal(written(&fixture), "");
    log_set_level(fixture.log, LOG_DEBUG);
    log_write(fixture.log, LOG_DEBUG, "main", "loud");
    assert_int_equal(lines_of(written(&fixture)), 1);
    log_write(NULL, LOG_ERROR, "main", "nowhere");
    close_log(&fixture);
}

static void test_level_names(void **state)
{
    (void)state;
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_parse("warning", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_false(log_level_parse("warn", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_WARNING);
}

static void test_rate(void **state)
{
    (void)state;
    struct fixture fixture;
    open_log(&fixture, LOG_INFO, LOG_FORMAT_LOGFMT);
    for (int i = 0; i < 100; i++)
        log_write(fixture.log, LOG_WARNING, "kafka", "bad event %d", i);
    assert_int_equal(lines_of(written(&fixture)), 60);
    /* Another format and another component have a budget of their own; infos have none. */
    log_write(fixture.log, LOG_WARNING, "kafka", "other");
    log_write(fixture.log, LOG_WARNING, "store", "bad event %d", 1);
    assert_int_equal(lines_of(written(&fixture)), 2);
    for (int i = 0; i < 100; i++)
        log_write(fixture.log, LOG_INFO, "kafka", "fine %d", i);
    assert_int_equal(lines_of(written(&fixture)), 100);
    fixture.now_ms += 59999;
    log_write(fixture.log, LOG_WARNING, "kafka", "bad event %d", 100);
    assert_string_equal(written(&fixture), "");
    fixture.now_ms += 1;
    log_write(fixture.log, LOG_WARNING, "kafka", "bad event %d", 101);
    assert_string_equal(written(&fixture), "ts=2026-03-01T12:01:00.250Z level=warning component=kafka "
                                           "msg=\"bad event 101\" held_back=41\n");
    close_log(&fixture);
}

static void test_a_long_line_stays_one_line(void **state)
{
    (void)state;
    struct fixture fixture;
    char message[10000];
    memset(message, '\x02', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    open_log(&fixture, LOG_INFO, LOG_FORMAT_JSON);
    log_write(fixture.log, LOG_INFO, "main", "%s", message);
    const char *line = written(&fixture);
    assert_true(strlen(line) <= 4096);
    assert_string_equal(line + strlen(line) - 6, "...\"}\n");
    assert_int_equal(lines_of(line), 1);
    close_log(&fixture);
}

static void test_a_full_pipe_loses_the_line_and_keeps_errno(void **state)
{
    (void)state;
    struct fixture fixture;
    open_log(&fixture, LOG_INFO, LOG_FORMAT_LOGFMT);
    errno = ENOENT;
    for (int i = 0; i < 2000; i++)
        log_write(fixture.log, LOG_INFO, "main", "%0100d", i);
    assert_int_equal(errno, ENOENT);
    close_log(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_a_long_line_stays_one_line),
        cmocka_unit_test(test_a_full_pipe_loses_the_line_and_keeps_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
