/* Files in one piece. */
#include "tests/unit/store_fixture.h"

#include "agent/whole_file.h"

static void test_replaces(void **state)
{
    const struct fixture *fixture = *state;
    struct strbuf bytes, back;
    struct err err = {0};
    char path[160], missing[160];
    (void)snprintf(path, sizeof(path), "%s/file", fixture->directory);
    (void)snprintf(missing, sizeof(missing), "%s/no/file", fixture->directory);
    strbuf_init(&bytes, 1 << 20);
    strbuf_init(&back, 1 << 20);
    for (int round = 0; round < 2; round++) {
        strbuf_adds(&bytes, "some more bytes, ");
        assert_int_equal(whole_file_write(path, &bytes, &err), 0);
        strbuf_reset(&back);
        assert_int_equal(whole_file_read(path, &back, &err), 0);
        assert_int_equal(back.len, bytes.len);
        assert_memory_equal(back.bytes, bytes.bytes, bytes.len);
    }
    assert_int_equal(whole_file_write(missing, &bytes, &err), ERR_IO);
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(whole_file_write("/dev/null", &bytes, &err), 0);
    struct stat device;
    assert_int_equal(stat("/dev/null", &device), 0);
    assert_true(S_ISCHR(device.st_mode)); /* written to, not replaced */
    assert_int_equal(whole_file_write("/dev/full", &bytes, &err), ERR_IO);
    strbuf_release(&bytes);
    strbuf_release(&back);
}

static void test_refuses(void **state)
{
    const struct fixture *fixture = *state;
    struct strbuf small;
    struct err err = {0};
    strbuf_init(&small, 1 << 20);
    assert_int_equal(whole_file_read("/nonexistent", &small, &err), ERR_NOT_FOUND);
    assert_int_equal(whole_file_read(fixture->directory, &small, &err), ERR_IO);
    assert_int_equal(whole_file_read("/dev/zero", &small, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "larger than 1 MiB"));
    strbuf_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replaces, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refuses, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
