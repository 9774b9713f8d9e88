/* fault.h: counted faults: the n-th call of a kind fails, so that a test can fail the 1st, 2nd, 3rd
 * ... until it passes untouched (SQLite's, curl's torture). Every fallible wrapper of os asks here.
 * In release builds the question is one predictable branch. */
#ifndef OS_FAULT_H
#define OS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

enum os_fault { OS_FAULT_MEMORY, OS_FAULT_FILE, OS_FAULT_SOCKET, OS_FAULT_PROCESS, OS_FAULT_COUNT };

/* The <nth> call from now (1: the next) of that kind fails; <is_lasting>: and all after it. 0
 * switches off. */
void os_fault_set(enum os_fault kind, uint64_t nth, bool is_lasting);

/* Calls of that kind since the last os_fault_set. */
uint64_t os_fault_calls(enum os_fault kind);

/* Asked by the wrappers: must this call fail? */
bool os_fault_hits(enum os_fault kind);

/* Reads FARSPAN_FAULT ("file:3", "memory:7+" lasting) once at start; for end-to-end tests. */
void os_fault_from_environment(void);

#endif
