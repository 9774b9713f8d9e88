#include "fleet/schema.h"

#include "base/check.h"
#include "base/limits.h"
#include "fleet/setting.h"

/* How a scalar of a type looks like to an editor. Units are told by pattern. */
static const char *const patterns[SETTING_TYPES] = {
    [SETTING_NAME] = "^[a-z0-9._:-]{1,64}$",
    [SETTING_NAMES] = "^[A-Za-z0-9._:/@+-]{1,128}$", /* an item */
    [SETTING_API_NAME] = "^[A-Za-z0-9._:/@+-]{1,128}$",
    [SETTING_TEXT] = "^[!-~]{1,64}$",
    [SETTING_URL] = "^https?://[^/?#@:][^?#]*$",
    [SETTING_ADDRESS] = "^(\\[[^\\]]+\\]|[^:]+):[0-9]+$",
    [SETTING_SHA256] = "^[0-9a-f]{64}$",
    [SETTING_TIME] = "^[0-9]+(\\.[0-9]+)?(us|ms|s|min|h)$",
    [SETTING_BANDWIDTH] = "^[0-9]+(\\.[0-9]+)?[kMG]?bit$",
    [SETTING_SHARE] = "^[0-9]+(\\.[0-9]+)?%?$",
    [SETTING_MONEY_H] = "^\\$[0-9]+(\\.[0-9]+)?/h$",
    [SETTING_MONEY_GB] = "^\\$[0-9]+(\\.[0-9]+)?/GB$",
    [SETTING_SPEED] = "^[0-9]+(\\.[0-9]+)?tok/s$",
    [SETTING_BYTES] = "^[0-9]+(\\.[0-9]+)?(B|[kMGT]B|[KMGT]iB)$",
    [SETTING_RATE] = "^[0-9]+(\\.[0-9]+)?req/s$",
    [SETTING_MONEY] = "^\\$[0-9]+(\\.[0-9]+)?$",
    [SETTING_MONEY_KG] = "^\\$[0-9]+(\\.[0-9]+)?/kg$",
    [SETTING_MONEY_REQUEST] = "^\\$[0-9]+(\\.[0-9]+)?/req$",
    [SETTING_MASS_H] = "^[0-9]+(\\.[0-9]+)?kg/h$",
    [SETTING_POWER] = "^[0-9]+(\\.[0-9]+)?[kM]?W$",
};

static void print_type(struct text *text, const char *name)
{
    text_json_key(text, "type");
    text_json_str(text, name);
}

static void print_range(const struct fleet_setting *setting, int64_t min, struct text *text)
{
    text_json_key(text, "minimum");
    text_json_i64(text, min);
    text_json_key(text, "maximum");
    text_json_i64(text, setting->max);
}

/* What a value of the type is, without its default and its sentence. */
static void print_scalar(const struct fleet_setting *setting, struct text *text)
{
    const char *pattern = patterns[setting->type];
    switch (setting->type) {
    case SETTING_BOOL:
        print_type(text, "boolean");
        break;
    case SETTING_COUNT:
        print_type(text, "integer");
        print_range(setting, setting->min, text);
        break;
    case SETTING_DEGREES:
        print_type(text, "number");
        print_range(setting, -setting->max, text);
        break;
    case SETTING_SHARE: /* 0.1 is a number to an editor, 10% a string */
        text_json_key(text, "type");
        text_json_array(text);
        text_json_str(text, "string");
        text_json_str(text, "number");
        text_json_end(text);
        break;
    case SETTING_WORD:
        text_json_key(text, "enum");
        text_json_array(text);
        for (size_t i = 0; fleet_setting_word(setting, i).n > 0; i++)
            text_json_span(text, fleet_setting_word(setting, i));
        text_json_end(text);
        break;
    default:
        print_type(text, "string");
        break;
    }
    if (pattern) {
        text_json_key(text, "pattern");
        text_json_str(text, pattern);
    }
}

static void print_default(const struct fleet_setting *setting, struct text *text)
{
    if (setting->default_text[0] == '\0')
        return;
    text_json_key(text, "default");
    bool is_bare = setting->type == SETTING_BOOL || setting->type == SETTING_COUNT;
    if (is_bare)
        text_json_raw(text, span_of(setting->default_text));
    else
        text_json_str(text, setting->default_text);
}

static void print_keys(const struct fleet_setting *parent, struct text *text);

/* Nesting is that of the table, five levels at most. */
static void print_value(const struct fleet_setting *setting, struct text *text)
{
    text_json_object(text);
    text_json_key(text, "description");
    text_json_str(text, setting->sentence);
    print_default(setting, text);
    bool is_list = setting->type == SETTING_MAPS || setting->type == SETTING_NAMES;
    if (is_list) {
        print_type(text, "array");
        text_json_key(text, "maxItems");
        text_json_i64(text, setting->max);
        text_json_key(text, "items");
        text_json_object(text);
    }
    if (setting->type == SETTING_MAP || setting->type == SETTING_MAPS)
        print_keys(setting, text);
    else
        print_scalar(setting, text);
    if (is_list)
        text_json_end(text);
    text_json_end(text);
}

