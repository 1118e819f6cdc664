/* outcome_groups.c: slots of values and cells, caps, what a store gave back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/outcome_groups.h"

static char sex[] = "sex", age[] = "age", advantaged[] = "M";
static char *pair[] = {sex, age, NULL};
static struct cross_spec crosses[] = {{pair}};
static struct facet_spec facets[] = {{age, NULL, sex}, {sex, advantaged, NULL}};

static struct text name(const struct version *version, uint16_t slot)
{
    return intern_text(version->groups, slot);
}

static void test_slots(void **state)
{
    (void)state;
    struct model_config config = {.crosses = crosses, .cross_count = 1, .facets = facets, .facet_count = 2};
    struct version version = {.config = &config};
    uint16_t slots[OUTCOME_MEMBERS_MAX], again[OUTCOME_MEMBERS_MAX];
    static const char *const groups[] = {"sex=F", "age=old", "sex=F"};
    assert_int_equal(outcome_group_slots(&version, groups, 0, true, slots), 0);
    assert_null(version.groups);
    assert_int_equal(outcome_group_slots(&version, groups, 3, true, slots), 4);
    assert_true(text_equal(name(&version, slots[2]), text_of("sex|age=F|old")));
    assert_true(text_equal(name(&version, slots[3]), text_of("age|sex=old|F")));
    /* As the store gives them back: the cells are named already. */
    static const char *const stored[] = {"sex=F", "age=old", "sex|age=F|old", "age|sex=old|F"};
    assert_int_equal(outcome_group_slots(&version, stored, 4, false, again), 4);
    assert_memory_equal(slots, again, 4 * sizeof(*slots));
    assert_int_equal(outcome_group_slots(&version, (const char *const[]){"sex=F"}, 1, true, slots), 1);
    assert_false(version.capped);
    intern_free(version.groups);
}

static void test_caps(void **state)
{
    (void)state;
    struct model_config config = {.crosses = crosses, .cross_count = 1};
    struct version version = {.config = &config};
    uint16_t slots[OUTCOME_MEMBERS_MAX];
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 70; j++) {
            char a[16], b[16];
            (void)snprintf(a, sizeof(a), "sex=%d", i);
            (void)snprintf(b, sizeof(b), "age=%d", j);
            const char *const groups[] = {a, b};
            assert_int_equal(outcome_group_slots(&version, groups, 2, true, slots), 3);
            bool other = j >= OUTCOME_GROUP_VALUES_MAX;
            assert_int_equal(text_equal(name(&version, slots[1]), text_of("age=other")), other);
            other = i * 70 + j >= OUTCOME_GROUP_CELLS_MAX;
            assert_int_equal(text_equal(name(&version, slots[2]), text_of("sex|age=other")), other);
        }
    assert_true(version.capped);
    /* A version is bounded as a whole. */
    for (int i = 0; i < 1000; i++) {
        char a[16];
        (void)snprintf(a, sizeof(a), "k%d=1", i);
        (void)outcome_group_slots(&version, (const char *const[]){a}, 1, true, slots);
    }
    assert_int_equal(intern_count(version.groups), OUTCOME_GROUPS_MAX);
    intern_free(version.groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots), cmocka_unit_test(test_caps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
