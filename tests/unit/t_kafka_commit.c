#include "collectors/kafka_commit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* A consumer that never meets a broker: commits are taken and stay under way. */
struct fixture {
    rd_kafka_t *rk;
    struct kafka_topic *topic;
    struct kafka_slot *slots[2];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char reason[512];
    struct err err;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", "g", reason, sizeof(reason)), RD_KAFKA_CONF_OK);
    rd_kafka_conf_set_log_cb(conf, NULL);
    fixture->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    assert_non_null(fixture->rk);
    assert_int_equal(kafka_topic_new(&fixture->topic, fixture->rk, "t", &err), 0);
    for (int i = 0; i < 2; i++) {
        struct source_slot wanted = {
            .slot = (uint32_t)i, .topic = "t", .partition = i, .end_offset = INT64_MAX};
        fixture->slots[i] = kafka_slot_new(fixture->topic, &wanted);
        assert_non_null(fixture->slots[i]);
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++)
        kafka_slot_free(fixture->slots[i]);
    kafka_topic_free(fixture->topic);
    rd_kafka_destroy_flags(fixture->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(fixture);
    return 0;
}

static void test_without_a_group(void **state)
{
    struct fixture *fixture = *state;
    static const char *const none[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        struct kafka_commit commit;
        rd_kafka_resp_err_t code;
        kafka_commit_init(&commit, fixture->rk, none[i]);
        fixture->slots[0]->durable = 7;
        assert_true(kafka_commit_send(&commit, fixture->slots, 2, &code));
        assert_false(commit.in_flight);
        assert_true(fixture->slots[0]->committed == OFFSET_UNKNOWN);
    }
}

static void test_one_at_a_time_and_only_what_changed(void **state)
{
    struct fixture *fixture = *state;
    struct kafka_slot *first = fixture->slots[0], *second = fixture->slots[1];
    struct kafka_commit commit;
    rd_kafka_resp_err_t code;
    kafka_commit_init(&commit, fixture->rk, "g");
    assert_true(kafka_commit_send(&commit, fixture->slots, 2, &code));
    assert_false(commit.in_flight); /* nothing is durable yet */
    first->durable = 42;
    assert_true(kafka_commit_send(&commit, fixture->slots, 2, &code));
    assert_true(commit.in_flight);
    assert_true(first->committed == 42 && second->committed == OFFSET_UNKNOWN);
    second->durable = 9;
    assert_true(kafka_commit_send(&commit, fixture->slots, 2, &code));
    assert_true(second->committed == OFFSET_UNKNOWN); /* waits for the answer */
    assert_true(kafka_commit_answered(&commit, fixture->slots, 2, RD_KAFKA_RESP_ERR_NO_ERROR));
    assert_true(!commit.in_flight && first->committed == 42);
    assert_true(kafka_commit_send(&commit, fixture->slots, 2, &code));
    assert_true(commit.in_flight && second->committed == 9);
    /* Refused: all again the next time. */
    assert_false(kafka_commit_answered(&commit, fixture->slots, 2, RD_KAFKA_RESP_ERR_NOT_COORDINATOR));
    assert_true(first->committed == OFFSET_UNKNOWN && second->committed == OFFSET_UNKNOWN);
    assert_true(kafka_commit_send(&commit, fixture->slots, 2, &code));
    assert_true(first->committed == 42 && second->committed == 9);
    assert_true(kafka_commit_answered(&commit, fixture->slots, 2, RD_KAFKA_RESP_ERR__NO_OFFSET));
    assert_true(first->committed == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_a_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time_and_only_what_changed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
