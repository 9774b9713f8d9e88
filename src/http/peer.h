/* peer.h: how farspan's own processes prove themselves to each other: "authorization: Peer HEX64",
 * the world's secret. Pure. A client's key is another scheme and never counts here. */
#ifndef HTTP_PEER_H
#define HTTP_PEER_H

#include "base/crypto.h"
#include "http/parser.h"

enum { HTTP_PEER_PROOF_SIZE = 5 + 2 * CRYPTO_KEY_SIZE + 1 };

/* Does the head carry the proof? Compared in constant time. */
bool http_is_peer(const struct http_head *head, const uint8_t secret[CRYPTO_KEY_SIZE]);

/* The value of the header, with a NUL. The caller wipes it. */
void http_peer_proof(const uint8_t secret[CRYPTO_KEY_SIZE], char ret_proof[HTTP_PEER_PROOF_SIZE]);

#endif
