#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
    /* By hand: a formatter that is itself broken would come back here. */
    char digits[12];
    size_t at = sizeof digits;
    unsigned rest = line > 0 ? (unsigned)line : 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);

    const struct span parts[] = {SPAN_LITERAL("check failed: "),
                                 span_of(condition),
                                 SPAN_LITERAL(" ("),
                                 span_of(file),
                                 SPAN_LITERAL(":"),
                                 span_from(digits + at, sizeof digits - at),
                                 SPAN_LITERAL(")\n")};
    char message[512];
    size_t used = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t room = sizeof message - used;
        size_t n = parts[i].n < room ? parts[i].n : room;
        memcpy(message + used, parts[i].p, n);
        used += n;
    }
    /* Whether it could be written changes nothing: the process ends here. */
    if (write(STDERR_FILENO, message, used) < 0)
        abort();
    abort();
}
