#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/compiler.h"
#include "agent/base/err.h"
#include "alerting/webhook.h"

/* The specification's own example, recomputed with Python's hmac module. */
static const char SECRET[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char ID[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char BODY[] = "{\"test\": 2432232314}";
static const char SIGNATURE[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
static const char OTHER[] = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

static void test_public_vector(void **state)
{
    (void)state;
    const char *const secrets[] = {SECRET, NULL};
    char out[96];
    assert_int_equal(webhook_sign(secrets, ID, 1614265330, BODY, sizeof(BODY) - 1, out, sizeof(out)), 0);
    assert_string_equal(out, SIGNATURE);
    assert_true(webhook_verify(SECRET, ID, "1614265330", SIGNATURE, BODY, sizeof(BODY) - 1));
}

static void test_rotation(void **state)
{
    (void)state;
    const char *const secrets[] = {SECRET, OTHER, NULL};
    char out[192];
    assert_int_equal(webhook_sign(secrets, ID, 1614265330, BODY, sizeof(BODY) - 1, out, sizeof(out)), 0);
    assert_int_equal(strncmp(out, SIGNATURE, sizeof(SIGNATURE) - 1), 0);
    assert_int_equal(out[sizeof(SIGNATURE) - 1], ' ');
    assert_int_equal(strlen(out), 2 * (sizeof(SIGNATURE) - 1) + 1);
    assert_true(webhook_verify(SECRET, ID, "1614265330", out, BODY, sizeof(BODY) - 1));
    assert_true(webhook_verify(OTHER, ID, "1614265330", out, BODY, sizeof(BODY) - 1));
    assert_int_equal(webhook_sign(secrets, ID, 1614265330, BODY, sizeof(BODY) - 1, out, 95), ERR_LIMIT);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct {
        const char *secret, *id, *timestamp, *signatures, *body;
    } cases[] = {
        {OTHER, ID, "1614265330", SIGNATURE, BODY},
        {SECRET, "msg_other", "1614265330", SIGNATURE, BODY},
        {SECRET, ID, "1614265331", SIGNATURE, BODY},
        {SECRET, ID, "1614265330", SIGNATURE, "{\"test\": 2432232315}"},
        {SECRET, ID, "1614265330", "", BODY},
        {SECRET, ID, "1614265330", "v1,", BODY},
        {SECRET, ID, "1614265330", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY},
        {SECRET, ID, "1614265330", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY},
        {SECRET, ID, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", BODY},
        {SECRET, ID, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE==", BODY},
        {"whsec_", ID, "1614265330", SIGNATURE, BODY},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ID, "1614265330", SIGNATURE, BODY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (webhook_verify(cases[i].secret, cases[i].id, cases[i].timestamp, cases[i].signatures,
                           cases[i].body, strlen(cases[i].body)))
            fail_msg("case %zu was accepted", i);
    assert_true(webhook_verify(SECRET, ID, "1614265330",
                               "v1,bm9wZQ==  v1a,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY,
                               sizeof(BODY) - 1));
}

static void test_secrets(void **state)
{
    (void)state;
    /* 24 to 64 bytes behind the base64; 23, 65 and everything else is refused. */
    static const struct {
        const char *secret;
        int rc;
    } cases[] = {
        {"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0},
        {"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ERR_INVALID},
        {"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", 0},
        {"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
         ERR_INVALID},
        {"whsec_"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
         "AAAAA",
         ERR_INVALID},
        {"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!A", ERR_INVALID},
        {"WHSEC_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ERR_INVALID},
        {"", ERR_INVALID},
    };
    char out[96];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const secrets[] = {cases[i].secret, NULL};
        if (webhook_sign(secrets, "id", 0, "", 0, out, sizeof(out)) != cases[i].rc)
            fail_msg("case %zu", i);
    }
    const char *const none[] = {NULL};
    assert_int_equal(webhook_sign(none, "id", 0, "", 0, out, sizeof(out)), ERR_INVALID);
    assert_int_equal(webhook_sign(NULL, "id", 0, "", 0, out, sizeof(out)), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_vector),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
