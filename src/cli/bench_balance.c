/* bench_balance.c: `farspan bench balance`: what each policy makes of five equal servers. */
#include "cli/bench_balance.h"

#include <stdio.h>

#include "base/check.h"
#include "cli/bench.h"
#include "cli/options.h"
#include "os/file.h"
#include "os/memory.h"

/* As they are printed and drawn. */
static const unsigned order[] = {BALANCE_RANDOM,
                                 FLEET_POLICY_CONSISTENT_HASH,
                                 FLEET_POLICY_P2C,
                                 FLEET_POLICY_LEAST_CONNECTIONS,
                                 FLEET_POLICY_NEAREST,
                                 FLEET_POLICY_CHEAPEST,
                                 FLEET_POLICY_PEAK_EWMA,
                                 FLEET_POLICY_ADAPTIVE,
                                 FLEET_POLICY_WEIGHTED_ROUND_ROBIN,
                                 FLEET_POLICY_ROUND_ROBIN,
                                 BALANCE_FLOOR};

_Static_assert(COUNT_OF(order) == BALANCE_POLICIES, "each policy once");

struct pair { /* one policy */
    struct balance_run equal, mixed;
};

static void print_table(const struct pair *pairs, int64_t requests)
{
    printf("Five equal servers at 80 %% load, %lld requests of 100 ms on average; waits in ms\n\n",
           (long long)requests);
    printf("%-21s %26s   %26s\n", "", "all of 100 ms", "one in ten 550 ms, else 50");
    printf("%-21s %7s %6s %5s %6s   %6s %6s %5s %6s\n", "policy", "mean", "p99", "most", "wasted",
           "mean", "p99", "most", "wasted");
    for (size_t i = 0; i < BALANCE_POLICIES; i++) {
        const struct balance_run *equal = &pairs[i].equal, *mixed = &pairs[i].mixed;
        printf("%-21s %7.1f %6.0f %5u %5.1f%%   %6.1f %6.0f %5u %5.1f%%\n",
               balance_name(equal->policy), equal->wait_mean_ms, equal->wait_p99_ms,
               equal->load_max, 100 * equal->wasted, mixed->wait_mean_ms, mixed->wait_p99_ms,
               mixed->load_max, 100 * mixed->wasted);
    }
    printf("\nmost: requests at one server; wasted: time in which one has none while another has "
           "some waiting\n");
}

static void print_json(const struct balance_run *run, char before)
{
    printf("%c{\"policy\":\"%s\",\"sizes\":\"%s\",\"wait_mean_ms\":%.3f,\"wait_p99_ms\":%.3f,"
           "\"load_max\":%u,\"wasted\":%.6f}",
           before, balance_name(run->policy), run->is_mixed ? "mixed" : "equal", run->wait_mean_ms,
           run->wait_p99_ms, run->load_max, run->wasted);
}

static int write_picture(const struct pair *pairs, const char *path)
{
    const struct balance_run *runs[BALANCE_PANELS];
    char message[512], *buffer OS_FREED = os_alloc(BALANCE_SVG_BYTES);
    struct text text, why;
    text_init(&why, message, sizeof message);
    for (size_t i = 0; i < BALANCE_PANELS; i++)
        runs[i] = &pairs[i].equal;
    enum err err = ERR_MEMORY;
    if (buffer) {
        text_init(&text, buffer, BALANCE_SVG_BYTES);
        balance_draw(runs, BALANCE_PANELS, &text);
        CHECK(!text.is_cut);
        err = os_file_write(path, text_span(&text), 0644, &why);
    }
    if (err)
        fprintf(stderr, "farspan bench: %s: %s\n", path, why.n ? message : err_text(err));
    return err ? 1 : 0;
}

static int run(int64_t requests, int64_t seed, const char *svg, bool is_json)
{
    struct pair *pairs OS_FREED = os_alloc(BALANCE_POLICIES * sizeof(struct pair));
    if (!pairs) {
        fprintf(stderr, "farspan bench: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    for (size_t i = 0; i < BALANCE_POLICIES; i++) {
        struct balance_run asked = {
            .policy = order[i], .requests = (uint32_t)requests, .seed = (uint64_t)seed};
        pairs[i].equal = asked;
        pairs[i].mixed = asked;
        pairs[i].mixed.is_mixed = true;
        balance_simulate(&pairs[i].equal);
        balance_simulate(&pairs[i].mixed);
    }
    if (svg && write_picture(pairs, svg))
        return 1;
    if (!is_json) {
        print_table(pairs, requests);
        return 0;
    }
    for (size_t i = 0; i < BALANCE_POLICIES; i++) {
        print_json(&pairs[i].equal, i == 0 ? '[' : ',');
        print_json(&pairs[i].mixed, ',');
    }
    printf("]\n");
    return 0;
}

int bench_balance(int argc, char **argv)
{
    enum { REQUESTS = 200000, REQUESTS_MIN = 10000, REQUESTS_MAX = 10000000 };
    int64_t requests = REQUESTS, seed = 1;
    const char *svg = NULL;
    bool is_json = false;
    const struct option_row rows[] = {
        {"--requests", "N", "how many (200000)", OPTION_NUMBER, &requests, REQUESTS_MIN,
         REQUESTS_MAX},
        {"--seed", "N", "of the arrivals (1)", OPTION_NUMBER, &seed, 0, INT64_MAX},
        {"--svg", "FILE", "draw the load of each server over six seconds there", OPTION_TEXT, &svg,
         0, 0},
        {"--json", NULL, "one JSON array", OPTION_FLAG, &is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan bench balance [--svg FILE] [--json]",
        "Five equal servers and the same stream of requests under each balancing policy of the\n"
        "gateway, simulated: how long requests wait, and how evenly they are spread. random is\n"
        "no policy of the gateway; (free first) knows every size: as if there were one queue.",
        "farspan bench balance --svg balance.svg",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    return status == OPTIONS_RUN ? run(requests, seed, svg, is_json) : status;
}
