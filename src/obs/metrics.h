/* metrics.h: every number farspan counts, in one table: name, kind, label, sentence. `/metrics`,
 * the manual and the page print from it; nothing counts beside it.
 *
 * A loop owns a struct metrics and adds to it without atomics; a reader merges the loops' copies
 * (aligned 64-bit words: a torn read is impossible on the machines we build for, and a sum that is
 * a moment old is fine). Labels are indices: SERVICE and REGION of the fleet, STATUS the first
 * digit of an answer's status (2: 2xx), NONE a single value (label 0). */
#ifndef OBS_METRICS_H
#define OBS_METRICS_H

#include <stdint.h>

#include "base/histogram.h"
#include "base/text.h"
#include "fleet/fleet.h"

enum metrics_label { METRICS_NONE, METRICS_SERVICE, METRICS_REGION, METRICS_STATUS };

/* name, label, sentence */
#define METRICS_COUNTERS(X)                                                                        \
    X(requests_total, METRICS_SERVICE, "requests read in whole, by service")                       \
    X(answers_total, METRICS_STATUS, "answers begun, by class of status: 2xx 4xx 5xx")             \
    X(routed_total, METRICS_REGION, "requests sent to a target, by the region of the target")      \
    X(retries_total, METRICS_NONE, "attempts beyond the first of a request")                       \
    X(retry_budget_spent_total, METRICS_NONE, "retries that the budget refused")                   \
    X(upstream_failures_total, METRICS_REGION, "attempts that failed before the first byte")       \
    X(streams_cut_total, METRICS_REGION, "streams that broke after their first byte")              \
    X(clients_gone_total, METRICS_NONE, "requests whose client left before the end")               \
    X(hops_in_total, METRICS_NONE, "requests that came from another region's gateway")             \
    X(prompt_tokens_total, METRICS_SERVICE, "prompt tokens, by our estimate of 4 bytes each")      \
    X(prefix_matched_tokens_total, METRICS_SERVICE,                                                \
      "of these, expected in the target's prefix cache")                                           \
    X(chunks_relayed_total, METRICS_NONE, "chunks of streams passed on")                           \
    X(bytes_in_total, METRICS_NONE, "bytes read from clients")                                     \
    X(bytes_out_total, METRICS_NONE, "bytes written to clients")                                   \
    X(connections_total, METRICS_NONE, "client connections accepted")                              \
    X(refused_total, METRICS_SERVICE, "requests without a target, by service")                     \
    X(unauthorized_total, METRICS_NONE, "requests without a valid key")                            \
    X(bad_requests_total, METRICS_NONE, "requests refused for their form")                         \
    X(access_lines_lost_total, METRICS_NONE, "lines that the access log had no disk for")          \
    X(worker_requests_total, METRICS_SERVICE, "requests a worker accepted")                        \
    X(worker_prompt_tokens_total, METRICS_SERVICE, "prompt tokens a worker's engines read")        \
    X(worker_prefix_hit_tokens_total, METRICS_SERVICE, "of these, found in the engine's cache")    \
    X(worker_output_tokens_total, METRICS_SERVICE, "tokens a worker's engines wrote")              \
    X(worker_cancelled_total, METRICS_SERVICE,                                                     \
      "requests a worker stopped because the client left")                                         \
    X(worker_engine_deaths_total, METRICS_NONE, "engine processes that died")                      \
    X(worker_quarantined_total, METRICS_NONE,                                                      \
      "requests refused because they killed an engine twice")

#define METRICS_GAUGES(X)                                                                          \
    X(connections_open, METRICS_NONE, "client connections open now")                               \
    X(requests_in_flight, METRICS_SERVICE, "requests in flight")                                   \
    X(held_bytes, METRICS_NONE, "bytes of request bodies held for a retry")                        \
    X(waiting_bytes, METRICS_NONE, "bytes of buffers that wait for peers slow to read")            \
    X(targets_ready, METRICS_SERVICE, "targets a request could go to")                             \
    X(config_epoch, METRICS_NONE, "epoch of the configuration in force")                           \
    X(config_age_seconds, METRICS_NONE, "since the configuration in force was read")               \
    X(worker_running, METRICS_SERVICE, "requests being computed")                                  \
    X(worker_waiting, METRICS_SERVICE, "requests waiting for a slot")

#define METRICS_HISTOGRAMS(X)                                                                      \
    X(first_byte_us, METRICS_SERVICE, "from the whole request to the answer's first byte, in us")  \
    X(request_us, METRICS_SERVICE, "from the whole request to the answer's last byte, in us")      \
    X(decision_ns, METRICS_NONE, "time of one routing decision, in ns (sampled 1 in 64)")

enum metrics_counter {
#define X(name, label, text) METRICS_##name,
    METRICS_COUNTERS(X)
#undef X
        METRICS_COUNTER_COUNT
};

enum metrics_gauge {
#define X(name, label, text) METRICS_##name,
    METRICS_GAUGES(X)
#undef X
        METRICS_GAUGE_COUNT
};

enum metrics_histogram {
#define X(name, label, text) METRICS_##name,
    METRICS_HISTOGRAMS(X)
#undef X
        METRICS_HISTOGRAM_COUNT
};

enum {
    METRICS_LABEL_MAX = 64,
    METRICS_HISTOGRAM_LABEL_MAX = 16 /* services above share the last */
};

struct metrics {
    uint64_t counter[METRICS_COUNTER_COUNT][METRICS_LABEL_MAX];
    int64_t gauge[METRICS_GAUGE_COUNT][METRICS_LABEL_MAX];
    struct histogram histogram[METRICS_HISTOGRAM_COUNT][METRICS_HISTOGRAM_LABEL_MAX];
};

void metrics_init(struct metrics *metrics);
void metrics_merge(struct metrics *into, const struct metrics *from);

static inline void metrics_add(struct metrics *metrics, enum metrics_counter counter,
                               unsigned label, uint64_t n)
{
    metrics->counter[counter][label] += n;
}

static inline void metrics_gauge_add(struct metrics *metrics, enum metrics_gauge gauge,
                                     unsigned label, int64_t n)
{
    metrics->gauge[gauge][label] += n;
}

void metrics_time(struct metrics *metrics, enum metrics_histogram histogram, unsigned label,
                  uint64_t value);

/* Prometheus text format 0.0.4, every name with prefix "farspan_"; rows that were never touched are
 * left out except for label NONE. Histograms as _bucket{le=}, _sum, _count with about 20 edges. */
void metrics_print(const struct metrics *metrics, const struct fleet *fleet, struct text *text);

#endif
