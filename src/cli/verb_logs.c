#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"

enum { FILES_MAX = 512, LINE_MAX_BYTES = 16 * 1024, PAUSE_US = 200 * 1000 };

enum form { FORM_PLAIN, FORM_NAMED, FORM_JSON };

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

/* {"log":NAME,"line":...}: a line that is JSON stays so, another becomes a string. */
static void print_json(const struct tail *tail, struct span line)
{
    static char buffer[8 * LINE_MAX_BYTES]; /* an escaped byte takes six at most */
    struct text json;
    json_t *value = json_loadb(line.p, line.n, 0, NULL);
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "log");
    text_json_str(&json, tail->name);
    text_json_key(&json, "line");
    if (value)
        text_json_raw(&json, line);
    else
        text_json_span(&json, line);
    text_json_end(&json);
    json_decref(value);
    puts(buffer);
}

static void print_line(const struct tail *tail, struct span line, enum form form)
{
    if (form == FORM_JSON)
        print_json(tail, line);
    else if (form == FORM_NAMED)
        printf("%-28s %.*s\n", tail->name, SPAN_ARG(line));
    else
        printf("%.*s\n", SPAN_ARG(line));
}

static void print_lines(struct tail *tail, enum form form)
{
    size_t begin = 0;
    for (size_t i = 0; i < tail->used; i++) {
        if (tail->line[i] != '\n')
            continue;
        print_line(tail, span_from(tail->line + begin, i - begin), form);
        begin = i + 1;
    }
    if (begin == 0 && tail->used == sizeof tail->line) {
        print_line(tail, span_from(tail->line, tail->used), form);
        begin = tail->used;
    }
    memmove(tail->line, tail->line + begin, tail->used - begin);
    tail->used -= begin;
}

/* Answers whether there was anything. */
static bool read_on(struct tail *tail, enum form form)
{
    bool was_any = false;
    for (;;) {
        ssize_t n = read(tail->fd, tail->line + tail->used, sizeof tail->line - tail->used);
        if (n <= 0)
            return was_any;
        was_any = true;
        tail->used += (size_t)n;
        print_lines(tail, form);
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

static int show(const char *folder, const char *wanted, int64_t lines, bool follows, bool is_json)
{
    static struct tail *tails[FILES_MAX];
    bool was_any = false;
    size_t count = find_logs(folder, wanted, tails);
    if (count == 0) {
        fprintf(stderr, "farspan: no log%s%s in %s\n", wanted ? " like " : "", wanted ? wanted : "",
                folder);
        return 1;
    }
    enum form form = is_json ? FORM_JSON : count > 1 ? FORM_NAMED : FORM_PLAIN;
    for (size_t i = 0; i < count; i++) {
        if (!open_tail(tails[i], lines)) {
            perror(tails[i]->path);
            return 1;
        }
        was_any |= read_on(tails[i], form);
    }
    if (!was_any)
        fprintf(stderr, "farspan: nothing has been logged yet\n");
    while (follows && fflush(stdout) == 0) {
        usleep(PAUSE_US);
        for (size_t i = 0; i < count; i++) {
            read_on(tails[i], form);
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
    bool follows = false, is_json = false;
    int64_t lines = 10;
    const struct option_row rows[] = {
        {"-f|--follow", NULL, "stay and show what is added", OPTION_FLAG, &follows, 0, 0},
        {"-n|--lines", "N", "lines of each log to begin with (10)", OPTION_NUMBER, &lines, 1,
         1000000},
        {"--json", NULL, "an object a line: log, line", OPTION_FLAG, &is_json, 0, 0},
        {"--state", "DIR", "state folder of the world", OPTION_TEXT, &state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan logs [NAME] [-f] [-n N] [--json] [--state DIR]",
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
    return show(logs, rest ? argv[0] : NULL, lines, follows, is_json);
}
