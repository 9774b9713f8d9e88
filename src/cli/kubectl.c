#include "cli/kubectl.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* Of all that a plan may leave behind: nothing an administrator set up is among it. */
#define KINDS                                                                                      \
    "configmaps,deployments.apps,services,poddisruptionbudgets.policy,"                            \
    "horizontalpodautoscalers.autoscaling,networkpolicies.networking.k8s.io"

static void begin(struct kubectl *kubectl, const char *context)
{
    tool_begin(&kubectl->tool, "kubectl");
    tool_add(&kubectl->tool, "--context");
    tool_add(&kubectl->tool, context);
    tool_add(&kubectl->tool, "--namespace");
    tool_add(&kubectl->tool, kubectl->space);
}

static void add(struct kubectl *kubectl, const char *word)
{
    tool_add(&kubectl->tool, word);
}

__attribute__((format(printf, 3, 4))) static void add_made(struct kubectl *kubectl, unsigned slot,
                                                           const char *format, ...)
{
    struct text word;
    va_list args;
    CHECK(slot < COUNT_OF(kubectl->words));
    text_init(&word, kubectl->words[slot], KUBECTL_WORD);
    va_start(args, format);
    text_add_v(&word, format, args);
    va_end(args);
    add(kubectl, kubectl->words[slot]);
}

static void add_files(struct kubectl *kubectl, struct kubectl_files files)
{
    for (uint32_t i = 0; i < files.count; i++) {
        add(kubectl, "-f");
        add(kubectl, files.paths[i]);
    }
}

/* What it said last, on one line: that is where tools put the reason. */
static void explain(const struct kubectl *kubectl, const char *context, struct text *why)
{
    struct span errors = span_of(kubectl->errors);
    while (errors.n && (errors.p[errors.n - 1] == '\n' || errors.p[errors.n - 1] == ' '))
        errors.n--;
    text_add(why, "%s: kubectl %s: ", context, kubectl->tool.argv[5]);
    if (errors.n == 0)
        text_add(why, "it failed without a word");
    for (size_t i = 0; i < errors.n; i++)
        text_add_c(why, errors.p[i] == '\n' ? ' ' : errors.p[i]);
}

/* <bad_from>: the first exit status that is a failure. -1: it could not be run, or failed. */
static int run(struct kubectl *kubectl, const char *context, bool is_shown, int bad_from,
               struct text *why)
{
    struct text out, errors;
    int status = 0;
    text_init(&out, kubectl->answer, sizeof kubectl->answer);
    text_init(&errors, kubectl->errors, sizeof kubectl->errors);
    if (is_shown)
        fflush(stdout);
    enum err err = tool_run(&kubectl->tool, is_shown ? NULL : &out, &errors, &status);
    if (!err && status < bad_from)
        return status;
    explain(kubectl, context, why);
    return -1;
}

bool kubectl_is_here(struct kubectl *kubectl, struct text *why)
{
    struct text out, errors;
    int status = 0;
    text_init(&out, kubectl->answer, sizeof kubectl->answer);
    text_init(&errors, kubectl->errors, sizeof kubectl->errors);
    tool_begin(&kubectl->tool, "kubectl");
    tool_add(&kubectl->tool, "version");
    tool_add(&kubectl->tool, "--client");
    enum err err = tool_run(&kubectl->tool, &out, &errors, &status);
    if (err == ERR_NOT_FOUND)
        text_add(why, "kubectl is not in PATH: install it (1.30 or later; in packages it is often "
                      "called kubernetes-client), or use farspan render and apply its files");
    else if (err || status)
        text_add(why, "kubectl does not run: %s", kubectl->errors);
    return !err && status == 0;
}

