#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "fleet/layout.h"
#include "os/file.h"

/* What the running world said of itself. */
struct status {
    json_t *supervisor;
    json_t *gateway[LIMIT_REGIONS]; /* NULL: did not answer */
    const struct fleet *fleet;
};

static json_t *ask(struct world_client *world, uint16_t port)
{
    char message[512];
    struct text why;
    struct span body;
    text_init(&why, message, sizeof message);
    unsigned status = world_client_ask(world, port, "GET", "/peer/v1/state", "Peer",
                                       (struct span){0}, &body, &why);
    return status == 200 ? json_loadb(body.p, body.n, 0, NULL) : NULL;
}

static const char *word(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_processes(const struct status *status)
{
    size_t i;
    json_t *process;
    printf("%-34s %-9s %8s %6s %9s\n", "process", "state", "pid", "port", "restarts");
    json_array_foreach(json_object_get(status->supervisor, "processes"), i, process)
        printf("%-34s %-9s %8lld %6lld %9lld\n", word(process, "process"), word(process, "state"),
               number(process, "pid"), number(process, "port"), number(process, "restarts"));
}

static bool has_word(const json_t *words, const char *wanted)
{
    for (size_t i = 0; i < json_array_size(words); i++)
        if (strcmp(json_string_value(json_array_get(words, i)), wanted) == 0)
            return true;
    return false;
}

/* Does a worker process stand behind a target ("WORKER-SERVICE")? A free place is no replica. */
static bool is_manned(const struct status *status, const char *target)
{
    static const char prefix[] = "worker ";
    size_t i;
    json_t *process;
    json_array_foreach(json_object_get(status->supervisor, "processes"), i, process)
    {
        const char *name = word(process, "process");
        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
            continue;
        name += sizeof prefix - 1;
        size_t size = strlen(name);
        if (strncmp(target, name, size) == 0 && target[size] == '-' &&
            has_word(json_object_get(process, "services"), target + size + 1))
            return true;
    }
    return strstr(target, "://") != NULL; /* a remote one */
}

/* Sums over the own replicas of one service as its region's gateway sees them. */
static void print_service(const struct status *status, const json_t *service, struct span region)
{
    size_t i;
    json_t *target;
    long long ready = 0, count = 0, running = 0, waiting = 0, slots = 0, sent = 0;
    json_array_foreach(json_object_get(service, "targets"), i, target)
    {
        if (strcmp(word(target, "kind"), "replica") != 0 ||
            !is_manned(status, word(target, "target")))
            continue;
        count++;
        ready += json_is_true(json_object_get(target, "ready"));
        running += number(target, "running");
        waiting += number(target, "waiting");
        slots += number(target, "slots");
        sent += number(target, "sent_total");
    }
    if (count)
        printf("  %-20.*s %-12s %-16s %3lld/%lld %6lld/%-4lld %8lld %9lld\n", SPAN_ARG(region),
               word(service, "service"), word(service, "policy"), ready, count, running, slots,
               waiting, sent);
}

static void print_services(const struct status *status)
{
    printf("\n  %-20s %-12s %-16s %5s %11s %8s %9s\n", "region", "service", "policy", "ready",
           "running", "waiting", "sent");
    for (uint16_t r = 0; r < status->fleet->region_count; r++) {
        size_t i;
        json_t *service;
        if (!status->gateway[r])
            printf("  %-20.*s its gateway does not answer\n",
                   SPAN_ARG(status->fleet->regions[r].name));
        json_array_foreach(json_object_get(status->gateway[r], "services"), i, service)
            print_service(status, service, status->fleet->regions[r].name);
    }
}

static void print_links(const struct status *status)
{
    printf("\n  link %-43s rtt\n", "");
    for (uint16_t i = 0; i < status->fleet->link_count; i++) {
        const struct fleet_link *link = &status->fleet->links[i];
        printf("  %-20.*s -> %-22.*s %s%.1f ms\n",
               SPAN_ARG(status->fleet->regions[link->from].name),
               SPAN_ARG(status->fleet->regions[link->to].name), link->is_estimate ? "~" : "",
               (double)link->rtt_us / 1000);
    }
}

/* The supervisor's object with the gateways' put in:
 * {"pid",...,"processes":[...],"gateways":[...]}. */
static int print_json(struct status *status)
{
    json_t *gateways = json_array();
    for (uint16_t r = 0; r < status->fleet->region_count; r++) {
        json_t *one = status->gateway[r] ? status->gateway[r] : json_null();
        if (json_array_append(gateways, one))
            return 1;
    }
    if (json_object_set_new(status->supervisor, "gateways", gateways) ||
        json_dumpf(status->supervisor, stdout, JSON_COMPACT))
        return 1;
    putchar('\n');
    return 0;
}

static void print_broken_off(const struct world_client *world)
{
    char path[STATE_PATH_MAX];
    if (state_file_path(world->state.path, "apply.json", path) && os_file_exists(path))
        printf(
            "an apply is under way or was broken off; in that case farspan apply takes it up\n\n");
}

static int show(struct world_client *world, bool is_json)
{
    struct status status = {.fleet = world->fleet};
    status.supervisor = ask(world, fleet_port_supervisor(world->fleet, world->port_base));
    if (!status.supervisor) {
        fprintf(stderr, "farspan: the supervisor (pid %lld) does not answer\n",
                (long long)world->pid);
        return 1;
    }
    for (uint16_t r = 0; r < world->fleet->region_count; r++)
        status.gateway[r] = ask(world, fleet_port_gateway(world->fleet, world->port_base, r));
    int result = 0;
    if (is_json) {
        result = print_json(&status);
    } else {
        printf("%.*s: %s, epoch %lld, up for %lld s, %s\n\n", SPAN_ARG(world->fleet->name),
               json_is_true(json_object_get(status.supervisor, "ready")) ? "ready" : "not ready",
               number(status.supervisor, "epoch"), number(status.supervisor, "uptime_s"),
               world->file);
        print_broken_off(world);
        print_processes(&status);
        print_services(&status);
        print_links(&status);
    }
    for (uint16_t r = 0; r < world->fleet->region_count; r++)
        json_decref(status.gateway[r]);
    json_decref(status.supervisor);
    return result;
}

int verb_status(int argc, char **argv)
{
    const char *state = NULL;
    bool is_json = false;
    const struct option_row rows[] = {
        {"--json", NULL, "one JSON object: processes and every word of the gateways' views",
         OPTION_FLAG, &is_json, 0, 0},
        {"--state", "DIR", "state folder of the world", OPTION_TEXT, &state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan status [--json] [--state DIR]",
        "Processes, services and links of the world that runs on this machine. ~ marks estimates.",
        "farspan status",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    struct world_client world;
    if (!world_client_open(state, &world))
        return 1;
    status = show(&world, is_json);
    world_client_close(&world);
    return status;
}
