/* verb_render.c: `farspan render`: a plan as files for Kubernetes, Terraform or systemd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "build_info.h"
#include "catalog/load_io.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "deploy/render.h"
#include "fleet/load_io.h"
#include "os/file.h"
#include "os/memory.h"

enum {
    ARENA_BYTES = 3 * PLAN_SHEET_BYTES_MAX + CATALOG_ARENA_SIZE + FLEET_ARENA_SIZE + (64 << 20),
    LIST_BYTES_MAX = RENDER_FILES_MAX * (RENDER_PATH_MAX + 1)
};

/* In the folder: what an earlier run wrote there, a path a line. */
static const char list_name[] = "farspan-files";

enum target { KUBERNETES, TERRAFORM, SYSTEMD };
static const char *const targets[] = {"kubernetes", "terraform", "systemd"};

struct render {
    const char *plan, *file, *target_name, *folder, *image, *space, *claim, *catalogue;
    struct option_list url_list;
    int64_t gateway_count;
    bool is_json, wants_secrets;
    enum target target;
    struct arena arena;
    struct render_request request;
    struct render_world *world;
    struct render_url urls[OPTION_LIST_MAX];
    struct render_files files;
    struct text text;
    unsigned removed_count;
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "farspan render: %s: %s\n", what, why);
    return false;
}

/* ---- what goes in --------------------------------------------------------------------------- */

static bool read_plan(struct render *render)
{
    char message[1024];
    struct text why;
    struct span bytes;
    struct plan_sheet *sheet;
    text_init(&why, message, sizeof message);
    enum err err = os_file_read(render->plan, PLAN_SHEET_BYTES_MAX, &render->arena, &bytes, &why);
    if (!err)
        err = plan_sheet_read_io(bytes, &render->arena, &sheet, &why);
    if (err)
        return fail(render->plan, why.n ? message : err_text(err));
    render->request.sheet = sheet;
    return true;
}

static bool take_catalogue(struct render *render, const struct catalog *catalog)
{
    struct render_request *request = &render->request;
    struct render_sku *skus = ARENA_ARRAY(&render->arena, struct render_sku, catalog->sku_count);
    struct render_place *places =
        ARENA_ARRAY(&render->arena, struct render_place, catalog->region_count);
    if (!skus || !places)
        return fail("the catalogue", err_text(ERR_MEMORY));
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
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_hex(catalog->sha256, sizeof catalog->sha256, hex);
    if (request->sheet->catalogue.n &&
        !span_is_equal_nocase(request->sheet->catalogue, span_of(hex)))
        fprintf(stderr, "farspan render: the plan was made with another catalogue; machine types "
                        "are taken from this one\n");
    return true;
}

static bool read_catalogue(struct render *render)
{
    char found[LIMIT_PATH];
    const char *folder = render->catalogue;
    if (!folder && catalog_default_folder_io(found))
        folder = found;
    if (!folder)
        return fail("the catalogue", "not found; expected --catalog DIR");
    struct fleet_complaints *complaints = ARENA_NEW(&render->arena, struct fleet_complaints);
    struct catalog *catalog;
    if (!complaints)
        return fail("the catalogue", err_text(ERR_MEMORY));
    enum err err = catalog_load_io(folder, &render->arena, complaints, &catalog);
    if (err == ERR_OK)
        return take_catalogue(render, catalog);
    if (complaints->count == 0)
        return fail(folder, err_text(err));
    for (uint32_t i = 0; i < complaints->count; i++)
        fprintf(stderr, "%.*s:%u: %.*s\n", SPAN_ARG(complaints->row[i].file),
                complaints->row[i].line, SPAN_ARG(complaints->row[i].message));
    return false;
}

/* REGION=URL; a region's name holds no '='. */
static bool take_urls(struct render *render)
{
    for (size_t i = 0; i < render->url_list.count; i++) {
        struct span url = span_of(render->url_list.item[i]), region = span_cut(&url, '=');
        if (!region.n || url.n > LIMIT_URL ||
            !(span_starts_with(url, "https://") || span_starts_with(url, "http://")))
            return false;
        render->urls[i] = (struct render_url){region, url};
    }
    render->request.urls = render->urls;
    render->request.url_count = (uint32_t)render->url_list.count;
    return true;
}

