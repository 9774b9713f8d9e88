#include "gateway/scrape.h"

#include "base/check.h"

static const struct {
    const char *name;
    bool is_waiting;
} words[] = {
    {"vllm:num_requests_running", false},
    {"vllm:num_requests_waiting", true},
    {"sglang:num_running_reqs", false},
    {"sglang:num_queue_reqs", true},
    {"llamacpp:requests_processing", false},
    {"llamacpp:requests_deferred", true},
    {"tgi_batch_current_size", false},
    {"tgi_queue_size", true},
    {"nv_inference_pending_request_count", true},
    {"te_queue_size", true},
    {"farspan_worker_running", false},
    {"farspan_worker_waiting", true},
};

/* "name{a="b"} 3.0" or "name 3": the name, and the rest of the line behind the labels. */
static struct span cut_name(struct span *line)
{
    size_t n = 0;
    while (n < line->n && line->p[n] != '{' && line->p[n] != ' ' && line->p[n] != '\t')
        n++;
    struct span name = span_from(line->p, n);
    size_t rest = n;
    if (n < line->n && line->p[n] == '{') {
        bool is_quoted = false;
        while (rest < line->n && (is_quoted || line->p[rest] != '}')) {
            if (line->p[rest] == '\\')
                rest++;
            else if (line->p[rest] == '"')
                is_quoted = !is_quoted;
            rest++;
        }
        rest = rest < line->n ? rest + 1 : line->n;
    }
    *line = span_trim(span_from(line->p + rest, line->n - rest));
    return name;
}

static bool value_of(struct span line, uint64_t *ret_value)
{
    double value;
    if (!span_to_double(span_cut(&line, ' '), &value) || value < 0 || value > 1e9)
        return false;
    *ret_value = (uint64_t)value;
    return true;
}

static void take_line(struct span line, struct gateway_scrape *scrape)
{
    struct span name = cut_name(&line);
    uint64_t value;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!span_is(name, words[i].name) || !value_of(line, &value))
            continue;
        if (words[i].is_waiting) {
            scrape->has_waiting = true;
            scrape->waiting += value;
        } else {
            scrape->has_running = true;
            scrape->running += value;
        }
    }
}

bool gateway_scrape(struct span metrics, struct gateway_scrape *ret_scrape)
{
    struct gateway_scrape scrape = {0};
    while (metrics.n) {
        struct span line = span_cut(&metrics, '\n');
        if (line.n && line.p[0] != '#')
            take_line(line, &scrape);
    }
    if (!scrape.has_running && !scrape.has_waiting)
        return false;
    *ret_scrape = scrape;
    return true;
}
