#include "learn/schema.h"

#include "base/check.h"
#include "base/limits.h"

_Static_assert(LIMIT_LEARN_COLUMNS == 128, "the arrays of learn_description");

static struct span next_word(struct span *rest)
{
    *rest = span_trim(*rest);
    struct span word = span_cut(rest, ' ');
    return span_trim(word);
}

static bool is_kind(struct span kind)
{
    return span_is(kind, "number") || span_is(kind, "category") || span_is(kind, "ignore") ||
           span_is(kind, "target");
}

enum err learn_description_parse(struct span text, struct learn_description *ret_description,
                                 struct text *why)
{
    struct learn_description description = {0};
    for (size_t line_number = 1; text.p && text.n; line_number++) {
        struct span line = span_cut(&text, '\n');
        line = span_trim(span_cut(&line, '#'));
        if (line.n == 0)
            continue;
        struct span name = next_word(&line);
        struct span kind = next_word(&line);
        if (span_is(name, "header") && kind.n == 0) {
            description.skips_header = true;
            continue;
        }
        if (!is_kind(kind) || name.n > LIMIT_NAME) {
            if (why)
                text_add(why, "schema line %zu: expected NAME number|category|ignore|target",
                         line_number);
            return ERR_SYNTAX;
        }
        if (description.column_count == LIMIT_LEARN_COLUMNS)
            return ERR_FULL;
        if (span_is(kind, "target"))
            description.words = span_trim(line);
        description.names[description.column_count] = name;
        description.kinds[description.column_count++] = kind;
    }
    *ret_description = description;
    return ERR_OK;
}

/* Sorted set of the values of one column. UINT32_MAX: more than LIMIT_LEARN_CATEGORIES. */
static uint32_t collect(const struct learn_table *table, const uint32_t *row_of, size_t row_count,
                        uint32_t column, struct span *values)
{
    uint32_t count = 0;
    for (size_t i = 0; i < row_count; i++) {
        struct span cell = learn_table_cell(table, row_of[i], column);
        uint32_t at = 0;
        while (at < count && span_compare(values[at], cell) < 0)
            at++;
        if (at < count && span_is_equal(values[at], cell))
            continue;
        if (count == LIMIT_LEARN_CATEGORIES)
            return UINT32_MAX;
        memmove(values + at + 1, values + at, (count - at) * sizeof *values);
        values[at] = cell;
        count++;
    }
    return count;
}

static bool is_number_column(const struct learn_table *table, const uint32_t *row_of,
                             size_t row_count, uint32_t column)
{
    double value;
    for (size_t i = 0; i < row_count; i++)
        if (!span_to_double(learn_table_cell(table, row_of[i], column), &value))
            return false;
    return true;
}

static enum err measure_number(const struct learn_table *table, const uint32_t *row_of,
                               size_t row_count, uint32_t column, struct learn_attribute *attribute,
                               struct text *why)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < row_count; i++) {
        double value;
        struct span cell = learn_table_cell(table, row_of[i], column);
        if (!span_to_double(cell, &value)) {
            if (why)
                text_add(why, "column %.*s, row %u: expected a number, found \"%.*s\"",
                         SPAN_ARG(attribute->name), row_of[i] + 1, SPAN_ARG(cell));
            return ERR_SYNTAX;
        }
        sum += value;
    }
    attribute->mean = sum / (double)row_count;
    for (size_t i = 0; i < row_count; i++) {
        double value = 0;
        bool was_number = span_to_double(learn_table_cell(table, row_of[i], column), &value);
        CHECK(was_number);
        square += (value - attribute->mean) * (value - attribute->mean);
    }
    attribute->scale = __builtin_sqrt(square / (double)row_count);
    if (!(attribute->scale > 1e-12))
        attribute->scale = 1;
    return ERR_OK;
}

