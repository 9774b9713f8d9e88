#include "gateway/head.h"

static void add_header(struct text *text, const char *name, struct span value)
{
    text_add_span(text, span_of(name));
    text_add_span(text, SPAN_LITERAL(": "));
    text_add_span(text, value);
    text_add_span(text, SPAN_LITERAL("\r\n"));
}

static void add_header_u64(struct text *text, const char *name, uint64_t value)
{
    text_add_span(text, span_of(name));
    text_add_span(text, SPAN_LITERAL(": "));
    text_add_u64(text, value);
    text_add_span(text, SPAN_LITERAL("\r\n"));
}

/* Headers that are written anew or not at all, at a client's request. */
static bool is_request_header_ours(const struct http_header *header)
{
    switch (header->known) {
    case HTTP_HEADER_HOST:
    case HTTP_HEADER_CONTENT_LENGTH:
    case HTTP_HEADER_AUTHORIZATION:
    case HTTP_HEADER_API_KEY:
    case HTTP_HEADER_REQUEST_ID:
    case HTTP_HEADER_EXPECT:
        return true;
    case HTTP_HEADER_UNKNOWN:
    case HTTP_HEADER_FARSPAN_HOP ... HTTP_HEADER_FARSPAN_EPOCH:
        break;
    default:
        return false;
    }
    static const char prefix[] = "x-farspan-";
    return header->name.n >= sizeof prefix - 1 &&
           span_is_equal_nocase(span_from(header->name.p, sizeof prefix - 1), span_of(prefix));
}

static void copy_header(struct text *text, const struct http_header *header)
{
    text_add_span(text, header->name);
    text_add_span(text, SPAN_LITERAL(": "));
    text_add_span(text, header->value);
    text_add_span(text, SPAN_LITERAL("\r\n"));
}

static void add_path(const struct gateway_head_rules *rules, struct span path, struct text *text)
{
    struct span old = rules->old_name;
    if (rules->new_name.n == 0 || old.n == 0) {
        text_add_span(text, path);
        return;
    }
    text_add_span(text, span_from(path.p, (size_t)(old.p - path.p)));
    text_add_span(text, rules->new_name);
    const char *behind = old.p + old.n;
    text_add_span(text, span_from(behind, (size_t)(path.p + path.n - behind)));
}

static void add_target(const struct http_head *client, const struct gateway_head_rules *rules,
                       struct text *text)
{
    struct span path = client->path, base = rules->base;
    /* "https://host/v1" is how many write a base URL: the path's own /v1 is in it already. */
    if (base.n >= 3 && memcmp(base.p + base.n - 3, "/v1", 3) == 0 && span_starts_with(path, "/v1/"))
        base.n -= 3;
    text_add_span(text, client->method_text);
    text_add_c(text, ' ');
    text_add_span(text, base);
    add_path(rules, path, text);
    if (client->query.n) {
        text_add_c(text, '?');
        text_add_span(text, client->query);
    }
    text_add_span(text, SPAN_LITERAL(" HTTP/1.1\r\n"));
}

static void add_zones(const struct fleet *fleet, fleet_zones zones, struct text *text)
{
    text_add_span(text, SPAN_LITERAL("x-farspan-zones: "));
    bool is_first = true;
    for (unsigned i = 0; i < fleet->zone_count; i++) {
        if (!(zones >> i & 1))
            continue;
        if (!is_first)
            text_add_c(text, ',');
        text_add_span(text, fleet->zones[i]);
        is_first = false;
    }
    text_add_span(text, SPAN_LITERAL("\r\n"));
}

void gateway_head_request(const struct http_head *client, const struct gateway_head_rules *rules,
                          const struct fleet *fleet, struct text *text)
{
    add_target(client, rules, text);
    for (unsigned i = 0; i < client->header_count; i++)
        if (!is_request_header_ours(&client->headers[i]) && !http_header_is_hop_by_hop(client, i))
            copy_header(text, &client->headers[i]);
    if (rules->authorization.n)
        add_header(text, "authorization", rules->authorization);
    add_header(text, "x-request-id", rules->request_id);
    if (!rules->is_ours)
        return;
    if (rules->hop.n)
        add_header(text, "x-farspan-hop", rules->hop);
    if (rules->tenant.n)
        add_header(text, "x-farspan-tenant", rules->tenant);
    if (rules->zones != UINT32_MAX)
        add_zones(fleet, rules->zones, text);
    add_header_u64(text, "x-farspan-deadline-ms", (uint64_t)rules->deadline_ms);
    add_header_u64(text, "x-farspan-epoch", rules->epoch);
}

void gateway_head_answer(const struct http_head *upstream, struct text *text)
{
    for (unsigned i = 0; i < upstream->header_count; i++) {
        const struct http_header *header = &upstream->headers[i];
        if (header->known == HTTP_HEADER_CONTENT_LENGTH ||
            header->known == HTTP_HEADER_REQUEST_ID || header->known == HTTP_HEADER_FARSPAN_ROUTE)
            continue;
        if (header->name.n == 4 && span_is_equal_nocase(header->name, SPAN_LITERAL("date")))
            continue;
        if (!http_header_is_hop_by_hop(upstream, i))
            copy_header(text, header);
    }
}

void gateway_head_ours(struct span request_id, struct span element, struct span next,
                       struct text *text)
{
    add_header(text, "x-request-id", request_id);
    text_add_span(text, SPAN_LITERAL("x-farspan-route: "));
    text_add_span(text, element);
    if (next.n) {
        text_add_span(text, SPAN_LITERAL(", "));
        text_add_span(text, next);
    }
    text_add_span(text, SPAN_LITERAL("\r\n"));
}

bool gateway_head_zones(const struct fleet *fleet, struct span value, fleet_zones *ret_zones)
{
    fleet_zones zones = 0;
    while (value.p) {
        uint16_t zone = fleet_find_zone(fleet, span_trim(span_cut(&value, ',')));
        if (zone == FLEET_NONE)
            return false;
        zones |= UINT32_C(1) << zone;
    }
    *ret_zones = zones;
    return zones != 0;
}
