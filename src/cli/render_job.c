#include "cli/render_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "build_info.h"
#include "catalog/load_io.h"
#include "cli/load.h"
#include "fleet/load_io.h"
#include "os/file.h"
#include "os/memory.h"

enum {
    ARENA_BYTES = 3 * PLAN_SHEET_BYTES_MAX + CATALOG_ARENA_SIZE + FLEET_ARENA_SIZE + (64 << 20),
    LIST_BYTES_MAX = RENDER_FILES_MAX * (RENDER_PATH_MAX + 1)
};

static const char *const targets[] = {"kubernetes", "terraform", "systemd"};

/* In the folder: what an earlier run wrote there, a path a line. */
static const char list_name[] = "farspan-files";

static bool fail(const struct render_job *job, const char *what, const char *why)
{
    fprintf(stderr, "farspan %s: %s: %s\n", job->verb, what, why);
    return false;
}

/* ---- the command line ----------------------------------------------------------------------- */

void render_job_init(struct render_job *job, const char *verb)
{
    *job = (struct render_job){.verb = verb,
                               .image = "farspan:" FARSPAN_VERSION,
                               .space = "farspan",
                               .claim = "farspan-models",
                               .gateway_count = 2};
}

void render_job_rows(struct render_job *job, struct option_row ret_rows[RENDER_JOB_ROWS])
{
    const struct option_row rows[RENDER_JOB_ROWS] = {
        {"-f|--file", "FILE", "the farspan.yaml that the plan was made of", OPTION_TEXT, &job->file,
         0, 0},
        {"--image", "REF", "of farspan (farspan:" FARSPAN_VERSION ")", OPTION_TEXT, &job->image, 0,
         0},
        {"--namespace", "NAME", "Kubernetes namespace (farspan)", OPTION_TEXT, &job->space, 0, 0},
        {"--models", "CLAIM", "volume claim that holds the model files (farspan-models)",
         OPTION_TEXT, &job->claim, 0, 0},
        {"--gateways", "N", "pods of each region's gateway (2)", OPTION_NUMBER, &job->gateway_count,
         1, 64},
        {"--url", "REGION=URL", "where another region's entry answers; may be given again",
         OPTION_LIST, &job->url_list, 0, 0},
        {"--catalog", "DIR", "catalogue of machine types (the shipped one)", OPTION_TEXT,
         &job->catalogue, 0, 0},
    };
    memcpy(ret_rows, rows, sizeof rows);
}

bool render_job_is_default(const struct render_job *job)
{
    struct render_job fresh;
    render_job_init(&fresh, job->verb);
    return !job->file && !job->catalogue && job->url_list.count == 0 &&
           job->gateway_count == fresh.gateway_count && strcmp(job->image, fresh.image) == 0 &&
           strcmp(job->space, fresh.space) == 0 && strcmp(job->claim, fresh.claim) == 0;
}

bool render_target_find(const char *name, enum render_target *ret_target)
{
    for (unsigned i = 0; i < COUNT_OF(targets); i++) {
        if (strcmp(name, targets[i]) == 0) {
            *ret_target = (enum render_target)i;
            return true;
        }
    }
    return false;
}

const char *render_target_name(enum render_target target)
{
    return targets[target];
}

static bool is_label(const char *name)
{
    char label[RENDER_LABEL_MAX + 1];
    if (strlen(name) > RENDER_LABEL_MAX)
        return false;
    render_label(span_of(name), label, sizeof label);
    return name[0] && strcmp(label, name) == 0;
}

/* REGION=URL; a region's name holds no '='. */
static bool take_urls(struct render_job *job)
{
    for (size_t i = 0; i < job->url_list.count; i++) {
        struct span url = span_of(job->url_list.item[i]), region = span_cut(&url, '=');
        if (!region.n || url.n > LIMIT_URL ||
            !(span_starts_with(url, "https://") || span_starts_with(url, "http://")))
            return false;
        job->urls[i] = (struct render_url){region, url};
    }
    job->request.urls = job->urls;
    job->request.url_count = (uint32_t)job->url_list.count;
    return true;
}

int render_job_check(struct render_job *job, const struct option_usage *usage)
{
    struct render_request *request = &job->request;
    if (!is_label(job->space))
        return options_refuse(usage,
                              "--namespace: expected lower-case letters, digits and '-', "
                              "found %s",
                              job->space);
    if (!take_urls(job))
        return options_refuse(usage, "--url: expected REGION=https://...");
    request->image = span_of(job->image);
    request->version = span_of(FARSPAN_VERSION);
    request->space = span_of(job->space);
    request->claim = span_of(job->claim);
    request->gateway_count = (uint32_t)job->gateway_count;
    return OPTIONS_RUN;
}

/* ---- what goes in --------------------------------------------------------------------------- */

