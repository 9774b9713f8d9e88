#include "cli/world_client.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "build_info.h"
#include "cli/load.h"
#include "http/client_io.h"
#include "os/file.h"
#include "os/memory.h"

enum { ANSWER_TIMEOUT_US = 5 * 1000 * 1000 };

static bool no_world(const struct world_client *client, const char *detail)
{
    fprintf(stderr,
            "farspan: no world runs with the state folder %s%s%s\n"
            "  start one with farspan up, or name another folder with --state\n",
            client->state.path, detail[0] ? ": " : "", detail);
    return false;
}

static bool read_world_file(struct world_client *client)
{
    char path[STATE_PATH_MAX], message[512];
    struct text why;
    struct span content;
    text_init(&why, message, sizeof message);
    if (!state_file_path(client->state.path, "world.json", path))
        return no_world(client, "the path is too long");
    if (os_file_read(path, 1 << 20, &client->arena, &content, &why))
        return no_world(client, "");
    json_t *root = json_loadb(content.p, content.n, 0, NULL);
    const char *file = json_string_value(json_object_get(root, "file"));
    if (file)
        snprintf(client->file, sizeof client->file, "%s", file);
    const char *model = json_string_value(json_object_get(root, "model"));
    if (model)
        snprintf(client->model, sizeof client->model, "%s", model);
    client->is_echo = json_is_true(json_object_get(root, "echo"));
    json_int_t room = json_integer_value(json_object_get(root, "room"));
    client->room.count = room > 0 && room <= ROOM_MAX ? (uint16_t)room : 0;
    client->pid = json_integer_value(json_object_get(root, "pid"));
    client->port_base = (uint16_t)json_integer_value(json_object_get(root, "port_base"));
    client->is_ready = json_is_true(json_object_get(root, "ready"));
    json_decref(root);
    if (!file || client->pid <= 0 || client->port_base == 0)
        return no_world(client, "world.json is not whole");
    if (kill((pid_t)client->pid, 0) != 0)
        return no_world(client, "the one that did has ended");
    return true;
}

/* Into a client whose arena stands. */
static bool read_world(const char *state, struct world_client *client)
{
    char message[512], folder[STATE_PATH_MAX];
    struct text why;
    text_init(&why, message, sizeof message);
    state_default_path(folder);
    snprintf(client->state.path, sizeof client->state.path, "%s", state ? state : folder);
    if (!read_world_file(client))
        return false;
    snprintf(folder, sizeof folder, "%s", client->state.path);
    if (state_read(folder, &client->state, &why)) {
        fprintf(stderr, "farspan: %s\n", message);
        return false;
    }
    const struct fleet_load_options options = {.is_all_echo = client->is_echo,
                                               .model_file = span_of(client->model)};
    if (!load_fleet_with(client->file, &options, &client->arena, &client->fleet))
        return false;
    enum err err = room_make(client->fleet, client->room.count, client->port_base, &client->arena,
                             &client->room, &why);
    client->fleet = client->room.fleet;
    if (err)
        fprintf(stderr, "farspan: %s\n", message);
    return !err;
}

bool world_client_open(const char *state, struct world_client *ret_client)
{
    *ret_client = (struct world_client){.state = {.lock_fd = -1}};
    void *memory = os_alloc(WORLD_CLIENT_ARENA);
    if (!memory) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return false;
    }
    arena_init(&ret_client->arena, memory, WORLD_CLIENT_ARENA);
    bool is_open = read_world(state, ret_client);
    if (!is_open)
        world_client_close(ret_client);
    return is_open;
}

void world_client_close(struct world_client *client)
{
    state_close(&client->state);
    os_free(client->arena.base);
    client->arena.base = NULL;
}

unsigned world_client_ask(struct world_client *client, uint16_t port, const char *method,
                          const char *path, const char *authorization, struct span body,
                          struct span *ret_body, struct text *why)
{
    char url[512], head[512], hex[2 * CRYPTO_KEY_SIZE + 1];
    const char *credential = client->state.client_key;
    if (strcmp(authorization, "Peer") == 0) {
        crypto_hex(client->state.peer_secret, CRYPTO_KEY_SIZE, hex);
        credential = hex;
    }
    int url_size = snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    int head_size = snprintf(head, sizeof head,
                             "%s %s HTTP/1.1\r\nauthorization: %s %s\r\n"
                             "content-type: application/json\r\n",
                             method, path, authorization, credential);
    unsigned status = 0;
    enum err err =
        http_fetch(span_from(url, (size_t)url_size), NULL, span_from(head, (size_t)head_size), body,
                   ANSWER_TIMEOUT_US, &client->arena, &status, ret_body, why);
    crypto_wipe(head, sizeof head);
    return err ? 0 : status;
}

/* PREFIX/share/farspan/ of a program that is PREFIX/bin/farspan, wherever PREFIX was moved to; ""
 * when that cannot be said. */
static void find_share(char ret_folder[STATE_PATH_MAX])
{
    static const char bin[] = "/bin/farspan", share[] = "/share/farspan/";
    char program[STATE_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - sizeof share);
    size_t prefix = n > 0 ? (size_t)n - (sizeof bin - 1) : 0;
    ret_folder[0] = 0;
    if (n > (ssize_t)(sizeof bin - 1) && memcmp(program + prefix, bin, sizeof bin - 1) == 0)
        snprintf(ret_folder, STATE_PATH_MAX, "%.*s%s", (int)prefix, program, share);
}

bool world_client_data(const char *path, char ret_path[STATE_PATH_MAX])
{
    char beside[STATE_PATH_MAX];
    find_share(beside);
    const char *const folders[] = {"", beside, FARSPAN_INSTALL_DATA "/", FARSPAN_SOURCE_DATA "/"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        int n = snprintf(ret_path, STATE_PATH_MAX, "%s%s", folders[i], path);
        if (n > 0 && n < STATE_PATH_MAX && os_file_exists(ret_path))
            return true;
    }
    fprintf(stderr, "farspan: %s is neither here nor in %s\n", path, FARSPAN_INSTALL_DATA);
    return false;
}
