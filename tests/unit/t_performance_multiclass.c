/* performance_multiclass.c: two classes agree with the binary metrics; absent classes. */
#include "tests/unit/near.h"

#include "detectors/performance.h"
#include "detectors/performance_multiclass.h"

static void two_classes_are_binary(void **state)
{
    (void)state;
    static const uint64_t tables[][4] = {
        {880, 20, 15, 85}, {90, 0, 10, 0}, {0, 90, 10, 0}, {5000000000u, 1, 2, 5000000000u}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const uint64_t *t = tables[i];
        struct confusion c = {(double)t[3], (double)t[1], (double)t[2], (double)t[0]};
        struct binary_metrics b = binary_metrics(&c);
        struct multiclass_metrics m = multiclass_metrics(t, 2);
        assert_near(m.accuracy, b.accuracy, 1e-15);
        assert_near(m.mcc, b.mcc, 1e-12);
        assert_near(m.kappa, b.kappa, 1e-12);
        assert_near(m.balanced_accuracy, b.balanced_accuracy, 1e-15);
        assert_near(class_metrics(t, 2, 1).f1, b.f1, 1e-15);
        assert_near(m.micro.f1, b.accuracy, 1e-15);
    }
}

static void absent_classes_do_not_count(void **state)
{
    (void)state;
    static const uint64_t with[9] = {5, 1, 0, 2, 7, 0, 0, 0, 0};
    static const uint64_t without[4] = {5, 1, 2, 7};
    struct multiclass_metrics a = multiclass_metrics(with, 3);
    struct multiclass_metrics b = multiclass_metrics(without, 2);
    assert_near(a.macro.f1, b.macro.f1, 1e-15);
    assert_near(a.weighted.precision, b.weighted.precision, 1e-15);
    assert_near(a.balanced_accuracy, b.balanced_accuracy, 1e-15);
    assert_nan(class_metrics(with, 3, 2).recall);
}

static void no_events(void **state)
{
    (void)state;
    static const uint64_t empty[4] = {0};
    struct multiclass_metrics m = multiclass_metrics(empty, 2);
    assert_nan(m.accuracy);
    assert_nan(m.macro.f1);
    assert_nan(m.mcc);
    assert_nan(m.kappa);
    assert_nan(multiclass_metrics(empty, 0).accuracy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_classes_are_binary),
        cmocka_unit_test(absent_classes_do_not_count),
        cmocka_unit_test(no_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
