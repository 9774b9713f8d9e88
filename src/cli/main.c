/* main.c: finds the verb. Everything else is in verb_NAME.c. Exit status: 0 good, 1 it did not
 * work, 2 the command line is wrong, 3 a verdict (a check that failed, a diff that is not empty).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "cli/verbs.h"
#include "os/fault.h"
#include "os/process.h"

struct verb {
    const char *name, *group, *sentence;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
#define X(name, group, sentence) {#name, group, sentence, verb_##name},
    VERB_TABLE(X)
#undef X
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *nearest = NULL;
    unsigned best = strlen(name) < 4 ? 2 : 4; /* further away is no typing error */
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        unsigned distance = span_distance(span_of(name), span_of(verbs[i].name));
        if (distance < best) {
            best = distance;
            nearest = verbs[i].name;
        }
    }
    fprintf(stderr, "farspan: there is no verb %s\n", name);
    if (nearest)
        fprintf(stderr, "  did you mean %s?\n", nearest);
    fprintf(stderr, "  farspan help lists them\n");
    return 2;
}

int verb_help(int argc, char **argv)
{
    bool is_asked = argc > 1 && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0;
    if (is_asked) {
        const struct verb *verb = find_verb(argv[1]);
        if (!verb)
            return unknown_verb(argv[1]);
        if (verb->run != verb_help)
            return verb->run(2, (char *[]){argv[1], "--help", NULL});
    }
    printf("farspan runs AI services across regions, clouds and edge sites.\n\n"
           "usage: farspan VERB [options]      farspan help VERB\n");
    const char *group = "";
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(group, verbs[i].group) != 0) {
            group = verbs[i].group;
            printf("\n%s\n", group);
        }
        printf("  %-9s %s\n", verbs[i].name, verbs[i].sentence);
    }
    printf("\nexample\n  farspan demo\n");
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    os_raise_file_limit();
    if (!os_fault_from_environment()) {
        fprintf(stderr, "farspan: FARSPAN_FAULT: expected KIND:N or KIND:N+, as in file:3\n");
        return 2;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return verb_help(1, argv);
    if (strcmp(argv[1], "--version") == 0)
        return verb_version(1, argv + 1);
    const struct verb *verb = find_verb(argv[1]);
    return verb ? verb->run(argc - 1, argv + 1) : unknown_verb(argv[1]);
}
