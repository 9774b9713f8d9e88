#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"
#include "gateway/gateway_io.h"
#include "os/memory.h"
#include "os/process.h"

struct arguments {
    const char *file, *fleet, *region, *listen, *key_hash, *key, *key_file, *access_log, *ca_file;
    int64_t port_base, secret_fd, threads, room;
    bool is_insecure;
    struct arena arena;
    struct fleet_key client_key;
    uint8_t peer_secret[CRYPTO_KEY_SIZE];
};

static bool complain(const char *what)
{
    fprintf(stderr, "farspan gateway: %s\n", what);
    return false;
}

static bool take_region(const struct arguments *arguments, struct gateway_config *config)
{
    const struct fleet *fleet = config->fleet;
    if (!arguments->region && fleet->region_count == 1)
        return true;
    if (!arguments->region)
        return complain("the file has several regions: say --region NAME");
    config->region = fleet_find_region(fleet, span_of(arguments->region));
    return config->region != FLEET_NONE || complain("--region names no region of the file");
}

static bool take_address(const struct arguments *arguments, struct gateway_config *config)
{
    struct span address = config->fleet->listen.address;
    if (arguments->listen)
        address = span_of(arguments->listen);
    if (address.n)
        return net_address_parse(address, &config->listen) ||
               complain("the address to listen on is not IP:PORT");
    uint16_t port = FLEET_PORT_BASE;
    if (config->port_base)
        port = fleet_port_gateway(config->fleet, config->port_base, config->region);
    net_address_loopback(port, &config->listen);
    return true;
}

static bool take_keys(struct arguments *arguments, struct gateway_config *config)
{
    struct fleet_key *key = &arguments->client_key;
    *key = (struct fleet_key){.name = SPAN_LITERAL("client"), .residency = UINT32_MAX};
    if (arguments->key_hash) {
        if (!crypto_unhex(span_of(arguments->key_hash), key->sha256, sizeof key->sha256))
            return complain("--key-hash takes 64 hex digits");
    } else if (arguments->key) {
        crypto_sha256(span_of(arguments->key), key->sha256);
    } else if (arguments->key_file) {
        key->file = span_of(arguments->key_file);
    }
    if (arguments->key_hash || arguments->key || arguments->key_file)
        config->key = key;
    config->is_open = !config->key && config->fleet->key_count == 0;
    if (arguments->secret_fd < 0)
        return true;
    enum err err = os_secret_read((int)arguments->secret_fd, arguments->peer_secret,
                                  sizeof arguments->peer_secret);
    if (err != ERR_OK)
        return complain("the peer secret cannot be read from --secret-fd");
    config->peer_secret = arguments->peer_secret;
    return true;
}

static bool take_fleet(struct arguments *arguments, struct gateway_config *config)
{
    const char *file = arguments->fleet ? arguments->fleet : arguments->file;
    bool is_world = arguments->fleet != NULL;
    if (is_world && arguments->port_base == 0)
        return complain("--fleet needs --port-base");
    config->port_base = is_world ? (uint16_t)arguments->port_base : 0;
    struct room room;
    if (!load_room(file, is_world ? &arguments->port_base : NULL, is_world ? arguments->room : 0,
                   &arguments->arena, &room))
        return false;
    config->fleet = room.fleet;
    return true;
}

static void say_ready(const struct gateway_config *config)
{
    char buffer[128];
    struct text address;
    text_init(&address, buffer, sizeof buffer);
    net_address_print(&config->listen, &address);
    fprintf(stderr, "farspan gateway: region %.*s, epoch %llu, listening on http://%s%s\n",
            SPAN_ARG(config->fleet->regions[config->region].name),
            (unsigned long long)config->fleet->epoch, buffer,
            config->is_open ? "; no key is set: open to every caller of this machine" : "");
}

