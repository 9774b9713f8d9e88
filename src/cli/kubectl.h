/* kubectl.h: what `farspan apply` asks of kubectl, a function a question. Each command names the
 * context, and the field manager where it writes; standard error is kept for complaints. */
#ifndef CLI_KUBECTL_H
#define CLI_KUBECTL_H

#include "base/arena.h"
#include "cli/tool.h"

enum { KUBECTL_ERRORS = 4096, KUBECTL_ANSWER = 2 << 20, KUBECTL_WORD = 512 };

#define KUBECTL_MANAGER "farspan"

struct kubectl {
    const char *space; /* the namespace */
    struct tool tool;
    char errors[KUBECTL_ERRORS];
    char answer[KUBECTL_ANSWER];
    char words[4][KUBECTL_WORD]; /* arguments put together */
};

/* Paths of files, NUL-terminated. */
struct kubectl_files {
    const char *const *paths;
    uint32_t count;
};

/* Is it there, and can it do what we need? <why> says what to install. */
bool kubectl_is_here(struct kubectl *kubectl, struct text *why);

/* "WORLD/EPOCH" of the gateway that runs there; empty: none does. The answer lives until the next
 * call. False: <why>. */
bool kubectl_read_epoch(struct kubectl *kubectl, const char *context, struct span *ret_label,
                        struct text *why);
bool kubectl_has_space(struct kubectl *kubectl, const char *context, bool *ret_is_there,
                       struct text *why);

/* Prints the difference, or keeps quiet. */
bool kubectl_diff(struct kubectl *kubectl, const char *context, struct kubectl_files files,
                  bool is_quiet, bool *ret_differs, struct text *why);

bool kubectl_apply(struct kubectl *kubectl, const char *context, struct kubectl_files files,
                   struct text *why);

/* With what hangs on it. <wait_s> 0: only asked for; else until it is gone. Nothing there: good. */
bool kubectl_delete(struct kubectl *kubectl, const char *context, struct kubectl_files files,
                    int64_t wait_s, struct text *why);
bool kubectl_await(struct kubectl *kubectl, const char *context, struct span deployment,
                   int64_t wait_s, struct text *why);

/* "deployment.apps/NAME\n..." of all that wears the labels; lives until the next call. */
bool kubectl_list(struct kubectl *kubectl, const char *context, const char *labels,
                  struct span *ret_names, struct text *why);
bool kubectl_delete_named(struct kubectl *kubectl, const char *context, const char *const *names,
                          uint32_t count, struct text *why);

#endif
