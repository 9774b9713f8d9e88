/* catalog_view.h: what the parts of `farspan catalog` share: a loaded catalogue and the text that
 * will be printed. */
#ifndef CLI_CATALOG_VIEW_H
#define CLI_CATALOG_VIEW_H

#include "base/limits.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "cli/catalog_table.h"
#include "cli/options.h"

/* Pages of the system are taken when they are touched. */
enum { CATALOG_OUTPUT_MAX = 128 << 20, CATALOG_OLD_DAYS = 180 };

struct catalog_view {
    const char *folder; /* NULL: the shipped one, until it is open */
    char path[LIMIT_PATH];
    bool is_json;
    uint32_t today; /* yyyymmdd, UTC */
    struct arena arena;
    struct catalog *catalog;
    struct text out;
};

/* Memory and the day; false: said on standard error. */
bool catalog_view_init(struct catalog_view *view);

/* The same, then loads the catalogue; its mistakes are said on standard error. */
bool catalog_view_open(struct catalog_view *view);

/* Prints what was written and gives back the memory: <status>, or 1 when it could not be printed.
 */
int catalog_view_close(struct catalog_view *view, int status);

uint32_t catalog_today(void); /* yyyymmdd, UTC */

/* Whole days from <date> to <today> (yyyymmdd); 0 when it lies ahead. */
uint32_t catalog_age_days(uint32_t date, uint32_t today);

/* Warns of prices that are older than CATALOG_OLD_DAYS, by date: <prices> are facts of the prices
 * shown. On standard error, or with --json under the key "old_prices". */
void catalog_view_warn(struct catalog_view *view, const struct catalog_fact *const *prices,
                       uint32_t count);

/* Index, or CATALOG_NONE after a sentence on standard error with the nearest name. */
uint16_t catalog_view_find_region(const struct catalog_view *view, const char *name);
uint16_t catalog_view_find_sku(const struct catalog_view *view, const char *name);

/* verb_catalog.c calls these with argv as it came: argv[0] is "catalog". */
int catalog_list(int argc, char **argv);
int catalog_show(int argc, char **argv);
int catalog_import(int argc, char **argv);
int catalog_diff(int argc, char **argv);

#endif
