/* bench.h: what `farspan bench` measures inside one process: a table on standard output, or one
 * JSON array without a line end. Bars are printed beside the figures; missing one is no failure. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdbool.h>

/* Decision by policy and prefix index: CPU ns a call. About 2 s. */
int bench_route(bool is_json);

/* Body scan in GB/s by implementation, request head in ns. About 5 s. */
int bench_scan(bool is_json);

/* One planning problem, drawn and solved; argv[0] is "plan", and the rest its own options. Answers
 * the exit status. */
int bench_plan(int argc, char **argv);

/* Five equal servers under each balancing policy, simulated; argv[0] is "balance". The same. */
int bench_balance(int argc, char **argv);

#endif
