/* check.h: stop at once when the program has broken its own rules.
 *
 * CHECK guards invariants, in every build. It is for bugs only: what the outside world may cause
 * (bad input, a full queue, a lost peer) is an error code or a refusal, never a CHECK. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Writes "check failed: CONDITION (FILE:LINE)" to standard error and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK(condition)                                                                           \
    (__builtin_expect(!!(condition), 1) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that holds <member> at <pointer>. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))

#endif
