/* verb_plan.c: `farspan plan`: where every service should run, on which machines, at what price,
 * and how sure that is. */
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/catalog_view.h"
#include "cli/plan_ask.h"
#include "cli/plan_day.h"
#include "cli/plan_map.h"
#include "cli/plan_policy.h"
#include "cli/plan_tables.h"
#include "cli/verbs.h"
#include "fleet/units.h"
#include "os/file.h"
#include "os/memory.h"

enum { WHY_BYTES = 8192, INFEASIBLE = 3, WRONG_USE = 2 };

#define TIME_LIMIT_US     (10 * (int64_t)1000 * 1000)
#define TIME_LIMIT_DAY_US (60 * (int64_t)1000 * 1000)

struct plan {
    struct planning_files files;
    const char *out, *gap, *policy, *map;
    bool is_policy_wanted[PLAN_RIVALS];
    int64_t work, time_limit_us, hour; /* the last two -1: not said */
    bool is_json;
    struct plan_ask ask;
};

/* Bytes that the sheet needs as JSON; its tables need less. */
static size_t print_size(const struct plan_sheet *sheet)
{
    enum { HEAD = 64 * 1024, ROW = 1024, STEP = 96 };
    size_t rows =
        (size_t)sheet->replica_count + sheet->flow_count + sheet->rule_count + sheet->miss_count;
    rows += plan_day_row_count(sheet);
    rows += sheet->shadow_count + (size_t)sheet->what_if_count * 4; /* they may say why not */
    return HEAD + rows * ROW + (size_t)sheet->step_count * STEP;
}

static bool write_out(const struct plan *plan, struct span json)
{
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!os_file_write(plan->out, json, 0644, &why))
        return true;
    fprintf(stderr, "farspan plan: %s\n", message);
    return false;
}

/* Known before the search, not after it. */
static bool may_write(const char *path)
{
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!path || !os_file_may_write(path, &why))
        return true;
    fprintf(stderr, "farspan plan: %s\n", message);
    return false;
}

