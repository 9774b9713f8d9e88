#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "os/errno.h"
#include "os/fault.h"

/* Behind the content of a state file: magic, length, epoch, CRC of the content, CRC of the 28 bytes
 * before; all little endian. */
enum { TRAILER_SIZE = 32, PART_COUNT = 2 };
static const char trailer_magic[8] = "farspan";

static bool fails(void)
{
    return os_fault_fails(OS_FAULT_FILE);
}

static int open_file(const char *path, int flags, mode_t mode)
{
    return fails() ? -1 : open(path, flags | O_CLOEXEC, mode);
}

static enum err read_whole(int fd, const char *path, char *content, size_t size, size_t *ret_n,
                           struct text *why)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = fails() ? -1 : read(fd, content + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return os_fail(why, "read", path);
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *ret_n = n;
    return ERR_OK;
}

static enum err read_opened(int fd, const char *path, size_t size_max, struct arena *arena,
                            struct span *ret_content, struct text *why)
{
    struct stat status;
    if (fails() || fstat(fd, &status) != 0)
        return os_fail(why, "read", path);
    if (!S_ISREG(status.st_mode)) {
        if (why)
            text_add(why, "%s is not a regular file", path);
        return ERR_UNSUPPORTED;
    }
    size_t size = (size_t)status.st_size;
    if (size > size_max) {
        if (why)
            text_add(why, "%s is longer than %zu bytes", path, size_max);
        return ERR_FULL;
    }
    char *content = arena_take(arena, size + 1);
    if (!content)
        return ERR_MEMORY;
    size_t n = 0;
    enum err err = read_whole(fd, path, content, size, &n, why);
    if (err == ERR_OK)
        *ret_content = span_from(content, n);
    return err;
}

enum err os_file_read(const char *path, size_t size_max, struct arena *arena,
                      struct span *ret_content, struct text *why)
{
    /* Not blocking: a pipe of that name must not hold us up before it is refused. */
    int fd = open_file(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return os_fail(why, "open", path);
    enum err err = read_opened(fd, path, size_max, arena, ret_content, why);
    close(fd);
    return err;
}

static enum err write_part(int fd, const char *path, struct span part, struct text *why)
{
    while (part.n > 0) {
        ssize_t n = fails() ? -1 : write(fd, part.p, part.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_fail(why, "write", path);
        part.p += n;
        part.n -= (size_t)n;
    }
    return ERR_OK;
}

static enum err write_opened(int fd, const char *path, const struct span parts[PART_COUNT],
                             unsigned mode, struct text *why)
{
    for (int i = 0; i < PART_COUNT; i++) {
        enum err err = write_part(fd, path, parts[i], why);
        if (err != ERR_OK)
            return err;
    }
    if (fails() || fchmod(fd, (mode_t)mode) != 0)
        return os_fail(why, "set the mode of", path);
    if (fails() || fsync(fd) != 0)
        return os_fail(why, "sync", path);
    return ERR_OK;
}

static enum err sync_folder(const char *path, struct text *why)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    CHECK(n < sizeof folder);
    memcpy(folder, path, n);
    folder[n] = '\0';
    int fd = open_file(n > 0 ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return os_fail(why, "open the folder of", path);
    bool is_synced = !fails() && fsync(fd) == 0;
    enum err err = is_synced ? ERR_OK : os_fail(why, "sync the folder of", path);
    close(fd);
    return err;
}

/* A device, pipe or socket would be replaced by a file, as root even /dev/null. */
static enum err refuse_special(const char *path, struct text *why)
{
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
        return ERR_OK;
    if (why)
        text_add(why, "cannot write %s: expected a file, found a device, pipe or socket", path);
    return ERR_VALUE;
}

static enum err write_parts(const char *path, const struct span parts[PART_COUNT], unsigned mode,
                            struct text *why)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.new-XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        if (why)
            text_add(why, "a path is longer than %d bytes", PATH_MAX);
        return ERR_VALUE;
    }
    enum err err = refuse_special(path, why);
    if (err != ERR_OK)
        return err;
    int fd = fails() ? -1 : mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return os_fail(why, "write", path);
    err = write_opened(fd, path, parts, mode, why);
    close(fd);
    if (err == ERR_OK && (fails() || rename(temporary, path) != 0))
        err = os_fail(why, "replace", path);
    if (err != ERR_OK) {
        unlink(temporary);
        return err;
    }
    return sync_folder(path, why);
}

