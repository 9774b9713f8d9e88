#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"

enum { FILES_MAX = 512, LINE_MAX_BYTES = 16 * 1024, PAUSE_US = 200 * 1000 };

/* One log that is read on from where it was. */
struct tail {
    char path[STATE_PATH_MAX];
    char name[256]; /* without .log */
    int fd;
    ino_t inode;
    size_t used;
    char line[LINE_MAX_BYTES];
};

static bool is_wanted(const char *name, const char *wanted)
{
    size_t n = strlen(name);
    bool is_log = n > 4 && strcmp(name + n - 4, ".log") == 0;
    return is_log && (!wanted || strstr(name, wanted));
}

static int compare_tails(const void *a, const void *b)
{
    const struct tail *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static size_t find_logs(const char *folder, const char *wanted, struct tail **tails)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) && count < FILES_MAX;) {
        if (!is_wanted(entry->d_name, wanted))
            continue;
        struct tail *tail = calloc(1, sizeof *tail);
        if (!tail)
            break;
        size_t stem = strlen(entry->d_name) - 4;
        memcpy(tail->name, entry->d_name, stem < sizeof tail->name ? stem : sizeof tail->name - 1);
        tail->fd = -1;
        if (state_file_path(folder, entry->d_name, tail->path))
            tails[count++] = tail;
        else
            free(tail);
    }
    closedir(dir);
    qsort(tails, count, sizeof(struct tail *), compare_tails);
    return count;
}

/* Where the last <lines> lines begin. */
static off_t offset_of_last(int fd, off_t size, int64_t lines)
{
    char block[4096];
    off_t at = size;
    while (at > 0) {
        size_t n = at < (off_t)sizeof block ? (size_t)at : sizeof block;
        if (pread(fd, block, n, at - (off_t)n) != (ssize_t)n)
            return 0;
        for (size_t i = n; i > 0; i--) {
            bool is_end = at - (off_t)n + (off_t)i == size; /* the newline that ends the file */
            if (block[i - 1] == '\n' && !is_end && --lines <= 0)
                return at - (off_t)n + (off_t)i;
        }
        at -= (off_t)n;
    }
    return 0;
}

static void print_lines(struct tail *tail, bool with_name)
{
    size_t begin = 0;
    for (size_t i = 0; i < tail->used; i++) {
        if (tail->line[i] != '\n')
            continue;
        if (with_name)
            printf("%-28s ", tail->name);
        printf("%.*s\n", (int)(i - begin), tail->line + begin);
        begin = i + 1;
    }
    if (begin == 0 && tail->used == sizeof tail->line) {
        printf("%.*s\n", (int)tail->used, tail->line);
        begin = tail->used;
    }
    memmove(tail->line, tail->line + begin, tail->used - begin);
    tail->used -= begin;
}

static void read_on(struct tail *tail, bool with_name)
{
    for (;;) {
        ssize_t n = read(tail->fd, tail->line + tail->used, sizeof tail->line - tail->used);
        if (n <= 0)
            break;
        tail->used += (size_t)n;
        print_lines(tail, with_name);
    }
}

/* After a rotation the path is another file: read that from its beginning. */
static void follow_rotation(struct tail *tail)
{
    struct stat about;
    if (stat(tail->path, &about) != 0 || about.st_ino == tail->inode)
        return;
    int fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    close(tail->fd);
    tail->fd = fd;
    tail->inode = about.st_ino;
}

static bool open_tail(struct tail *tail, int64_t lines)
{
    struct stat about;
    tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    if (tail->fd < 0 || fstat(tail->fd, &about) != 0)
        return false;
    tail->inode = about.st_ino;
    return lseek(tail->fd, offset_of_last(tail->fd, about.st_size, lines), SEEK_SET) >= 0;
}

static int show(const char *folder, const char *wanted, int64_t lines, bool follows)
{
    static struct tail *tails[FILES_MAX];
    size_t count = find_logs(folder, wanted, tails);
    if (count == 0) {
        fprintf(stderr, "farspan: no log%s%s in %s\n", wanted ? " like " : "", wanted ? wanted : "",
                folder);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (!open_tail(tails[i], lines)) {
            perror(tails[i]->path);
            return 1;
        }
        read_on(tails[i], count > 1);
    }
    while (follows && fflush(stdout) == 0) {
        usleep(PAUSE_US);
        for (size_t i = 0; i < count; i++) {
            read_on(tails[i], count > 1);
            follow_rotation(tails[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        close(tails[i]->fd);
        free(tails[i]);
    }
    return 0;
}

int verb_logs(int argc, char **argv)
{
    const char *state = NULL;
    bool follows = false;
    int64_t lines = 10;
    const struct option_row rows[] = {
        {"-f|--follow", NULL, "stay and show what is added", OPTION_FLAG, &follows, 0, 0},
        {"-n|--lines", "N", "lines of each log to begin with (10)", OPTION_NUMBER, &lines, 1,
         1000000},
        {"--state", "DIR", "state folder of the world", OPTION_TEXT, &state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan logs [NAME] [-f] [-n N] [--state DIR]",
        "Shows the logs of a world: one a process, and an access log a gateway (JSON lines).\n"
        "NAME picks those whose name holds it: gateway, worker, access, a region ...",
        "farspan logs access-aws -f",
        rows,
        COUNT_OF(rows),
        0,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    char folder[STATE_PATH_MAX], logs[STATE_PATH_MAX];
    state_default_path(folder);
    if (!state_file_path(state ? state : folder, "log", logs))
        return 1;
    signal(SIGPIPE, SIG_DFL);
    return show(logs, rest ? argv[0] : NULL, lines, follows);
}
