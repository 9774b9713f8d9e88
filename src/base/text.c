#include "base/text.h"

#include "base/check.h"
#include "base/decimal.h"

void text_init(struct text *text, char *buffer, size_t size)
{
    CHECK(buffer && size >= 1);
    *text = (struct text){.p = buffer, .size = size};
    buffer[0] = '\0';
}

struct span text_span(const struct text *text)
{
    return span_from(text->p, text->n);
}

void text_truncate(struct text *text, size_t n)
{
    CHECK(n <= text->n);
    text->n = n;
    text->p[n] = '\0';
    text->is_cut = false;
    if (n == 0) {
        text->depth = 0;
        text->after_key = false;
        text->has_item[0] = false;
    }
}

void text_add_span(struct text *text, struct span s)
{
    CHECK(text->n < text->size);
    size_t room = text->size - 1 - text->n;
    size_t n = s.n <= room ? s.n : room;
    text->is_cut |= n < s.n;
    if (n > 0)
        memcpy(text->p + text->n, s.p, n);
    text->n += n;
    text->p[text->n] = '\0';
}

void text_add_c(struct text *text, char c)
{
    text_add_span(text, span_from(&c, 1));
}

static void add_repeated(struct text *text, char c, int count)
{
    for (; count > 0; count--)
        text_add_c(text, c);
}

