#include "cli/plan_day.h"

#include <math.h>

#include "os/clock.h"
#include "plan/day.h"

enum { REGIONS_SHOWN = 40, HEIGHTS = 8 };

/* The time limit of the whole, of which each solve gets its share of what is left. */
struct clock {
    struct planning_effort effort; /* of the solve under way */
    struct planning_watch watch;
    int64_t end_us; /* 0: no limit */
    uint32_t done;
};

static void begin_solve(void *context, double share)
{
    struct clock *clock = context;
    if (clock->end_us > 0) {
        int64_t left_us = clock->end_us - os_now_us();
        clock->effort.time_limit_us = left_us > 0 ? 1 + (int64_t)(share * (double)left_us) : 1;
    }
    planning_watch_next(&clock->watch, clock->done++, 0);
}

enum err plan_day_decide(struct planning *planning, const struct planning_effort *effort,
                         uint32_t hour, struct plan_made *ret_made, struct text *why)
{
    if (!planning_reserve(planning))
        return ERR_MEMORY;
    int64_t began_us = os_now_us();
    struct clock clock = {.effort = *effort};
    clock.end_us = effort->time_limit_us > 0 ? began_us + effort->time_limit_us : 0;
    struct plan_day_task task = {.wish = planning->wish,
                                 .running = planning->running,
                                 .hour = hour,
                                 .lp = &planning->lp,
                                 .limits = planning_watch_begin(&clock.watch, &clock.effort),
                                 .on_solve = begin_solve,
                                 .context = &clock,
                                 .keep = &planning->kept,
                                 .scratch = &planning->scratch};
    enum err err = plan_day_make(&task, ret_made, why);
    planning_watch_end(&clock.watch);
    if (!err || err == ERR_VALUE)
        planning_sign(planning, began_us, &ret_made->sheet);
    if ((!err || err == ERR_VALUE) && ret_made->formulation)
        planning->wish = ret_made->formulation->wish;
    return err;
}

size_t plan_day_row_count(const struct plan_sheet *sheet)
{
    size_t rows = sheet->slot_count;
    for (uint32_t t = 0; t < sheet->slot_count; t++)
        rows += sheet->slots[t].replica_count;
    return rows;
}

/* Replicas of <region> in one slot; an empty name: of all. */
static uint64_t count_in(const struct plan_sheet_slot *slot, struct span region)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < slot->replica_count; i++)
        if (region.n == 0 || span_is_equal(slot->replicas[i].region, region))
            count += slot->replicas[i].count;
    return count;
}

static void print_slots(const struct plan_sheet *sheet, struct text *text)
{
    text_add(text, "%-5s%12s%10s%12s%12s%12s%8s%12s\n", "UTC", "req/s", "replicas", "$/h",
             "moves $", "bound $/h", "gap", "CO2 kg/h");
    for (uint32_t t = 0; t < sheet->slot_count; t++) {
        const struct plan_sheet_slot *slot = &sheet->slots[t];
        char rate[32] = "";
        struct text number;
        text_init(&number, rate, sizeof rate);
        text_add(&number, "%s%.1f", sheet->day.is_estimate ? "~" : "", slot->rate);
        text_add(text, "%02u:00%12s", slot->hour, rate);
        text_add(text, "%10llu%12.2f%12.2f%12.2f%7.2f%%%12.2f\n",
                 (unsigned long long)count_in(slot, (struct span){"", 0}), slot->cost_usd_h,
                 slot->moves_usd, slot->bound_usd_h, 100 * slot->gap, slot->carbon_kg_h);
    }
}

/* One mark a slot, as high as the slot's share of the most. */
static void print_region(const struct plan_sheet *sheet, struct span region, int width,
                         struct text *text)
{
    static const char *const marks[HEIGHTS + 1] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t t = 0; t < sheet->slot_count; t++) {
        uint64_t count = count_in(&sheet->slots[t], region);
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    text_add_span(text, region);
    for (int n = (int)region.n; n < width + 2; n++)
        text_add_c(text, ' ');
    for (uint32_t t = 0; t < sheet->slot_count; t++) {
        uint64_t count = count_in(&sheet->slots[t], region);
        text_add(text, "%s", marks[most > 0 ? (count * HEIGHTS + most - 1) / most : 0]);
    }
    text_add(text, "  %llu .. %llu\n", (unsigned long long)least, (unsigned long long)most);
}

/* Has an earlier row of the day the region of row <i> of slot <t>, or has that none? */
static bool is_known(const struct plan_sheet *sheet, uint32_t t, uint32_t i)
{
    const struct plan_sheet_replica *row = &sheet->slots[t].replicas[i];
    bool is_first = row->count > 0;
    for (uint32_t s = 0; s < t && is_first; s++)
        is_first = count_in(&sheet->slots[s], row->region) == 0;
    for (uint32_t j = 0; j < i && is_first; j++)
        is_first = sheet->slots[t].replicas[j].count == 0 ||
                   !span_is_equal(sheet->slots[t].replicas[j].region, row->region);
    return !is_first;
}

static void print_regions(const struct plan_sheet *sheet, struct text *text)
{
    struct span regions[REGIONS_SHOWN];
    uint32_t count = 0, left_out = 0;
    int width = 6;
    for (uint32_t t = 0; t < sheet->slot_count; t++)
        for (uint32_t i = 0; i < sheet->slots[t].replica_count; i++) {
            struct span region = sheet->slots[t].replicas[i].region;
            if (is_known(sheet, t, i))
                continue;
            if (count == REGIONS_SHOWN) {
                left_out++;
                continue;
            }
            regions[count++] = region;
            width = (int)region.n > width ? (int)region.n : width;
        }
    text_add(text, "\n%-*s%-*s  replicas\n", width + 2, "region", (int)sheet->slot_count,
             sheet->slot_count < 8 ? "" : "by slot");
    for (uint32_t i = 0; i < count; i++)
        print_region(sheet, regions[i], width, text);
    if (left_out > 0)
        text_add(text, "... and %u more\n", left_out);
}

void plan_day_print(const struct plan_sheet *sheet, struct text *text)
{
    const struct plan_sheet_day *day = &sheet->day;
    if (sheet->slot_count == 0)
        return;
    text_add(text, "\nA day of %u slots; the plan above is that of the slot from %02u:00 UTC\n\n",
             sheet->slot_count, day->hour);
    print_slots(sheet, text);
    print_regions(sheet, text);
    text_add(text, "\nThe day costs $%.2f; no day costs less than $%.2f (gap %.2f %%).\n",
             day->cost_usd, day->bound_usd, 100 * day->gap);
    text_add(text, "%llu starts and %llu stops are $%.2f of it.\n", (unsigned long long)day->starts,
             (unsigned long long)day->stops, day->moves_usd);
    if (isnan(day->static_usd))
        text_add(text, "No plan was found that may stand all day.\n");
    else
        text_add(text,
                 "A plan that stands all day costs $%.2f: following the hours saves $%.2f "
                 "(%.1f %%).\n",
                 day->static_usd, day->static_usd - day->cost_usd,
                 day->static_usd > 0 ? 100 * (1 - day->cost_usd / day->static_usd) : 0);
    if (day->is_estimate)
        text_add(text, "~ the day's curve is an estimate: plan.day.factors gives your own.\n");
}
