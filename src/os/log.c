#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/errno.h"
#include "os/fault.h"
#include "os/memory.h"

enum { BUFFER_SIZE = 64 * 1024, KEEP_MAX = 99, RETRY_US = 1000 * 1000 };

static bool fails(void)
{
    return os_fault_fails(OS_FAULT_FILE);
}

/* The opened file takes the place of the one before; on failure nothing changes. */
static bool open_current(struct os_log *log)
{
    struct stat status;
    int fd = fails() ? -1 : open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0) {
        close(fd);
        return false;
    }
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    log->size = (uint64_t)status.st_size;
    return true;
}

enum err os_log_open(struct os_log *log, const char *path, uint64_t size_max, unsigned keep,
                     struct text *why)
{
    CHECK(size_max > 0 && keep <= KEEP_MAX);
    *log = (struct os_log){.fd = -1, .size_max = size_max, .keep = keep};
    if (strlen(path) >= sizeof log->path) {
        if (why)
            text_add(why, "the path of a log is longer than %zu bytes", sizeof log->path - 1);
        return ERR_VALUE;
    }
    memcpy(log->path, path, strlen(path) + 1);
    log->buffer = os_alloc(BUFFER_SIZE);
    if (!log->buffer)
        return ERR_MEMORY;
    if (open_current(log))
        return ERR_OK;
    enum err err = os_fail(why, "open", path);
    os_free(log->buffer);
    log->buffer = NULL;
    return err;
}

/* PATH for 0, else PATH.<index>. */
static void name_of(const struct os_log *log, unsigned index, char *ret_name, size_t size)
{
    if (index == 0)
        snprintf(ret_name, size, "%s", log->path);
    else
        snprintf(ret_name, size, "%s.%u", log->path, index);
}

static bool rotate(struct os_log *log)
{
    if (log->keep == 0) {
        if (fails() || ftruncate(log->fd, 0) != 0)
            return false;
        log->size = 0;
        return true;
    }
    for (unsigned i = log->keep; i > 0; i--) {
        char older[sizeof log->path + 16], newer[sizeof log->path + 16];
        name_of(log, i, older, sizeof older);
        name_of(log, i - 1, newer, sizeof newer);
        if ((fails() || rename(newer, older) != 0) && errno != ENOENT)
            return false;
    }
    return open_current(log);
}

static bool write_out(struct os_log *log)
{
    if (log->size > 0 && log->size + log->used > log->size_max && !rotate(log))
        return false;
    while (log->used > 0) {
        ssize_t n = fails() ? -1 : write(log->fd, log->buffer, log->used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        log->size += (uint64_t)n;
        log->used -= (size_t)n;
        memmove(log->buffer, log->buffer + n, log->used);
    }
    return true;
}

void os_log_flush(struct os_log *log)
{
    if (!log->buffer || log->used == 0)
        return;
    int64_t now_us = os_now_us();
    if (now_us < log->retry_at_us)
        return;
    log->retry_at_us = write_out(log) ? 0 : now_us + RETRY_US;
}

void os_log_line(struct os_log *log, struct span line)
{
    if (line.n >= BUFFER_SIZE - log->used)
        os_log_flush(log);
    if (!log->buffer || line.n >= BUFFER_SIZE - log->used) {
        log->lost_count++;
        return;
    }
    if (line.n > 0)
        memcpy(log->buffer + log->used, line.p, line.n);
    log->buffer[log->used + line.n] = '\n';
    log->used += line.n + 1;
}

void os_log_close(struct os_log *log)
{
    if (!log->buffer)
        return;
    log->retry_at_us = 0;
    os_log_flush(log);
    close(log->fd);
    os_free(log->buffer);
    log->fd = -1;
    log->buffer = NULL;
}
