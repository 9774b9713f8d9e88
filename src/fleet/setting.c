#include "fleet/setting.h"

#include "base/check.h"
#include "base/limits.h"
#include "fleet/units.h"

/* The part of a path behind its parent's, or an empty span when it is no direct child. */
static struct span tail_below(const struct fleet_setting *setting,
                              const struct fleet_setting *parent)
{
    struct span path = span_of(setting->path);
    if (parent) {
        struct span prefix = span_of(parent->path);
        const char *joint = parent->type == SETTING_MAPS ? "[]." : ".";
        if (path.n <= prefix.n || !span_starts_with(path, parent->path))
            return (struct span){NULL, 0};
        path = span_from(path.p + prefix.n, path.n - prefix.n);
        if (!span_starts_with(path, joint))
            return (struct span){NULL, 0};
        path = span_from(path.p + strlen(joint), path.n - strlen(joint));
    }
    return memchr(path.p, '.', path.n) ? (struct span){NULL, 0} : path;
}

const struct fleet_setting *fleet_setting_next(const struct fleet_setting *parent, size_t *cursor)
{
    while (*cursor < fleet_setting_count) {
        const struct fleet_setting *setting = &fleet_settings[(*cursor)++];
        if (tail_below(setting, parent).n > 0)
            return setting;
    }
    return NULL;
}

const struct fleet_setting *fleet_setting_find(const struct fleet_setting *parent, struct span key)
{
    if (key.n == 0)
        return NULL;
    for (size_t i = 0; i < fleet_setting_count; i++)
        if (span_is_equal(tail_below(&fleet_settings[i], parent), key))
            return &fleet_settings[i];
    return NULL;
}

struct span fleet_setting_key(const struct fleet_setting *setting)
{
    struct span path = span_of(setting->path);
    size_t at = path.n;
    while (at > 0 && path.p[at - 1] != '.')
        at--;
    return span_from(path.p + at, path.n - at);
}

struct span fleet_setting_word(const struct fleet_setting *setting, size_t index)
{
    struct span rest = span_of(setting->words);
    struct span word = {NULL, 0};
    for (size_t i = 0; i <= index; i++) {
        if (rest.n == 0)
            return (struct span){NULL, 0};
        word = span_cut(&rest, ' ');
    }
    return word;
}

static bool is_of(struct span s, const char *further, bool with_capitals, size_t size_max)
{
    if (s.n == 0 || s.n > size_max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       (with_capitals && c >= 'A' && c <= 'Z');
        if (!is_good && (c == '\0' || !strchr(further, c)))
            return false;
    }
    return true;
}

static bool is_visible(struct span s, size_t size_max)
{
    if (s.n == 0 || s.n > size_max)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

bool fleet_name_is_valid(struct span name)
{
    return is_of(name, "._:-", false, LIMIT_NAME);
}

static bool is_path(struct span s)
{
    if (s.n == 0 || s.n > LIMIT_PATH)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F)
            return false;
    return true;
}

/* scheme://AUTHORITY[/PATH], no user info, no query. */
static bool is_url(struct span s)
{
    if (!is_visible(s, LIMIT_URL))
        return false;
    const char *scheme = span_starts_with(s, "https://") ? "https://" : "http://";
    if (!span_starts_with(s, scheme))
        return false;
    s = span_from(s.p + strlen(scheme), s.n - strlen(scheme));
    if (memchr(s.p, '?', s.n) || memchr(s.p, '#', s.n))
        return false;
    struct span authority = span_cut(&s, '/');
    return authority.n > 0 && authority.p[0] != ':' && !memchr(authority.p, '@', authority.n);
}

/* HOST:PORT, [IPv6]:PORT. */
static bool is_address(struct span s)
{
    if (!is_visible(s, LIMIT_URL))
        return false;
    size_t colon = s.n;
    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon < 2 || !span_to_u64(span_from(s.p + colon, s.n - colon), &port) || port > UINT16_MAX)
        return false;
    struct span host = span_from(s.p, colon - 1);
    bool is_bracketed = host.p[0] == '[' && host.p[host.n - 1] == ']';
    return is_bracketed ? host.n > 2 : !memchr(host.p, ':', host.n);
}

static bool parse_word(const struct fleet_setting *setting, struct span value, int64_t *ret_number)
{
    for (size_t i = 0;; i++) {
        struct span word = fleet_setting_word(setting, i);
        if (word.n == 0)
            return false;
        if (!span_is_equal(word, value))
            continue;
        *ret_number = (int64_t)i;
        return true;
    }
}

static bool parse_count(struct span value, int64_t *ret_number)
{
    uint64_t number;
    if (!span_to_u64(value, &number) || number > INT64_MAX)
        return false;
    *ret_number = (int64_t)number;
    return true;
}

static bool parse_degrees(const struct fleet_setting *setting, struct span value,
                          int64_t *ret_number)
{
    int64_t number;
    if (!units_decimal(value, 1000000, &number))
        return false;
    int64_t limit = setting->max * 1000000;
    if (number < -limit || number > limit)
        return false;
    *ret_number = number;
    return true;
}