/* Nothing of a machine nobody knows is asked for: said, since an accelerator may be missing. */
static void warn_unknown_skus(const struct render_world *world)
{
    for (uint32_t i = 0; i < world->workload_count; i++) {
        const struct render_workload *workload = &world->workloads[i];
        if (!workload->sku)
            fprintf(stderr,
                    "farspan render: no catalogue knows the machine type %.*s: %s asks for no "
                    "accelerator\n",
                    SPAN_ARG(workload->row->sku), workload->name);
    }
}

/* ---- making --------------------------------------------------------------------------------- */

static enum err make_files(struct render *render, struct text *why)
{
    if (render->target == KUBERNETES)
        return render_kubernetes(render->world, &render->arena, &render->files, why);
    if (render->target == TERRAFORM)
        return render_terraform(render->world, &render->arena, &render->files, why);
    return render_systemd(render->world, &render->arena, &render->files, why);
}

static bool make(struct render *render)
{
    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    enum err err = render_world_make(&render->request, &render->arena, &render->world, &why);
    if (err)
        return fail(render->plan, why.n ? message : err_text(err));
    warn_unknown_skus(render->world);
    size_t size = (size_t)render->world->region_count * RENDER_REGION_BYTES +
                  (size_t)render->world->workload_count * RENDER_WORKER_BYTES;
    char *memory = os_alloc(size);
    if (!memory)
        return fail(render->plan, err_text(ERR_MEMORY));
    text_init(&render->text, memory, size);
    uint32_t file_max = render->world->workload_count * 3 + render->world->region_count * 8;
    err = render_files_init(&render->files, &render->text, file_max, &render->arena);
    if (!err)
        err = make_files(render, &why);
    return err ? fail(render->plan, why.n ? message : err_text(err)) : true;
}

/* ---- to standard output --------------------------------------------------------------------- */

static bool print(const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n;
}

/* {"path":content,...}: content is JSON itself for Terraform, text otherwise. */
static bool print_json(const struct render *render)
{
    size_t size = 2 * render->text.n + (size_t)render->files.count * (RENDER_PATH_MAX + 16) + 64;
    char *memory OS_FREED = os_alloc(size);
    struct text json;
    if (!memory)
        return fail("standard output", err_text(ERR_MEMORY));
    text_init(&json, memory, size);
    text_json_object(&json);
    for (uint32_t i = 0; i < render->files.count; i++) {
        struct span content = render_file_content(&render->files, i);
        text_json_key(&json, render->files.file[i].path);
        if (render->target == TERRAFORM)
            text_json_raw(&json, span_from(content.p, content.n - 1)); /* without the newline */
        else
            text_json_span(&json, content);
    }
    text_json_end(&json);
    text_add_c(&json, '\n');
    CHECK(!json.is_cut);
    return print(json.p, json.n);
}

static bool print_files(const struct render *render)
{
    for (uint32_t i = 0; i < render->files.count; i++) {
        struct span content = render_file_content(&render->files, i);
        const char *path = render->files.file[i].path;
        bool is_document = span_starts_with(content, "---\n");
        if (!is_document && render->target == KUBERNETES)
            continue; /* the kustomization is of use beside its files only */
        printf("%s# %s\n", i > 0 && !is_document ? "\n" : "", path);
        if (!print(content.p, content.n))
            return false;
    }
    return true;
}

static bool print_all(const struct render *render)
{
    bool is_good =
        render->is_json || render->target == TERRAFORM ? print_json(render) : print_files(render);
    if (!is_good || fflush(stdout) != 0) {
        perror("farspan render: standard output");
        return false;
    }
    return true;
}

/* ---- into a folder -------------------------------------------------------------------------- */

static bool join(char ret_path[STATE_PATH_MAX], const char *folder, const char *path)
{
    int n = snprintf(ret_path, STATE_PATH_MAX, "%s/%s", folder, path);
    return n > 0 && n < STATE_PATH_MAX ? true : fail(folder, "the path is too long");
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

static bool write_file(struct arena *arena, const char *folder, const char *path,
                       struct span content)
{
    char whole[STATE_PATH_MAX], parent[STATE_PATH_MAX], message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!join(whole, folder, path))
        return false;
    if (is_there(arena, whole, content))
        return true;
    memcpy(parent, whole, sizeof parent);
    *strrchr(parent, '/') = '\0';
    enum err err = os_folder_make(parent, &why);
    if (!err)
        err = os_file_write(whole, content, 0644, &why);
    return err ? fail(whole, why.n ? message : err_text(err)) : true;
}

