/* record.h: one line of the access log, a JSON object a request. What a client wrote or was
 * answered never appears in it, nor does any key: a key is known by its name. Strings from outside
 * are cut to bounds, so a line is at most OBS_RECORD_SIZE bytes and never two lines. */
#ifndef OBS_RECORD_H
#define OBS_RECORD_H

#include <stdint.h>

#include "base/span.h"
#include "base/text.h"

enum { OBS_RECORD_SIZE = 4096, OBS_RECORD_FIELD_MAX = 256, OBS_RECORD_ROUTE_MAX = 512 };

/* Empty spans and negative times are left out of the line. */
struct obs_record {
    int64_t wall_time_us; /* since 1970-01-01 UTC: when the request was read in whole */
    struct span request_id;
    struct span method, path; /* without the query: that may hold anything */
    uint16_t status;          /* 0: the client left before an answer began */
    struct span service, tenant, key_name;
    struct span region, target; /* that answered */
    struct span route;          /* our element of x-farspan-route */
    struct span hop_from;       /* region of the gateway that sent it here */
    struct span outcome;        /* one word: answered, refused, cut, client_gone ... */
    uint32_t attempts;
    uint64_t bytes_in, bytes_out;
    int64_t ttft_us, total_us; /* -1: it did not come to that */
    uint32_t prompt_tokens;
};

/* Appends the line, without a newline; <text> needs OBS_RECORD_SIZE bytes of room. */
void obs_record_print(const struct obs_record *record, struct text *text);

#endif
