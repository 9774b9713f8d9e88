/* tool.h: a program of others (kubectl, terraform), run and waited for. */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

#include "base/err.h"
#include "base/text.h"

enum { TOOL_ARGUMENTS_MAX = 2 * 8192 + 64 };

/* A command line put together; its words stay with the caller. */
struct tool {
    const char *argv[TOOL_ARGUMENTS_MAX + 1];
    unsigned count;
};

void tool_begin(struct tool *tool, const char *program);
void tool_add(struct tool *tool, const char *word);

/* Found by PATH; its standard input is empty. <out> and <errors> get the beginning of what it
 * prints; NULL: it prints where we do. *ret_status as a shell sees it. ERR_NOT_FOUND: there is no
 * such program; <errors> says so. It may take as long as it likes. */
MUST_USE enum err tool_run(const struct tool *tool, struct text *out, struct text *errors,
                           int *ret_status);

#endif
