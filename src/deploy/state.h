/* state.h: the folder of a running world: its lock, its two secrets, what others need to find it.
 *
 *   STATE/lock        held by the supervisor as long as it lives
 *   STATE/key         0600, the clients' key; gateways are given its SHA-256 only
 *   STATE/peer.key    0600, the secret of gateways, workers and hops, handed to children over a
 * descriptor STATE/world.json  0600, pid, fleet file, port base: `farspan status` and the other
 * verbs start here STATE/log/        a file a process, and the access logs */
#ifndef DEPLOY_STATE_H
#define DEPLOY_STATE_H

#include <stdint.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/text.h"

enum {
    STATE_PATH_MAX = 512,
    STATE_NAME_MAX = 160, /* of a path within the folder */
    STATE_CLIENT_KEY_SIZE = 3 + 2 * CRYPTO_KEY_SIZE + 1
};

struct state_folder {
    char path[STATE_PATH_MAX];
    int lock_fd;
    char client_key[STATE_CLIENT_KEY_SIZE]; /* "fs-" and 64 hex digits */
    uint8_t peer_secret[CRYPTO_KEY_SIZE];
};

/* $FARSPAN_STATE, else $XDG_STATE_HOME/farspan, else $HOME/.local/state/farspan. */
void state_default_path(char ret_path[STATE_PATH_MAX]);

/* PATH/NAME; false when too long. */
bool state_file_path(const char *folder, const char *name, char ret_path[STATE_PATH_MAX]);

/* Makes the folder and its secrets if need be, takes the lock. ERR_EXISTS: a world runs there;
 * <why> names its pid and how to stop it. */
MUST_USE enum err state_open(const char *path, struct state_folder *ret_state, struct text *why);

/* Without the lock: for verbs that talk to a running world. */
MUST_USE enum err state_read(const char *path, struct state_folder *ret_state, struct text *why);

/* Wipes the secrets from memory, lets go of the lock. */
void state_close(struct state_folder *state);

#endif
