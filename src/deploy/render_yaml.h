/* render_yaml.h: YAML written in order, in block style: what text_json_* is for JSON.
 *
 *     yaml_map(y);
 *     yaml_key(y, "args");
 *     yaml_list(y);
 *     yaml_str(y, "yes");
 *     yaml_end(y);
 *     yaml_end(y);
 *
 * writes
 *
 *     args:
 *       - "yes"
 *
 * Text stays text for every reader (YAML 1.1 and 1.2): whatever could be taken for something else
 * (yes, 1e3, 0x10, ~, a date), and whatever is not plain ASCII of a word, is written in double
 * quotes with escapes. The output is ASCII. Two rules are CHECKed: groups close in order, and a
 * list holds no list. */
#ifndef DEPLOY_RENDER_YAML_H
#define DEPLOY_RENDER_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/text.h"

enum { YAML_DEPTH = 24, YAML_FORMAT_MAX = 2048 };

struct yaml {
    struct text *out;
    unsigned depth;
    struct yaml_level {
        bool is_list, has_item;
        unsigned indent;
    } level[YAML_DEPTH];
    bool after_key;  /* "key:" is written, its value is due */
    bool after_dash; /* "- " is written, the first key of its map goes behind it */
};

void yaml_init(struct yaml *yaml, struct text *out);

/* "---": the next document begins. At depth 0 only. */
void yaml_document(struct yaml *yaml);

void yaml_map(struct yaml *yaml);
void yaml_list(struct yaml *yaml);
void yaml_end(struct yaml *yaml);
void yaml_key(struct yaml *yaml, const char *key);

void yaml_span(struct yaml *yaml, struct span s);
void yaml_str(struct yaml *yaml, const char *c_string);
void yaml_u64(struct yaml *yaml, uint64_t value);
void yaml_bool(struct yaml *yaml, bool value);
/* "500ms": digits and a unit of letters without quotes, as farspan.yaml wants its quantities. */
void yaml_quantity(struct yaml *yaml, uint64_t value, const char *unit);
/* Text of at most YAML_FORMAT_MAX bytes, formatted as text_add() does. */
__attribute__((format(printf, 2, 3))) void yaml_add(struct yaml *yaml, const char *format, ...);

/* Lines of printable ASCII, the first without a leading space, the last ended by a newline: written
 * as they are ("|"). */
void yaml_block(struct yaml *yaml, struct span lines);

/* A key and its value. */
void yaml_put(struct yaml *yaml, const char *key, const char *value);
void yaml_put_span(struct yaml *yaml, const char *key, struct span value);
void yaml_put_u64(struct yaml *yaml, const char *key, uint64_t value);
void yaml_put_bool(struct yaml *yaml, const char *key, bool value);
void yaml_put_map(struct yaml *yaml, const char *key);  /* opens it */
void yaml_put_list(struct yaml *yaml, const char *key); /* opens it */

#endif
