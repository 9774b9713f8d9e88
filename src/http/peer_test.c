#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/peer.h"

static const uint8_t secret[CRYPTO_KEY_SIZE] = {1, 2, 3, 250};

static bool is_peer(const char *authorization)
{
    char bytes[512];
    struct http_head head;
    struct http_refusal refusal;
    int n = snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nhost: x\r\nauthorization: %s\r\n\r\n",
                     authorization);
    assert_int_equal(http_parse_request(span_from(bytes, (size_t)n), &head, &refusal), ERR_OK);
    return http_is_peer(&head, secret);
}

static void the_proof_made_is_the_proof_taken(void **state)
{
    (void)state;
    char proof[HTTP_PEER_PROOF_SIZE];
    http_peer_proof(secret, proof);
    assert_true(is_peer(proof));
}

static void anything_else_is_no_proof(void **state)
{
    (void)state;
    char proof[HTTP_PEER_PROOF_SIZE], longer[HTTP_PEER_PROOF_SIZE + 2];
    http_peer_proof(secret, proof);
    snprintf(longer, sizeof longer, "%s0", proof);
    assert_false(is_peer(longer));
    proof[sizeof proof - 2] ^= 1;
    assert_false(is_peer(proof));
    proof[sizeof proof - 2] ^= 1;
    memcpy(proof, "peer ", 5);
    assert_false(is_peer(proof));
    assert_false(is_peer("Bearer fs-0102"));
    assert_false(is_peer("Peer "));
}

static void no_header_is_no_proof(void **state)
{
    (void)state;
    static const char bytes[] = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    struct http_head head;
    struct http_refusal refusal;
    assert_int_equal(http_parse_request(span_of(bytes), &head, &refusal), ERR_OK);
    assert_false(http_is_peer(&head, secret));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_proof_made_is_the_proof_taken),
        cmocka_unit_test(anything_else_is_no_proof),
        cmocka_unit_test(no_header_is_no_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
