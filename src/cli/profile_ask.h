/* profile_ask.h: streaming requests of `farspan profile`, several at the same moment, and the times
 * at which the pieces of their answers come. One loop, no threads; an asker is used by one call at
 * a time. */
#ifndef CLI_PROFILE_ASK_H
#define CLI_PROFILE_ASK_H

#include "base/err.h"
#include "base/span.h"
#include "base/text.h"
#include "cli/profile_cell.h"
#include "net/loop.h"

struct profile_asker;

struct profile_server {
    const char *url;     /* "http://host:port", with or without /v1 */
    const char *ca_file; /* as of net_tls_client_new() */
    struct span path;    /* of the url, without /v1: "" or "/base" */
    struct span key;     /* empty: none; at most PROFILE_KEY_MAX visible characters */
    const char *model;
    bool is_completions; /* /v1/completions in place of /v1/chat/completions */
};

enum { PROFILE_KEY_MAX = 4096, PROFILE_WORDS_MAX = 128 * 1024 };

enum profile_answer {
    PROFILE_ANSWER_GOOD,    /* all of them, whole, with usage */
    PROFILE_ANSWER_REFUSED, /* 400, 413 or 422: not as it was asked */
    PROFILE_ANSWER_BUSY,    /* 429 or 503: not now, or not so many */
    PROFILE_ANSWER_LATE,    /* not whole when the time was over; broken off */
    PROFILE_ANSWER_FAILED   /* no server to measure */
};

/* What one round asks for. */
struct profile_round_wish {
    uint32_t count;              /* 1 .. PROFILE_BATCH_MAX */
    uint32_t words;              /* of each prompt, drawn anew; 1 .. PROFILE_WORDS_MAX */
    uint32_t answer_tokens;      /* at most */
    int64_t due_us;              /* os_now_us() */
    void (*on_tick)(void *user); /* four times a second at most; may be NULL */
    void *user;
};

/* <server> must stay. */
MUST_USE enum err profile_asker_new(const struct profile_server *server,
                                    struct profile_asker **ret_asker, struct text *why);
void profile_asker_free(struct profile_asker *asker); /* NULL is fine */
struct net_loop *profile_asker_loop(struct profile_asker *asker);

/* Blocks until all have ended. GOOD: *ret_streams are <count> streams, valid until the next round,
 * *ret_begin_us is when they were sent. Else <why> gets a sentence, the server's own where it gave
 * one. */
enum profile_answer profile_ask(struct profile_asker *asker, const struct profile_round_wish *wish,
                                const struct profile_stream **ret_streams, int64_t *ret_begin_us,
                                struct text *why);

/* Asks the server from now on without "ignore_eos", which some refuse to know. False: it was
 * without already. */
bool profile_asker_be_plain(struct profile_asker *asker);

#endif