static enum err make_categories(const struct learn_table *table, const uint32_t *row_of,
                                size_t row_count, uint32_t column, struct arena *arena,
                                struct span **ret_values, uint32_t *ret_count, struct text *why)
{
    struct span values[LIMIT_LEARN_CATEGORIES + 1];
    uint32_t count = collect(table, row_of, row_count, column, values);
    if (count == UINT32_MAX) {
        if (why)
            text_add(why, "column %.*s: expected at most %d categories, found more",
                     SPAN_ARG(table->names[column]), LIMIT_LEARN_CATEGORIES);
        return ERR_VALUE;
    }
    struct span *copy = ARENA_ARRAY(arena, struct span, count);
    if (!copy)
        return ERR_MEMORY;
    memcpy(copy, values, count * sizeof *copy);
    *ret_values = copy;
    *ret_count = count;
    return ERR_OK;
}

/* "1=good 2=bad": the word for <value>, or the value itself. */
static struct span class_name(struct span words, struct span value)
{
    while (words.p && words.n) {
        struct span pair = next_word(&words);
        struct span word = pair;
        struct span key = span_cut(&word, '=');
        if (word.n && span_is_equal(key, value))
            return word;
    }
    return value;
}

static enum err make_target(const struct learn_table *table, const uint32_t *row_of,
                            size_t row_count, const struct learn_schema_rules *rules,
                            struct arena *arena, struct learn_schema *schema, struct text *why)
{
    uint32_t column = learn_table_find(table, rules->target);
    if (column == UINT32_MAX) {
        if (why)
            text_add(why, "expected a column \"%.*s\" for the target, found none of that name",
                     SPAN_ARG(rules->target));
        return ERR_NOT_FOUND;
    }
    schema->target = table->names[column];
    schema->task = rules->is_class ? LEARN_CLASSIFY : LEARN_REGRESS;
    if (!rules->is_class)
        return ERR_OK;
    enum err err = make_categories(table, row_of, row_count, column, arena, &schema->classes,
                                   &schema->class_count, why);
    if (err)
        return err;
    schema->class_names = ARENA_ARRAY(arena, struct span, schema->class_count);
    if (!schema->class_names)
        return ERR_MEMORY;
    struct span words = rules->description ? rules->description->words : (struct span){0, 0};
    for (uint32_t i = 0; i < schema->class_count; i++)
        schema->class_names[i] = class_name(words, schema->classes[i]);
    if (schema->class_count < 2) {
        if (why)
            text_add(why, "target %.*s: expected at least 2 classes, found %u",
                     SPAN_ARG(schema->target), schema->class_count);
        return ERR_VALUE;
    }
    return ERR_OK;
}

static enum err add_attribute(const struct learn_table *table, const uint32_t *row_of,
                              size_t row_count, uint32_t column, struct span kind,
                              struct arena *arena, struct learn_schema *schema, struct text *why)
{
    struct learn_attribute *attribute = &schema->attributes[schema->attribute_count++];
    attribute->name = table->names[column];
    attribute->scale = 1;
    bool is_number =
        kind.n ? span_is(kind, "number") : is_number_column(table, row_of, row_count, column);
    if (is_number) {
        attribute->kind = LEARN_NUMBER;
        schema->width++;
        return measure_number(table, row_of, row_count, column, attribute, why);
    }
    attribute->kind = LEARN_CATEGORY;
    enum err err = make_categories(table, row_of, row_count, column, arena, &attribute->categories,
                                   &attribute->category_count, why);
    schema->width += attribute->category_count;
    return err;
}

enum err learn_schema_make(const struct learn_table *table, const uint32_t *row_of,
                           size_t row_count, const struct learn_schema_rules *rules,
                           struct arena *arena, struct learn_schema *ret_schema, struct text *why)
{
    CHECK(row_count > 0);
    struct learn_schema schema = {.task = LEARN_CLUSTER, .is_vector = rules->is_vector};
    schema.vector_name = SPAN_LITERAL("x");
    schema.attributes = ARENA_ARRAY(arena, struct learn_attribute, table->column_count);
    if (!schema.attributes)
        return ERR_MEMORY;
    if (rules->target.n) {
        enum err err = make_target(table, row_of, row_count, rules, arena, &schema, why);
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct span kind = {0, 0};
        if (rules->description)
            kind = rules->description->kinds[i];
        if (span_is_equal(table->names[i], schema.target) || span_is(kind, "ignore") ||
            span_is(kind, "target"))
            continue;
        enum err err = add_attribute(table, row_of, row_count, i, kind, arena, &schema, why);
        if (err)
            return err;
    }
    if (schema.width == 0 || schema.width > LIMIT_LEARN_WIDTH) {
        if (why)
            text_add(why, "expected attributes that become 1 to %d numbers, found %u",
                     LIMIT_LEARN_WIDTH, schema.width);
        return ERR_VALUE;
    }
    *ret_schema = schema;
    return ERR_OK;
}

