#include <stdio.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/planning.h"
#include "cli/verbs.h"
#include "fleet/load_io.h"
#include "os/memory.h"

enum { OUTPUT_MAX = 256 * 1024 };

struct check {
    const char *file;
    bool is_json;
    struct arena arena;
    struct fleet_complaints *complaints;
    const struct fleet *fleet; /* NULL: the file holds a plan only, or is not valid */
    struct planning planning;  /* wish NULL: it holds none, or is not valid */
    bool is_valid;
    struct text out;
};

/* What the workers of a region cost an hour by the list; FLEET_NONE: of all regions. */
static int64_t cost_usd_micro_h(const struct fleet *fleet, uint16_t region, bool *ret_is_estimate)
{
    int64_t sum = 0;
    *ret_is_estimate = false;
    for (uint16_t i = 0; i < fleet->worker_count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        bool is_meant = region == FLEET_NONE || worker->region == region;
        if (!is_meant || worker->sku == FLEET_NONE)
            continue;
        sum += fleet->skus[worker->sku].price_usd_micro_h;
        *ret_is_estimate |= fleet->skus[worker->sku].is_estimate;
    }
    return sum;
}

static unsigned count_workers(const struct fleet *fleet, uint16_t region)
{
    unsigned count = 0;
    for (uint16_t i = 0; i < fleet->worker_count; i++)
        count += fleet->workers[i].region == region;
    return count;
}

static unsigned count_replicas(const struct fleet *fleet, uint16_t service)
{
    unsigned count = 0;
    for (uint16_t i = 0; i < fleet->replica_count; i++)
        count += fleet->replicas[i].service == service;
    return count;
}

/* <s> and spaces up to <width>. */
static void add_cell(struct text *out, struct span s, size_t width)
{
    text_add_span(out, s);
    for (size_t n = s.n; n < width; n++)
        text_add_c(out, ' ');
    text_add(out, "  ");
}

static size_t widest(size_t width, struct span s)
{
    return s.n > width ? s.n : width;
}

static void add_price(struct text *out, int64_t usd_micro_h, bool is_estimate)
{
    char buffer[40];
    struct text price;
    text_init(&price, buffer, sizeof buffer);
    text_add(&price, "%s$%.2f", is_estimate ? "~" : "", (double)usd_micro_h / 1e6);
    for (size_t n = price.n; n < 9; n++)
        text_add_c(out, ' ');
    text_add_span(out, text_span(&price));
}

static void add_regions(const struct fleet *fleet, struct text *out)
{
    size_t width = widest(widest(0, SPAN_LITERAL("region")), SPAN_LITERAL("in all"));
    for (uint16_t i = 0; i < fleet->region_count; i++)
        width = widest(width, fleet->regions[i].name);
    add_cell(out, SPAN_LITERAL("region"), width);
    text_add(out, "zone      workers        $/h\n");
    bool is_estimate;
    for (uint16_t i = 0; i < fleet->region_count; i++) {
        add_cell(out, fleet->regions[i].name, width);
        add_cell(out, fleet->zones[fleet->regions[i].zone], 8);
        text_add(out, "%7u  ", count_workers(fleet, i));
        int64_t cost = cost_usd_micro_h(fleet, i, &is_estimate);
        add_price(out, cost, is_estimate);
        text_add_c(out, '\n');
    }
    int64_t cost = cost_usd_micro_h(fleet, FLEET_NONE, &is_estimate);
    add_cell(out, SPAN_LITERAL("in all"), width);
    text_add(out, "          %7u  ", fleet->worker_count);
    add_price(out, cost, is_estimate);
    text_add(out, "\n\n");
}

