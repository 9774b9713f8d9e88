/* journal.h: what one `farspan apply` remembers, so that the next can take up where it stood:
 * STATE/apply.json, written whole and synced before each action, removed at the end.
 *
 *     {"version":1,"plan":"sha256 of the plan file","state":"act","batch":0,"item":0,"failure":"",
 *      "batches":[{"start":true,"wave":0,"workers":["aws:us-east-1+1"]}],
 *      "before":{roster},"after":{roster}}
 *
 * The plan file itself waits beside it as STATE/plan.next.json, and becomes STATE/plan.json when it
 * is in force. */
#ifndef DEPLOY_JOURNAL_H
#define DEPLOY_JOURNAL_H

#include "deploy/change.h"

enum { JOURNAL_FAILURE_MAX = 512, JOURNAL_JSON_MAX = 2 * ROSTER_JSON_MAX + 256 * 1024 };

struct journal {
    char plan[ROSTER_FILE_HEX]; /* sha256 of the plan file */
    struct roster before, after;
    struct rollout_list list;
    struct rollout rollout;            /* of <list> */
    char failure[JOURNAL_FAILURE_MAX]; /* why it goes back; "" */
};

/* At the first action of <change>. The journal points into itself: it does not move any more. */
void journal_init(struct journal *journal, const struct change *change, const char *plan);

MUST_USE enum err journal_write(const char *state, const struct journal *journal,
                                const struct fleet *fleet, struct text *why);

/* ERR_NOT_FOUND: none was broken off. ERR_STALE: of another farspan.yaml than <file> (its sha256).
 * ERR_VALUE: it cannot be one. */
MUST_USE enum err journal_read(const char *state, const struct room *room, const char *file,
                               struct journal *ret_journal, struct text *why);

/* What row a worker gets when it is started now: forwards as planned, backwards as before. */
const struct roster_row *journal_row(const struct journal *journal, uint16_t worker);

#endif
