#include "cli/catalog_view.h"

#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "catalog/load_io.h"
#include "os/memory.h"

enum { DATES_MAX = 16, DATES_SHOWN = 6 };

/* Prices of one day and source. */
struct old_prices {
    const struct catalog_fact *fact;
    uint32_t count;
};

uint32_t catalog_today(void)
{
    struct tm day;
    time_t now = time(NULL);
    CHECK(gmtime_r(&now, &day));
    return (uint32_t)(day.tm_year + 1900) * 10000 + (uint32_t)(day.tm_mon + 1) * 100 +
           (uint32_t)day.tm_mday;
}

bool catalog_view_init(struct catalog_view *view)
{
    void *memory = os_alloc(CATALOG_ARENA_SIZE);
    void *output = os_alloc(CATALOG_OUTPUT_MAX);
    if (!memory || !output) {
        fprintf(stderr, "farspan catalog: %s\n", err_text(ERR_MEMORY));
        os_free(memory);
        os_free(output);
        return false;
    }
    arena_init(&view->arena, memory, CATALOG_ARENA_SIZE);
    text_init(&view->out, output, CATALOG_OUTPUT_MAX);
    view->today = catalog_today();
    if (!view->folder && catalog_default_folder_io(view->path))
        view->folder = view->path;
    if (view->folder)
        return true;
    fprintf(stderr, "farspan catalog: the shipped catalogue is nowhere: name one with --catalog\n");
    return catalog_view_close(view, 1) == 0;
}

bool catalog_view_open(struct catalog_view *view)
{
    static struct fleet_complaints complaints;
    if (!catalog_view_init(view))
        return false;
    enum err err = catalog_load_io(view->folder, &view->arena, &complaints, &view->catalog);
    if (err == ERR_OK)
        return true;
    if (err == ERR_VALUE)
        fleet_complaints_print(&complaints, false, &view->out);
    else
        text_add(&view->out, "farspan catalog: %s: %s\n", view->folder, err_text(err));
    fputs(view->out.p, stderr);
    text_truncate(&view->out, 0);
    return catalog_view_close(view, 1) == 0;
}

int catalog_view_close(struct catalog_view *view, int status)
{
    if (view->out.is_cut) {
        fprintf(stderr, "farspan catalog: more than %d MiB to print\n", CATALOG_OUTPUT_MAX >> 20);
        status = 1;
    } else if (fwrite(view->out.p, 1, view->out.n, stdout) != view->out.n || fflush(stdout) != 0) {
        perror("farspan: standard output");
        status = 1;
    }
    os_free(view->out.p);
    os_free(view->arena.base);
    return status;
}

/* Days since 1 March of year 0 (a year that begins in March ends with its leap day). */
static uint32_t days_of(uint32_t date)
{
    uint32_t month = date / 100 % 100, year = date / 10000 - (month <= 2);
    uint32_t from_march = month <= 2 ? month + 9 : month - 3;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 +
           date % 100;
}

uint32_t catalog_age_days(uint32_t date, uint32_t to)
{
    uint32_t then = days_of(date), now = days_of(to);
    return now > then ? now - then : 0;
}

static uint32_t collect_old(const struct catalog_view *view,
                            const struct catalog_fact *const *prices, uint32_t count,
                            struct old_prices old[DATES_MAX], uint32_t *ret_total)
{
    uint32_t kinds = 0;
    *ret_total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (catalog_age_days(prices[i]->date, view->today) <= CATALOG_OLD_DAYS)
            continue;
        uint32_t at = 0;
        while (at < kinds && (old[at].fact->date != prices[i]->date ||
                              !span_is_equal(old[at].fact->source, prices[i]->source)))
            at++;
        (*ret_total)++;
        if (at == DATES_MAX)
            continue;
        if (at == kinds)
            old[kinds++] = (struct old_prices){prices[i], 0};
        old[at].count++;
    }
    return kinds;
}

static void add_old_json(const struct catalog_view *view, const struct old_prices *old,
                         uint32_t kinds, struct text *out)
{
    text_json_array(out);
    for (uint32_t i = 0; i < kinds; i++) {
        char buffer[16];
        struct text date;
        text_init(&date, buffer, sizeof buffer);
        catalog_date_add(old[i].fact->date, &date);
        text_json_object(out);
        text_json_key(out, "date");
        text_json_span(out, text_span(&date));
        text_json_key(out, "source");
        text_json_span(out, old[i].fact->source);
        text_json_key(out, "days");
        text_json_u64(out, catalog_age_days(old[i].fact->date, view->today));
        text_json_key(out, "count");
        text_json_u64(out, old[i].count);
        text_json_end(out);
    }
    text_json_end(out);
}

void catalog_view_warn(struct catalog_view *view, const struct catalog_fact *const *prices,
                       uint32_t count)
{
    struct old_prices old[DATES_MAX];
    uint32_t total, kinds = collect_old(view, prices, count, old, &total);
    if (view->is_json) {
        text_json_key(&view->out, "old_prices");
        add_old_json(view, old, kinds, &view->out);
        return;
    }
    if (total == 0)
        return;
    char buffer[2048];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add(&text, "warning: %u of %u price%s shown %s older than %d days:", total, PLURAL(count),
             total == 1 ? "is" : "are", CATALOG_OLD_DAYS);
    for (uint32_t i = 0; i < kinds && i < DATES_SHOWN; i++) {
        text_add(&text, "\n  ");
        catalog_date_add(old[i].fact->date, &text);
        text_add(&text, "  %5u  %.*s", old[i].count, SPAN_ARG(old[i].fact->source));
    }
    if (kinds > DATES_SHOWN)
        text_add(&text, "\n  ... and of other days or sources");
    text_add(&text,
             "\n  bring newer ones: farspan catalog import FILE.csv --as prices --into DIR\n");
    fputs(buffer, stderr);
}

static uint16_t refuse_name(const char *what, const char *name, int nearest, struct span meant)
{
    fprintf(stderr, "farspan catalog: there is no %s %.80s\n", what, name);
    if (nearest >= 0)
        fprintf(stderr, "  did you mean %.*s?\n", SPAN_ARG(meant));
    else
        fprintf(stderr, "  farspan catalog list %ss lists them\n", what);
    return CATALOG_NONE;
}

uint16_t catalog_view_find_region(const struct catalog_view *view, const char *name)
{
    struct span names[CATALOG_REGIONS_MAX];
    uint16_t found = catalog_find_region(view->catalog, span_of(name));
    if (found != CATALOG_NONE)
        return found;
    for (uint32_t i = 0; i < view->catalog->region_count; i++)
        names[i] = view->catalog->regions[i].name;
    int nearest = fleet_nearest(span_of(name), names, view->catalog->region_count);
    return refuse_name("region", name, nearest,
                       nearest < 0 ? (struct span){NULL, 0} : names[nearest]);
}

uint16_t catalog_view_find_sku(const struct catalog_view *view, const char *name)
{
    struct span names[CATALOG_SKUS_MAX];
    uint16_t found = catalog_find_sku(view->catalog, span_of(name));
    if (found != CATALOG_NONE)
        return found;
    for (uint32_t i = 0; i < view->catalog->sku_count; i++)
        names[i] = view->catalog->skus[i].name;
    int nearest = fleet_nearest(span_of(name), names, view->catalog->sku_count);
    return refuse_name("sku", name, nearest, nearest < 0 ? (struct span){NULL, 0} : names[nearest]);
}