static void add_services(const struct fleet *fleet, struct text *out)
{
    size_t width = sizeof "service" - 1;
    for (uint16_t i = 0; i < fleet->service_count; i++)
        width = widest(width, fleet->services[i].name);
    add_cell(out, SPAN_LITERAL("service"), width);
    text_add(out, "kind            engine  replicas  policy\n");
    for (uint16_t i = 0; i < fleet->service_count; i++) {
        const struct fleet_service *service = &fleet->services[i];
        add_cell(out, service->name, width);
        add_cell(out, span_of(fleet_kind_name(service->kind)), 14);
        add_cell(out, span_of(fleet_engine_name(service->engine)), 6);
        text_add(out, "%8u  %s\n", count_replicas(fleet, i), fleet_policy_name(service->policy));
    }
}

static void add_links(const struct fleet *fleet, struct text *out)
{
    size_t width = sizeof "from" - 1;
    if (fleet->link_count == 0)
        return;
    for (uint16_t i = 0; i < fleet->region_count; i++)
        width = widest(width, fleet->regions[i].name);
    text_add_c(out, '\n');
    add_cell(out, SPAN_LITERAL("from"), width);
    add_cell(out, SPAN_LITERAL("to"), width);
    text_add(out, "rtt\n");
    for (uint16_t i = 0; i < fleet->link_count; i++) {
        const struct fleet_link *link = &fleet->links[i];
        add_cell(out, fleet->regions[link->from].name, width);
        add_cell(out, fleet->regions[link->to].name, width);
        text_add(out, "%s", link->is_estimate ? "~" : "");
        text_add_duration_us(out, link->rtt_us);
        text_add_c(out, '\n');
    }
}

static void print_summary(struct check *check)
{
    struct text *out = &check->out;
    text_add(out, "%s: the world \"%.*s\" is valid\n\n", check->file, SPAN_ARG(check->fleet->name));
    add_regions(check->fleet, out);
    add_services(check->fleet, out);
    add_links(check->fleet, out);
    text_add(out, "\n$/h are list prices of the machines that workers stand for; ~ marks an "
                  "estimate.\n");
}

static void print_plan(struct check *check)
{
    const struct plan_wish *wish = check->planning.wish;
    text_add(&check->out,
             "%s%s: the plan of \"%.*s\" is valid: %u service%s, a catalogue of %u regions\n",
             check->fleet ? "\n" : "", check->file, SPAN_ARG(wish->world),
             PLURAL(wish->service_count), wish->catalog->region_count);
}

static void print_json_plan(const struct check *check, struct text *out)
{
    text_json_key(out, "plan");
    text_json_object(out);
    text_json_key(out, "world");
    text_json_span(out, check->planning.wish->world);
    text_json_key(out, "services");
    text_json_u64(out, check->planning.wish->service_count);
    text_json_key(out, "regions");
    text_json_u64(out, check->planning.catalog->region_count);
    text_json_end(out);
}

static void print_json_regions(const struct fleet *fleet, struct text *out)
{
    text_json_key(out, "regions");
    text_json_array(out);
    for (uint16_t i = 0; i < fleet->region_count; i++) {
        bool is_estimate;
        int64_t cost = cost_usd_micro_h(fleet, i, &is_estimate);
        text_json_object(out);
        text_json_key(out, "region");
        text_json_span(out, fleet->regions[i].name);
        text_json_key(out, "zone");
        text_json_span(out, fleet->zones[fleet->regions[i].zone]);
        text_json_key(out, "workers");
        text_json_u64(out, count_workers(fleet, i));
        text_json_key(out, "cost_usd_h");
        text_json_micro(out, cost);
        text_json_key(out, "estimate");
        text_json_bool(out, is_estimate);
        text_json_end(out);
    }
    text_json_end(out);
}

static void print_json_services(const struct fleet *fleet, struct text *out)
{
    text_json_key(out, "services");
    text_json_array(out);
    for (uint16_t i = 0; i < fleet->service_count; i++) {
        const struct fleet_service *service = &fleet->services[i];
        text_json_object(out);
        text_json_key(out, "service");
        text_json_span(out, service->name);
        text_json_key(out, "kind");
        text_json_str(out, fleet_kind_name(service->kind));
        text_json_key(out, "engine");
        text_json_str(out, fleet_engine_name(service->engine));
        text_json_key(out, "policy");
        text_json_str(out, fleet_policy_name(service->policy));
        text_json_key(out, "replicas");
        text_json_u64(out, count_replicas(fleet, i));
        text_json_end(out);
    }
    text_json_end(out);
}

