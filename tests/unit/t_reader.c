/* The reader: sees what is committed, changes nothing, stops when told. */
#include "tests/unit/store_fixture.h"

#include "agent/reader.h"

static struct reader *open_reader(const struct fixture *fixture)
{
    struct reader *reader;
    struct err err = {0, ""};
    if (reader_open(&reader, fixture->path, &err) != 0)
        fail_msg("%s", err.message);
    return reader;
}

static int count_rows(void *context, const struct reader_row *row)
{
    *(uint64_t *)context += row->count > 0;
    return 0;
}

static void test_sees_commits_of_the_agent(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct reader *reader = open_reader(fixture);
    char text[32], holder[32] = "";
    assert_int_equal(reader_schema(reader), STORE_SCHEMA_VERSION);
    assert_int_equal(reader_string(reader, "SELECT value FROM meta WHERE key = 'k'", text, sizeof(text)),
                     ERR_NOT_FOUND);
    struct store_batch *batch = store_batch_new();
    store_put_meta(batch, "k", "value");
    commit_now(store, batch);
    assert_int_equal(reader_string(reader, "SELECT value FROM meta WHERE key = 'k'", text, sizeof(text)), 0);
    assert_string_equal(text, "value");
    assert_true(reader_store_holder(fixture->path, holder, sizeof(holder)));
    assert_int_equal(atoi(holder), getpid());
    store_close(store);
    assert_false(reader_store_holder(fixture->path, holder, sizeof(holder)));
    int64_t number;
    assert_int_equal(reader_integer(reader, "SELECT 41 + 1", &number), 0); /* after it stopped */
    assert_int_equal(number, 42);
    assert_int_equal(reader_integer(reader, "SELECT NULL", &number), ERR_NOT_FOUND);
    reader_close(reader);
}

static void test_refuses_to_write(void **state)
{
    const struct fixture *fixture = *state;
    store_close(fixture_open(fixture));
    struct reader *reader = open_reader(fixture);
    static const char *const statements[] = {
        "INSERT INTO meta VALUES('a', 'b')", "DROP TABLE pane",   "PRAGMA user_version=7",
        "ATTACH 'other.db' AS other",        "DELETE FROM audit",
    };
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        uint64_t rows = 0;
        struct reader_query query = {.sql = statements[i]};
        (void)!reader_query(reader, &query, count_rows, &rows, NULL, NULL);
    }
    reader_close(reader);
    assert_query(fixture, "SELECT count(*) FROM meta WHERE key = 'a'", "0");
    assert_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'pane'", "1");
    assert_query(fixture, "PRAGMA user_version", "2");
    assert_query(fixture, "SELECT count(*) FROM audit", "1");
}

#define NUMBERS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i FROM n"

static void test_row_cap(void **state)
{
    static const struct {
        int64_t rows;
        uint64_t cap, seen;
        bool truncated;
    } cases[] = {{5, 0, 5, false}, {5, 5, 5, false}, {5, 4, 4, true}, {5, 6, 5, false}, {1, 1, 1, false}};
    store_close(fixture_open(*state));
    struct reader *reader = open_reader(*state);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader_cell value = reader_integer_cell(cases[i].rows);
        struct reader_query query = {NUMBERS, &value, 1, cases[i].cap, 0};
        uint64_t seen = 0;
        bool truncated = !cases[i].truncated;
        assert_int_equal(reader_query(reader, &query, count_rows, &seen, &truncated, NULL), 0);
        assert_int_equal(seen, cases[i].seen);
        assert_int_equal(truncated, cases[i].truncated);
    }
    reader_close(reader);
}

static void test_time_cap(void **state)
{
    store_close(fixture_open(*state));
    struct reader *reader = open_reader(*state);
    struct reader_cell value = reader_integer_cell(INT64_MAX);
    struct reader_query query = {"SELECT count(*) FROM (" NUMBERS ")", &value, 1, 0, 50};
    uint64_t seen = 0;
    struct err err = {0, ""};
    assert_int_equal(reader_query(reader, &query, count_rows, &seen, NULL, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "too long"));
    /* It is the query that ended, not the reader. */
    int64_t number;
    assert_int_equal(reader_integer(reader, "SELECT 7", &number), 0);
    reader_close(reader);
}

static int check_types(void *context, const struct reader_row *row)
{
    (void)context;
    assert_int_equal(row->count, 5);
    assert_string_equal(row->names[1], "r");
    assert_int_equal(row->cells[0].type, READER_INTEGER);
    assert_int_equal(row->cells[0].integer, -3);
    assert_int_equal(row->cells[1].type, READER_REAL);
    assert_true(row->cells[1].real == 0.5);
    assert_int_equal(row->cells[2].type, READER_TEXT);
    assert_true(text_equal(row->cells[2].text, text_of("it's")));
    assert_int_equal(row->cells[3].type, READER_NULL);
    assert_int_equal(row->cells[4].type, READER_BLOB);
    assert_int_equal(row->cells[4].text.len, 2);
    return 9; /* comes back to the caller */
}

static void test_types_and_bindings(void **state)
{
    store_close(fixture_open(*state));
    struct reader *reader = open_reader(*state);
    const struct reader_cell values[] = {reader_integer_cell(-3),
                                         {.type = READER_REAL, .real = 0.5},
                                         reader_string_cell("it's"),
                                         reader_string_cell(NULL)};
    struct reader_query query = {"SELECT ?1 AS i, ?2 AS r, ?3 AS t, ?4 AS n, x'0001' AS b", values, 4, 0, 0};
    assert_int_equal(reader_query(reader, &query, check_types, NULL, NULL, NULL), 9);
    struct err err = {0, ""};
    query = (struct reader_query){.sql = "SELECT a FROM nowhere"};
    assert_int_not_equal(reader_query(reader, &query, count_rows, NULL, NULL, &err), 0);
    if (!strstr(err.message, "nowhere"))
        fail_msg("%s", err.message);
    reader_close(reader);
}

static void test_refuses_other_files(void **state)
{
    const struct fixture *fixture = *state;
    struct reader *reader = NULL;
    struct err err = {0, ""};
    assert_int_equal(reader_open(&reader, fixture->path, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "No such file"));
    spill(fixture->path,
          "something else that is long enough to be looked at as a header, which has a hundred bytes"
          " in all, I think",
          104);
    assert_int_equal(reader_open(&reader, fixture->path, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "not a store"));
    assert_null(reader);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_sees_commits_of_the_agent),
        WITH_STORE(test_refuses_to_write),
        WITH_STORE(test_row_cap),
        WITH_STORE(test_time_cap),
        WITH_STORE(test_types_and_bindings),
        WITH_STORE(test_refuses_other_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
