/* named_counts.c: order of names, cells, bytes. */
#include "tests/unit/near.h"

#include "agent/base/err.h"
#include "detectors/named_counts.h"

enum { WIDTH = 3, MOST = 4 };

static void add(struct named_counts *counts, const char *name, uint64_t first, uint64_t last)
{
    const uint64_t cells[WIDTH] = {first, 0, last};
    assert_int_equal(named_counts_add(counts, text_of(name), cells, WIDTH), 0);
}

static struct cursor over(const void *bytes, size_t len)
{
    return (struct cursor){bytes, (const unsigned char *)bytes + len, false};
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"sex=M", "sex=F", "", "age=", "sex=F", "age=1", "sex=Fx"};
    static const char *const ascending[] = {"", "age=", "age=1", "sex=F", "sex=Fx", "sex=M"};
    static const uint64_t both[NAMED_CELLS_MAX] = {1 + 4, 0, 2};
    struct named_counts counts = {0};
    for (uint32_t i = 0; i < 7; i++)
        add(&counts, names[i], i, 1);
    assert_int_equal(counts.count, 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_string_equal(counts.items[i].name, ascending[i]);
    assert_memory_equal(named_counts_find(&counts, text_of("sex=F"))->cells, both, sizeof(both));
    assert_non_null(named_counts_find(&counts, text_of("")));
    assert_null(named_counts_find(&counts, text_of("sex=")));
    assert_null(named_counts_find(&counts, text_of("sex=FX")));
    named_counts_release(&counts);
    assert_int_equal(counts.count, 0);
    assert_null(named_counts_find(&counts, text_of("sex=F")));
}

/* More than the first allocation, from behind; a name ends at its first NUL; no bytes are a name, too. */
static void test_growth(void **state)
{
    (void)state;
    struct named_counts counts = {0};
    const uint64_t one = 1;
    char name[16];
    for (int i = 99; i >= 0; i--) {
        (void)snprintf(name, sizeof(name), "n%02d", i);
        add(&counts, name, 1, 0);
    }
    assert_int_equal(counts.count, 100);
    for (uint32_t i = 1; i < 100; i++)
        assert_true(strcmp(counts.items[i - 1].name, counts.items[i].name) < 0);
    assert_int_equal(named_counts_add(&counts, (struct text){"n05\0x", 5}, &one, 1), 0);
    assert_int_equal(named_counts_add(&counts, (struct text){NULL, 0}, &one, 1), 0);
    assert_int_equal(counts.count, 101);
    assert_int_equal(named_counts_find(&counts, text_of("n05"))->cells[0], 2);
    assert_int_equal(named_counts_find(&counts, text_of(""))->cells[0], 1);
    named_counts_release(&counts);
}

/* What stores hold: count, then of each its length, its name and its cells. */
static void test_bytes(void **state)
{
    (void)state;
    static const unsigned char wide[] = {2, 1, 'a', 7, 0, 0x80, 0x80, 1, 2, 'b', 'c', 0xac, 2, 0, 3};
    static const unsigned char narrow[] = {2, 1, 'a', 7, 2, 'b', 'c', 0xac, 2};
    static const struct {
        const unsigned char *bytes;
        size_t len;
        uint32_t width;
    } cases[] = {{wide, sizeof(wide), WIDTH}, {narrow, sizeof(narrow), 1}};
    struct named_counts counts = {0}, again;
    struct strbuf bytes;
    strbuf_init(&bytes, 4096);
    add(&counts, "bc", 300, 3);
    add(&counts, "a", 7, 1 << 14);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strbuf_reset(&bytes);
        named_counts_encode(&counts, cases[i].width, &bytes);
        assert_int_equal(bytes.len, cases[i].len);
        assert_memory_equal(bytes.bytes, cases[i].bytes, bytes.len);
        struct cursor in = over(bytes.bytes, bytes.len);
        assert_int_equal(named_counts_decode(&in, MOST, cases[i].width, &again), 0);
        assert_ptr_equal(in.at, in.end);
        assert_int_equal(again.count, 2);
        assert_string_equal(again.items[1].name, "bc");
        assert_memory_equal(again.items[1].cells, counts.items[1].cells, cases[i].width * sizeof(uint64_t));
        named_counts_release(&again);
        for (size_t len = 0; len < bytes.len; len++) {
            in = over(bytes.bytes, len);
            assert_int_equal(named_counts_decode(&in, MOST, cases[i].width, &again), ERR_CORRUPT);
            assert_int_equal(again.count, 0);
            assert_null(again.items);
        }
    }
    strbuf_release(&bytes);
    named_counts_release(&counts);
}

static void test_corrupt(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[16];
        int code;
    } cases[] = {
        {{0}, 0},
        {{2, 0, 9, 1, 'a', 9}, 0},
        {{4, 1, 'a', 9, 1, 'b', 9, 1, 'c', 9, 1, 'd', 9}, 0},
        {{5, 1, 'a', 9, 1, 'b', 9, 1, 'c', 9, 1, 'd', 9}, ERR_CORRUPT}, /* too many */
        {{2, 1, 'a', 9, 1, 'a', 9}, ERR_CORRUPT},                       /* the same twice */
        {{2, 1, 'b', 9, 1, 'a', 9}, ERR_CORRUPT},
        {{2, 2, 'a', 'b', 9, 1, 'a', 9}, ERR_CORRUPT}, /* a prefix comes first */
        {{1, 2, 'a', 0, 9}, ERR_CORRUPT},              /* a NUL */
        {{1, 200, 1, 'a', 9}, ERR_CORRUPT},            /* longer than there is */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct named_counts counts;
        struct cursor in = over(cases[i].bytes, sizeof(cases[i].bytes));
        assert_int_equal(named_counts_decode(&in, MOST, 1, &counts), cases[i].code);
        assert_int_equal(counts.count, cases[i].code == 0 ? cases[i].bytes[0] : 0);
        named_counts_release(&counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_growth),
                                       cmocka_unit_test(test_bytes), cmocka_unit_test(test_corrupt)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
