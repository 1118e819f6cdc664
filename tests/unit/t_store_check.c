#include "store_fixture.h"

static int open_aside(const struct fixture *fixture, struct store **out, struct err *err)
{
    struct store_settings settings = {.path = fixture->path, .pipeline = "p", .check_aside = true};
    *err = (struct err){0, ""};
    return store_open(out, &settings, err);
}

static long file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

static unsigned char *contents(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *len = (size_t)file_size(path);
    unsigned char *bytes = malloc(*len);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

/* Subjects fill some pages; in the middle of the file lie those of their table. */
static void fill(const struct fixture *fixture)
{
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    for (uint32_t i = 1; i <= 2000; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "a feature with a name that takes some room %u", i);
        store_put_subject(batch, i, text_of(name));
    }
    commit_now(store, batch);
    store_close(store);
}

static void damage(const struct fixture *fixture)
{
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, file_size(fixture->path) / 4096 / 2 * 4096, SEEK_SET), 0);
    for (int i = 0; i < 4096; i++)
        (void)fputc(0xa5, file);
    assert_int_equal(fclose(file), 0);
}

static int count_subject(void *context, uint32_t subject, struct text name)
{
    (void)subject;
    (void)name;
    ++*(int *)context;
    return 0;
}

static void test_a_sound_file_is_read_meanwhile(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store;
    struct err err;
    int subjects = 0;
    fill(fixture);
    assert_int_equal(open_aside(fixture, &store, &err), 0);
    assert_non_null(store->check);
    assert_false(store->settled);
    assert_int_equal(store_load_subjects(store, count_subject, &subjects, &err), 0);
    assert_int_equal(subjects, 2000);
    assert_int_equal(store_settle(store, &err), 0);
    assert_true(store->settled);
    assert_int_equal(store_settle(store, &err), 0); /* again: nothing */
    assert_int_equal(store_start(store, &err), 0);
    store_close(store);
}

static void test_a_new_file_needs_no_check(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store;
    struct err err;
    assert_int_equal(open_aside(fixture, &store, &err), 0);
    assert_true(store->settled);
    assert_int_equal(store_start(store, &err), 0);
    store_close(store);
}

static void test_damage_is_refused_before_anything_is_written(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store;
    struct err err;
    size_t before, after;
    fill(fixture);
    damage(fixture);
    unsigned char *was = contents(fixture->path, &before);
    assert_int_equal(open_aside(fixture, &store, &err), 0);
    assert_int_equal(store_start(store, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "is damaged"));
    store_close(store);
    assert_int_equal(open_aside(fixture, &store, &err), 0);
    store_close(store); /* without asking for the verdict */
    unsigned char *is = contents(fixture->path, &after);
    assert_int_equal(before, after);
    assert_memory_equal(was, is, before);
    free(was);
    free(is);
    /* The same without a thread of its own. */
    assert_int_equal(fixture_try(fixture, &store, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "is damaged"));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_a_sound_file_is_read_meanwhile),
        WITH_STORE(test_a_new_file_needs_no_check),
        WITH_STORE(test_damage_is_refused_before_anything_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