static void print_json(struct check *check)
{
    struct text *out = &check->out;
    text_json_object(out);
    text_json_key(out, "valid");
    text_json_bool(out, check->is_valid);
    if (check->fleet) {
        text_json_key(out, "world");
        text_json_span(out, check->fleet->name);
        print_json_regions(check->fleet, out);
        print_json_services(check->fleet, out);
    }
    if (check->planning.wish)
        print_json_plan(check, out);
    if (!check->is_valid) {
        text_json_key(out, "complaints");
        fleet_complaints_print(check->complaints, true, out);
        text_json_key(out, "left_out");
        text_json_u64(out, check->complaints->left_out);
    }
    text_json_end(out);
    text_add_c(out, '\n');
}

static int print(struct check *check)
{
    if (check->is_json)
        print_json(check);
    else if (!check->is_valid)
        fleet_complaints_print(check->complaints, false, &check->out);
    if (!check->is_json && check->fleet)
        print_summary(check);
    if (!check->is_json && check->planning.wish)
        print_plan(check);
    /* What was asked for goes to standard output, be it good or bad news. */
    if (fwrite(check->out.p, 1, check->out.n, stdout) != check->out.n || fflush(stdout) != 0) {
        perror("farspan: standard output");
        return 1;
    }
    return check->is_valid ? 0 : 1;
}

/* The world and the plan that the file holds. */
static enum err load(struct check *check, struct text *why)
{
    bool has_plan, has_world;
    enum err err = ERR_OK;
    planning_look(check->file, &has_plan, &has_world);
    if (has_world || !has_plan)
        err = fleet_load(check->file, &check->arena, check->complaints, &check->fleet);
    if (!err && check->fleet &&
        load_find_missing_models(check->file, check->fleet, (struct load_use){0}, &check->arena,
                                 check->complaints))
        err = ERR_SYNTAX;
    const struct planning_files files = {.file = check->file};
    if (!err && has_plan)
        err = planning_read(&check->planning, &files, check->complaints, why);
    check->is_valid = err == ERR_OK;
    if (err) {
        check->fleet = NULL;
        check->planning.wish = NULL;
    }
    return err;
}

int verb_check(int argc, char **argv)
{
    struct check check = {.file = ""};
    const struct option_row rows[] = {
        {"--json", NULL, "one JSON object instead of text", OPTION_FLAG, &check.is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan check FILE [--json]",
        "Reads a farspan.yaml and the catalogue files it names, and says everything that is wrong\n"
        "with them at once: file, line, column, what was expected, what was found, the nearest\n"
        "valid word; a valid file's models must be there too. Exit 0: valid, with a short "
        "summary.\n"
        "Exit 1: not valid.",
        "farspan check examples/three-continents.yaml",
        rows,
        COUNT_OF(rows),
        1,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    check.file = argv[0];

    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    char *memory = os_alloc(FLEET_ARENA_SIZE);
    char *output = os_alloc(OUTPUT_MAX);
    enum err err = memory && output ? ERR_OK : ERR_MEMORY;
    if (err == ERR_OK) {
        arena_init(&check.arena, memory, FLEET_ARENA_SIZE);
        text_init(&check.out, output, OUTPUT_MAX);
        check.complaints = ARENA_NEW(&check.arena, struct fleet_complaints);
        CHECK(check.complaints);
        err = load(&check, &why);
    }
    if (err == ERR_OK || err == ERR_SYNTAX)
        status = print(&check);
    else
        fprintf(stderr, "farspan: %s: %s\n", check.file, why.n ? message : err_text(err));
    planning_close(&check.planning);
    os_free(output);
    os_free(memory);
    return err == ERR_OK || err == ERR_SYNTAX ? status : 1;
}
