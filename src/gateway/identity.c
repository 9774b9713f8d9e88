#include "gateway/identity.h"

#include "base/check.h"
#include "base/text.h"

/* The rest of <value> after "<scheme> ", or an empty span. */
static struct span after_scheme(struct span value, const char *scheme)
{
    struct span word = span_of(scheme);
    if (value.n <= word.n || value.p[word.n] != ' ')
        return (struct span){0, 0};
    if (!span_is_equal_nocase(span_from(value.p, word.n), word))
        return (struct span){0, 0};
    return span_trim(span_from(value.p + word.n, value.n - word.n));
}

static bool is_peer(const struct gateway_keys *keys, struct span proof)
{
    uint8_t shown[CRYPTO_KEY_SIZE];
    if (!keys->has_peer_secret || !crypto_unhex(proof, shown, sizeof shown))
        return false;
    bool is_right = crypto_is_equal(shown, keys->peer_secret, sizeof shown);
    crypto_wipe(shown, sizeof shown);
    return is_right;
}

/* Compares with every key, found or not. */
static uint16_t find_key(const struct gateway_keys *keys, struct span shown)
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(shown, digest);
    uint16_t found = FLEET_NONE;
    for (uint16_t i = 0; i < keys->count; i++)
        if (crypto_is_equal(digest, keys->row[i].sha256, sizeof digest))
            found = i;
    return found;
}

struct gateway_identity gateway_identify(const struct gateway_keys *keys,
                                         const struct http_head *head)
{
    struct gateway_identity identity = {.caller = GATEWAY_NOBODY, .key = FLEET_NONE};
    struct span authorization = http_header_of(head, HTTP_HEADER_AUTHORIZATION);
    struct span shown = http_header_of(head, HTTP_HEADER_API_KEY);
    identity.has_credentials = authorization.n || shown.n;

    struct span proof = after_scheme(authorization, "peer");
    if (proof.n) {
        if (is_peer(keys, proof))
            identity.caller = GATEWAY_PEER;
        return identity;
    }
    if (keys->is_open) {
        identity.caller = GATEWAY_CLIENT;
        return identity;
    }
    if (authorization.n)
        shown = after_scheme(authorization, "bearer");
    if (shown.n == 0)
        return identity;
    identity.key = find_key(keys, shown);
    if (identity.key != FLEET_NONE)
        identity.caller = GATEWAY_CLIENT;
    return identity;
}

void gateway_peer_proof(const struct gateway_keys *keys, char ret_proof[GATEWAY_PEER_PROOF_SIZE])
{
    CHECK(keys->has_peer_secret);
    struct text text;
    char hex[2 * CRYPTO_KEY_SIZE + 1];
    text_init(&text, ret_proof, GATEWAY_PEER_PROOF_SIZE);
    crypto_hex(keys->peer_secret, CRYPTO_KEY_SIZE, hex);
    text_add(&text, "Peer %s", hex);
    CHECK(!text.is_cut);
    crypto_wipe(hex, sizeof hex);
}
