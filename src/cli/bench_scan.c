/* bench_scan.c: what reading a request costs, alone: bytes a second inside JSON strings for each
 * implementation, with and without the prefix chain, and nanoseconds a parsed head.
 *
 * Every cell is measured once a round, all cells in turn, so that a slow moment of the machine hits
 * all alike; the median over the rounds is printed. Bodies lie in one piece, warm in the cache as
 * far as it holds them.
 *
 * Bar: 5 GB/s inside the strings of a 200 KB ASCII prompt, without the chain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "cli/bench.h"
#include "http/json_scan.h"
#include "http/parser.h"
#include "route/prefix.h"

enum { ROUNDS = 21, CELLS_MAX = 128, ROUND_NS = 4 * 1000 * 1000 };

enum text_kind { TEXT_ASCII, TEXT_LINES, TEXT_EUROPEAN, TEXT_CHINESE, TEXT_ESCAPED };

static const struct {
    const char *name, *text;
} kinds[] = {
    [TEXT_ASCII] = {"ascii", "It is a truth universally acknowledged, that a single man. "},
    [TEXT_LINES] = {"lines", "It is a truth universally acknowledged, that a single man.\\n"},
    [TEXT_EUROPEAN] = {"european", "Der K\xc3\xb6nig \xc3\xbc"
                                   "ber dem See h\xc3\xa4tte gern Gr\xc3\xbc\xc3\x9f"
                                   "e geschickt. "},
    [TEXT_CHINESE] = {"chinese",
                      "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c\xe5\x87\xa1\xe6\x98\xaf"},
    [TEXT_ESCAPED] = {"escaped", "\\u4f60\\u597d\\u4e16\\u754c"},
};

static const struct {
    const char *name;
    size_t size;
} sizes[] = {{"2KB", 2 << 10}, {"200KB", 200 << 10}, {"2MB", 2 << 20}};

struct cell {
    char name[64];
    const char *implementation; /* NULL: a head is parsed */
    char *body;
    size_t size;
    bool has_chain;
    uint64_t repeats;
    double value[ROUNDS]; /* GB/s, or ns a head */
};

static struct cell cells[CELLS_MAX];
static unsigned cell_count;
static struct prefix_chain chain;

static void on_role(void *user, struct span role)
{
    (void)role;
    if (user)
        prefix_chain_role(user, PREFIX_USER);
}

static void on_text(void *user, const char *text, size_t n)
{
    if (user)
        prefix_chain_add(user, text, n);
}

static void scan_body(const struct cell *cell)
{
    static struct json_scan scan;
    struct json_scan_sink sink = {cell->has_chain ? &chain : NULL, on_role, on_text};
    prefix_chain_init(&chain, 1);
    json_scan_init(&scan, &sink);
    CHECK(json_scan_add(&scan, span_from(cell->body, cell->size)) == ERR_OK);
    CHECK(json_scan_end(&scan) == ERR_OK);
}

static void parse_head(const struct cell *cell)
{
    static struct http_head head;
    struct http_refusal refusal;
    size_t scanned = 0, size;
    CHECK(http_head_find(span_from(cell->body, cell->size), &scanned, &size) == ERR_OK);
    CHECK(http_parse_request(span_from(cell->body, size), &head, &refusal) == ERR_OK);
}

/* Processor time of this thread: others on the core do not count. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t run_cell(const struct cell *cell, uint64_t repeats)
{
    if (cell->implementation)
        CHECK(json_scan_use(cell->implementation));
    int64_t start_ns = cpu_ns();
    for (uint64_t i = 0; i < repeats; i++) {
        if (cell->implementation)
            scan_body(cell);
        else
            parse_head(cell);
    }
    return cpu_ns() - start_ns;
}

static void measure(struct cell *cell, unsigned round)
{
    if (!cell->repeats) { /* as many as fill a round, warm */
        int64_t once_ns = run_cell(cell, 3) / 3 + 1;
        cell->repeats = ROUND_NS / (uint64_t)once_ns + 1;
    }
    double ns = (double)run_cell(cell, cell->repeats) / (double)cell->repeats;
    cell->value[round] = cell->implementation ? (double)cell->size / ns : ns;
}

