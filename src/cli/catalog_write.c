#include "cli/catalog_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "os/errno.h"
#include "os/fault.h"
#include "os/file.h"

enum { PATH_SIZE = LIMIT_PATH + 64, FILE_MODE = 0644, FOLDER_MODE = 0755, NOTED_MAX = 4 << 20 };

#define SOURCES "sources.csv"
#define RULES   "rules.csv"

static bool fails(void)
{
    return os_fault_fails(OS_FAULT_FILE);
}

static void path_in(const char *folder, const char *name, char ret_path[PATH_SIZE])
{
    int n = snprintf(ret_path, PATH_SIZE, "%s/%s", folder, name);
    CHECK(n > 0 && n < PATH_SIZE);
}

/* --- what is there --- */

static bool is_ours(const char *name)
{
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++)
        if (strcmp(name, catalog_file_name(file)) == 0)
            return true;
    return strcmp(name, SOURCES) == 0 || strcmp(name, RULES) == 0;
}

/* How many entries a folder has, and one that is no file of a catalogue. */
static enum err look_into(const char *folder, uint32_t *ret_count, char ret_foreign[256],
                          struct text *why)
{
    DIR *stream = fails() ? NULL : opendir(folder);
    if (!stream)
        return os_fail(why, "open", folder);
    *ret_count = 0;
    ret_foreign[0] = '\0';
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (*ret_count)++;
        if (!is_ours(entry->d_name))
            snprintf(ret_foreign, 256, "%s", entry->d_name);
    }
    closedir(stream);
    return ERR_OK;
}

static bool is_same_folder(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

enum err catalog_write_probe(const char *folder, const char *shipped, bool *ret_is_new,
                             struct text *why)
{
    char path[PATH_SIZE], foreign[256];
    uint32_t count;
    if (is_same_folder(folder, shipped)) {
        text_add(why, "the shipped catalogue stays as it is: name another folder with --into");
        return ERR_EXISTS;
    }
    path_in(folder, catalog_file_name(CATALOG_FILE_REGIONS), path);
    *ret_is_new = !os_file_exists(path);
    if (!*ret_is_new || !os_file_exists(folder))
        return ERR_OK;
    enum err err = look_into(folder, &count, foreign, why);
    if (err != ERR_OK || count == 0)
        return err;
    text_add(why, "expected a catalogue, an empty folder or nothing, found a folder without "
                  "regions.csv");
    return ERR_EXISTS;
}

/* --- sources.csv --- */

static bool is_noted(const struct catalog_write *write, struct span line)
{
    struct span name = span_cut(&line, ',');
    for (uint32_t i = 0; i < write->note_count; i++) {
        struct span note = write->notes[i];
        if (span_is_equal(span_cut(&note, ','), name))
            return true;
    }
    return false;
}

/* The base's lines and the notes; a line of the name of a note is replaced by it. */
static enum err note_sources(const struct catalog_write *write, struct span sources,
                             struct span *ret_sources)
{
    size_t size = sources.n + 2;
    for (uint32_t i = 0; i < write->note_count; i++)
        size += write->notes[i].n;
    char *buffer = arena_take(write->arena, size);
    if (!buffer)
        return ERR_MEMORY;
    struct text text;
    text_init(&text, buffer, size);
    while (sources.n > 0) {
        struct span line = span_cut(&sources, '\n');
        if (is_noted(write, line))
            continue;
        text_add_span(&text, line);
        text_add_c(&text, '\n');
    }
    for (uint32_t i = 0; i < write->note_count; i++)
        text_add_span(&text, write->notes[i]);
    *ret_sources = text_span(&text);
    return ERR_OK;
}

/* <name> of the base with the notes, where the base has it. */
static enum err copy_noted(const struct catalog_write *write, const char *folder, const char *name,
                           struct text *why)
{
    char path[PATH_SIZE];
    struct span bytes;
    path_in(write->base, name, path);
    if (!os_file_exists(path))
        return ERR_OK;
    enum err err = os_file_read(path, NOTED_MAX, write->arena, &bytes, why);
    if (err == ERR_OK && strcmp(name, SOURCES) == 0)
        err = note_sources(write, bytes, &bytes);
    if (err != ERR_OK)
        return err;
    path_in(folder, name, path);
    return os_file_write(path, bytes, FILE_MODE, why);
}

/* --- a folder as a whole --- */

static void remove_folder(const char *folder)
{
    char path[PATH_SIZE];
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        path_in(folder, catalog_file_name(file), path);
        unlink(path);
    }
    path_in(folder, SOURCES, path);
    unlink(path);
    path_in(folder, RULES, path);
    unlink(path);
    rmdir(folder);
}

