/* Packed panes: what goes in comes out, and nothing that is read is trusted. */
#include "tests/unit/store_fixture.h"

static void round_trip(struct store_packer *packer, struct arena *arena, const unsigned char *bytes,
                       size_t len, size_t most)
{
    const void *packed, *out;
    size_t packed_len, out_len;
    arena_reset(arena);
    assert_int_equal(store_pack(packer, bytes, len, &packed, &packed_len), 0);
    assert_true(packed_len <= most);
    assert_int_equal(store_unpack(packed, packed_len, arena, &out, &out_len), 0);
    assert_int_equal(out_len, len);
    if (len)
        assert_memory_equal(out, bytes, len);
}

static void test_round_trips(void **state)
{
    (void)state;
    struct store_packer *packer = store_packer_new();
    struct arena *arena = arena_new(1 << 12, 0);
    static const size_t lengths[] = {0, 1, 63, 64, 65, 1000, 30000, 300000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        size_t len = lengths[i];
        unsigned char *bytes = calloc(1, len + 1);
        assert_non_null(bytes);
        round_trip(packer, arena, bytes, len, len < 300 ? len + 1 : len / 4); /* zeros */
        uint64_t seed = i;
        for (size_t b = 0; b < len; b++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[b] = (unsigned char)(seed >> 56);
        }
        round_trip(packer, arena, bytes, len, len + 1); /* noise never grows by more than its form byte */
        for (size_t b = 0; b < len; b++)
            bytes[b] &= 0x0f;
        round_trip(packer, arena, bytes, len, len < 300 ? len + 1 : len * 6 / 10);
        free(bytes);
    }
    arena_free(arena);
    store_packer_free(packer);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"", 0},
        {"\x02zz", 3},               /* unknown form */
        {"\x01", 1},                 /* no length */
        {"\x01\x80", 2},             /* half a length */
        {"\x01\x05", 2},             /* no stream */
        {"\x01\x05\xff\xff\xff", 5}, /* not a stream */
        {"\x01\x05\x03\x00", 4},     /* an empty stream where 5 bytes were promised */
        {"\x01\xff\xff\xff\xff\xff\xff\xff\x7f\x03\x00", 11}, /* a promise beyond all memory */
    };
    struct arena *arena = arena_new(1 << 12, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const void *out;
        size_t len;
        assert_int_equal(store_unpack(cases[i].bytes, cases[i].len, arena, &out, &len), ERR_CORRUPT);
    }
    arena_free(arena);
}

static void test_cut_and_flipped(void **state)
{
    (void)state;
    struct store_packer *packer = store_packer_new();
    struct arena *arena = arena_new(1 << 12, 0);
    unsigned char bytes[2000], copy[2100];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * i % 11);
    const void *packed, *out;
    size_t packed_len, len;
    assert_int_equal(store_pack(packer, bytes, sizeof(bytes), &packed, &packed_len), 0);
    for (size_t cut = 0; cut < packed_len; cut++)
        assert_int_equal(store_unpack(packed, cut, arena, &out, &len), ERR_CORRUPT);
    for (size_t bit = 0; bit < 8 * packed_len; bit++) {
        memcpy(copy, packed, packed_len);
        copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
        arena_reset(arena);
        (void)!store_unpack(copy, packed_len, arena, &out, &len); /* the sanitizers judge */
    }
    arena_free(arena);
    store_packer_free(packer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_cut_and_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
