#include "base/err.h"

#include "base/check.h"

const char *err_text(enum err err)
{
    static const char *const text[] = {
#define X(name, sentence) sentence,
        ERR_TABLE(X)
#undef X
    };
    CHECK((unsigned)err < COUNT_OF(text));
    return text[err];
}
