/* render_job.h: from a plan file, a farspan.yaml and the catalogue to rendered files, for the verbs
 * that need them: `farspan render` prints or writes them, `farspan apply` applies them.
 *
 *   render_job_open    files -> request
 *   render_job_make    a sheet -> files in memory (as often as somebody asks: apply renders one
 *                      for each round of a plan)
 *   render_job_write   files -> a folder
 *
 * Every function says on standard error what is wrong and answers false. */
#ifndef CLI_RENDER_JOB_H
#define CLI_RENDER_JOB_H

#include "base/arena.h"
#include "base/crypto.h"
#include "cli/options.h"
#include "deploy/render.h"

enum render_target { RENDER_KUBERNETES, RENDER_TERRAFORM, RENDER_SYSTEMD };

struct render_job {
    const char *verb; /* for what is said */
    const char *file, *image, *space, *claim, *catalogue;
    struct option_list url_list;
    int64_t gateway_count;
    enum render_target target;
    struct arena arena;
    struct render_request request; /* its sheet is that of render_job_read_plan() */
    struct span plan_bytes;        /* the file, as it is */
    char catalogue_hex[2 * CRYPTO_SHA256_SIZE + 1];
    struct render_url urls[OPTION_LIST_MAX];
};

enum { RENDER_JOB_ROWS = 7 };

/* The rows of a table of options that fill a job. */
void render_job_rows(struct render_job *job, struct option_row ret_rows[RENDER_JOB_ROWS]);

/* The defaults; before the command line is read. */
void render_job_init(struct render_job *job, const char *verb);

/* Was no option of a job given, or the defaults? For verbs that may do without a job. */
bool render_job_is_default(const struct render_job *job);

/* A name of `--target`; false: none of them. */
bool render_target_find(const char *name, enum render_target *ret_target);
const char *render_target_name(enum render_target target);

/* The command line: OPTIONS_RUN, or the exit status after a sentence. */
int render_job_check(struct render_job *job, const struct option_usage *usage);

/* The arena is the job's until render_job_close(), which may come at any time. */
bool render_job_open(struct render_job *job);
void render_job_close(struct render_job *job);

/* Needs render_job_open(). */
bool render_job_read_plan(struct render_job *job, const char *path);

struct render_output {
    struct render_request request;
    struct render_world *world;
    struct render_files files;
    struct text text;
};

/* <plan> is what complaints name. render_output_free() comes after it in any case; the output does
 * not move. */
bool render_job_make(struct render_job *job, const char *plan, const struct plan_sheet *sheet,
                     struct render_output *output);
void render_output_free(struct render_output *output);

/* Of machines that no catalogue knows nothing is asked for: said, since an accelerator may be
 * missing. */
void render_job_warn(const struct render_job *job, const struct render_world *world);

/* A path that we could have written: FOLDER/FILE, nothing that climbs. */
bool render_path_is_ours(struct span path);

/* Into FOLDER, with the list of what is there (FOLDER/farspan-files); what an earlier list has and
 * this one has not is removed, other files stay, and those that are right already are not
 * written. */
bool render_job_write(struct render_job *job, const char *folder, const struct render_files *files,
                      unsigned *ret_removed_count);

#endif
