/* verb_render.c: `farspan render`: a plan as files for Kubernetes, Terraform or systemd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/options.h"
#include "cli/render_job.h"
#include "cli/verbs.h"
#include "os/memory.h"

struct render {
    const char *plan, *target_name, *folder;
    bool is_json, wants_secrets;
    struct render_job job;
    struct render_output output;
    unsigned removed_count;
};

/* ---- to standard output --------------------------------------------------------------------- */

static bool print(const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n;
}

/* {"path":content,...}: content is JSON itself for Terraform, text otherwise. */
static bool print_json(const struct render *render)
{
    size_t size = 2 * render->output.text.n +
                  (size_t)render->output.files.count * (RENDER_PATH_MAX + 16) + 64;
    char *memory OS_FREED = os_alloc(size);
    struct text json;
    if (!memory)
        return false;
    text_init(&json, memory, size);
    text_json_object(&json);
    for (uint32_t i = 0; i < render->output.files.count; i++) {
        struct span content = render_file_content(&render->output.files, i);
        text_json_key(&json, render->output.files.file[i].path);
        if (render->job.target == RENDER_TERRAFORM)
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
    for (uint32_t i = 0; i < render->output.files.count; i++) {
        struct span content = render_file_content(&render->output.files, i);
        const char *path = render->output.files.file[i].path;
        bool is_document = span_starts_with(content, "---\n");
        if (!is_document && render->job.target == RENDER_KUBERNETES)
            continue; /* the kustomization is of use beside its files only */
        printf("%s# %s\n", i > 0 && !is_document ? "\n" : "", path);
        if (!print(content.p, content.n))
            return false;
    }
    return true;
}

static bool print_all(const struct render *render)
{
    bool is_good = render->is_json || render->job.target == RENDER_TERRAFORM ? print_json(render)
                                                                             : print_files(render);
    if (!is_good || fflush(stdout) != 0) {
        perror("farspan render: standard output");
        return false;
    }
    return true;
}

static void say_written(const struct render *render)
{
    if (render->is_json) {
        char buffer[4 * LIMIT_PATH];
        struct text json;
        text_init(&json, buffer, sizeof buffer);
        text_json_object(&json);
        text_json_key(&json, "target");
        text_json_str(&json, render_target_name(render->job.target));
        text_json_key(&json, "folder");
        text_json_str(&json, render->folder);
        text_json_key(&json, "files");
        text_json_u64(&json, render->output.files.count);
        text_json_key(&json, "removed");
        text_json_u64(&json, render->removed_count);
        text_json_key(&json, "regions");
        text_json_u64(&json, render->output.world->region_count);
        text_json_key(&json, "epoch");
        text_json_u64(&json, render->output.world->epoch);
        text_json_end(&json);
        puts(buffer);
        return;
    }
    printf("%u file%s in %s", PLURAL(render->output.files.count), render->folder);
    if (render->removed_count)
        printf("; %u of an earlier plan removed", render->removed_count);
    printf("\n");
}

/* ---- the verb ------------------------------------------------------------------------------- */

static bool run(struct render *render)
{
    struct render_job *job = &render->job;
    if (!render_job_open(job) || !render_job_read_plan(job, render->plan) ||
        !render_job_make(job, render->plan, job->request.sheet, &render->output))
        return false;
    render_job_warn(job, render->output.world);
    if (!render->folder)
        return print_all(render);
    if (!render_job_write(job, render->folder, &render->output.files, &render->removed_count))
        return false;
    say_written(render);
    return true;
}

static int check_arguments(struct render *render, const struct option_usage *usage)
{
    if (render->wants_secrets)
        return options_refuse(usage, "secrets are never written: keys stay in files of yours "
                                     "(docs/render.md says how they reach a cluster)");
    if (!render->job.file || !render->target_name)
        return options_refuse(usage, "-f FILE and --target are needed");
    if (!render_target_find(render->target_name, &render->job.target))
        return options_refuse(usage,
                              "--target: expected kubernetes, terraform or systemd, found %s",
                              render->target_name);
    return render_job_check(&render->job, usage);
}

int verb_render(int argc, char **argv)
{
    struct render *render OS_FREED = os_alloc(sizeof *render);
    if (!render) {
        fprintf(stderr, "farspan render: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    render_job_init(&render->job, "render");
    enum { OWN_ROWS = 4 };
    struct option_row rows[OWN_ROWS + RENDER_JOB_ROWS] = {
        {"--target", "WHAT", "kubernetes, terraform or systemd", OPTION_TEXT, &render->target_name,
         0, 0},
        {"-o|--output", "DIR", "write into this folder (default: standard output)", OPTION_TEXT,
         &render->folder, 0, 0},
        {"--json", NULL, "paths and contents, or with -o the summary, as JSON", OPTION_FLAG,
         &render->is_json, 0, 0},
        {"--with-secrets", NULL, "refused: no secret is ever written", OPTION_FLAG,
         &render->wants_secrets, 0, 0},
    };
    render_job_rows(&render->job, rows + OWN_ROWS);
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
    bool is_good = run(render);
    render_output_free(&render->output);
    render_job_close(&render->job);
    return is_good ? 0 : 1;
}