enum err os_file_write(const char *path, struct span content, unsigned mode, struct text *why)
{
    const struct span parts[PART_COUNT] = {content, {NULL, 0}};
    return write_parts(path, parts, mode, why);
}

static void put_word(unsigned char *bytes, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_word(const unsigned char *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

enum err os_file_write_state(const char *path, struct span content, uint64_t epoch,
                             struct text *why)
{
    unsigned char trailer[TRAILER_SIZE];
    memcpy(trailer, trailer_magic, sizeof trailer_magic);
    put_word(trailer + 8, content.n, 8);
    put_word(trailer + 16, epoch, 8);
    put_word(trailer + 24, hash_crc32c(content.p, content.n), 4);
    put_word(trailer + 28, hash_crc32c(trailer, 28), 4);
    const struct span parts[PART_COUNT] = {content, span_from((char *)trailer, TRAILER_SIZE)};
    return write_parts(path, parts, 0600, why);
}

static bool check_state(struct span whole, struct span *ret_content, uint64_t *ret_epoch)
{
    if (whole.n < TRAILER_SIZE)
        return false;
    struct span content = span_from(whole.p, whole.n - TRAILER_SIZE);
    const unsigned char *trailer = (const unsigned char *)whole.p + content.n;
    if (memcmp(trailer, trailer_magic, sizeof trailer_magic) != 0 ||
        get_word(trailer + 28, 4) != hash_crc32c(trailer, 28) ||
        get_word(trailer + 8, 8) != content.n ||
        get_word(trailer + 24, 4) != hash_crc32c(content.p, content.n))
        return false;
    *ret_content = content;
    *ret_epoch = get_word(trailer + 16, 8);
    return true;
}

enum err os_file_read_state(const char *path, size_t size_max, struct arena *arena,
                            struct span *ret_content, uint64_t *ret_epoch, struct text *why)
{
    struct span whole = {NULL, 0};
    enum err err = os_file_read(path, size_max + TRAILER_SIZE, arena, &whole, why);
    if (err != ERR_OK)
        return err;
    if (check_state(whole, ret_content, ret_epoch))
        return ERR_OK;
    if (why)
        text_add(why, "%s does not match its checksum: it is damaged or of another program", path);
    return ERR_CORRUPT;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool make_one(const char *path)
{
    if (is_folder(path))
        return true;
    if (fails())
        return false;
    if (mkdir(path, 0700) == 0)
        return true;
    /* Somebody else may have made it meanwhile. */
    return errno == EEXIST && is_folder(path);
}

enum err os_folder_make(const char *path, struct text *why)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        if (why)
            text_add(why, "expected the path of a folder, of 1 to %d bytes", PATH_MAX - 1);
        return ERR_VALUE;
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char end = part[i];
        part[i] = '\0';
        if (!make_one(part))
            return os_fail(why, "make the folder", part);
        part[i] = end;
    }
    return ERR_OK;
}

enum err os_file_may_write(const char *path, struct text *why)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof folder) {
        if (why)
            text_add(why, "expected the path of a file, of at most %d bytes", PATH_MAX - 1);
        return ERR_VALUE;
    }
    if (slash) {
        memcpy(folder, path, n);
        folder[n] = '\0';
    }
    if (is_folder(path)) {
        if (why)
            text_add(why, "cannot write %s: it is a folder", path);
        return ERR_VALUE;
    }
    if (access(folder, W_OK | X_OK) != 0)
        return os_fail(why, "write", path);
    return refuse_special(path, why);
}

bool os_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

enum err os_file_remove(const char *path)
{
    if (fails() || unlink(path) != 0)
        return os_err_of(errno);
    return ERR_OK;
}

enum err os_file_lock(const char *path, int *ret_fd, struct text *why)
{
    int fd = open_file(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return os_fail(why, "open", path);
    if (!fails() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    bool is_held = errno == EWOULDBLOCK;
    if (is_held && why)
        text_add(why, "%s is held by another process", path);
    enum err err = is_held ? ERR_EXISTS : os_fail(why, "lock", path);
    close(fd);
    return err;
}