bool render_job_read_plan(struct render_job *job, const char *path)
{
    char message[1024];
    struct text why;
    struct span bytes;
    struct plan_sheet *sheet;
    text_init(&why, message, sizeof message);
    enum err err = os_file_read(path, PLAN_SHEET_BYTES_MAX, &job->arena, &bytes, &why);
    if (!err)
        err = plan_sheet_read_io(bytes, &job->arena, &sheet, &why);
    if (err)
        return fail(job, path, why.n ? message : err_text(err));
    job->request.sheet = sheet;
    job->plan_bytes = bytes;
    return true;
}

static bool take_catalogue(struct render_job *job, const struct catalog *catalog)
{
    struct render_request *request = &job->request;
    struct render_sku *skus = ARENA_ARRAY(&job->arena, struct render_sku, catalog->sku_count);
    struct render_place *places =
        ARENA_ARRAY(&job->arena, struct render_place, catalog->region_count);
    if (!skus || !places)
        return fail(job, "the catalogue", err_text(ERR_MEMORY));
    for (uint32_t i = 0; i < catalog->sku_count; i++) {
        const struct catalog_sku *sku = &catalog->skus[i];
        skus[i] = (struct render_sku){.name = sku->name,
                                      .provider = sku->provider,
                                      .accelerator = sku->accelerator,
                                      .accelerator_count = sku->accelerator_count,
                                      .vcpu = sku->vcpu,
                                      .memory_gib = sku->memory_gib};
    }
    for (uint32_t i = 0; i < catalog->region_count; i++)
        places[i] = (struct render_place){catalog->regions[i].name, catalog->regions[i].zone};
    request->skus = skus;
    request->sku_count = catalog->sku_count;
    request->places = places;
    request->place_count = catalog->region_count;
    crypto_hex(catalog->sha256, sizeof catalog->sha256, job->catalogue_hex);
    return true;
}

static bool read_catalogue(struct render_job *job)
{
    char found[LIMIT_PATH];
    const char *folder = job->catalogue;
    if (!folder && catalog_default_folder_io(found))
        folder = found;
    if (!folder)
        return fail(job, "the catalogue", "not found; expected --catalog DIR");
    struct fleet_complaints *complaints = ARENA_NEW(&job->arena, struct fleet_complaints);
    struct catalog *catalog;
    if (!complaints)
        return fail(job, "the catalogue", err_text(ERR_MEMORY));
    enum err err = catalog_load_io(folder, &job->arena, complaints, &catalog);
    if (err == ERR_OK)
        return take_catalogue(job, catalog);
    if (complaints->count == 0)
        return fail(job, folder, err_text(err));
    for (uint32_t i = 0; i < complaints->count; i++)
        fprintf(stderr, "%.*s:%u: %.*s\n", SPAN_ARG(complaints->row[i].file),
                complaints->row[i].line, SPAN_ARG(complaints->row[i].message));
    return false;
}

bool render_job_open(struct render_job *job)
{
    void *memory = os_alloc(ARENA_BYTES);
    if (!memory)
        return fail(job, job->file, err_text(ERR_MEMORY));
    arena_init(&job->arena, memory, ARENA_BYTES);
    return load_fleet(job->file, NULL, &job->arena, &job->request.fleet) && read_catalogue(job);
}

void render_job_close(struct render_job *job)
{
    os_free(job->arena.base);
    job->arena = (struct arena){0};
}

/* ---- making --------------------------------------------------------------------------------- */

void render_job_warn(const struct render_job *job, const struct render_world *world)
{
    struct span planned_with = world->request->sheet->catalogue;
    if (planned_with.n && !span_is_equal_nocase(planned_with, span_of(job->catalogue_hex)))
        fprintf(stderr,
                "farspan %s: the plan was made with another catalogue; machine types are taken "
                "from this one\n",
                job->verb);
    for (uint32_t i = 0; i < world->workload_count; i++) {
        const struct render_workload *workload = &world->workloads[i];
        if (!workload->sku)
            fprintf(stderr,
                    "farspan %s: no catalogue knows the machine type %.*s: %s asks for no "
                    "accelerator\n",
                    job->verb, SPAN_ARG(workload->row->sku), workload->name);
    }
}

static enum err make_files(struct render_job *job, struct render_output *output, struct text *why)
{
    if (job->target == RENDER_KUBERNETES)
        return render_kubernetes(output->world, &job->arena, &output->files, why);
    if (job->target == RENDER_TERRAFORM)
        return render_terraform(output->world, &job->arena, &output->files, why);
    return render_systemd(output->world, &job->arena, &output->files, why);
}

