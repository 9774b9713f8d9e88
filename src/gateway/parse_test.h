/* parse_test.h: heads for tests of the pure parts, read by the real parser. */
#ifndef GATEWAY_PARSE_TEST_H
#define GATEWAY_PARSE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/text.h"
#include "http/parser.h"

/* <lines>: request line and headers, each with its CR LF. The head points into <lines>. */
static inline struct http_head parsed(const char *lines)
{
    struct http_head head;
    struct http_refusal refusal;
    if (http_parse_request(span_of(lines), &head, &refusal) != ERR_OK)
        fail_msg("%s", refusal.reason);
    return head;
}

#endif
