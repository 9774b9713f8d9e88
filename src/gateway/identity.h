/* identity.h: who is asking. Pure.
 *
 * Two kinds of caller (docs/protocol.md, "Who may speak"): clients show a key, of which only the
 * SHA-256 is known here; farspan's own parts show the peer secret. Neither counts as the other. A
 * key is compared with every known key in constant time, so that the time tells nothing about which
 * was close or where in the list it stands. */
#ifndef GATEWAY_IDENTITY_H
#define GATEWAY_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/limits.h"
#include "fleet/fleet.h"
#include "http/parser.h"

enum gateway_caller { GATEWAY_NOBODY, GATEWAY_CLIENT, GATEWAY_PEER };

/* Who may come in. Made once at start, immutable. */
struct gateway_keys {
    struct fleet_key row[LIMIT_KEYS];
    uint16_t count;
    bool is_open;         /* no key is asked for (loopback only): the caller is an unnamed client */
    bool has_peer_secret; /* false: every peer door is shut */
    uint8_t peer_secret[CRYPTO_KEY_SIZE];
};

struct gateway_identity {
    enum gateway_caller caller;
    uint16_t key;         /* GATEWAY_CLIENT: index of the key; FLEET_NONE when is_open */
    bool has_credentials; /* something was shown, right or wrong */
};

/* Reads Authorization (Bearer or Peer, scheme in any case) or x-api-key. */
struct gateway_identity gateway_identify(const struct gateway_keys *keys,
                                         const struct http_head *head);

/* "Peer HEX64", 69 bytes and a NUL: what our own calls to peers show. */
enum { GATEWAY_PEER_PROOF_SIZE = 70 };
void gateway_peer_proof(const struct gateway_keys *keys, char ret_proof[GATEWAY_PEER_PROOF_SIZE]);

#endif