static int print(const struct plan *plan, const struct plan_sheet *sheet, bool is_plan)
{
    size_t size = print_size(sheet);
    char *buffer OS_FREED = os_alloc(size);
    if (!buffer) {
        fprintf(stderr, "farspan plan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    struct text text;
    text_init(&text, buffer, size);
    plan_sheet_print(sheet, &text);
    CHECK(!text.is_cut);
    if (plan->out && is_plan && !write_out(plan, text_span(&text)))
        return 1;
    if (!plan->is_json) {
        text_truncate(&text, 0);
        if (is_plan)
            plan_tables_print(sheet, &text);
        if (is_plan)
            plan_day_print(sheet, &text);
        plan_tables_print_what_ifs(sheet, &text);
        if (is_plan)
            plan_policy_print(sheet, &text);
        if (plan->out && is_plan)
            text_add(&text, "\nwritten %s\n", plan->out);
        if (plan->map && is_plan)
            text_add(&text, "%swritten %s\n", plan->out ? "" : "\n", plan->map);
    }
    if (fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0) {
        perror("farspan: standard output");
        return 1;
    }
    return is_plan ? 0 : INFEASIBLE;
}

/* Prices change; a plan of old ones says so, on standard error. */
static void warn_of_old_prices(const struct planning *planning, const struct plan_made *made)
{
    const struct plan_problem *problem = &made->formulation->problem;
    const struct catalog_fact **facts OS_FREED =
        os_alloc((problem->column_count + 1) * sizeof(const struct catalog_fact *));
    struct catalog_view view = {.today = catalog_today()};
    uint32_t count = 0;
    for (uint32_t c = 0; facts && c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        uint32_t place = made->formulation->columns[c].place;
        bool is_bought = column->market == PLAN_ON_DEMAND || column->market == PLAN_SPOT;
        if (made->result.answer.counts[c] == 0 || !is_bought)
            continue;
        const struct catalog_offer *offer =
            catalog_find_offer(planning->catalog, (uint16_t)place, column->sku,
                               column->market == PLAN_SPOT ? CATALOG_SPOT : CATALOG_ON_DEMAND);
        if (offer)
            facts[count++] = &offer->price;
    }
    if (facts)
        catalog_view_warn(&view, facts, count);
}

static int64_t time_limit_us(const struct plan *plan, const struct plan_wish *wish)
{
    if (plan->time_limit_us >= 0)
        return plan->time_limit_us;
    if (plan->work > 0)
        return 0;
    return wish->day.slot_count > 0 ? TIME_LIMIT_DAY_US : TIME_LIMIT_US;
}

/* The plan and all that is asked about it; or why there is none, and ERR_VALUE. */
static enum err make(const struct plan *plan, struct planning *planning,
                     const struct planning_effort *effort, struct plan_made *ret_made,
                     struct text *why)
{
    enum err err = planning->wish->day.slot_count > 0
                       ? plan_day_decide(planning, effort,
                                         (uint32_t)(plan->hour < 0 ? 0 : plan->hour), ret_made, why)
                       : planning_solve(planning, planning->wish, effort, ret_made, why);
    bool is_proven_none = err == ERR_VALUE;
    struct planning_effort further = *effort; /* what is asked about a day is about an hour of it */
    further.time_limit_us = time_limit_us(plan, planning->wish);
    if (is_proven_none)
        err = plan_ask_why_not(planning, &further, ret_made, why);
    else if (!err && plan->policy)
        err = plan_policy_compare(planning, plan->is_policy_wanted, &further, ret_made, why);
    if (!err)
        err = plan_ask_answer(&plan->ask, planning, &further, ret_made);
    return !err && is_proven_none ? ERR_VALUE : err;
}

static int run(struct plan *plan, double gap)
{
    struct planning planning;
    struct plan_made made;
    char message[WHY_BYTES];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!may_write(plan->out) || !may_write(plan->map))
        return 1;
    if (!planning_open(&planning, &plan->files)) {
        planning_close(&planning);
        return 1;
    }
    if (plan->hour >= 0 && planning.wish->day.slot_count == 0) {
        fprintf(stderr, "farspan plan: --hour: expected a plan of a day, found one of an hour: "
                        "add `day` to the file, or leave --hour out\n");
        planning_close(&planning);
        return WRONG_USE;
    }
    const struct planning_effort effort = {.gap = gap,
                                           .work = (uint64_t)plan->work,
                                           .time_limit_us = time_limit_us(plan, planning.wish),
                                           .shows_progress = isatty(STDERR_FILENO) == 1};
    enum err err = plan_ask_read(&plan->ask, &planning, &why);
    if (err) {
        fprintf(stderr, "farspan plan: %s\n", why.n ? message : err_text(err));
        planning_close(&planning);
        return err == ERR_VALUE ? WRONG_USE : 1;
    }
    err = make(plan, &planning, &effort, &made, &why);
    int status = 1;
    if (err == ERR_VALUE)
        fprintf(stderr, "farspan plan: no plan keeps all rules:%s\n", message);
    else if (err)
        fprintf(stderr, "farspan plan: %s\n", why.n ? message : err_text(err));
    bool is_drawn = err || !plan->map || plan_map_write(&planning, &made.sheet, plan->map);
    if (is_drawn && (!err || err == ERR_VALUE))
        status = print(plan, &made.sheet, !err);
    if (!err)
        warn_of_old_prices(&planning, &made);
    planning_close(&planning);
    return status;
}

int verb_plan(int argc, char **argv)
{
    struct plan plan = {.gap = "0.1%", .time_limit_us = -1, .hour = -1};
    const struct option_row rows[] = {
        {"-f|--file", "FILE", "farspan.yaml with a plan", OPTION_TEXT, &plan.files.file, 0, 0},
        {"-o|--out", "FILE", "write the plan file (JSON) there", OPTION_TEXT, &plan.out, 0, 0},
        {"--json", NULL, "the plan file on standard output", OPTION_FLAG, &plan.is_json, 0, 0},
        {"--time-limit", "TIME", "stop after that long (10s, a day 60s; none with --work)",
         OPTION_TIME, &plan.time_limit_us, 0, 0},
        {"--work", "N", "stop after N units of counted work: the same plan every time",
         OPTION_NUMBER, &plan.work, 1, INT64_MAX},
        {"--gap", "SHARE", "stop when this close to the bound (0.1%)", OPTION_TEXT, &plan.gap, 0,
         0},
        {"--hour", "N", "of a day: the slot that -o, apply and the tables show first, UTC (0)",
         OPTION_NUMBER, &plan.hour, 0, 23},
        {"--explain", NULL, "what each rule costs, what one machine or dollar more is worth",
         OPTION_FLAG, &plan.ask.is_explained, 0, 0},
        {"--what-if", "WORDS",
         "the plan if 'lose azure', 'slo x0.8 + price spot x2' ...; repeatable", OPTION_LIST,
         &plan.ask.what_ifs, 0, 0},
        {"--policy", "NAMES", "what others would do: all, or the names of docs/rivals.md",
         OPTION_TEXT, &plan.policy, 0, 0},
        {"--map", "FILE", "draw the plan on a world map there (SVG)", OPTION_TEXT, &plan.map, 0, 0},
        {"--from", "FILE", "the plan in force: moves cost, what is new comes before what goes",
         OPTION_TEXT, &plan.files.from, 0, 0},
        {"--catalog", "DIR", "catalogue, in place of the file's or the shipped one", OPTION_TEXT,
         &plan.files.catalog, 0, 0},
    };
    const struct option_usage usage = {
        "farspan plan -f FILE [-o plan.json] [--json]",
        "Decides how many replicas of which service run on which machines of which regions, and\n"
        "where each group of clients is answered, at the lowest cost that keeps every rule of the\n"
        "file; says how far from the best it may be. docs/plan-file.md has the file's keys.\n"
        "Exit 0: a plan. Exit 3: no plan keeps all rules, and standard error says which.",
        "farspan plan -f examples/azure-five-continents.yaml --time-limit 2s "
        "--what-if 'demand x2'",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int64_t gap_ppm;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!plan.files.file)
        return options_refuse(&usage, "a file is missing: -f FILE");
    if (plan.time_limit_us == 0)
        return options_refuse(&usage, "--time-limit: expected more than 0s; for no limit of time, "
                                      "leave it out and say --work N");
    if (!units_parse(UNITS_SHARE, span_of(plan.gap), &gap_ppm))
        return options_refuse(&usage, "--gap: expected %s, found %s", units_hint(UNITS_SHARE),
                              plan.gap);
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (plan.policy && !plan_policy_parse(plan.policy, plan.is_policy_wanted, &why))
        return options_refuse(&usage, "--policy: %s", message);
    return run(&plan, (double)gap_ppm / 1e6);
}
