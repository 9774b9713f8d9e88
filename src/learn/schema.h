/* schema.h: what one input row means, and how it becomes numbers. Pure.
 *
 * An attribute is a number (standardised: (x - mean) / scale) or a category (one-hot over the
 * values that the training data had). A target is a class or a number, or there is none
 * (clustering). Names and categories live in the arena of whoever made the schema. */
#ifndef LEARN_SCHEMA_H
#define LEARN_SCHEMA_H

#include "learn/table.h"

enum learn_attribute_kind { LEARN_NUMBER, LEARN_CATEGORY };

enum learn_task { LEARN_CLASSIFY, LEARN_REGRESS, LEARN_CLUSTER };

struct learn_attribute {
    struct span name;
    enum learn_attribute_kind kind;
    double mean, scale; /* number; scale > 0 */
    uint32_t category_count;
    struct span *categories; /* sorted by bytes */
};

struct learn_schema {
    enum learn_task task;
    bool is_vector; /* served as one tensor [rows, attributes] instead of one tensor an attribute */
    struct span vector_name; /* "x" */
    uint32_t attribute_count;
    struct learn_attribute *attributes;
    uint32_t width; /* numbers of an encoded row */
    struct span target;
    uint32_t class_count;
    struct span *classes;     /* values as in the data, sorted */
    struct span *class_names; /* what the answer calls them; the same as classes by default */
};

/* A description beside the data: one line a column, "NAME number|category|ignore" or
 * "NAME target [VALUE=WORD ...]" or "NAME target number"; "header" alone: the data's first line
 * names the columns in words of its own and is passed over; '#' begins a comment. */
struct learn_description {
    bool skips_header;
    uint32_t column_count;
    struct span names[128];
    struct span kinds[128]; /* number, category, ignore, target */
    struct span words;      /* of the target line: "1=good 2=bad" or "number" */
};

MUST_USE enum err learn_description_parse(struct span text,
                                          struct learn_description *ret_description,
                                          struct text *why);

/* Derives the schema from the rows <row_of[0 .. row_count-1]> of <table> (the training part only:
 * the test part must not leak into means and categories). <description> may be NULL: then an
 * attribute is a number when every cell is one. <target> empty: clustering. A target is a class
 * when <is_class>. */
struct learn_schema_rules {
    const struct learn_description *description;
    struct span target;
    bool is_class;
    bool is_vector;
};

MUST_USE enum err learn_schema_make(const struct learn_table *table, const uint32_t *row_of,
                                    size_t row_count, const struct learn_schema_rules *rules,
                                    struct arena *arena, struct learn_schema *ret_schema,
                                    struct text *why);

/* One attribute's value into its place of the encoded row. ERR_VALUE: not among the categories, or
 * not finite. */
MUST_USE enum err learn_schema_encode_number(const struct learn_schema *schema, uint32_t attribute,
                                             double value, double *row);
MUST_USE enum err learn_schema_encode_category(const struct learn_schema *schema,
                                               uint32_t attribute, struct span value, double *row);

/* Where attribute i begins in an encoded row. */
uint32_t learn_schema_offset(const struct learn_schema *schema, uint32_t attribute);

/* Row <row> of a table whose columns bear the schema's names. <row_out> has schema->width numbers.
 */
MUST_USE enum err learn_schema_encode(const struct learn_schema *schema,
                                      const struct learn_table *table, size_t row, double *row_out,
                                      struct text *why);

/* Class index, or the number. */
MUST_USE enum err learn_schema_target(const struct learn_schema *schema,
                                      const struct learn_table *table, size_t row,
                                      double *ret_target, struct text *why);

#endif