static char *body_of(enum text_kind kind, size_t size)
{
    static const char opening[] = "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":64,"
                                  "\"messages\":[{\"role\":\"user\",\"content\":\"";
    const char *text = kinds[kind].text;
    size_t text_size = strlen(text);
    char *body = malloc(size + 1);
    CHECK(body);
    memcpy(body, opening, sizeof opening - 1);
    size_t n = sizeof opening - 1;
    for (; n + text_size + 4 <= size; n += text_size)
        memcpy(body + n, text, text_size);
    memset(body + n, ' ', size - n);
    memcpy(body + n, "\"}]}", 4);
    body[size] = 0;
    return body;
}

static struct cell *add_cell(void)
{
    CHECK(cell_count < CELLS_MAX);
    return &cells[cell_count++];
}

static void add_scan(const char *implementation, enum text_kind kind, unsigned size, bool has_chain)
{
    if (!json_scan_use(implementation))
        return;
    struct cell *cell = add_cell();
    *cell = (struct cell){.implementation = implementation, .has_chain = has_chain};
    cell->size = sizes[size].size;
    cell->body = body_of(kind, cell->size);
    snprintf(cell->name, sizeof cell->name, "scan %s %s %s%s", implementation, kinds[kind].name,
             sizes[size].name, has_chain ? " +chain" : "");
}

static void add_head(void)
{
    static char text[] =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example.com:8080\r\n"
        "User-Agent: OpenAI/Python 1.51.0\r\nAccept: application/json\r\n"
        "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
        "Authorization: Bearer sk-0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
        "Content-Type: application/json\r\nContent-Length: 2048\r\n\r\n";
    struct cell *cell = add_cell();
    *cell = (struct cell){.name = "head, 8 headers", .body = text, .size = sizeof text - 1};
}

static void add_cells(void)
{
    static const char *const implementations[] = {"scalar", "sse2", "avx2", "avx512", "neon"};
    add_head();
    for (unsigned i = 0; i < COUNT_OF(implementations); i++)
        for (unsigned size = 0; size < COUNT_OF(sizes); size++) {
            add_scan(implementations[i], TEXT_ASCII, size, false);
            add_scan(implementations[i], TEXT_ASCII, size, true);
        }
    const char *best = json_scan_implementation();
    for (unsigned kind = TEXT_LINES; kind < COUNT_OF(kinds); kind++) {
        add_scan("scalar", (enum text_kind)kind, 1, false);
        add_scan(best, (enum text_kind)kind, 1, false);
        add_scan(best, (enum text_kind)kind, 1, true);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_cell(struct cell *cell, bool is_json, bool is_last)
{
    qsort(cell->value, ROUNDS, sizeof cell->value[0], compare);
    const char *unit = cell->implementation ? "GB/s" : "ns";
    double median = cell->value[ROUNDS / 2];
    if (is_json)
        printf("{\"name\":\"%s\",\"unit\":\"%s\",\"median\":%.3f,\"min\":%.3f,\"max\":%.3f}%s",
               cell->name, unit, median, cell->value[0], cell->value[ROUNDS - 1],
               is_last ? "" : ",\n ");
    else
        printf("%-40s %8.2f %-4s  (%.2f .. %.2f)\n", cell->name, median, unit, cell->value[0],
               cell->value[ROUNDS - 1]);
}

int bench_scan(bool is_json)
{
    const char *best = json_scan_implementation();
    add_cells();
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < cell_count; i++)
            measure(&cells[i], round);
    CHECK(json_scan_use(best));
    if (is_json)
        printf("[");
    else
        printf("chosen on this machine: %s\n", best);
    for (unsigned i = 0; i < cell_count; i++)
        print_cell(&cells[i], is_json, i + 1 == cell_count);
    if (is_json)
        printf("]");
    return 0;
}