static void print_keys(const struct fleet_setting *parent, struct text *text)
{
    print_type(text, "object");
    text_json_key(text, "additionalProperties");
    text_json_bool(text, false);
    text_json_key(text, "properties");
    text_json_object(text);
    size_t cursor = 0;
    for (const struct fleet_setting *row; (row = fleet_setting_next(parent, &cursor));) {
        text_json_key(text, fleet_setting_key(row).p); /* the tail of a path: ends with its NUL */
        print_value(row, text);
    }
    text_json_end(text);
    text_json_key(text, "required");
    text_json_array(text);
    cursor = 0;
    for (const struct fleet_setting *row; (row = fleet_setting_next(parent, &cursor));)
        if (row->is_required)
            text_json_span(text, fleet_setting_key(row));
    text_json_end(text);
}

void fleet_schema_print(struct text *text)
{
    text_json_object(text);
    text_json_key(text, "$schema");
    text_json_str(text, "https://json-schema.org/draft/2020-12/schema");
    text_json_key(text, "title");
    text_json_str(text, "farspan.yaml");
    text_json_key(text, "description");
    text_json_str(text,
                  "A world of regions, services and workers. `farspan check FILE` checks more: "
                  "references, prices, links.");
    print_keys(NULL, text);
    text_json_end(text);
}

/* --- Markdown --- */

static const char *const type_words[SETTING_TYPES] = {
    [SETTING_NAMES] = "list of names",
    [SETTING_NAME] = "name",
    [SETTING_API_NAME] = "name",
    [SETTING_TEXT] = "text",
    [SETTING_PATH] = "path",
    [SETTING_URL] = "URL",
    [SETTING_ADDRESS] = "HOST:PORT",
    [SETTING_SHA256] = "64 hex digits",
    [SETTING_WORD] = "word",
    [SETTING_BOOL] = "true or false",
    [SETTING_COUNT] = "number",
    [SETTING_DEGREES] = "degrees",
    [SETTING_TIME] = "time",
    [SETTING_BANDWIDTH] = "bandwidth",
    [SETTING_SHARE] = "share",
    [SETTING_MONEY_H] = "$/h",
    [SETTING_MONEY_GB] = "$/GB",
    [SETTING_SPEED] = "speed",
    [SETTING_BYTES] = "size",
    [SETTING_RATE] = "rate",
    [SETTING_MONEY] = "$",
    [SETTING_MONEY_KG] = "$/kg",
    [SETTING_MONEY_REQUEST] = "$/request",
    [SETTING_MASS_H] = "kg/h",
    [SETTING_POWER] = "power",
};

static void print_row(const struct fleet_setting *setting, struct text *text)
{
    struct span key = fleet_setting_key(setting);
    text_add(text, "| `%.*s` | %s", SPAN_ARG(key), type_words[setting->type]);
    if (setting->is_required)
        text_add(text, ", required");
    else if (setting->default_text[0] != '\0')
        text_add(text, ", `%s`", setting->default_text);
    text_add(text, " | %s", setting->sentence);
    if (setting->type == SETTING_WORD) {
        text_add(text, " One of");
        for (size_t i = 0; fleet_setting_word(setting, i).n > 0; i++) {
            struct span word = fleet_setting_word(setting, i);
            text_add(text, "%s `%.*s`", i ? "," : "", SPAN_ARG(word));
        }
        text_add(text, ".");
    }
    text_add(text, " | ");
    if (setting->example[0] != '\0')
        text_add(text, "`%s`", setting->example);
    text_add(text, " |\n");
}

static bool is_table(const struct fleet_setting *setting)
{
    return setting->type == SETTING_MAP || setting->type == SETTING_MAPS;
}

/* A mapping is a row of its own, before those of its keys. */
static void print_mapping(const struct fleet_setting *parent, struct text *text)
{
    if (parent)
        text_add(text, "| **%s%s** | | %s | |\n", parent->path,
                 parent->type == SETTING_MAPS ? "[]" : "", parent->sentence);
    size_t cursor = 0;
    for (const struct fleet_setting *row; (row = fleet_setting_next(parent, &cursor));)
        if (!is_table(row))
            print_row(row, text);
}

void fleet_schema_print_markdown(struct text *text)
{
    text_add(text, "| key | type, default | what it says | example |\n|---|---|---|---|\n");
    print_mapping(NULL, text);
    for (size_t i = 0; i < fleet_setting_count; i++)
        if (is_table(&fleet_settings[i]))
            print_mapping(&fleet_settings[i], text);
}
