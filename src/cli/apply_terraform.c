/* apply_terraform.c: node pools made real, a folder a cloud. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/apply_elsewhere.h"
#include "cli/apply_show.h"
#include "cli/tool.h"
#include "os/file.h"
#include "os/memory.h"

enum { ERRORS = 4096, WORD = LIMIT_PATH + 32 };

/* The plan that was shown is the one that is applied; beside the files. */
#define SAVED "farspan.tfplan"

struct pools {
    const struct apply_wish *wish;
    struct render_job *job;
    struct tool tool;
    char word[WORD];
    char errors[ERRORS];
    const char *clouds[8]; /* folders with files */
    bool differs[8];
    unsigned cloud_count;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "farspan apply: %s: %s\n", what, why);
    return 1;
}

/* Where it runs is the folder; what it prints comes after what we printed. */
static void begin(struct pools *pools, const char *cloud, const char *command)
{
    snprintf(pools->word, sizeof pools->word, "-chdir=%s/%s", pools->wish->folder, cloud);
    tool_begin(&pools->tool, "terraform");
    tool_add(&pools->tool, pools->word);
    tool_add(&pools->tool, command);
    tool_add(&pools->tool, "-input=false");
    tool_add(&pools->tool, "-no-color");
    fflush(stdout);
}

/* -1 after a sentence: it could not be run, or its status is not below <bad_from>. */
static int run(struct pools *pools, const char *cloud, int bad_from)
{
    struct text out, errors;
    char unread[ERRORS];
    int status = 0;
    text_init(&out, unread, sizeof unread);
    text_init(&errors, pools->errors, sizeof pools->errors);
    enum err err = tool_run(&pools->tool, pools->wish->is_json ? &out : NULL, &errors, &status);
    if (!err && status < bad_from)
        return status;
    if (err == ERR_NOT_FOUND)
        fail("terraform is not in PATH", "install it (1.6 or later; OpenTofu under that name does "
                                         "as well), or use farspan render and apply its files");
    else
        fail(cloud, errors.n ? pools->errors : "terraform failed without a word");
    return -1;
}

/* With --keep-old no pool is smaller than in the plan before: for as long as the clusters move. */
static bool make_sheet(const struct pools *pools, struct plan_sheet *ret_sheet)
{
    const struct plan_sheet *sheet = pools->job->request.sheet;
    *ret_sheet = *sheet;
    if (!pools->wish->keeps_old)
        return true;
    ret_sheet->replicas =
        ARENA_ARRAY(&pools->job->arena, struct plan_sheet_replica, sheet->replica_count);
    for (uint32_t i = 0; ret_sheet->replicas && i < sheet->replica_count; i++) {
        struct plan_sheet_replica *row = &ret_sheet->replicas[i];
        *row = sheet->replicas[i];
        row->count = row->count > row->running ? row->count : row->running;
    }
    return ret_sheet->replicas != NULL;
}

static bool render(struct pools *pools)
{
    struct render_job *job = pools->job;
    struct render_output output = {0};
    struct plan_sheet sheet;
    unsigned removed_count;
    bool is_good = render_job_open(job) && render_job_read_plan(job, pools->wish->plan) &&
                   make_sheet(pools, &sheet) &&
                   render_job_make(job, pools->wish->plan, &sheet, &output);
    if (is_good)
        render_job_warn(job, output.world);
    is_good = is_good && render_job_write(job, pools->wish->folder, &output.files, &removed_count);
    for (uint32_t i = 0; is_good && i < output.files.count; i++) {
        struct span path = span_of(output.files.file[i].path), cloud = span_cut(&path, '/');
        const char *last = pools->cloud_count ? pools->clouds[pools->cloud_count - 1] : NULL;
        if (last && span_is(cloud, last))
            continue;
        CHECK(pools->cloud_count < COUNT_OF(pools->clouds));
        pools->clouds[pools->cloud_count] = arena_copy(&job->arena, cloud).p;
        is_good = pools->clouds[pools->cloud_count++] != NULL;
    }
    render_output_free(&output);
    return is_good;
}

/* A folder that an earlier plan had pools in and this one has not: Terraform would leave them. */
static void warn_of_others(const struct pools *pools)
{
    static const char *const all[] = {"aws", "azure", "gcp"};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char path[LIMIT_PATH];
        bool is_used = false;
        for (unsigned k = 0; k < pools->cloud_count; k++)
            is_used |= strcmp(pools->clouds[k], all[i]) == 0;
        snprintf(path, sizeof path, "%s/%s/terraform.tfstate", pools->wish->folder, all[i]);
        if (!is_used && os_file_exists(path))
            fprintf(stderr,
                    "farspan apply: the plan has nothing in %s any more; what is there goes with: "
                    "terraform -chdir=%s/%s destroy\n",
                    all[i], pools->wish->folder, all[i]);
    }
}

/* 0: no difference; 2: there is one; 1: it cannot be seen. */
static int look(struct pools *pools)
{
    int result = 0;
    for (unsigned i = 0; i < pools->cloud_count; i++) {
        const char *cloud = pools->clouds[i];
        if (!pools->wish->is_json)
            printf("\n%s\n", cloud);
        begin(pools, cloud, "init");
        if (run(pools, cloud, 1) < 0)
            return 1;
        begin(pools, cloud, "plan");
        tool_add(&pools->tool, "-detailed-exitcode");
        tool_add(&pools->tool, "-out=" SAVED);
        int status = run(pools, cloud, 3);
        if (status < 0 || status == 1)
            return status < 0 ? 1 : fail(cloud, pools->errors);
        pools->differs[i] = status == 2;
        result = pools->differs[i] ? APPLY_DIFFERS : result;
    }
    return result;
}

static int act(struct pools *pools)
{
    for (unsigned i = 0; i < pools->cloud_count; i++) {
        if (!pools->differs[i])
            continue;
        begin(pools, pools->clouds[i], "apply");
        tool_add(&pools->tool, SAVED);
        if (run(pools, pools->clouds[i], 1) < 0)
            return fail(pools->clouds[i], "what was done before stays; mend that and apply again");
        if (!pools->wish->is_json)
            printf("applied: %s\n", pools->clouds[i]);
    }
    return 0;
}

static void say_json(const struct pools *pools)
{
    printf("{\"target\":\"terraform\",\"clouds\":[");
    for (unsigned i = 0; i < pools->cloud_count; i++)
        printf("%s{\"cloud\":\"%s\",\"differs\":%s}", i ? "," : "", pools->clouds[i],
               pools->differs[i] ? "true" : "false");
    printf("]}\n");
}

int apply_terraform(const struct apply_wish *wish, struct render_job *job)
{
    struct pools *pools OS_FREED = os_alloc(sizeof *pools);
    if (!pools)
        return fail("terraform", err_text(ERR_MEMORY));
    pools->wish = wish;
    pools->job = job;
    if (!render(pools))
        return 1;
    warn_of_others(pools);
    int status = look(pools);
    if (status == 1)
        return 1;
    if (wish->is_json)
        say_json(pools);
    if (status == 0 && !wish->is_json)
        printf("\nno difference: the pools are as planned\n");
    if (status == 0 || wish->is_dry)
        return status;
    status = apply_ask(wish->is_yes, "apply it?");
    return status == OPTIONS_RUN ? act(pools) : status;
}
