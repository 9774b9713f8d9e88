#include "http/json_utf8.h"

enum {
    TOO_SHORT = 1 << 0, /* a lead, then no continuation */
    TOO_LONG = 1 << 1,  /* ASCII, then a continuation */
    OVERLONG_3 = 1 << 2,
    TOO_LARGE = 1 << 3,
    SURROGATE = 1 << 4,
    OVERLONG_2 = 1 << 5,
    OVERLONG_4 = 1 << 6, /* and, with leads from f5 on, too large */
    TWO_CONTINUATIONS = JSON_UTF8_TWO_CONTINUATIONS,
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS,
    LARGE_LOW = ANY_LOW | TOO_LARGE | OVERLONG_4,
    ANY_SECOND = TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS
};

const uint8_t json_utf8_first_high[16] = {TOO_LONG,
                                          TOO_LONG,
                                          TOO_LONG,
                                          TOO_LONG,
                                          TOO_LONG,
                                          TOO_LONG,
                                          TOO_LONG,
                                          TOO_LONG,
                                          TWO_CONTINUATIONS,
                                          TWO_CONTINUATIONS,
                                          TWO_CONTINUATIONS,
                                          TWO_CONTINUATIONS,
                                          TOO_SHORT | OVERLONG_2,
                                          TOO_SHORT,
                                          TOO_SHORT | OVERLONG_3 | SURROGATE,
                                          TOO_SHORT | TOO_LARGE | OVERLONG_4};

const uint8_t json_utf8_first_low[16] = {ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
                                         ANY_LOW | OVERLONG_2,
                                         ANY_LOW,
                                         ANY_LOW,
                                         ANY_LOW | TOO_LARGE,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW,
                                         LARGE_LOW | SURROGATE,
                                         LARGE_LOW,
                                         LARGE_LOW};

const uint8_t json_utf8_second_high[16] = {TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           ANY_SECOND | OVERLONG_3 | OVERLONG_4,
                                           ANY_SECOND | OVERLONG_3 | TOO_LARGE,
                                           ANY_SECOND | SURROGATE | TOO_LARGE,
                                           ANY_SECOND | SURROGATE | TOO_LARGE,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT,
                                           TOO_SHORT};
