/* json_fuzz.c: every implementation and every way of cutting gives the same answer, reason, offset,
 * found values and, of what is accepted, text; what it accepts, jansson reads too. */
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/check.h"
#include "http/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
    enum err err;
    uint64_t offset, hash;
    const char *param;
    struct json_scan_found found;
};

static void mix(struct answer *answer, unsigned word)
{
    answer->hash = (answer->hash ^ word) * UINT64_C(0x100000001b3);
}

static void on_role(void *user, struct span role)
{
    struct answer *answer = user;
    mix(answer, 256);
    for (size_t i = 0; i < role.n; i++)
        mix(answer, (uint8_t)role.p[i]);
    mix(answer, 257);
}

static void on_text(void *user, const char *text, size_t n)
{
    CHECK(n > 0);
    for (size_t i = 0; i < n; i++)
        mix(user, (uint8_t)text[i]);
}

/* Pieces of 1 .. <step> bytes, in memory of their own. */
static struct answer scan_in_steps(const uint8_t *data, size_t size, size_t step)
{
    struct answer answer = {.err = ERR_OK};
    struct json_scan scan;
    struct json_scan_sink sink = {&answer, on_role, on_text};
    json_scan_init(&scan, &sink);
    for (size_t i = 0, k = 0; i < size && answer.err == ERR_OK; k++) {
        size_t n = 1 + (step + k * 7) % step;
        if (n > size - i)
            n = size - i;
        char *copy = malloc(n);
        CHECK(copy);
        memcpy(copy, data + i, n);
        answer.err = json_scan_add(&scan, span_from(copy, n));
        free(copy);
        i += n;
    }
    if (answer.err == ERR_OK)
        answer.err = json_scan_end(&scan);
    CHECK((answer.err == ERR_OK) == (scan.reason == NULL));
    CHECK(scan.offset <= size);
    answer.offset = scan.offset;
    answer.param = scan.param;
    answer.found = scan.found;
    return answer;
}

static void check_same(const struct answer *a, const struct answer *b)
{
    CHECK(a->err == b->err && a->offset == b->offset && a->param == b->param);
    /* Gaps were cleared too. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
    CHECK(memcmp(&a->found, &b->found, sizeof a->found) == 0);
    if (a->err == ERR_OK)
        CHECK(a->hash == b->hash);
}

/* An independent reader: what we accept, it accepts, but for numbers that it cannot hold and a NUL
 * in a key. */
static void check_accepted(const uint8_t *data, size_t size)
{
    json_error_t error;
    json_t *value =
        json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    if (!value)
        CHECK(json_error_code(&error) == json_error_numeric_overflow ||
              json_error_code(&error) == json_error_null_byte_in_key);
    CHECK(!value || json_is_object(value));
    json_decref(value);
}

/* And what it accepts, we refuse only for reasons of our own. (It overlooks a NUL outside
 * strings.) */
static void check_refused(const uint8_t *data, size_t size, const struct answer *answer)
{
    json_error_t error;
    if (memchr(data, 0, size))
        return;
    json_t *value =
        json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    if (json_is_object(value) && !answer->param) {
        struct json_scan scan;
        json_scan_init(&scan, NULL);
        CHECK(json_scan_add(&scan, span_from((const char *)data, size)) != ERR_OK);
        CHECK(strstr(scan.reason, "deeper")); /* the one refusal that no key is named for */
    }
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const implementations[] = {"scalar", "sse2", "avx2", "avx512", "neon"};
    if (size == 0 || size > 64 * 1024)
        return 0;
    CHECK(json_scan_use("scalar"));
    struct answer expected = scan_in_steps(data, size, size);
    struct answer single = scan_in_steps(data, size, 1);
    check_same(&expected, &single);
    for (size_t i = 1; i < COUNT_OF(implementations); i++) {
        if (!json_scan_use(implementations[i]))
            continue;
        struct answer whole = scan_in_steps(data, size, size);
        struct answer cut = scan_in_steps(data, size, 1 + data[0] % 100);
        check_same(&expected, &whole);
        check_same(&expected, &cut);
    }
    if (expected.err == ERR_OK)
        check_accepted(data, size);
    else
        check_refused(data, size, &expected);
    return 0;
}
