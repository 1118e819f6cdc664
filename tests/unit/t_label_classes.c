/* label_classes.c: order of names, the rest, two sides, bytes. */
#include "tests/unit/near.h"

#include "agent/base/err.h"
#include "detectors/label_classes.h"

static void add(struct label_classes *classes, const char *name, uint64_t labels)
{
    assert_int_equal(label_classes_add(classes, text_of(name), labels), 0);
}

static void test_order(void **state)
{
    (void)state;
    struct label_classes classes = {0};
    add(&classes, "dog", 2);
    add(&classes, "cat", 1);
    add(&classes, "", 4);
    add(&classes, "dogs", 2);
    add(&classes, "dog", 3);
    assert_int_equal(classes.names.count, 4);
    assert_string_equal(classes.names.items[0].name, "");
    assert_string_equal(classes.names.items[1].name, "cat");
    assert_string_equal(classes.names.items[2].name, "dog");
    assert_int_equal(label_class_labels(&classes, 2), 5);
    assert_int_equal(label_classes_total(&classes), 12);
    label_classes_keep(&classes, 2); /* cat and dogs are the rarest */
    assert_int_equal(classes.names.count, 2);
    assert_int_equal(classes.other, 3);
    assert_string_equal(classes.names.items[1].name, "dog");
    assert_int_equal(label_classes_total(&classes), 12);
    label_classes_release(&classes);
}

static void test_align(void **state)
{
    (void)state;
    struct label_classes a = {0}, b = {0};
    uint64_t x[LABEL_CLASS_BINS_MAX], y[LABEL_CLASS_BINS_MAX];
    assert_int_equal(label_classes_align(&a, &b, x, y), 1);
    add(&a, "cat", 1);
    add(&a, "dog", 2);
    add(&b, "dog", 3);
    add(&b, "eel", 4);
    assert_int_equal(label_classes_align(&a, &b, x, y), 4);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == 0 && x[3] == 0);
    assert_true(y[0] == 0 && y[1] == 3 && y[2] == 4 && y[3] == 0);
    b.other = 7; /* cats may be among them */
    assert_int_equal(label_classes_align(&a, &b, x, y), 3);
    assert_true(x[0] == 2 && x[1] == 0 && x[2] == 1);
    assert_true(y[0] == 3 && y[1] == 4 && y[2] == 7);
    label_classes_release(&a);
    label_classes_release(&b);
}

static void test_bytes(void **state)
{
    (void)state;
    struct label_classes classes = {.other = 9}, back;
    struct strbuf bytes;
    strbuf_init(&bytes, 4096);
    add(&classes, "dog", 300);
    add(&classes, "cat", 1);
    label_classes_encode(&classes, &bytes);
    const unsigned char *at = (const unsigned char *)bytes.bytes;
    struct cursor in = {at, at + bytes.len, false};
    assert_int_equal(label_classes_decode(&in, &back), 0);
    assert_ptr_equal(in.at, in.end);
    assert_true(back.names.count == 2 && back.other == 9 && label_class_labels(&back, 1) == 300);
    label_classes_release(&back);
    for (size_t len = 0; len < bytes.len; len++) {
        struct cursor cut = {at, at + len, false};
        assert_int_equal(label_classes_decode(&cut, &back), ERR_CORRUPT);
    }
    bytes.bytes[2] = 'x'; /* xat, dog: names do not ascend */
    struct cursor wrong = {at, at + bytes.len, false};
    assert_int_equal(label_classes_decode(&wrong, &back), ERR_CORRUPT);
    label_classes_release(&classes);
    strbuf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_align),
                                       cmocka_unit_test(test_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
