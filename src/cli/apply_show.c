#include "cli/apply_show.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/options.h"

/* ---- text ---------------------------------------------------------------------------------- */

static void add_line(const struct change_line *line, const struct fleet *fleet, struct text *text)
{
    char price[32] = "own";
    struct text money;
    if (line->price_usd_h > 0) {
        text_init(&money, price, sizeof price);
        text_add(&money, "%s%.2f", line->is_estimate ? "~" : "", line->price_usd_h);
    }
    text_add(text, "%c %-16.*s %-24.*s %-26.*s %5u -> %-5u %10s\n",
             line->after > line->before   ? '+'
             : line->after < line->before ? '-'
                                          : ' ',
             SPAN_ARG(fleet->services[line->service].name),
             SPAN_ARG(fleet->regions[line->region].name), SPAN_ARG(line->sku), line->before,
             line->after, price);
}

static void add_services(uint64_t services, const struct fleet *fleet, struct text *text)
{
    const char *comma = "";
    for (uint16_t s = 0; s < fleet->service_count; s++) {
        if (!(services >> s & 1))
            continue;
        text_add(text, "%s%.*s", comma, SPAN_ARG(fleet->services[s].name));
        comma = ", ";
    }
}

static void add_action(const struct change *change, const struct room *room, bool is_start,
                       uint16_t worker, struct text *text)
{
    const struct fleet *fleet = room->fleet;
    const struct roster_row *row =
        is_start ? &change->after.rows[worker] : &change->before->rows[worker];
    text_add(text, "    %s %.*s: ", is_start ? "start" : "stop ",
             SPAN_ARG(fleet->workers[worker].name));
    add_services(row->services, fleet, text);
    if (row->sku[0])
        text_add(text, " on %s", row->sku);
    if (is_start && row->like != worker)
        text_add(text, ", at the pace of %.*s", SPAN_ARG(fleet->workers[row->like].name));
    text_add_c(text, '\n');
}

/* What stops here and starts there with the same services: said once more as what it is. */
static void add_moves(const struct change *change, const struct room *room, struct text *text)
{
    const struct fleet *fleet = room->fleet;
    bool is_used[LIMIT_WORKERS] = {false};
    for (uint16_t old = 0; old < fleet->worker_count; old++) {
        const struct roster_row *before = &change->before->rows[old];
        if (!before->is_wanted || change->after.rows[old].is_wanted)
            continue;
        for (uint16_t young = 0; young < fleet->worker_count; young++) {
            bool is_new = change->after.rows[young].is_wanted &&
                          !change->before->rows[young].is_wanted && !is_used[young];
            if (!is_new || change->after.rows[young].services != before->services)
                continue;
            is_used[young] = true;
            text_add(text, "  moves: ");
            add_services(before->services, fleet, text);
            text_add(text, " from %.*s to %.*s\n",
                     SPAN_ARG(fleet->regions[fleet->workers[old].region].name),
                     SPAN_ARG(fleet->regions[fleet->workers[young].region].name));
            break;
        }
    }
}

static void add_cost(const struct change *change, const struct plan_sheet *sheet, struct text *text)
{
    double more = change->after_usd_h - change->before_usd_h;
    text_add(text, "\n  machines: $%.2f/h before, $%.2f/h after (%c%.2f)\n", change->before_usd_h,
             change->after_usd_h, more < 0 ? '-' : '+', fabs(more));
    if (isfinite(sheet->cost_usd_h))
        text_add(text, "  the plan's own sum, with traffic and power: $%.2f/h\n",
                 sheet->cost_usd_h);
}

void apply_show_text(const struct change *change, const struct plan_sheet *sheet,
                     const struct room *room, struct text *text)
{
    const struct fleet *fleet = room->fleet;
    text_add(text, "%.*s: epoch %llu", SPAN_ARG(fleet->name),
             (unsigned long long)change->before->epoch);
    if (change->list.batch_count > 0)
        text_add(text, " -> %llu", (unsigned long long)change->after.epoch);
    text_add(text, "\n\n");
    text_add(text, "  %-16s %-24s %-26s %-14s %10s\n", "service", "region", "sku", "replicas",
             "$/h each");
    for (uint32_t i = 0; i < change->line_count; i++)
        if (change->lines[i].is_named || change->lines[i].before != change->lines[i].after)
            add_line(&change->lines[i], fleet, text);
    for (uint16_t i = 0; i < change->list.batch_count; i++) {
        const struct rollout_batch *batch = &change->list.batches[i];
        if (i == 0 || batch->wave != change->list.batches[i - 1].wave)
            text_add(text, "\n  wave %u\n", batch->wave + 1u);
        for (uint16_t w = 0; w < batch->count; w++)
            add_action(change, room, batch->is_start, change->list.workers[batch->first + w], text);
    }
    add_moves(change, room, text);
    add_cost(change, sheet, text);
}