/* Kinds of units.h by type; -1: the type has no unit. */
static int units_of(enum fleet_setting_type type)
{
    switch (type) {
    case SETTING_TIME:
        return UNITS_TIME;
    case SETTING_BANDWIDTH:
        return UNITS_BANDWIDTH;
    case SETTING_SHARE:
        return UNITS_SHARE;
    case SETTING_MONEY_H:
        return UNITS_MONEY_H;
    case SETTING_MONEY_GB:
        return UNITS_MONEY_GB;
    case SETTING_SPEED:
        return UNITS_SPEED;
    case SETTING_BYTES:
        return UNITS_BYTES;
    case SETTING_RATE:
        return UNITS_RATE;
    case SETTING_MONEY:
        return UNITS_MONEY;
    case SETTING_MONEY_KG:
        return UNITS_MONEY_KG;
    case SETTING_MONEY_REQUEST:
        return UNITS_MONEY_REQUEST;
    case SETTING_MASS_H:
        return UNITS_MASS_H;
    case SETTING_POWER:
        return UNITS_POWER;
    default:
        return -1;
    }
}

static bool is_text(const struct fleet_setting *setting, struct span value)
{
    switch (setting->type) {
    case SETTING_NAME:
        return fleet_name_is_valid(value);
    case SETTING_NAMES: /* an item of the list */
    case SETTING_API_NAME:
        return is_of(value, "._:-/@+", true, LIMIT_API_NAME);
    case SETTING_TEXT:
        return is_visible(value, LIMIT_NAME);
    case SETTING_PATH:
        return is_path(value);
    case SETTING_URL:
        return is_url(value);
    case SETTING_ADDRESS:
        return is_address(value);
    case SETTING_SHA256: {
        bool is_hex = value.n == 64;
        for (size_t i = 0; is_hex && i < value.n; i++)
            is_hex = strchr("0123456789abcdef", value.p[i]) != NULL && value.p[i] != '\0';
        return is_hex;
    }
    default:
        return false;
    }
}

static bool parse_number(const struct fleet_setting *setting, struct span value,
                         int64_t *ret_number)
{
    switch (setting->type) {
    case SETTING_WORD:
        return parse_word(setting, value, ret_number);
    case SETTING_BOOL:
        *ret_number = span_is(value, "true");
        return *ret_number || span_is(value, "false");
    case SETTING_DEGREES:
        return parse_degrees(setting, value, ret_number);
    case SETTING_COUNT:
        return parse_count(value, ret_number);
    default:
        return units_parse((enum units_kind)units_of(setting->type), value, ret_number);
    }
}

bool fleet_setting_parse(const struct fleet_setting *setting, struct span value,
                         int64_t *ret_number)
{
    CHECK(setting->type != SETTING_MAP && setting->type != SETTING_MAPS);
    if (is_text(setting, value)) {
        *ret_number = 0;
        return true;
    }
    bool has_number = setting->type >= SETTING_WORD;
    int64_t number = 0;
    if (!has_number || !parse_number(setting, value, &number))
        return false;
    bool has_range = setting->max != 0 && setting->type != SETTING_DEGREES;
    if (has_range && (number < setting->min || number > setting->max))
        return false;
    *ret_number = number;
    return true;
}

static void expect_words(const struct fleet_setting *setting, struct text *text)
{
    text_add(text, "one of ");
    for (size_t i = 0; fleet_setting_word(setting, i).n > 0; i++) {
        struct span word = fleet_setting_word(setting, i);
        text_add(text, "%s%.*s", i ? ", " : "", SPAN_ARG(word));
    }
}

static const char *plain_hint(enum fleet_setting_type type)
{
    switch (type) {
    case SETTING_MAP:
        return "a mapping (key: value)";
    case SETTING_MAPS:
        return "a list of mappings (- key: value)";
    case SETTING_NAMES:
        return "a list of names such as [one, two]";
    case SETTING_NAME:
        return "a name of a-z 0-9 . _ : - (1 to 64 characters)";
    case SETTING_API_NAME:
        return "a name of A-Z a-z 0-9 . _ : - / @ + (1 to 128 characters)";
    case SETTING_TEXT:
        return "1 to 64 visible characters without spaces";
    case SETTING_PATH:
        return "a path of a file";
    case SETTING_URL:
        return "a URL such as https://host:8000 (http or https, no query, no user)";
    case SETTING_ADDRESS:
        return "HOST:PORT such as 127.0.0.1:8080 or [::1]:8080";
    case SETTING_SHA256:
        return "64 lower-case hex digits";
    case SETTING_BOOL:
        return "true or false";
    default:
        return "";
    }
}

void fleet_setting_expect(const struct fleet_setting *setting, bool is_item, struct text *text)
{
    int units = units_of(setting->type);
    if (is_item && setting->type == SETTING_MAPS)
        text_add(text, "%s", plain_hint(SETTING_MAP));
    else if (is_item && setting->type == SETTING_NAMES)
        text_add(text, "%s", plain_hint(SETTING_API_NAME));
    else if (setting->type == SETTING_WORD)
        expect_words(setting, text);
    else if (setting->type == SETTING_COUNT && setting->min == setting->max)
        text_add_i64(text, setting->min);
    else if (setting->type == SETTING_COUNT)
        text_add(text, "a whole number from %lld to %lld", (long long)setting->min,
                 (long long)setting->max);
    else if (setting->type == SETTING_DEGREES)
        text_add(text, "degrees from -%lld to %lld such as %s", (long long)setting->max,
                 (long long)setting->max, setting->example);
    else if (units >= 0)
        text_add(text, "%s", units_hint((enum units_kind)units));
    else
        text_add(text, "%s", plain_hint(setting->type));
}