bool kubectl_read_epoch(struct kubectl *kubectl, const char *context, struct span *ret_label,
                        struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "get");
    add(kubectl, "deployment/farspan-gateway");
    add(kubectl, "--ignore-not-found");
    add(kubectl, "--request-timeout=30s");
    add(kubectl, "-o");
    add(kubectl, "jsonpath={.metadata.labels.app\\.kubernetes\\.io/instance}/"
                 "{.metadata.labels.farspan\\.dev/epoch}");
    if (run(kubectl, context, false, 1, why) < 0)
        return false;
    *ret_label = span_trim(span_of(kubectl->answer));
    return true;
}

bool kubectl_has_space(struct kubectl *kubectl, const char *context, bool *ret_is_there,
                       struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "get");
    add_made(kubectl, 0, "namespace/%s", kubectl->space);
    add(kubectl, "--ignore-not-found");
    add(kubectl, "--request-timeout=30s");
    add(kubectl, "-o");
    add(kubectl, "name");
    if (run(kubectl, context, false, 1, why) < 0) {
        /* Who may deploy into a namespace need not be allowed to look at it. */
        *ret_is_there = strstr(kubectl->errors, "orbidden") != NULL;
        if (*ret_is_there)
            text_truncate(why, 0);
        return *ret_is_there;
    }
    *ret_is_there = kubectl->answer[0] != '\0';
    return true;
}

static void add_write(struct kubectl *kubectl)
{
    add(kubectl, "--server-side");
    add(kubectl, "--field-manager=" KUBECTL_MANAGER);
    add(kubectl, "--force-conflicts");
}

bool kubectl_diff(struct kubectl *kubectl, const char *context, struct kubectl_files files,
                  bool is_quiet, bool *ret_differs, struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "diff");
    add_write(kubectl);
    add_files(kubectl, files);
    int status = run(kubectl, context, !is_quiet, 2, why);
    *ret_differs = status == 1;
    return status >= 0;
}

bool kubectl_apply(struct kubectl *kubectl, const char *context, struct kubectl_files files,
                   struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "apply");
    add_write(kubectl);
    add(kubectl, "--request-timeout=30s");
    add_files(kubectl, files);
    return run(kubectl, context, false, 1, why) == 0;
}

static void add_wait(struct kubectl *kubectl, int64_t wait_s)
{
    add(kubectl, "--ignore-not-found");
    add(kubectl, "--cascade=foreground");
    add(kubectl, wait_s ? "--wait=true" : "--wait=false");
    if (wait_s)
        add_made(kubectl, 0, "--timeout=%llds", (long long)wait_s);
}

bool kubectl_delete(struct kubectl *kubectl, const char *context, struct kubectl_files files,
                    int64_t wait_s, struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "delete");
    add_wait(kubectl, wait_s);
    add_files(kubectl, files);
    return run(kubectl, context, false, 1, why) == 0;
}

bool kubectl_await(struct kubectl *kubectl, const char *context, struct span deployment,
                   int64_t wait_s, struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "rollout");
    add(kubectl, "status");
    add_made(kubectl, 0, "deployment/%.*s", SPAN_ARG(deployment));
    add_made(kubectl, 1, "--timeout=%llds", (long long)wait_s);
    if (run(kubectl, context, false, 1, why) == 0)
        return true;
    text_add(why, " (deployment %.*s)", SPAN_ARG(deployment));
    return false;
}

bool kubectl_list(struct kubectl *kubectl, const char *context, const char *labels,
                  struct span *ret_names, struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "get");
    add(kubectl, KINDS);
    add(kubectl, "--request-timeout=30s");
    add(kubectl, "-l");
    add(kubectl, labels);
    add(kubectl, "-o");
    add(kubectl, "name");
    if (run(kubectl, context, false, 1, why) < 0)
        return false;
    *ret_names = span_of(kubectl->answer);
    return true;
}

bool kubectl_delete_named(struct kubectl *kubectl, const char *context, const char *const *names,
                          uint32_t count, struct text *why)
{
    begin(kubectl, context);
    add(kubectl, "delete");
    add_wait(kubectl, 0);
    for (uint32_t i = 0; i < count; i++)
        add(kubectl, names[i]);
    return run(kubectl, context, false, 1, why) == 0;
}
