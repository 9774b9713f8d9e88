/* errno.h: what the system says when a call fails, in our words. */
#ifndef OS_ERRNO_H
#define OS_ERRNO_H

#include "base/err.h"
#include "base/text.h"

/* The word for a value of errno; ERR_IO for those without a word of their own. */
enum err os_err_of(int error_number);

/* Appends "cannot ACTION PATH: SENTENCE" of errno to <why> (may be NULL; <path> too) and answers
 * os_err_of(errno). errno must be set by the call that failed. */
enum err os_fail(struct text *why, const char *action, const char *path);

#endif
