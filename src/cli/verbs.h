/* verbs.h: what `farspan` can do: one table, one file a verb (verb_NAME.c). */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

/* name, group, sentence. The order is the order of `farspan help`. */
#define VERB_TABLE(X)                                                                              \
    X(demo, "see it", "three continents on this machine, real requests, one region killed")        \
    X(up, "see it", "run the world of a farspan.yaml on this machine")                             \
    X(chat, "see it", "talk to the running world")                                                 \
    X(status, "see it", "regions, replicas and links of the running world")                        \
    X(logs, "see it", "show and follow the logs of the running world")                             \
    X(fault, "see it", "kill, pause, cut or slow a region of the running world, and heal it")      \
    X(plan, "plan", "where every service should run, on which machines, at what price")            \
    X(apply, "plan", "make a plan real in the running world, in waves, and back if one fails")     \
    X(render, "plan", "the files that make a plan real: Kubernetes, Terraform, systemd")           \
    X(catalog, "plan", "regions, machines, prices, links: list, show, import your own, compare")   \
    X(profile, "plan", "measure a running server: the speeds and watts that plans stand on")       \
    X(front, "serve", "one gateway before servers that already run")                               \
    X(gateway, "serve", "a gateway from a farspan.yaml")                                           \
    X(worker, "serve", "the process that runs engines on one machine")                             \
    X(explain, "serve", "where would this request go, and why")                                    \
    X(fit, "models", "fit a classifier, a regression or clusters to a table")                      \
    X(models, "models", "the models of a world, with size and lineage")                            \
    X(check, "files", "find every mistake in a farspan.yaml")                                      \
    X(schema, "files", "the JSON Schema of farspan.yaml, for editors")                             \
    X(bench, "files", "measure decision, scan and planner on this machine")                        \
    X(version, "files", "version, commit, engines found")                                          \
    X(help, "files", "this list, or one verb's page")                                              \
    X(link, "internal", "the link emulator between the regions of a world")                        \
    X(engine, "internal", "one engine, child of a worker")

#define X(name, group, sentence) int verb_##name(int argc, char **argv);
VERB_TABLE(X)
#undef X

#endif
