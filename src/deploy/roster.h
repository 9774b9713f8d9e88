/* roster.h: who works where in a running world: for each worker of the file and each free place,
 * whether a process is wanted there and what it computes. The supervisor keeps it in
 * STATE/roster.json, so that a world that is started again goes on as it was; `farspan apply`
 * changes it row by row.
 *
 *     {"version":1,"file":"sha256 of farspan.yaml","room":4,"epoch":2,"workers":[
 *       {"worker":"aws:us-east-1+1","services":["chat"],"like":"us-text","sku":"p4de.24xlarge",
 *        "price_usd_h":40.96}]}
 *
 * Only those that are wanted are listed. */
#ifndef DEPLOY_ROSTER_H
#define DEPLOY_ROSTER_H

#include <jansson.h>

#include "base/crypto.h"
#include "base/text.h"
#include "deploy/room.h"

enum { ROSTER_JSON_MAX = 512 * 1024, ROSTER_FILE_HEX = 2 * CRYPTO_SHA256_SIZE + 1 };

struct roster_row {
    bool is_wanted;
    uint16_t like; /* worker of the file whose pace and slots it has; of one of the file: itself */
    uint64_t services;         /* bit s: service s; not 0 when it is wanted */
    char sku[LIMIT_NAME + 1];  /* "": one's own machine */
    int64_t price_usd_micro_h; /* of that machine; 0: one's own, or not known */
};

struct roster {
    char file[ROSTER_FILE_HEX]; /* sha256 of the farspan.yaml */
    uint16_t room;              /* free places a region */
    uint64_t epoch;
    struct roster_row rows[LIMIT_WORKERS]; /* by index of the fleet */
};

/* The file's own workers, epoch 1. */
void roster_init(struct roster *roster, const struct room *room);

/* One row as an object; keys as above. */
void roster_print_row(const struct roster_row *row, uint16_t worker, const struct fleet *fleet,
                      struct text *json);
void roster_print(const struct roster *roster, const struct fleet *fleet, struct text *json);

/* ERR_VALUE, ERR_NOT_FOUND and <why>: a name or number that cannot be. A roster may be of more or
 * less room, as long as all of its places are there. */
MUST_USE enum err roster_read_row(const json_t *object, const struct room *room,
                                  uint16_t *ret_worker, struct roster_row *ret_row,
                                  struct text *why);
MUST_USE enum err roster_read(const json_t *object, const struct room *room,
                              struct roster *ret_roster, struct text *why);

/* The same machine, doing the same work. */
bool roster_row_is_equal(const struct roster_row *a, const struct roster_row *b);

#endif
