/* scrape.h: how busy a server that is not ours is, from the text of its /metrics. Pure.
 *
 * Prometheus text format: "name{labels} value". Known words, by server (their documentation):
 *   vLLM          vllm:num_requests_running, vllm:num_requests_waiting
 *   SGLang        sglang:num_running_reqs, sglang:num_queue_reqs
 *   llama-server  llamacpp:requests_processing, llamacpp:requests_deferred
 *   TGI           tgi_batch_current_size, tgi_queue_size
 *   Triton        nv_inference_pending_request_count (waiting)
 *   TEI           te_queue_size (waiting)
 *   farspan       farspan_worker_running, farspan_worker_waiting
 * Rows of the same name (one a model) are added up. */
#ifndef GATEWAY_SCRAPE_H
#define GATEWAY_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct gateway_scrape {
    bool has_running, has_waiting;
    uint64_t running, waiting;
};

/* False: none of the words is in it. */
bool gateway_scrape(struct span metrics, struct gateway_scrape *ret_scrape);

#endif