bool render_job_make(struct render_job *job, const char *plan, const struct plan_sheet *sheet,
                     struct render_output *output)
{
    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    *output = (struct render_output){.request = job->request};
    output->request.sheet = sheet;
    enum err err = render_world_make(&output->request, &job->arena, &output->world, &why);
    if (err)
        return fail(job, plan, why.n ? message : err_text(err));
    size_t size = (size_t)output->world->region_count * RENDER_REGION_BYTES +
                  (size_t)output->world->workload_count * RENDER_WORKER_BYTES;
    char *memory = os_alloc(size);
    if (!memory)
        return fail(job, plan, err_text(ERR_MEMORY));
    text_init(&output->text, memory, size);
    uint32_t file_max = output->world->workload_count * 3 + output->world->region_count * 8;
    err = render_files_init(&output->files, &output->text, file_max, &job->arena);
    if (!err)
        err = make_files(job, output, &why);
    return err ? fail(job, plan, why.n ? message : err_text(err)) : true;
}

void render_output_free(struct render_output *output)
{
    os_free(output->text.p);
    output->text = (struct text){0};
}

/* ---- into a folder -------------------------------------------------------------------------- */

static bool join(const struct render_job *job, char ret_path[LIMIT_PATH], const char *folder,
                 const char *path)
{
    int n = snprintf(ret_path, LIMIT_PATH, "%s/%s", folder, path);
    return n > 0 && n < LIMIT_PATH ? true : fail(job, folder, "the path is too long");
}

/* Files that are right already keep their time, and cost no write. */
static bool is_there(struct arena *arena, const char *path, struct span content)
{
    struct span found;
    size_t mark = arena->used;
    bool is_same = os_file_exists(path) &&
                   os_file_read(path, content.n, arena, &found, NULL) == ERR_OK &&
                   span_is_equal(found, content);
    arena_reset(arena, mark);
    return is_same;
}

static bool write_file(struct render_job *job, const char *folder, const char *path,
                       struct span content)
{
    char whole[LIMIT_PATH], parent[LIMIT_PATH], message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!join(job, whole, folder, path))
        return false;
    if (is_there(&job->arena, whole, content))
        return true;
    memcpy(parent, whole, sizeof parent);
    *strrchr(parent, '/') = '\0';
    enum err err = os_folder_make(parent, &why);
    if (!err)
        err = os_file_write(whole, content, 0644, &why);
    return err ? fail(job, whole, why.n ? message : err_text(err)) : true;
}

static bool is_written(const struct render_files *files, struct span path)
{
    for (uint32_t i = 0; i < files->count; i++) {
        if (span_is(path, files->file[i].path))
            return true;
    }
    return false;
}

bool render_path_is_ours(struct span path)
{
    struct span rest = path, folder = span_cut(&rest, '/');
    return folder.n && rest.n && path.n <= RENDER_PATH_MAX && folder.p[0] != '.' &&
           rest.p[0] != '.' && !memchr(rest.p, '/', rest.n) && !memchr(path.p, 0, path.n);
}

/* What an earlier plan had and this one has not, so that nobody applies it by accident. */
static bool remove_old(struct render_job *job, const char *root, const struct render_files *files,
                       unsigned *removed_count)
{
    char path[LIMIT_PATH], message[512];
    struct span list;
    struct text why;
    text_init(&why, message, sizeof message);
    if (!join(job, path, root, list_name))
        return false;
    if (!os_file_exists(path))
        return true;
    enum err err = os_file_read(path, LIST_BYTES_MAX, &job->arena, &list, &why);
    if (err)
        return fail(job, path, why.n ? message : err_text(err));
    while (list.n) {
        struct span line = span_cut(&list, '\n');
        char name[RENDER_PATH_MAX + 1];
        if (!render_path_is_ours(line) || is_written(files, line))
            continue;
        snprintf(name, sizeof name, "%.*s", SPAN_ARG(line));
        if (!join(job, path, root, name))
            return false;
        err = os_file_exists(path) ? os_file_remove(path) : ERR_NOT_FOUND;
        if (err && err != ERR_NOT_FOUND)
            return fail(job, path, err_text(err));
        *removed_count += !err;
    }
    return true;
}

static bool write_list(struct render_job *job, const char *folder, const struct render_files *files)
{
    size_t size = (size_t)files->count * (RENDER_PATH_MAX + 1) + 1;
    char *memory OS_FREED = os_alloc(size);
    struct text list;
    if (!memory)
        return fail(job, folder, err_text(ERR_MEMORY));
    text_init(&list, memory, size);
    for (uint32_t i = 0; i < files->count; i++)
        text_add(&list, "%s\n", files->file[i].path);
    return write_file(job, folder, list_name, text_span(&list));
}

bool render_job_write(struct render_job *job, const char *folder, const struct render_files *files,
                      unsigned *ret_removed_count)
{
    unsigned removed_count = 0;
    if (!remove_old(job, folder, files, &removed_count))
        return false;
    for (uint32_t i = 0; i < files->count; i++) {
        if (!write_file(job, folder, files->file[i].path, render_file_content(files, i)))
            return false;
    }
    if (!write_list(job, folder, files))
        return false;
    *ret_removed_count = removed_count;
    return true;
}
