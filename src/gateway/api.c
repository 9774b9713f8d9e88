#include "gateway/api.h"

#include "base/check.h"

static const struct gateway_api routes[] = {
#define X(name, method, path, form, door, is_routed)                                               \
    {HTTP_##method, path, GATEWAY_FORM_##form, GATEWAY_DOOR_##door, is_routed},
    GATEWAY_ROUTE_TABLE(X)
#undef X
};

static const struct error_row {
    uint16_t status;
    const char *type, *code, *param, *sentence;
} errors[] = {
#define X(name, status, type, code, param, sentence) {status, type, code, param, sentence},
    GATEWAY_ERROR_TABLE(X)
#undef X
};

const struct gateway_api *gateway_api_of(enum gateway_route route)
{
    CHECK(route < GATEWAY_ROUTE_COUNT);
    return &routes[route];
}

/* Does <path> fit <pattern>? A '*' takes at least one byte. */
static bool is_match(const char *pattern, struct span path, struct span *ret_name)
{
    struct span whole = span_of(pattern);
    const char *star = memchr(whole.p, '*', whole.n);
    if (!star) {
        *ret_name = (struct span){0, 0};
        return span_is_equal(whole, path);
    }
    size_t before = (size_t)(star - whole.p);
    size_t after = whole.n - before - 1;
    if (path.n <= before + after || memcmp(path.p, whole.p, before) != 0)
        return false;
    if (after && memcmp(path.p + path.n - after, star + 1, after) != 0)
        return false;
    *ret_name = span_from(path.p + before, path.n - before - after);
    return span_starts_with(whole, "/v1/") || !memchr(ret_name->p, '/', ret_name->n);
}

enum gateway_match gateway_api_find(enum http_method method, struct span path,
                                    enum gateway_route *ret_route, struct span *ret_name)
{
    if (method == HTTP_HEAD)
        method = HTTP_GET;
    enum gateway_match best = GATEWAY_MATCH_NONE;
    for (unsigned i = 0; i < GATEWAY_ROUTE_COUNT; i++) {
        if (!is_match(routes[i].path, path, ret_name))
            continue;
        *ret_route = (enum gateway_route)i;
        if (routes[i].method == method)
            return GATEWAY_MATCH_FOUND;
        best = GATEWAY_MATCH_METHOD;
    }
    return best;
}

enum gateway_form gateway_api_form_of(struct span path)
{
    return span_starts_with(path, "/v2") ? GATEWAY_FORM_INFERENCE : GATEWAY_FORM_OPENAI;
}

void gateway_api_allow(enum gateway_route route, struct text *text)
{
    text_add(text, "allow: ");
    const char *separator = "";
    for (unsigned i = 0; i < GATEWAY_ROUTE_COUNT; i++) {
        if (strcmp(routes[i].path, routes[route].path) != 0)
            continue;
        text_add(text, "%s%s", separator, routes[i].method == HTTP_GET ? "GET, HEAD" : "POST");
        separator = ", ";
    }
    text_add(text, "\r\n");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool gateway_api_decode(struct span coded, struct text *text)
{
    for (size_t i = 0; i < coded.n; i++) {
        int c = (unsigned char)coded.p[i];
        if (c == '%') {
            if (coded.n - i < 3)
                return false;
            int high = hex_value(coded.p[i + 1]), low = hex_value(coded.p[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        text_add_c(text, (char)c);
    }
    return !text->is_cut;
}

unsigned gateway_error_status(enum gateway_error error)
{
    CHECK(error < GATEWAY_ERROR_COUNT);
    return errors[error].status;
}

const char *gateway_error_code(enum gateway_error error)
{
    CHECK(error < GATEWAY_ERROR_COUNT);
    return errors[error].code;
}

static void add_openai(const struct error_row *row, const char *message, struct span detail,
                       const char *param, struct text *text)
{
    text_add(text, "{\"error\":{\"message\":\"");
    text_add_json_escaped(text, span_of(message));
    if (detail.n) {
        text_add(text, ": ");
        text_add_json_escaped(text, detail);
    }
    text_add(text, "\",\"type\":\"%s\",\"param\":", row->type);
    if (param)
        text_add(text, "\"%s\"", param);
    else
        text_add(text, "null");
    text_add(text, ",\"code\":\"%s\"}}", row->code);
}

static void add_inference(const char *message, struct span detail, struct text *text)
{
    text_add(text, "{\"error\":\"");
    text_add_json_escaped(text, span_of(message));
    if (detail.n) {
        text_add(text, ": ");
        text_add_json_escaped(text, detail);
    }
    text_add(text, "\"}");
}

void gateway_error_print(enum gateway_error error, enum gateway_form form, struct span detail,
                         const char *param, struct text *text)
{
    CHECK(error < GATEWAY_ERROR_COUNT);
    const struct error_row *row = &errors[error];
    if (form == GATEWAY_FORM_INFERENCE)
        add_inference(row->sentence, detail, text);
    else
        add_openai(row, row->sentence, detail, param ? param : row->param, text);
}

void gateway_error_print_paths(enum gateway_form form, struct text *text)
{
    char buffer[1024];
    struct text list;
    text_init(&list, buffer, sizeof buffer);
    for (unsigned i = 0; i < GATEWAY_ROUTE_COUNT; i++) {
        if (routes[i].door == GATEWAY_DOOR_PEER)
            continue;
        text_add(&list, "%s%s %s", list.n ? ", " : "there are ",
                 routes[i].method == HTTP_GET ? "GET" : "POST", routes[i].path);
    }
    gateway_error_print(GATEWAY_ERROR_NO_PATH, form, text_span(&list), NULL, text);
}

void gateway_error_print_event(enum gateway_error error, struct text *text)
{
    text_add(text, "data: ");
    gateway_error_print(error, GATEWAY_FORM_OPENAI, (struct span){0, 0}, NULL, text);
    text_add(text, "\n\n");
}

enum gateway_error gateway_error_of_status(unsigned status)
{
    switch (status) {
    case 408:
        return GATEWAY_ERROR_TIMEOUT;
    case 413:
        return GATEWAY_ERROR_TOO_LARGE;
    case 431:
        return GATEWAY_ERROR_HEAD_SIZE;
    case 500:
        return GATEWAY_ERROR_INTERNAL;
    case 503:
        return GATEWAY_ERROR_NO_TARGET;
    default:
        return GATEWAY_ERROR_BAD_HEAD;
    }
}
