#include "gateway/identity.h"
#include "gateway/parse_test.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct gateway_keys keys_of_two(void)
{
    struct gateway_keys keys = {.count = 2, .has_peer_secret = true};
    crypto_sha256(SPAN_LITERAL("first"), keys.row[0].sha256);
    crypto_sha256(SPAN_LITERAL("second"), keys.row[1].sha256);
    assert_true(crypto_unhex(SPAN_LITERAL(HEX), keys.peer_secret, CRYPTO_KEY_SIZE));
    return keys;
}

static struct gateway_identity identify(const struct gateway_keys *keys, const char *header)
{
    char lines[512];
    struct text text;
    text_init(&text, lines, sizeof lines);
    text_add(&text, "GET / HTTP/1.1\r\nhost: a\r\n%s\r\n", header);
    struct http_head head = parsed(lines);
    return gateway_identify(keys, &head);
}

static void a_key_opens_by_either_header_and_says_which_it_is(void **state)
{
    (void)state;
    struct gateway_keys keys = keys_of_two();
    static const char *const headers[] = {"authorization: Bearer second\r\n",
                                          "authorization: bearer  second\r\n",
                                          "x-api-key: second\r\n"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct gateway_identity identity = identify(&keys, headers[i]);
        assert_int_equal(identity.caller, GATEWAY_CLIENT);
        assert_int_equal(identity.key, 1);
    }
}

static void anything_else_is_nobody(void **state)
{
    (void)state;
    struct gateway_keys keys = keys_of_two();
    static const char *const headers[] = {
        "",
        "authorization: Bearer third\r\n",
        "authorization: Bearer\r\n",
        "authorization: second\r\n",
        "authorization: Basic second\r\n",
        "authorization: Bearer second2\r\n",
        "x-api-key: secon\r\n",
        "authorization: Bearer third\r\nx-api-key: second\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        assert_int_equal(identify(&keys, headers[i]).caller, GATEWAY_NOBODY);
}

static void peers_and_clients_never_count_as_each_other(void **state)
{
    (void)state;
    struct gateway_keys keys = keys_of_two();
    assert_int_equal(identify(&keys, "authorization: Peer " HEX "\r\n").caller, GATEWAY_PEER);
    assert_int_equal(identify(&keys, "authorization: Bearer " HEX "\r\n").caller, GATEWAY_NOBODY);
    assert_int_equal(identify(&keys, "authorization: Peer second\r\n").caller, GATEWAY_NOBODY);
    keys.has_peer_secret = false;
    assert_int_equal(identify(&keys, "authorization: Peer " HEX "\r\n").caller, GATEWAY_NOBODY);
}

static void an_open_gateway_still_wants_proof_of_peers(void **state)
{
    (void)state;
    struct gateway_keys keys = {.is_open = true};
    assert_int_equal(identify(&keys, "").caller, GATEWAY_CLIENT);
    assert_int_equal(identify(&keys, "authorization: Bearer x\r\n").caller, GATEWAY_CLIENT);
    assert_int_equal(identify(&keys, "authorization: Peer " HEX "\r\n").caller, GATEWAY_NOBODY);
}

static void our_own_proof_is_accepted(void **state)
{
    (void)state;
    struct gateway_keys keys = keys_of_two();
    char proof[GATEWAY_PEER_PROOF_SIZE];
    gateway_peer_proof(&keys, proof);
    assert_string_equal(proof, "Peer " HEX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_opens_by_either_header_and_says_which_it_is),
        cmocka_unit_test(anything_else_is_nobody),
        cmocka_unit_test(peers_and_clients_never_count_as_each_other),
        cmocka_unit_test(an_open_gateway_still_wants_proof_of_peers),
        cmocka_unit_test(our_own_proof_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
