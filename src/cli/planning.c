#include "cli/planning.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/limits.h"
#include "build_info.h"
#include "catalog/load_io.h"
#include "fleet/yaml_io.h"
#include "os/clock.h"
#include "os/crew.h"
#include "os/file.h"
#include "os/memory.h"
#include "plan/wish_read_io.h"

/* Pages that are not touched cost nothing. */
enum { KEPT_BYTES = CATALOG_ARENA_SIZE + (512 << 20), SCRATCH_BYTES = 3 << 29, WHY_BYTES = 1024 };

#define PROGRESS_PAUSE_US 100000

static enum err refuse(struct text *why, const char *what, enum err err)
{
    char said[WHY_BYTES];
    struct text copy;
    text_init(&copy, said, sizeof said);
    text_add_span(&copy, text_span(why));
    text_truncate(why, 0);
    if (!strstr(said, what))
        text_add(why, "%s: ", what);
    text_add(why, "%s", copy.n ? said : err_text(err));
    return err;
}

void planning_look(const char *file, bool *ret_has_plan, bool *ret_has_world)
{
    const size_t size =
        (2 << 20) + LIMIT_CONFIG_NODES * (sizeof(struct fleet_node) + 64) + 2 * LIMIT_CONFIG_BYTES;
    void *memory OS_FREED = os_alloc(size);
    struct fleet_complaints *complaints OS_FREED = os_alloc(sizeof *complaints);
    struct arena arena;
    struct span bytes;
    struct fleet_document document;
    *ret_has_plan = false;
    *ret_has_world = true;
    if (!memory || !complaints)
        return;
    arena_init(&arena, memory, size);
    if (os_file_read(file, LIMIT_CONFIG_BYTES, &arena, &bytes, NULL) ||
        fleet_yaml_read(bytes, span_of(file), &arena, &arena, complaints, &document))
        return;
    *ret_has_plan = fleet_node_child(&document, 0, "plan") != FLEET_NODE_NONE;
    *ret_has_world = fleet_node_child(&document, 0, "services") != FLEET_NODE_NONE;
}

/* Where the catalogue is: the command line, else the file (relative to it), else the shipped one.
 */
static enum err find_catalog(const struct planning_files *files,
                             const struct fleet_document *document, char ret_folder[LIMIT_PATH],
                             struct text *why)
{
    struct span said = plan_wish_catalog(document);
    const char *slash = strrchr(files->file, '/');
    int folder = slash && said.n > 0 && said.p[0] != '/' ? (int)(slash - files->file) + 1 : 0;
    int n = -1;
    if (files->catalog)
        n = snprintf(ret_folder, LIMIT_PATH, "%s", files->catalog);
    else if (said.n > 0)
        n = snprintf(ret_folder, LIMIT_PATH, "%.*s%.*s", folder, files->file, SPAN_ARG(said));
    else if (catalog_default_folder_io(ret_folder))
        return ERR_OK;
    if (n >= 0 && n < LIMIT_PATH)
        return ERR_OK;
    text_add(why, "catalogue: expected a folder; say --catalog DIR");
    return ERR_NOT_FOUND;
}

/* Complaints about the catalogue go behind those about the file. */
static enum err load_catalog(struct planning *planning, const char *folder,
                             struct fleet_complaints *complaints)
{
    struct fleet_complaints *own = ARENA_NEW(&planning->kept, struct fleet_complaints);
    if (!own)
        return ERR_MEMORY;
    enum err err = catalog_load_io(folder, &planning->kept, own, &planning->catalog);
    if (err != ERR_VALUE)
        return err;
    complaints->left_out += own->left_out;
    for (uint32_t i = 0; i < own->count; i++)
        if (complaints->count < LIMIT_CONFIG_ERRORS)
            complaints->row[complaints->count++] = own->row[i];
        else
            complaints->left_out++;
    return ERR_SYNTAX;
}

static enum err read_running(struct planning *planning, const char *path, struct text *why)
{
    struct span bytes;
    enum err err = os_file_read(path, PLAN_SHEET_BYTES_MAX, &planning->kept, &bytes, why);
    if (!err)
        err = plan_sheet_read_io(bytes, &planning->kept, &planning->running, why);
    return err ? refuse(why, path, err) : ERR_OK;
}

static enum err read_wish(struct planning *planning, const struct planning_files *files,
                          struct fleet_complaints *complaints, struct text *why)
{
    char folder[LIMIT_PATH];
    struct span bytes, name = span_of(files->file);
    struct fleet_document *document = ARENA_NEW(&planning->kept, struct fleet_document);
    enum err err = document ? ERR_OK : ERR_MEMORY;
    if (!err)
        err = os_file_read(files->file, LIMIT_CONFIG_BYTES, &planning->kept, &bytes, why);
    if (err)
        return refuse(why, files->file, err);
    err = plan_wish_open_io(bytes, name, &planning->kept, complaints, document);
    if (!err)
        err = find_catalog(files, document, folder, why);
    if (!err)
        err = load_catalog(planning, folder, complaints);
    if (!err)
        err = plan_wish_read(document, planning->catalog, &planning->kept, complaints,
                             &planning->wish);
    if (err == ERR_SYNTAX)
        fleet_complaints_sort(complaints, name);
    return err && err != ERR_SYNTAX && why->n == 0 ? refuse(why, files->file, err) : err;
}

enum err planning_read(struct planning *planning, const struct planning_files *files,
                       struct fleet_complaints *complaints, struct text *why)
{
    *planning = (struct planning){0};
    void *kept = os_alloc(KEPT_BYTES);
    if (!kept)
        return refuse(why, files->file, ERR_MEMORY);
    arena_init(&planning->kept, kept, KEPT_BYTES);
    enum err err = read_wish(planning, files, complaints, why);
    if (!err && files->from)
        err = read_running(planning, files->from, why);
    return err;
}

