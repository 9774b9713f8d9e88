#include "http/json_find.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

/* Best first. */
static const struct json_finder finders[] = {
#if defined(__x86_64__)
    {"avx512", json_find_has_avx512, json_find_avx512, json_pass_avx2},
    {"avx2", json_find_has_avx2, json_find_avx2, json_pass_avx2},
    {"sse2", json_find_always, json_find_sse2, json_pass_nothing},
#elif defined(__aarch64__)
    {"neon", json_find_always, json_find_neon, json_pass_neon},
#endif
    {"scalar", json_find_always, json_find_scalar, json_pass_nothing},
};

/* The one word that scans share: written with the same value by whoever comes first. */
static _Atomic(const struct json_finder *) chosen;

bool json_find_always(void)
{
    return true;
}

const struct json_finder *json_finder_get(void)
{
    const struct json_finder *finder = atomic_load_explicit(&chosen, memory_order_relaxed);
    for (size_t i = 0; !finder; i++) {
        CHECK(i < COUNT_OF(finders));
        if (!finders[i].is_available())
            continue;
        finder = &finders[i];
        atomic_store_explicit(&chosen, finder, memory_order_relaxed);
    }
    return finder;
}

bool json_finder_set(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(finders); i++)
        if (strcmp(finders[i].name, name) == 0 && finders[i].is_available()) {
            atomic_store_explicit(&chosen, &finders[i], memory_order_relaxed);
            return true;
        }
    return false;
}

static bool is_special(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

const char *json_find_scalar(const char *p, const char *end)
{
    while (p < end && !is_special((uint8_t)*p))
        p++;
    return p;
}

const char *json_pass_nothing(const char *p, const char *end)
{
    (void)end;
    return p;
}

const char *json_find_boundary(const char *start, const char *p)
{
    for (unsigned back = 1; back <= 3 && p - start >= back; back++) {
        uint8_t c = (uint8_t)p[-(int)back];
        if (c < 0x80)
            return p;
        if (c >= 0xc0) {
            unsigned size = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            return back < size ? p - back : p;
        }
    }
    return p;
}
