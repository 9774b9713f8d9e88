/* fault.h: counted faults: the n-th call of a kind fails, so that a test can fail the 1st, 2nd, 3rd
 * ... until it passes untouched (SQLite's, curl's torture). Every fallible wrapper of os and net
 * asks here. Where no fault is set the question is one predictable branch. Counts are shared by all
 * threads. */
#ifndef OS_FAULT_H
#define OS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum os_fault { OS_FAULT_MEMORY, OS_FAULT_FILE, OS_FAULT_SOCKET, OS_FAULT_PROCESS, OS_FAULT_COUNT };

/* The <nth> call from now (1: the next) of that kind fails; <is_lasting>: and all after it. 0
 * switches off, counting too. UINT64_MAX counts and never fails. */
void os_fault_set(enum os_fault kind, uint64_t nth, bool is_lasting);

/* Calls of that kind since the last os_fault_set with another <nth> than 0. */
uint64_t os_fault_calls(enum os_fault kind);

/* Asked by the wrappers: must this call fail? */
bool os_fault_hits(enum os_fault kind);

/* As os_fault_hits; on true errno is what the system would say of that kind (ENOMEM, EIO,
 * ECONNRESET, EAGAIN). */
bool os_fault_fails(enum os_fault kind);

/* "file:3", "memory:7+" (lasting), several with commas; false: malformed, nothing is set. */
bool os_fault_parse(struct span rules);

/* Takes FARSPAN_FAULT once at start, for end-to-end tests; false: it is set and malformed. */
bool os_fault_from_environment(void);

#endif
