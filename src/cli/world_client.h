/* world_client.h: finding the world that runs on this machine, for the verbs that talk to it. */
#ifndef CLI_WORLD_CLIENT_H
#define CLI_WORLD_CLIENT_H

#include "base/arena.h"
#include "base/text.h"
#include "deploy/room.h"
#include "deploy/state.h"
#include "fleet/fleet.h"

enum { WORLD_CLIENT_ARENA = 16 << 20 };

struct world_client {
    struct state_folder state;
    struct arena arena;
    char file[STATE_PATH_MAX];
    char model[STATE_PATH_MAX]; /* of up --model; "": those of the file */
    bool is_echo;
    struct room room;          /* of up --room */
    const struct fleet *fleet; /* with its free places */
    uint16_t port_base;
    int64_t pid;
    bool is_ready;
};

/* <state> NULL: the default folder. Says on standard error what is missing and what to do, and
 * answers false; then nothing is left to close. */
bool world_client_open(const char *state, struct world_client *ret_client);
void world_client_close(struct world_client *client);

/* One request to a port of the world. <authorization> "Peer" or "Bearer". Answers the status, 0
 * when there was no answer
 * (*why says so). */
unsigned world_client_ask(struct world_client *client, uint16_t port, const char *method,
                          const char *path, const char *authorization, struct span body,
                          struct span *ret_body, struct text *why);

/* A shipped file: PATH itself where it is (source tree or current folder), else under the installed
 * share folder. */
bool world_client_data(const char *path, char ret_path[STATE_PATH_MAX]);

#endif
