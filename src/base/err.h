/* err.h: the expected failures, one word each. 0 is good. A refusal (full, late, not allowed) is no
 * error but an answer with a reason, and has a type of its own where it is given.
 *
 * A function that can fail returns `enum err`, must be used, and writes its outputs (`ret_x`, last)
 * only on ERR_OK. Where a person will read about it, the function also takes a `struct text *why`
 * and appends what was expected, what was found, where, and what to do. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TABLE(X)                                                                               \
    X(OK, "good")                                                                                  \
    X(AGAIN, "not now: would block")                                                               \
    X(CLOSED, "the peer has closed")                                                               \
    X(RESET, "the connection broke")                                                               \
    X(REFUSED, "the peer refused the connection")                                                  \
    X(TIMEOUT, "no answer in time")                                                                \
    X(FULL, "no room left within the limit")                                                       \
    X(NOT_FOUND, "there is no such thing")                                                         \
    X(EXISTS, "it exists already")                                                                 \
    X(SYNTAX, "the input is malformed")                                                            \
    X(VALUE, "a value is out of its range")                                                        \
    X(UNSUPPORTED, "not supported here")                                                           \
    X(DENIED, "not allowed")                                                                       \
    X(CORRUPT, "the content does not match its checksum")                                          \
    X(STALE, "of an older epoch than ours")                                                        \
    X(MEMORY, "the system gave no memory")                                                         \
    X(IO, "the system call failed")                                                                \
    X(DEAD, "the process behind it has died")

enum err {
#define X(name, text) ERR_##name,
    ERR_TABLE(X)
#undef X
};

#define MUST_USE __attribute__((warn_unused_result))

/* The sentence of the table above. Never NULL. */
const char *err_text(enum err err);

#endif
