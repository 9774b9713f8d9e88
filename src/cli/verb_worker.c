/* verb_worker.c: `farspan worker`: the replicas of one machine. */
#include <stdio.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fleet/layout.h"
#include "os/memory.h"
#include "os/process.h"
#include "worker/worker_io.h"

enum { FLEET_BYTES = 8 << 20 };

struct arguments {
    const char *fleet, *worker, *model, *services, *like;
    int64_t port_base, secret_fd, room, price;
    bool is_echo;
};

static bool find_worker(const struct fleet *fleet, const char *name, uint16_t *ret_worker)
{
    for (uint16_t i = 0; i < fleet->worker_count; i++)
        if (span_is(fleet->workers[i].name, name)) {
            *ret_worker = i;
            return true;
        }
    fprintf(stderr, "farspan worker: expected one of");
    for (uint16_t i = 0; i < fleet->worker_count; i++)
        fprintf(stderr, " %.*s", SPAN_ARG(fleet->workers[i].name));
    fprintf(stderr, ", found %s\n", name);
    return false;
}

/* In a free place: what it computes is said on the command line. */
static bool settle(const struct arguments *arguments, const struct room *room,
                   struct worker_options *options, struct arena *arena)
{
    uint16_t like = room_find_worker(room->fleet, span_of(arguments->like));
    struct span names = span_of(arguments->services);
    if (like >= room->first || !names.n) {
        fprintf(stderr, "farspan worker: a free place needs --services and --like\n");
        return false;
    }
    while (names.n) {
        struct span name = span_cut(&names, ',');
        uint16_t service = fleet_find_service(room->fleet, name);
        if (service == FLEET_NONE) {
            fprintf(stderr, "farspan worker: there is no service %.*s\n", SPAN_ARG(name));
            return false;
        }
        options->services |= UINT64_C(1) << service;
    }
    enum err err = room_settle(room, options->worker, like, arena, &options->fleet);
    if (err)
        fprintf(stderr, "farspan worker: %s\n", err_text(err));
    return !err;
}

static int run(const struct arguments *arguments, struct arena *arena)
{
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof reason);
    static struct worker_options options;
    struct room room;
    if (!load_room(arguments->fleet, &arguments->port_base, arguments->room, arena, &room) ||
        !find_worker(room.fleet, arguments->worker, &options.worker))
        return 1;
    options.fleet = room.fleet;
    if (options.worker >= room.first && !settle(arguments, &room, &options, arena))
        return 1;
    options.model_file = arguments->model;
    options.port_base = (uint16_t)arguments->port_base;
    options.is_echo = arguments->is_echo;
    options.price_usd_micro_h = arguments->price;
    enum err err = os_secret_read((int)arguments->secret_fd, options.secret, sizeof options.secret);
    if (err) {
        fprintf(stderr, "farspan worker: --secret-fd %d: expected 32 bytes: %s\n",
                (int)arguments->secret_fd, err_text(err));
        return 1;
    }
    err = worker_run(&options, &why);
    crypto_wipe(options.secret, sizeof options.secret);
    if (!err)
        return 0;
    fprintf(stderr, "farspan worker: %.*s\n", (int)why.n, why.p);
    return 1;
}

int verb_worker(int argc, char **argv)
{
    struct arguments arguments = {.port_base = FLEET_PORT_BASE, .secret_fd = -1};
    const struct option_row rows[] = {
        {"-f|--fleet", "FILE", "the world", OPTION_TEXT, &arguments.fleet, 0, 0},
        {"--worker", "NAME", "which of its workers", OPTION_TEXT, &arguments.worker, 0, 0},
        {"--port-base", "N", "first port of the world, 18080", OPTION_NUMBER, &arguments.port_base,
         1024, 65000},
        {"--room", "N", "free places a region, as of farspan up", OPTION_NUMBER, &arguments.room, 0,
         ROOM_MAX},
        {"--services", "A,B", "in a free place: what it computes", OPTION_TEXT, &arguments.services,
         0, 0},
        {"--like", "NAME", "in a free place: the worker whose pace and slots it takes", OPTION_TEXT,
         &arguments.like, 0, 0},
        {"--price", "N", "in a free place: millionths of a dollar an hour", OPTION_NUMBER,
         &arguments.price, 0, 1000000000000},
        {"--secret-fd", "N", "descriptor to read the world's peer secret from (32 bytes)",
         OPTION_NUMBER, &arguments.secret_fd, 0, 1024},
        {"--model", "FILE.gguf", "instead of the llama models of the world", OPTION_TEXT,
         &arguments.model, 0, 0},
        {"--engine-echo", NULL, "echo stands in for llama", OPTION_FLAG, &arguments.is_echo, 0, 0},
    };
    const struct option_usage usage = {
        "farspan worker --fleet FILE --worker NAME --secret-fd N [options]",
        "The process that runs the replicas of one machine and answers its gateways.\n"
        "`farspan up` starts the workers of a world itself.",
        "farspan worker --fleet examples/three-continents.yaml --worker us-a --secret-fd 3 \\\n"
        "    3< <(xxd -r -p ~/.local/state/farspan/peer.key)",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!arguments.fleet || !arguments.worker || arguments.secret_fd < 0) {
        fprintf(stderr, "farspan worker: --fleet, --worker and --secret-fd are needed\n");
        return 2;
    }
    void *memory = os_alloc(FLEET_BYTES);
    if (!memory) {
        fprintf(stderr, "farspan worker: the system gave no memory\n");
        return 1;
    }
    struct arena arena;
    arena_init(&arena, memory, FLEET_BYTES);
    status = run(&arguments, &arena);
    os_free(memory);
    return status;
}