static bool is_written(const struct render *render, struct span path)
{
    for (uint32_t i = 0; i < render->files.count; i++) {
        if (span_is(path, render->files.file[i].path))
            return true;
    }
    return false;
}

/* A path that we could have written: FOLDER/FILE, nothing that climbs. */
static bool is_ours(struct span path)
{
    struct span rest = path, folder = span_cut(&rest, '/');
    return folder.n && rest.n && path.n <= RENDER_PATH_MAX && folder.p[0] != '.' &&
           rest.p[0] != '.' && !memchr(rest.p, '/', rest.n) && !memchr(path.p, 0, path.n);
}

/* What an earlier plan had and this one has not, so that nobody applies it by accident. */
static bool remove_old(struct render *render)
{
    char path[STATE_PATH_MAX], message[512];
    struct span list;
    struct text why;
    text_init(&why, message, sizeof message);
    if (!join(path, render->folder, list_name))
        return false;
    if (!os_file_exists(path))
        return true;
    enum err err = os_file_read(path, LIST_BYTES_MAX, &render->arena, &list, &why);
    if (err)
        return fail(path, why.n ? message : err_text(err));
    while (list.n) {
        struct span line = span_cut(&list, '\n');
        char name[RENDER_PATH_MAX + 1];
        if (!is_ours(line) || is_written(render, line))
            continue;
        snprintf(name, sizeof name, "%.*s", SPAN_ARG(line));
        if (!join(path, render->folder, name))
            return false;
        err = os_file_exists(path) ? os_file_remove(path) : ERR_NOT_FOUND;
        if (err && err != ERR_NOT_FOUND)
            return fail(path, err_text(err));
        render->removed_count += !err;
    }
    return true;
}

static bool write_list(struct render *render)
{
    size_t size = (size_t)render->files.count * (RENDER_PATH_MAX + 1) + 1;
    char *memory OS_FREED = os_alloc(size);
    struct text list;
    if (!memory)
        return fail(render->folder, err_text(ERR_MEMORY));
    text_init(&list, memory, size);
    for (uint32_t i = 0; i < render->files.count; i++)
        text_add(&list, "%s\n", render->files.file[i].path);
    return write_file(&render->arena, render->folder, list_name, text_span(&list));
}

static void say_written(const struct render *render)
{
    if (render->is_json) {
        char buffer[4 * STATE_PATH_MAX];
        struct text json;
        text_init(&json, buffer, sizeof buffer);
        text_json_object(&json);
        text_json_key(&json, "target");
        text_json_str(&json, targets[render->target]);
        text_json_key(&json, "folder");
        text_json_str(&json, render->folder);
        text_json_key(&json, "files");
        text_json_u64(&json, render->files.count);
        text_json_key(&json, "removed");
        text_json_u64(&json, render->removed_count);
        text_json_key(&json, "regions");
        text_json_u64(&json, render->world->region_count);
        text_json_key(&json, "epoch");
        text_json_u64(&json, render->world->epoch);
        text_json_end(&json);
        puts(buffer);
        return;
    }
    printf("%u file%s in %s", PLURAL(render->files.count), render->folder);
    if (render->removed_count)
        printf("; %u of an earlier plan removed", render->removed_count);
    printf("\n");
}

static bool write_all(struct render *render)
{
    if (!remove_old(render))
        return false;
    for (uint32_t i = 0; i < render->files.count; i++) {
        if (!write_file(&render->arena, render->folder, render->files.file[i].path,
                        render_file_content(&render->files, i)))
            return false;
    }
    if (!write_list(render))
        return false;
    say_written(render);
    return true;
}

/* ---- the verb ------------------------------------------------------------------------------- */

static bool run(struct render *render)
{
    const struct fleet *fleet;
    if (!load_fleet(render->file, NULL, &render->arena, &fleet))
        return false;
    render->request.fleet = fleet;
    if (!read_plan(render) || !read_catalogue(render) || !make(render))
        return false;
    return render->folder ? write_all(render) : print_all(render);
}

