/* file.h: files, whole or appended. Paths are NUL-terminated. <why> (may be NULL) gets the sentence
 * for a person. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "base/text.h"

/* The whole of a regular file of at most <size_max> bytes; ERR_FULL when longer. */
MUST_USE enum err os_file_read(const char *path, size_t size_max, struct arena *arena,
                               struct span *ret_content, struct text *why);

/* All or nothing: temp file in the same folder, fsync, rename, fsync of the folder. mode as chmod.
 * After an error the file is whole: the old one, or the new one where only the folder could not be
 * synced. What stands there and is no regular file is never replaced: ERR_VALUE. */
MUST_USE enum err os_file_write(const char *path, struct span content, unsigned mode,
                                struct text *why);

/* Whether os_file_write may succeed there: asked before work that takes long, nothing is made. */
MUST_USE enum err os_file_may_write(const char *path, struct text *why);

/* As os_file_write with a trailer that os_file_read_state checks (CRC-32C, length, epoch): last
 * good state. */
MUST_USE enum err os_file_write_state(const char *path, struct span content, uint64_t epoch,
                                      struct text *why);
MUST_USE enum err os_file_read_state(const char *path, size_t size_max, struct arena *arena,
                                     struct span *ret_content, uint64_t *ret_epoch,
                                     struct text *why);

/* Makes <path> and its missing parents (mode 0700 for those made). */
MUST_USE enum err os_folder_make(const char *path, struct text *why);
bool os_file_exists(const char *path);
MUST_USE enum err os_file_remove(const char *path);

/* An exclusive lock on <path> for the life of the process; ERR_EXISTS when another process holds
 * it. */
MUST_USE enum err os_file_lock(const char *path, int *ret_fd, struct text *why);

/* A log that lines are appended to, buffered up to 64 KiB or os_log_flush(); rotated to PATH.1 ..
 * PATH.<keep> at <size_max>. When the disk is full, what is buffered stays, lines that do not fit
 * any more are counted as lost, and writing is tried again a second later. In log.c. */
struct os_log {
    int fd;
    char path[512];
    uint64_t size, size_max, lost_count;
    unsigned keep;
    int64_t retry_at_us; /* after a failed write: not before */
    size_t used;
    char *buffer;
};

MUST_USE enum err os_log_open(struct os_log *log, const char *path, uint64_t size_max,
                              unsigned keep, struct text *why);
void os_log_line(struct os_log *log, struct span line); /* the newline is added */
void os_log_flush(struct os_log *log);
void os_log_close(struct os_log *log);

#endif