uint32_t learn_schema_offset(const struct learn_schema *schema, uint32_t attribute)
{
    uint32_t offset = 0;
    for (uint32_t i = 0; i < attribute; i++)
        offset +=
            schema->attributes[i].kind == LEARN_NUMBER ? 1 : schema->attributes[i].category_count;
    return offset;
}

enum err learn_schema_encode_number(const struct learn_schema *schema, uint32_t attribute,
                                    double value, double *row)
{
    const struct learn_attribute *a = &schema->attributes[attribute];
    CHECK(a->kind == LEARN_NUMBER);
    if (!__builtin_isfinite(value))
        return ERR_VALUE;
    row[learn_schema_offset(schema, attribute)] = (value - a->mean) / a->scale;
    return ERR_OK;
}

enum err learn_schema_encode_category(const struct learn_schema *schema, uint32_t attribute,
                                      struct span value, double *row)
{
    const struct learn_attribute *a = &schema->attributes[attribute];
    CHECK(a->kind == LEARN_CATEGORY);
    double *place = row + learn_schema_offset(schema, attribute);
    uint32_t found = a->category_count;
    for (uint32_t i = 0; i < a->category_count; i++)
        if (span_is_equal(a->categories[i], value))
            found = i;
    if (found == a->category_count)
        return ERR_VALUE;
    for (uint32_t i = 0; i < a->category_count; i++)
        place[i] = i == found ? 1 : 0;
    return ERR_OK;
}

static enum err encode_cell(const struct learn_schema *schema, uint32_t attribute, struct span cell,
                            double *row)
{
    double value;
    if (schema->attributes[attribute].kind == LEARN_CATEGORY)
        return learn_schema_encode_category(schema, attribute, cell, row);
    if (!span_to_double(cell, &value))
        return ERR_VALUE;
    return learn_schema_encode_number(schema, attribute, value, row);
}

enum err learn_schema_encode(const struct learn_schema *schema, const struct learn_table *table,
                             size_t row, double *row_out, struct text *why)
{
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        struct span name = schema->attributes[i].name;
        uint32_t column = learn_table_find(table, name);
        if (column == UINT32_MAX) {
            if (why)
                text_add(why, "expected a column \"%.*s\"", SPAN_ARG(name));
            return ERR_NOT_FOUND;
        }
        struct span cell = learn_table_cell(table, row, column);
        if (encode_cell(schema, i, cell, row_out)) {
            if (why)
                text_add(why, "row %zu, %.*s: expected %s, found \"%.*s\"", row + 1, SPAN_ARG(name),
                         schema->attributes[i].kind == LEARN_NUMBER
                             ? "a number"
                             : "a category of the training data",
                         SPAN_ARG(cell));
            return ERR_VALUE;
        }
    }
    return ERR_OK;
}

enum err learn_schema_target(const struct learn_schema *schema, const struct learn_table *table,
                             size_t row, double *ret_target, struct text *why)
{
    uint32_t column = learn_table_find(table, schema->target);
    CHECK(column != UINT32_MAX);
    struct span cell = learn_table_cell(table, row, column);
    if (schema->task == LEARN_REGRESS && span_to_double(cell, ret_target))
        return ERR_OK;
    for (uint32_t i = 0; i < schema->class_count; i++)
        if (span_is_equal(schema->classes[i], cell)) {
            *ret_target = i;
            return ERR_OK;
        }
    if (why)
        text_add(why, "row %zu, %.*s: expected %s, found \"%.*s\"", row + 1,
                 SPAN_ARG(schema->target),
                 schema->task == LEARN_REGRESS ? "a number" : "a class of the training data",
                 SPAN_ARG(cell));
    return ERR_VALUE;
}
