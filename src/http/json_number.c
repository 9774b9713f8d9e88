#include "http/json_inner.h"

/* RFC 8259 6: [ minus ] int [ frac ] [ exp ]. */
enum state { END, BEGIN, MINUS, ZERO, INTEGER, POINT, FRACTION, E, SIGN, EXPONENT, STATE_COUNT };

enum mark { OTHER, DIGIT_ZERO, DIGIT, DOT, LETTER_E, PLUS, DASH, MARK_COUNT };

static const uint8_t next[STATE_COUNT][MARK_COUNT] = {
    [BEGIN] = {[DASH] = MINUS, [DIGIT_ZERO] = ZERO, [DIGIT] = INTEGER},
    [MINUS] = {[DIGIT_ZERO] = ZERO, [DIGIT] = INTEGER},
    [ZERO] = {[DOT] = POINT, [LETTER_E] = E},
    [INTEGER] = {[DIGIT_ZERO] = INTEGER, [DIGIT] = INTEGER, [DOT] = POINT, [LETTER_E] = E},
    [POINT] = {[DIGIT_ZERO] = FRACTION, [DIGIT] = FRACTION},
    [FRACTION] = {[DIGIT_ZERO] = FRACTION, [DIGIT] = FRACTION, [LETTER_E] = E},
    [E] = {[DIGIT_ZERO] = EXPONENT, [DIGIT] = EXPONENT, [PLUS] = SIGN, [DASH] = SIGN},
    [SIGN] = {[DIGIT_ZERO] = EXPONENT, [DIGIT] = EXPONENT},
    [EXPONENT] = {[DIGIT_ZERO] = EXPONENT, [DIGIT] = EXPONENT},
};

static const uint8_t mark_of[256] = {
    ['0'] = DIGIT_ZERO, ['1'] = DIGIT, ['2'] = DIGIT,    ['3'] = DIGIT,    ['4'] = DIGIT,
    ['5'] = DIGIT,      ['6'] = DIGIT, ['7'] = DIGIT,    ['8'] = DIGIT,    ['9'] = DIGIT,
    ['.'] = DOT,        ['+'] = PLUS,  ['e'] = LETTER_E, ['E'] = LETTER_E, ['-'] = DASH,
};

void json_number_begin(struct json_scan *scan, const char *p)
{
    scan->token = JSON_TOKEN_NUMBER;
    scan->token_offset = json_offset(scan, p);
    scan->number_state = BEGIN;
    scan->number = 0;
    scan->is_negative = *p == '-';
}

static const char *end_number(struct json_scan *scan, const char *p)
{
    enum state state = (enum state)scan->number_state;
    if (state != ZERO && state != INTEGER && state != FRACTION && state != EXPONENT) {
        json_refuse(scan, json_offset(scan, p),
                    "A number is malformed: a digit should stand here.");
        return NULL;
    }
    scan->token = JSON_TOKEN_NONE;
    bool is_whole = (state == ZERO || state == INTEGER) && !scan->is_negative;
    return json_extract_number(scan, is_whole) ? p : NULL;
}

const char *json_number_take(struct json_scan *scan, const char *p, const char *end)
{
    for (; p < end; p++) {
        enum state state = (enum state)next[scan->number_state][mark_of[(uint8_t)*p]];
        if (state == END)
            return end_number(scan, p);
        if (state == INTEGER && scan->number <= UINT32_MAX)
            scan->number = scan->number * 10 + (uint64_t)(*p - '0');
        scan->number_state = (uint8_t)state;
    }
    return p;
}

void json_literal_begin(struct json_scan *scan, const char *p)
{
    scan->token = JSON_TOKEN_LITERAL;
    scan->token_offset = json_offset(scan, p);
    scan->literal = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
}

const char *json_literal_take(struct json_scan *scan, const char *p, const char *end)
{
    for (; p < end && *scan->literal; p++, scan->literal++)
        if (*p != *scan->literal) {
            json_refuse(scan, json_offset(scan, p),
                        "Expected true, false, null or a quoted string.");
            return NULL;
        }
    if (!*scan->literal)
        scan->token = JSON_TOKEN_NONE;
    return p;
}