static int run(struct arguments *arguments)
{
    char buffer[1024];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    struct gateway_config config = {
        .takes_signals = true,
        .access_log = arguments->access_log,
        .ca_file = arguments->ca_file,
    };
    if (!take_fleet(arguments, &config) || !take_region(arguments, &config) ||
        !take_address(arguments, &config) || !take_keys(arguments, &config))
        return 1;
    config.is_insecure = arguments->is_insecure || config.fleet->listen.is_insecure;
    config.threads = config.fleet->listen.threads ? config.fleet->listen.threads : 1;
    if (arguments->threads)
        config.threads = (uint16_t)arguments->threads;
    char log_path[LIMIT_PATH + 1];
    struct span log = config.fleet->listen.access_log;
    if (!config.access_log && log.n && log.n < sizeof log_path) {
        snprintf(log_path, sizeof log_path, "%.*s", SPAN_ARG(log));
        config.access_log = log_path;
    }
    struct gateway *gateway;
    enum err err = gateway_new(&config, &gateway, &why);
    if (err != ERR_OK) {
        fprintf(stderr, "farspan gateway: %s\n", why.n ? buffer : err_text(err));
        return 1;
    }
    say_ready(&config);
    gateway_run(gateway);
    gateway_free(gateway);
    return 0;
}

int verb_gateway(int argc, char **argv)
{
    struct arguments arguments = {.secret_fd = -1};
    const struct option_row rows[] = {
        {"-f|--file", "FILE", "a farspan.yaml whose remote replicas are served", OPTION_TEXT,
         &arguments.file, 0, 0},
        {"--listen", "IP:PORT", "where (default 127.0.0.1:18080)", OPTION_TEXT, &arguments.listen,
         0, 0},
        {"--region", "NAME", "where this gateway stands", OPTION_TEXT, &arguments.region, 0, 0},
        {"--threads", "N", "event loops (default 1)", OPTION_NUMBER, &arguments.threads, 1,
         GATEWAY_THREADS_MAX},
        {"--key", "KEY", "the clients' key", OPTION_TEXT, &arguments.key, 0, 0},
        {"--key-file", "FILE", "the same from a file", OPTION_TEXT, &arguments.key_file, 0, 0},
        {"--key-hash", "HEX64", "SHA-256 of it", OPTION_TEXT, &arguments.key_hash, 0, 0},
        {"--access-log", "FILE", "one JSON line a request", OPTION_TEXT, &arguments.access_log, 0,
         0},
        {"--ca-file", "FILE", "trust these roots for https replicas", OPTION_TEXT,
         &arguments.ca_file, 0, 0},
        {"--insecure", NULL, "plain text beyond loopback", OPTION_FLAG, &arguments.is_insecure, 0,
         0},
        {"--fleet", "FILE", "of a running world (farspan up does this)", OPTION_TEXT,
         &arguments.fleet, 0, 0},
        {"--port-base", "N", "of that world", OPTION_NUMBER, &arguments.port_base, 1, 65535},
        {"--room", "N", "free places a region, as of farspan up", OPTION_NUMBER, &arguments.room, 0,
         ROOM_MAX},
        {"--secret-fd", "N", "32 bytes of peer secret", OPTION_NUMBER, &arguments.secret_fd, 3,
         1023},
    };
    const struct option_usage usage = {
        "farspan gateway -f FILE [--listen IP:PORT] [--threads N]",
        "Answers the clients of one region: OpenAI and Open Inference Protocol in front, the\n"
        "replicas of a farspan.yaml behind. SIGTERM drains it: open requests have 4 s.",
        "farspan gateway -f examples/front-existing.yaml",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!arguments.file && !arguments.fleet)
        return options_refuse(&usage, "say which farspan.yaml: -f FILE");
    char *memory = os_alloc(FLEET_ARENA_SIZE);
    if (!memory) {
        fprintf(stderr, "farspan gateway: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    arena_init(&arguments.arena, memory, FLEET_ARENA_SIZE);
    status = run(&arguments);
    crypto_wipe(arguments.peer_secret, sizeof arguments.peer_secret);
    os_free(memory);
    return status;
}