static enum err fill_folder(const struct catalog_write *write, const char *folder, struct text *why)
{
    char path[PATH_SIZE];
    enum err err = ERR_OK;
    for (enum catalog_file file = 0; file < CATALOG_FILES && err == ERR_OK; file++) {
        path_in(folder, catalog_file_name(file), path);
        err = os_file_write(path, write->bytes[file], FILE_MODE, why);
    }
    if (err == ERR_OK)
        err = copy_noted(write, folder, SOURCES, why);
    if (err == ERR_OK)
        err = copy_noted(write, folder, RULES, why);
    return err;
}

static enum err sync_parent(const char *folder, struct text *why)
{
    char path[PATH_SIZE];
    path_in(folder, "..", path);
    int fd = fails() ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return os_fail(why, "open", path);
    enum err err = fsync(fd) == 0 ? ERR_OK : os_fail(why, "sync", path);
    close(fd);
    return err;
}

static enum err refuse_foreign(const char *folder, struct text *why)
{
    char foreign[256] = "";
    uint32_t count;
    enum err err = look_into(folder, &count, foreign, why);
    if (err != ERR_OK || foreign[0] == '\0')
        return err;
    text_add(why,
             "%s is no file of a catalogue: move it away, since the folder is replaced as a whole",
             foreign);
    return ERR_EXISTS;
}

static enum err write_folder(const struct catalog_write *write, const char *folder,
                             struct text *why)
{
    char fresh[PATH_SIZE];
    int n = snprintf(fresh, sizeof fresh, "%s.new-%d", folder, (int)getpid());
    CHECK(n > 0 && n < PATH_SIZE);
    enum err err = write->is_new ? ERR_OK : refuse_foreign(folder, why);
    if (err != ERR_OK)
        return err;
    if (fails() || mkdir(fresh, FOLDER_MODE) != 0)
        return os_fail(why, "make", fresh);
    err = fill_folder(write, fresh, why);
    unsigned flags = write->is_new ? 0 : RENAME_EXCHANGE;
    if (err == ERR_OK && (fails() || renameat2(AT_FDCWD, fresh, AT_FDCWD, folder, flags) != 0))
        err =
            os_fail(why, write->is_new ? "make" : "exchange (import one file at a time?)", folder);
    else if (err == ERR_OK)
        err = sync_parent(folder, why);
    remove_folder(fresh); /* what was not renamed, or what was there before */
    return err;
}

/* --- one file --- */

static enum err write_file(const struct catalog_write *write, const char *folder,
                           enum catalog_file file, struct text *why)
{
    char path[PATH_SIZE];
    enum err err = write->note_count > 0 ? copy_noted(write, folder, SOURCES, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    path_in(folder, catalog_file_name(file), path);
    return os_file_write(path, write->bytes[file], FILE_MODE, why);
}

enum err catalog_write(const struct catalog_write *write, struct text *why)
{
    char folder[LIMIT_PATH];
    struct span name = span_of(write->folder);
    while (name.n > 1 && name.p[name.n - 1] == '/')
        name.n--;
    CHECK(name.n + 32 <= sizeof folder);
    memcpy(folder, name.p, name.n);
    folder[name.n] = '\0';
    uint32_t changed = 0;
    enum catalog_file last = 0;
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        changed += write->is_changed[file];
        last = write->is_changed[file] ? file : last;
    }
    if (!write->is_new && changed == 0)
        return ERR_OK;
    if (!write->is_new && changed == 1)
        return write_file(write, folder, last, why);
    return write_folder(write, folder, why);
}