static struct span digits_of(uint64_t value, unsigned base, char buffer[20])
{
    size_t at = 20;
    do {
        buffer[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    return span_from(buffer + at, 20 - at);
}

void text_add_u64(struct text *text, uint64_t value)
{
    char buffer[20];
    text_add_span(text, digits_of(value, 10, buffer));
}

/* Also right for the smallest. */
static uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

void text_add_i64(struct text *text, int64_t value)
{
    if (value < 0)
        text_add_c(text, '-');
    text_add_u64(text, magnitude(value));
}

void text_add_micro(struct text *text, int64_t value)
{
    if (value < 0)
        text_add_c(text, '-');
    text_add_u64(text, magnitude(value) / 1000000);
    uint64_t fraction = magnitude(value) % 1000000;
    if (fraction == 0)
        return;
    char buffer[20];
    struct span digits = digits_of(fraction + 1000000, 10, buffer);
    digits = span_from(digits.p + 1, digits.n - 1); /* without the 1 that keeps leading zeros */
    while (digits.p[digits.n - 1] == '0')
        digits.n--;
    text_add_c(text, '.');
    text_add_span(text, digits);
}

/* value / scale with one decimal, which is left out when it is zero. */
static void add_tenths(struct text *text, uint64_t value, uint64_t scale, const char *unit)
{
    uint64_t whole = value / scale, tenth = value % scale * 10 / scale;
    text_add_u64(text, whole);
    if (tenth > 0) {
        text_add_c(text, '.');
        text_add_u64(text, tenth);
    }
    text_add_span(text, span_of(unit));
}

void text_add_duration_us(struct text *text, int64_t us)
{
    if (us < 0)
        text_add_c(text, '-');
    uint64_t size = magnitude(us);
    if (size < 1000)
        add_tenths(text, size, 1, " us");
    else if (size < 1000000)
        add_tenths(text, size, 1000, " ms");
    else
        add_tenths(text, size, 1000000, " s");
}

void text_add_bytes(struct text *text, uint64_t bytes)
{
    static const char *const unit[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    unsigned power = 0;
    while (power + 1 < COUNT_OF(unit) && bytes >> (10 * (power + 1)) > 0)
        power++;
    if (power < 2) {
        add_tenths(text, bytes, UINT64_C(1) << (10 * power), unit[power]);
        return;
    }
    /* Low bits go first, so that the tenths cannot overflow. */
    add_tenths(text, bytes >> (10 * (power - 1)), 1024, unit[power]);
}

/* One % directive: flags, width, precision, length, conversion. */
struct directive {
    bool is_left, is_zero;
    int width;
    int precision; /* -1: none */
    int longs;     /* 0: int, 1: long (and size_t), 2: long long */
    char conversion;
};

static int read_count(const char **at, va_list *args)
{
    int count = 0;
    if (**at == '*') {
        ++*at;
        count = va_arg(*args, int);
        CHECK(count >= 0);
        return count;
    }
    for (; **at >= '0' && **at <= '9'; ++*at) {
        count = count * 10 + (**at - '0');
        CHECK(count < 10000);
    }
    return count;
}

/* <at> stands behind the %; answers where the format goes on. */
static const char *read_directive(const char *at, va_list *args, struct directive *ret_directive)
{
    struct directive directive = {.precision = -1};
    for (; *at == '-' || *at == '0'; at++) {
        directive.is_left |= *at == '-';
        directive.is_zero |= *at == '0';
    }
    directive.width = read_count(&at, args);
    if (*at == '.') {
        at++;
        directive.precision = read_count(&at, args);
    }
    for (; *at == 'l' || *at == 'z'; at++)
        directive.longs++;
    directive.conversion = *at;
    *ret_directive = directive;
    return at + 1;
}

/* <digits> behind <sign>, padded to the width: zeros go between the two, spaces around. */
static void add_padded(struct text *text, const struct directive *directive, const char *sign,
                       struct span digits)
{
    int length = (int)(strlen(sign) + digits.n);
    int padding = directive->width > length ? directive->width - length : 0;
    bool is_zero = directive->is_zero && !directive->is_left;
    if (!directive->is_left && !is_zero)
        add_repeated(text, ' ', padding);
    text_add_span(text, span_of(sign));
    if (is_zero)
        add_repeated(text, '0', padding);
    text_add_span(text, digits);
    if (directive->is_left)
        add_repeated(text, ' ', padding);
}

/* 0.d1d2... * 10^point with exactly <places> behind the point. */
static void add_fixed(struct text *text, const struct decimal *decimal, int places)
{
    for (int i = 0; i < decimal->point; i++)
        text_add_c(text, i < decimal->count ? decimal->digit[i] : '0');
    if (decimal->point <= 0)
        text_add_c(text, '0');
    if (places > 0)
        text_add_c(text, '.');
    for (int place = 0; place < places; place++) {
        int i = decimal->point + place;
        text_add_c(text, i >= 0 && i < decimal->count ? decimal->digit[i] : '0');
    }
}

static void add_scientific(struct text *text, const struct decimal *decimal)
{
    text_add_c(text, decimal->digit[0]);
    if (decimal->count > 1)
        text_add_c(text, '.');
    text_add_span(text, span_from(decimal->digit + 1, (size_t)(decimal->count - 1)));
    int exponent = decimal->point - 1;
    text_add_span(text, span_of(exponent < 0 ? "e-" : "e+"));
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10)
        text_add_c(text, '0');
    text_add_u64(text, (uint64_t)exponent);
}

static void add_general(struct text *text, struct decimal *decimal, int precision)
{
    decimal_round(decimal, precision > 0 ? precision : 1);
    while (decimal->count > 0 && decimal->digit[decimal->count - 1] == '0')
        decimal->count--;
    if (decimal->count == 0) {
        text_add_c(text, '0');
        return;
    }
    int exponent = decimal->point - 1;
    int places = decimal->count - decimal->point;
    if (exponent < -4 || exponent >= (precision > 0 ? precision : 1))
        add_scientific(text, decimal);
    else
        add_fixed(text, decimal, places > 0 ? places : 0);
}

static void add_double(struct text *text, const struct directive *directive, double value)
{
    const char *sign = __builtin_signbit(value) ? "-" : "";
    if (!__builtin_isfinite(value)) {
        struct directive plain = *directive;
        plain.is_zero = false;
        bool is_nan = value != value;
        add_padded(text, &plain, is_nan ? "" : sign, span_of(is_nan ? "nan" : "inf"));
        return;
    }
    char buffer[512];
    struct text digits;
    text_init(&digits, buffer, sizeof buffer);
    struct decimal decimal;
    decimal_of(value, &decimal);
    int precision = directive->precision < 0 ? 6 : directive->precision;
    if (directive->conversion == 'f') {
        decimal_round(&decimal, decimal.point + precision);
        add_fixed(&digits, &decimal, precision);
    } else {
        add_general(&digits, &decimal, precision);
    }
    CHECK(!digits.is_cut);
    add_padded(text, directive, sign, text_span(&digits));
}

static void add_integer(struct text *text, const struct directive *directive, va_list *args)
{
    uint64_t value;
    const char *sign = "";
    if (directive->conversion == 'd') {
        int64_t number = directive->longs == 0   ? va_arg(*args, int)
                         : directive->longs == 1 ? va_arg(*args, long)
                                                 : va_arg(*args, long long);
        sign = number < 0 ? "-" : "";
        value = magnitude(number);
    } else {
        value = directive->longs == 0   ? va_arg(*args, unsigned)
                : directive->longs == 1 ? va_arg(*args, unsigned long)
                                        : va_arg(*args, unsigned long long);
    }
    char buffer[20];
    add_padded(text, directive, sign,
               digits_of(value, directive->conversion == 'x' ? 16 : 10, buffer));
}

/* At most <precision> bytes of a string that needs no NUL behind them. */
static struct span string_of(const char *p, int precision)
{
    if (precision < 0)
        return span_of(p ? p : "(null)");
    if (!p || precision == 0)
        return (struct span){"", 0};
    const char *end = memchr(p, '\0', (size_t)precision);
    return span_from(p, end ? (size_t)(end - p) : (size_t)precision);
}

void text_add_v(struct text *text, const char *format, va_list args_given)
{
    va_list args;
    va_copy(args, args_given);
    const char *at = format;
    while (*at) {
        size_t plain = strcspn(at, "%");
        text_add_span(text, span_from(at, plain));
        at += plain;
        if (!*at)
            break;
        struct directive directive;
        at = read_directive(at + 1, &args, &directive);
        switch (directive.conversion) {
        case 'd':
        case 'u':
        case 'x':
            add_integer(text, &directive, &args);
            break;
        case 's':
            directive.is_zero = false;
            add_padded(text, &directive, "",
                       string_of(va_arg(args, const char *), directive.precision));
            break;
        case 'c':
            text_add_c(text, (char)va_arg(args, int));
            break;
        case 'f':
        case 'g':
            add_double(text, &directive, va_arg(args, double));
            break;
        default:
            CHECK(directive.conversion == '%');
            text_add_c(text, '%');
        }
    }
    va_end(args);
}

void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_add_v(text, format, args);
    va_end(args);
}