static void say_complaints(const struct fleet_complaints *complaints)
{
    enum { BYTES = 128 * 1024 };
    char *buffer OS_FREED = os_alloc(BYTES);
    if (!buffer)
        return;
    struct text text;
    text_init(&text, buffer, BYTES);
    fleet_complaints_print(complaints, false, &text);
    fprintf(stderr, "%.*s", (int)text.n, text.p);
}

bool planning_open(struct planning *planning, const struct planning_files *files)
{
    char message[2 * WHY_BYTES];
    struct text why;
    *planning = (struct planning){0};
    text_init(&why, message, sizeof message);
    struct fleet_complaints *complaints OS_FREED = os_alloc(sizeof *complaints);
    enum err err = complaints ? planning_read(planning, files, complaints, &why) : ERR_MEMORY;
    if (!err)
        err = plan_lp_clp_open(&planning->lp, &why);
    if (err == ERR_SYNTAX && complaints->count > 0)
        say_complaints(complaints);
    else if (err)
        fprintf(stderr, "farspan plan: %s\n", why.n ? message : err_text(err));
    if (err)
        return false;
    snprintf(planning->solver, sizeof planning->solver, "%s %s", planning->lp.name,
             planning->lp.version);
    snprintf(planning->build, sizeof planning->build, "farspan %s (%s)", FARSPAN_VERSION,
             FARSPAN_COMMIT);
    crypto_hex(planning->catalog->sha256, sizeof planning->catalog->sha256,
               planning->catalogue_hex);
    return true;
}

void planning_forget(struct planning *planning)
{
    os_free(planning->scratch.base);
    planning->scratch = (struct arena){0};
}

void planning_close(struct planning *planning)
{
    planning_forget(planning);
    os_free(planning->kept.base);
    *planning = (struct planning){0};
}

static bool is_over(void *context)
{
    struct planning_watch *watch = context;
    int64_t now = os_now_us(), limit = watch->effort->time_limit_us;
    int64_t shown = watch->shown_us;
    if (watch->effort->shows_progress && now - shown >= PROGRESS_PAUSE_US &&
        atomic_compare_exchange_strong(&watch->shown_us, &shown, now)) {
        double seconds = (double)(now - watch->began_us) / 1e6;
        if (watch->count > 0)
            fprintf(stderr, "\rplanning again: %u of %u ... %.1f s", watch->solve, watch->count,
                    seconds);
        else if (watch->solve > 0)
            fprintf(stderr, "\rplanning again: %u ... %.1f s", watch->solve, seconds);
        else
            fprintf(stderr, "\rplanning ... %.1f s", seconds);
    }
    return limit > 0 && now - watch->began_us >= limit;
}

struct plan_limits planning_watch_begin(struct planning_watch *watch,
                                        const struct planning_effort *effort)
{
    int64_t now = os_now_us();
    *watch = (struct planning_watch){.effort = effort, .began_us = now, .shown_us = now};
    struct os_crew *crew = os_crew_new();
    if (crew)
        watch->crew = (struct plan_crew){os_crew_width(crew), os_crew_run, crew};
    return (struct plan_limits){.gap = effort->gap,
                                .work = effort->work,
                                .is_over = is_over,
                                .context = watch,
                                .crew = crew ? &watch->crew : NULL};
}

void planning_watch_next(void *context, uint32_t done, uint32_t count)
{
    struct planning_watch *watch = context;
    watch->began_us = os_now_us();
    watch->solve = done + 1;
    watch->count = count;
}

void planning_watch_allow(struct planning_watch *watch, int64_t time_us)
{
    watch->until_us = time_us > 0 ? os_now_us() + time_us : 0;
}

bool planning_watch_is_spent(void *context)
{
    const struct planning_watch *watch = context;
    return watch->until_us > 0 && os_now_us() >= watch->until_us;
}

void planning_watch_end(struct planning_watch *watch)
{
    os_crew_free(watch->crew.context);
    watch->crew = (struct plan_crew){0};
    if (watch->effort->shows_progress)
        fprintf(stderr, "\r\033[K");
}

bool planning_reserve(struct planning *planning)
{
    void *memory = planning->scratch.base ? NULL : os_alloc(SCRATCH_BYTES);
    if (memory)
        arena_init(&planning->scratch, memory, SCRATCH_BYTES);
    return planning->scratch.base != NULL;
}

void planning_sign(const struct planning *planning, int64_t began_us, struct plan_sheet *sheet)
{
    sheet->seconds = (double)(os_now_us() - began_us) / 1e6;
    sheet->build = span_of(planning->build);
    sheet->solver = span_of(planning->solver);
    sheet->catalogue = span_of(planning->catalogue_hex);
    sheet->world = planning->wish->world;
    sheet->base_epoch = planning->running ? plan_sheet_epoch(planning->running) : 0;
}

enum err planning_solve(struct planning *planning, const struct plan_wish *wish,
                        const struct planning_effort *effort, struct plan_made *ret_made,
                        struct text *why)
{
    if (!planning_reserve(planning))
        return ERR_MEMORY;
    struct planning_watch watch;
    const struct plan_limits limits = planning_watch_begin(&watch, effort);
    const struct plan_begin from = {.running = planning->running};
    enum err err =
        plan_make(wish, &from, &planning->lp, &limits, &planning->scratch, ret_made, why);
    planning_watch_end(&watch);
    if (!err || err == ERR_VALUE)
        planning_sign(planning, watch.began_us, &ret_made->sheet);
    return err;
}
