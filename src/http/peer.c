#include "http/peer.h"

bool http_is_peer(const struct http_head *head, const uint8_t secret[CRYPTO_KEY_SIZE])
{
    uint8_t shown[CRYPTO_KEY_SIZE];
    struct span value = http_header_of(head, HTTP_HEADER_AUTHORIZATION);
    if (!span_starts_with(value, "Peer "))
        return false;
    bool is_hex = crypto_unhex(span_from(value.p + 5, value.n - 5), shown, sizeof shown);
    bool is_same = is_hex && crypto_is_equal(shown, secret, sizeof shown);
    crypto_wipe(shown, sizeof shown);
    return is_same;
}

void http_peer_proof(const uint8_t secret[CRYPTO_KEY_SIZE], char ret_proof[HTTP_PEER_PROOF_SIZE])
{
    memcpy(ret_proof, "Peer ", 5);
    crypto_hex(secret, CRYPTO_KEY_SIZE, ret_proof + 5);
}