static bool find_target(struct render *render)
{
    for (unsigned i = 0; i < COUNT_OF(targets); i++) {
        if (strcmp(render->target_name, targets[i]) == 0) {
            render->target = (enum target)i;
            return true;
        }
    }
    return false;
}

static bool is_label(const char *name)
{
    char label[RENDER_LABEL_MAX + 1];
    if (strlen(name) > RENDER_LABEL_MAX)
        return false;
    render_label(span_of(name), label, sizeof label);
    return name[0] && strcmp(label, name) == 0;
}

static int check_arguments(struct render *render, const struct option_usage *usage)
{
    struct render_request *request = &render->request;
    if (render->wants_secrets)
        return options_refuse(usage, "secrets are never written: keys stay in files of yours "
                                     "(docs/render.md says how they reach a cluster)");
    if (!render->file || !render->target_name)
        return options_refuse(usage, "-f FILE and --target are needed");
    if (!find_target(render))
        return options_refuse(usage,
                              "--target: expected kubernetes, terraform or systemd, found %s",
                              render->target_name);
    if (!is_label(render->space))
        return options_refuse(usage,
                              "--namespace: expected lower-case letters, digits and '-', "
                              "found %s",
                              render->space);
    if (!take_urls(render))
        return options_refuse(usage, "--url: expected REGION=https://...");
    request->image = span_of(render->image);
    request->version = span_of(FARSPAN_VERSION);
    request->space = span_of(render->space);
    request->claim = span_of(render->claim);
    request->gateway_count = (uint32_t)render->gateway_count;
    return OPTIONS_RUN;
}

int verb_render(int argc, char **argv)
{
    struct render *render OS_FREED = os_alloc(sizeof *render);
    if (!render) {
        fprintf(stderr, "farspan render: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    render->image = "farspan:" FARSPAN_VERSION;
    render->space = "farspan";
    render->claim = "farspan-models";
    render->gateway_count = 2;
    const struct option_row rows[] = {
        {"-f|--file", "FILE", "the farspan.yaml that the plan was made of", OPTION_TEXT,
         &render->file, 0, 0},
        {"--target", "WHAT", "kubernetes, terraform or systemd", OPTION_TEXT, &render->target_name,
         0, 0},
        {"-o|--output", "DIR", "write into this folder (default: standard output)", OPTION_TEXT,
         &render->folder, 0, 0},
        {"--image", "REF", "of farspan (farspan:" FARSPAN_VERSION ")", OPTION_TEXT, &render->image,
         0, 0},
        {"--namespace", "NAME", "Kubernetes namespace (farspan)", OPTION_TEXT, &render->space, 0,
         0},
        {"--models", "CLAIM", "volume claim that holds the model files (farspan-models)",
         OPTION_TEXT, &render->claim, 0, 0},
        {"--gateways", "N", "pods of each region's gateway (2)", OPTION_NUMBER,
         &render->gateway_count, 1, 64},
        {"--url", "REGION=URL", "where another region's entry answers; may be given again",
         OPTION_LIST, &render->url_list, 0, 0},
        {"--catalog", "DIR", "catalogue of machine types (the shipped one)", OPTION_TEXT,
         &render->catalogue, 0, 0},
        {"--json", NULL, "paths and contents, or with -o the summary, as JSON", OPTION_FLAG,
         &render->is_json, 0, 0},
        {"--with-secrets", NULL, "refused: no secret is ever written", OPTION_FLAG,
         &render->wants_secrets, 0, 0},
    };
    const struct option_usage usage = {
        "farspan render PLAN.json -f FILE --target kubernetes|terraform|systemd [-o DIR]",
        "Writes the files that make a plan real, for review and for GitOps; runs nothing. The\n"
        "same plan gives the same bytes. In DIR, files of an earlier plan that this one has not\n"
        "are removed.",
        "farspan render plan.json -f farspan.yaml --target kubernetes -o deploy/",
        rows,
        COUNT_OF(rows),
        1,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status == OPTIONS_RUN)
        status = check_arguments(render, &usage);
    if (status != OPTIONS_RUN)
        return status;
    render->plan = argv[0];
    void *memory OS_FREED = os_alloc(ARENA_BYTES);
    if (!memory) {
        fprintf(stderr, "farspan render: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    arena_init(&render->arena, memory, ARENA_BYTES);
    bool is_good = run(render);
    os_free(render->text.p);
    return is_good ? 0 : 1;
}
