#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "fleet/layout.h"

static const char *const kinds[] = {"kill", "pause", "cut", "slow", "heal"};

/* The word that the supervisor answered with, or all of it. */
static void print_refusal(unsigned status, struct span answer)
{
    json_t *root = json_loadb(answer.p, answer.n, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    if (error)
        fprintf(stderr, "farspan: %s\n", error);
    else
        fprintf(stderr, "farspan: refused (%u): %.*s\n", status, SPAN_ARG(answer));
    json_decref(root);
}

static int ask(struct world_client *world, const char *region, const char *kind, bool is_json)
{
    char body[256], message[512];
    struct text json, why;
    struct span answer;
    text_init(&json, body, sizeof body);
    text_init(&why, message, sizeof message);
    text_json_object(&json);
    text_json_key(&json, "region");
    text_json_str(&json, region);
    text_json_key(&json, "kind");
    text_json_str(&json, kind);
    text_json_end(&json);
    uint16_t port = fleet_port_supervisor(world->fleet, world->port_base);
    unsigned status = world_client_ask(world, port, "POST", "/peer/v1/fault", "Peer",
                                       text_span(&json), &answer, &why);
    if (status == 200) {
        if (is_json)
            printf("%s\n", body);
        else
            printf("%s: %s\n", region, kind);
        return 0;
    }
    if (status)
        print_refusal(status, answer);
    else
        fprintf(stderr, "farspan: the supervisor does not answer: %s\n", message);
    return 1;
}

int verb_fault(int argc, char **argv)
{
    const char *state = NULL;
    bool is_json = false;
    const struct option_row rows[] = {
        {"--json", NULL, "what was done, as one JSON object", OPTION_FLAG, &is_json, 0, 0},
        {"--state", "DIR", "state folder of the world", OPTION_TEXT, &state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan fault REGION kill|pause|cut|slow|heal [--json] [--state DIR]",
        "Does to a region of the running world what happens to regions:\n"
        "  kill   SIGKILL of its gateway and workers, which stay down\n"
        "  pause  they stop answering, but their connections stay (SIGSTOP)\n"
        "  cut    nothing passes its links; clients of its own zone still reach it\n"
        "  slow   its links take five times as long\n"
        "  heal   undoes all of it",
        "farspan fault aws:us-east-1 kill",
        rows,
        COUNT_OF(rows),
        2,
        2};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    bool is_known = false;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        is_known |= strcmp(argv[1], kinds[i]) == 0;
    if (!is_known)
        return options_refuse(&usage, "expected kill, pause, cut, slow or heal, found %s", argv[1]);
    struct world_client world;
    if (!world_client_open(state, &world))
        return 1;
    bool is_there = load_find_region(world.fleet, argv[0]) != FLEET_NONE;
    status = is_there ? ask(&world, argv[0], argv[1], is_json) : 1;
    world_client_close(&world);
    return status;
}
