/* profile_report.h: a profile as a file for the catalogue, as JSON, as a table. Pure but for what
 * it is given. */
#ifndef CLI_PROFILE_REPORT_H
#define CLI_PROFILE_REPORT_H

#include "base/arena.h"
#include "base/text.h"
#include "cli/profile_run.h"
#include "plan/energy.h"

/* Room for any of the three. */
enum { PROFILE_REPORT_SIZE = 1 << 20 };

struct profile_about {
    const char *url, *model; /* as the server calls it */
    const char *name;        /* as the catalogue will call it */
    struct span accelerator; /* empty: none was named, so there are no rows */
    const char *sku;         /* NULL: none was named */
    uint32_t tensor_parallel, answer_tokens;
    uint32_t date;   /* yyyymmdd */
    const char *out; /* NULL: not written */
};

struct profile_report {
    const struct profile_about *about;
    const struct profile *profile;
    struct profile_row rows[PROFILE_CELLS_MAX];
    uint32_t row_count, left_out;
    uint32_t measured_count;
    bool has_energy;
    struct plan_energy energy; /* of all that was measured */
    uint32_t pair_count;
};

/* Rows and the fit of the energy curve. The load of a cell is the share of the tokens a second of
 * the busiest cell of its prompt size; the watts before the first request are of load 0. */
void profile_report_make(struct profile_report *report, const struct profile_about *about,
                         const struct profile *profile);

/* profiles.csv: docs/catalog.md. */
void profile_report_csv(const struct profile_report *report, struct text *out);
void profile_report_json(const struct profile_report *report, struct text *out);
/* At most 100 columns, and what was not measured. False: no room in <arena>. */
bool profile_report_table(const struct profile_report *report, struct arena *arena,
                          struct text *out);

#endif
