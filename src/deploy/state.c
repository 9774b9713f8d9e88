#include "deploy/state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "os/process.h"

void state_default_path(char ret_path[STATE_PATH_MAX])
{
    const char *own = getenv("FARSPAN_STATE"), *xdg = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (own && own[0])
        snprintf(ret_path, STATE_PATH_MAX, "%s", own);
    else if (xdg && xdg[0])
        snprintf(ret_path, STATE_PATH_MAX, "%s/farspan", xdg);
    else
        snprintf(ret_path, STATE_PATH_MAX, "%s/.local/state/farspan", home ? home : "");
}

bool state_file_path(const char *folder, const char *name, char ret_path[STATE_PATH_MAX])
{
    int n = snprintf(ret_path, STATE_PATH_MAX, "%s/%s", folder, name);
    return n > 0 && n < STATE_PATH_MAX;
}

static enum err read_small(const char *folder, const char *name, char *buffer, size_t size,
                           struct span *ret_content, struct text *why)
{
    char path[STATE_PATH_MAX];
    if (!state_file_path(folder, name, path)) {
        text_add(why, "the path of the state folder is too long: %s", folder);
        return ERR_VALUE;
    }
    struct arena arena;
    arena_init(&arena, buffer, size);
    return os_file_read(path, size / 2, &arena, ret_content, why);
}

/* Reads a file of exactly <hex_size> characters behind <prefix> (a newline may follow). */
static enum err read_key(const char *folder, const char *name, const char *prefix,
                         uint8_t ret_secret[CRYPTO_KEY_SIZE], struct text *why)
{
    char buffer[1024];
    struct span content;
    enum err err = read_small(folder, name, buffer, sizeof buffer, &content, why);
    if (err)
        return err;
    struct span hex = content;
    if (hex.n && hex.p[hex.n - 1] == '\n')
        hex.n--;
    size_t prefix_size = strlen(prefix);
    if (span_starts_with(hex, prefix)) {
        hex.p += prefix_size;
        hex.n -= prefix_size;
        if (crypto_unhex(hex, ret_secret, CRYPTO_KEY_SIZE)) {
            crypto_wipe(buffer, sizeof buffer);
            return ERR_OK;
        }
    }
    crypto_wipe(buffer, sizeof buffer);
    text_add(why, "%s/%s: expected %s and %d hex digits; remove the file and a new one is made",
             folder, name, prefix[0] ? prefix : "a secret:", 2 * CRYPTO_KEY_SIZE);
    return ERR_SYNTAX;
}

static enum err make_key(const char *folder, const char *name, const char *prefix, struct text *why)
{
    char path[STATE_PATH_MAX], content[128];
    uint8_t secret[CRYPTO_KEY_SIZE];
    char hex[2 * CRYPTO_KEY_SIZE + 1];
    if (!state_file_path(folder, name, path)) {
        text_add(why, "the path of the state folder is too long: %s", folder);
        return ERR_VALUE;
    }
    if (os_file_exists(path))
        return ERR_OK;
    enum err err = os_random(secret, sizeof secret);
    if (err) {
        text_add(why, "no random bytes from the system");
        return err;
    }
    crypto_hex(secret, sizeof secret, hex);
    int n = snprintf(content, sizeof content, "%s%s\n", prefix, hex);
    err = os_file_write(path, span_from(content, (size_t)n), 0600, why);
    crypto_wipe(secret, sizeof secret);
    crypto_wipe(content, sizeof content);
    crypto_wipe(hex, sizeof hex);
    return err;
}

static enum err read_secrets(struct state_folder *state, struct text *why)
{
    uint8_t client[CRYPTO_KEY_SIZE];
    enum err err = read_key(state->path, "key", "fs-", client, why);
    if (!err)
        err = read_key(state->path, "peer.key", "", state->peer_secret, why);
    if (err)
        return err;
    memcpy(state->client_key, "fs-", 3);
    crypto_hex(client, sizeof client, state->client_key + 3);
    crypto_wipe(client, sizeof client);
    return ERR_OK;
}

/* Says who holds the lock, from what that one wrote. */
static void explain_lock(const char *path, struct text *why)
{
    char buffer[16384], skipped[256];
    struct text unread;
    struct span content;
    text_init(&unread, skipped, sizeof skipped);
    text_add(why, "a world runs already with the state folder %s", path);
    if (!read_small(path, "world.json", buffer, sizeof buffer, &content, &unread)) {
        const char *key = memmem(content.p, content.n, "\"pid\":", 6);
        struct span pid =
            key ? span_from(key + 6, content.n - (size_t)(key + 6 - content.p)) : (struct span){0};
        pid = span_cut(&pid, ',');
        if (pid.n)
            text_add(why, " (pid %.*s)", SPAN_ARG(pid));
    }
    text_add(why, ": stop it with Ctrl-C or SIGTERM, or give this one another --state and "
                  "--port-base");
}

enum err state_open(const char *path, struct state_folder *ret_state, struct text *why)
{
    struct state_folder state = {.lock_fd = -1};
    char lock[STATE_PATH_MAX], logs[STATE_PATH_MAX];
    bool has_room = strlen(path) + STATE_NAME_MAX < STATE_PATH_MAX;
    if (!has_room || !state_file_path(path, "lock", lock) || !state_file_path(path, "log", logs)) {
        text_add(why, "the path of the state folder is too long: %s", path);
        return ERR_VALUE;
    }
    snprintf(state.path, sizeof state.path, "%s", path);
    enum err err = os_folder_make(logs, why);
    if (err)
        return err;
    char unused[512];
    struct text lock_why;
    text_init(&lock_why, unused, sizeof unused);
    err = os_file_lock(lock, &state.lock_fd, &lock_why);
    if (err == ERR_EXISTS)
        explain_lock(path, why);
    else if (err)
        text_add_span(why, text_span(&lock_why));
    if (!err)
        err = make_key(path, "key", "fs-", why);
    if (!err)
        err = make_key(path, "peer.key", "", why);
    if (!err)
        err = read_secrets(&state, why);
    if (err) {
        state_close(&state);
        return err;
    }
    *ret_state = state;
    return ERR_OK;
}

enum err state_read(const char *path, struct state_folder *ret_state, struct text *why)
{
    struct state_folder state = {.lock_fd = -1};
    int n = snprintf(state.path, sizeof state.path, "%s", path);
    if (n < 0 || n >= STATE_PATH_MAX)
        return ERR_VALUE;
    enum err err = read_secrets(&state, why);
    if (err)
        return err;
    *ret_state = state;
    return ERR_OK;
}

void state_close(struct state_folder *state)
{
    crypto_wipe(state->client_key, sizeof state->client_key);
    crypto_wipe(state->peer_secret, sizeof state->peer_secret);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    state->lock_fd = -1;
}
