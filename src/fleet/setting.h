/* setting.h: every key of farspan.yaml, in one table. The loader reads by it, the JSON Schema and
 * docs/farspan-yaml.md are printed from it, "did you mean" searches it.
 *
 * A path names a key by its parents: "services[].slo.ttft" is the key ttft in the mapping slo of
 * an item of the list services. Rows stand behind their parent's row. */
#ifndef FLEET_SETTING_H
#define FLEET_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/text.h"

enum fleet_setting_type {
    SETTING_MAP,       /* a mapping of further keys */
    SETTING_MAPS,      /* a list of mappings, at most <max> */
    SETTING_NAMES,     /* a list of words, at most <max> */
    SETTING_NAME,      /* a-z 0-9 . _ : - */
    SETTING_API_NAME,  /* the same, capitals, / @ + : names that others gave */
    SETTING_TEXT,      /* visible characters without spaces */
    SETTING_PATH,      /* of a file; relative to the file that names it */
    SETTING_URL,       /* http:// or https:// */
    SETTING_ADDRESS,   /* HOST:PORT */
    SETTING_SHA256,    /* 64 hex digits */
    SETTING_WORD,      /* one of <words>; its number is the index */
    SETTING_BOOL,      /* true, false */
    SETTING_COUNT,     /* whole, <min> .. <max> */
    SETTING_DEGREES,   /* decimal degrees within +-<max>; number in millionths */
    SETTING_TIME,      /* number in us */
    SETTING_BANDWIDTH, /* bits per second */
    SETTING_SHARE,     /* parts per million */
    SETTING_MONEY_H,   /* micro-dollars per hour */
    SETTING_MONEY_GB,  /* micro-dollars per GB */
    SETTING_SPEED,     /* ns per token */
    SETTING_BYTES,
    SETTING_RATE,          /* millionths of a request per second */
    SETTING_MONEY,         /* micro-dollars, once */
    SETTING_MONEY_KG,      /* micro-dollars per kilogram */
    SETTING_MONEY_REQUEST, /* micro-dollars per request */
    SETTING_MASS_H,        /* grams per hour */
    SETTING_POWER,         /* milliwatts */
    SETTING_TYPES
};

struct fleet_setting {
    const char *path;
    enum fleet_setting_type type;
    bool is_required;
    const char *default_text; /* as one would write it; "": nothing */
    const char *words;        /* SETTING_WORD: separated by spaces */
    int64_t min, max;         /* of the number; SETTING_MAPS, SETTING_NAMES: max items */
    const char *example;
    const char *sentence; /* for the schema and the page */
};

extern const struct fleet_setting fleet_settings[];
extern const size_t fleet_setting_count;

/* Keys right below <parent> (NULL: the document): start with *cursor = 0; NULL behind the last. */
const struct fleet_setting *fleet_setting_next(const struct fleet_setting *parent, size_t *cursor);

/* The key <key> of <parent>, or NULL. */
const struct fleet_setting *fleet_setting_find(const struct fleet_setting *parent, struct span key);

/* The last word of its path. */
struct span fleet_setting_key(const struct fleet_setting *setting);

/* Checks a scalar by its row's type and range; *ret_number is 0 for types without one. */
bool fleet_setting_parse(const struct fleet_setting *setting, struct span value,
                         int64_t *ret_number);

/* Appends what is expected: "one of round_robin, p2c", "a time such as 500ms (...)"; of a list with
 * <is_item> what each of its items has to be. */
void fleet_setting_expect(const struct fleet_setting *setting, bool is_item, struct text *text);

/* The i-th of <words>; {NULL, 0} behind the last. */
struct span fleet_setting_word(const struct fleet_setting *setting, size_t index);

/* Is every character of <name> one of SETTING_NAME, and are there 1 .. LIMIT_NAME? */
bool fleet_name_is_valid(struct span name);

#endif
