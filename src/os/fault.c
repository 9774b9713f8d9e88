#include "os/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"

static struct {
    atomic_bool is_lasting;
    _Atomic uint64_t nth; /* 0: off */
    _Atomic uint64_t calls;
} faults[OS_FAULT_COUNT];

static atomic_uint armed_count; /* kinds whose nth is not 0 */

static const struct {
    const char *name;
    int error_number;
} kinds[OS_FAULT_COUNT] = {
    [OS_FAULT_MEMORY] = {"memory", ENOMEM},
    [OS_FAULT_FILE] = {"file", EIO},
    [OS_FAULT_SOCKET] = {"socket", ECONNRESET},
    [OS_FAULT_PROCESS] = {"process", EAGAIN},
};

void os_fault_set(enum os_fault kind, uint64_t nth, bool is_lasting)
{
    CHECK(kind < OS_FAULT_COUNT);
    if (nth > 0)
        atomic_store(&faults[kind].calls, 0);
    atomic_store(&faults[kind].is_lasting, is_lasting);
    bool was_armed = atomic_exchange(&faults[kind].nth, nth) != 0;
    if (nth > 0 && !was_armed)
        atomic_fetch_add(&armed_count, 1);
    if (nth == 0 && was_armed)
        atomic_fetch_sub(&armed_count, 1);
}

uint64_t os_fault_calls(enum os_fault kind)
{
    CHECK(kind < OS_FAULT_COUNT);
    return atomic_load(&faults[kind].calls);
}

static bool counts_up_to_a_fault(enum os_fault kind)
{
    uint64_t nth = atomic_load(&faults[kind].nth);
    if (nth == 0)
        return false;
    uint64_t call = atomic_fetch_add(&faults[kind].calls, 1) + 1;
    return call == nth || (call > nth && atomic_load(&faults[kind].is_lasting));
}

bool os_fault_hits(enum os_fault kind)
{
    if (__builtin_expect(atomic_load_explicit(&armed_count, memory_order_relaxed) == 0, 1))
        return false;
    return counts_up_to_a_fault(kind);
}

bool os_fault_fails(enum os_fault kind)
{
    if (!os_fault_hits(kind))
        return false;
    errno = kinds[kind].error_number;
    return true;
}

struct rule {
    enum os_fault kind;
    uint64_t nth;
    bool is_lasting;
};

static bool parse_rule(struct span s, struct rule *ret_rule)
{
    struct span name = span_cut(&s, ':');
    struct rule rule = {.kind = OS_FAULT_COUNT};
    for (unsigned kind = 0; kind < OS_FAULT_COUNT; kind++) {
        if (span_is(name, kinds[kind].name))
            rule.kind = (enum os_fault)kind;
    }
    if (s.n > 0 && s.p[s.n - 1] == '+') {
        rule.is_lasting = true;
        s.n--;
    }
    if (rule.kind == OS_FAULT_COUNT || !span_to_u64(s, &rule.nth) || rule.nth == 0)
        return false;
    *ret_rule = rule;
    return true;
}

bool os_fault_parse(struct span rules)
{
    struct rule parsed[OS_FAULT_COUNT];
    unsigned count = 0;
    while (rules.n > 0) {
        if (count == OS_FAULT_COUNT || !parse_rule(span_cut(&rules, ','), &parsed[count]))
            return false;
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        os_fault_set(parsed[i].kind, parsed[i].nth, parsed[i].is_lasting);
    return true;
}

bool os_fault_from_environment(void)
{
    const char *rules = getenv("FARSPAN_FAULT");
    return !rules || os_fault_parse(span_of(rules));
}