static uint32_t count_before(const struct plan_sheet *sheet, const struct plan_sheet_replica *row,
                             uint64_t epoch)
{
    return epoch == 0 ? 0 : epoch == plan_sheet_epoch(sheet) ? row->count : row->running;
}

void apply_show_sheet(const struct plan_sheet *sheet, uint64_t epoch, struct text *text)
{
    double before_usd_h = 0, after_usd_h = 0;
    text_add(text, "%.*s: epoch %llu -> %llu\n\n", SPAN_ARG(sheet->world),
             (unsigned long long)epoch, (unsigned long long)plan_sheet_epoch(sheet));
    text_add(text, "  %-16s %-24s %-26s %-9s %-14s %10s\n", "service", "region", "machine",
             "market", "replicas", "$/h each");
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        const struct plan_sheet_replica *row = &sheet->replicas[i];
        uint32_t before = count_before(sheet, row, epoch);
        double price_usd_h = isfinite(row->usd_h) ? row->usd_h : 0;
        before_usd_h += before * price_usd_h;
        after_usd_h += row->count * price_usd_h;
        text_add(text, "%c %-16.*s %-24.*s %-26.*s %-9.*s %5u -> %-5u %s%9.2f\n",
                 row->count > before   ? '+'
                 : row->count < before ? '-'
                                       : ' ',
                 SPAN_ARG(row->service), SPAN_ARG(row->region), SPAN_ARG(row->sku),
                 SPAN_ARG(row->market), before, row->count, row->is_estimate ? "~" : " ",
                 price_usd_h);
    }
    text_add(text, "\n  machines: $%.2f/h before, $%.2f/h after (%c%.2f)\n", before_usd_h,
             after_usd_h, after_usd_h < before_usd_h ? '-' : '+', fabs(after_usd_h - before_usd_h));
}

/* ---- asking ------------------------------------------------------------------------------- */

int apply_ask(bool is_yes, const char *question)
{
    char answer[16];
    if (is_yes)
        return OPTIONS_RUN;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fprintf(stderr, "farspan: nobody can be asked here: say --yes to apply, or --dry-run to "
                        "look\n");
        return 1;
    }
    printf("\n%s [y/N] ", question);
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return OPTIONS_RUN;
    printf("nothing was changed\n");
    return 1;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void json_line(const struct change_line *line, const struct fleet *fleet, struct text *json)
{
    text_json_object(json);
    text_json_key(json, "service");
    text_json_span(json, fleet->services[line->service].name);
    text_json_key(json, "region");
    text_json_span(json, fleet->regions[line->region].name);
    text_json_key(json, "sku");
    text_json_span(json, line->sku);
    text_json_key(json, "before");
    text_json_u64(json, line->before);
    text_json_key(json, "after");
    text_json_u64(json, line->after);
    text_json_key(json, "usd_h");
    text_json_double(json, line->price_usd_h);
    text_json_key(json, "estimate");
    text_json_bool(json, line->is_estimate);
    text_json_end(json);
}

static void json_batch(const struct change *change, const struct rollout_batch *batch,
                       const struct fleet *fleet, struct text *json)
{
    const struct roster *roster = batch->is_start ? &change->after : change->before;
    for (uint16_t i = 0; i < batch->count; i++) {
        uint16_t worker = change->list.workers[batch->first + i];
        text_json_object(json);
        text_json_key(json, "action");
        text_json_str(json, batch->is_start ? "start" : "stop");
        text_json_key(json, "wave");
        text_json_u64(json, batch->wave);
        text_json_key(json, "region");
        text_json_span(json, fleet->regions[fleet->workers[worker].region].name);
        text_json_key(json, "row");
        roster_print_row(&roster->rows[worker], worker, fleet, json);
        text_json_end(json);
    }
}

void apply_show_json(const struct change *change, const struct room *room, struct text *json)
{
    text_json_object(json);
    text_json_key(json, "world");
    text_json_span(json, room->fleet->name);
    text_json_key(json, "epoch");
    text_json_u64(json, change->before->epoch);
    text_json_key(json, "is_empty");
    text_json_bool(json, change_is_empty(change));
    text_json_key(json, "replicas");
    text_json_array(json);
    for (uint32_t i = 0; i < change->line_count; i++)
        json_line(&change->lines[i], room->fleet, json);
    text_json_end(json);
    text_json_key(json, "actions");
    text_json_array(json);
    for (uint16_t i = 0; i < change->list.batch_count; i++)
        json_batch(change, &change->list.batches[i], room->fleet, json);
    text_json_end(json);
    text_json_key(json, "before_usd_h");
    text_json_double(json, change->before_usd_h);
    text_json_key(json, "after_usd_h");
    text_json_double(json, change->after_usd_h);
    text_json_end(json);
}
