#include "learn/model_file.h"

#include "base/check.h"
#include "base/crypto.h"
#include "base/limits.h"

static const char *const task_names[] = {
    [LEARN_CLASSIFY] = "classify", [LEARN_REGRESS] = "regress", [LEARN_CLUSTER] = "cluster"};

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void add_number(struct text *text, double value)
{
    text_add(text, "%016llx", (unsigned long long)bits_of(value));
}

static bool is_word(struct span s)
{
    if (s.n == 0 || s.n > LIMIT_NAME)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return true;
}

static bool is_schema_of_words(const struct learn_schema *schema)
{
    bool is_good = schema->task == LEARN_CLUSTER || is_word(schema->target);
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        is_good = is_good && is_word(schema->attributes[i].name);
        for (uint32_t j = 0; j < schema->attributes[i].category_count; j++)
            is_good = is_good && is_word(schema->attributes[i].categories[j]);
    }
    for (uint32_t i = 0; i < schema->class_count; i++)
        is_good = is_good && is_word(schema->classes[i]) && is_word(schema->class_names[i]);
    return is_good;
}

static void write_lineage(const struct learn_lineage *lineage, struct text *text)
{
    text_add(text, "data %s\n", lineage->data_sha256);
    if (lineage->test_sha256[0])
        text_add(text, "test %s\n", lineage->test_sha256);
    text_add(text, "seed %llu\nrows %llu %llu\n", (unsigned long long)lineage->seed,
             (unsigned long long)lineage->train_rows, (unsigned long long)lineage->test_rows);
    for (uint32_t i = 0; i < lineage->metric_count; i++) {
        text_add(text, "metric %s ", lineage->metrics[i].name);
        add_number(text, lineage->metrics[i].value);
        text_add_c(text, '\n');
    }
}

static void write_schema(const struct learn_schema *schema, struct text *text)
{
    if (schema->is_vector)
        text_add(text, "vector %.*s\n", SPAN_ARG(schema->vector_name));
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        const struct learn_attribute *a = &schema->attributes[i];
        if (a->kind == LEARN_NUMBER) {
            text_add(text, "number %.*s ", SPAN_ARG(a->name));
            add_number(text, a->mean);
            text_add_c(text, ' ');
            add_number(text, a->scale);
        } else {
            text_add(text, "category %.*s %u", SPAN_ARG(a->name), a->category_count);
            for (uint32_t j = 0; j < a->category_count; j++)
                text_add(text, " %.*s", SPAN_ARG(a->categories[j]));
        }
        text_add_c(text, '\n');
    }
    if (schema->task != LEARN_CLUSTER)
        text_add(text, "target %.*s\n", SPAN_ARG(schema->target));
    for (uint32_t i = 0; i < schema->class_count; i++)
        text_add(text, "class %.*s %.*s\n", SPAN_ARG(schema->classes[i]),
                 SPAN_ARG(schema->class_names[i]));
}

enum err learn_model_write(const struct learn_model *model, struct text *text)
{
    CHECK(learn_model_is_sound(model) && text->n == 0);
    if (!is_schema_of_words(&model->schema))
        return ERR_VALUE;
    text_add(text, "farspan-model 1\nkind %s\ntask %s\n", learn_kind_name(model->kind),
             task_names[model->schema.task]);
    write_lineage(&model->lineage, text);
    write_schema(&model->schema, text);
    if (model->schema.task == LEARN_REGRESS) {
        text_add(text, "scale ");
        add_number(text, model->target_mean);
        text_add_c(text, ' ');
        add_number(text, model->target_scale);
        text_add_c(text, '\n');
    }
    text_add(text, "shape");
    for (uint32_t i = 0; i < model->shape_count; i++)
        text_add(text, " %u", model->shape[i]);
    text_add(text, "\nweights %zu\n", model->weight_count);
    for (size_t i = 0; i < model->weight_count; i++) {
        add_number(text, model->weights[i]);
        text_add_c(text, i % 4 == 3 || i + 1 == model->weight_count ? '\n' : ' ');
    }
    uint8_t digest[CRYPTO_SHA256_SIZE];
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_sha256(text_span(text), digest);
    crypto_hex(digest, sizeof digest, hex);
    text_add(text, "end %s\n", hex);
    return text->is_cut ? ERR_FULL : ERR_OK;
}

/* The reader: one line at a time, words cut off from the left. */
struct reader {
    struct span rest;
    struct span line; /* what is left of the current one */
    struct span key;
    struct arena *arena;
    uint32_t line_number;
    const char *expected; /* after a failure */
};

static struct span word(struct reader *r)
{
    return span_cut(&r->line, ' ');
}

static bool next(struct reader *r)
{
    if (!r->rest.p || r->rest.n == 0)
        return false;
    r->line = span_cut(&r->rest, '\n');
    r->line_number++;
    r->key = word(r);
    return true;
}

static bool fail(struct reader *r, const char *expected)
{
    if (!r->expected)
        r->expected = expected;
    return false;
}

static bool read_u64(struct reader *r, uint64_t max, uint64_t *ret_value)
{
    uint64_t value;
    if (!span_to_u64(word(r), &value) || value > max)
        return fail(r, "a whole number in range");
    *ret_value = value;
    return true;
}

static bool read_number(struct reader *r, double *ret_value)
{
    struct span digits = word(r);
    uint8_t bytes[8];
    if (digits.n != 16 || !crypto_unhex(digits, bytes, sizeof bytes))
        return fail(r, "16 hex digits");
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    double value;
    memcpy(&value, &bits, sizeof value);
    if (!__builtin_isfinite(value))
        return fail(r, "a finite number");
    *ret_value = value;
    return true;
}

static bool read_word(struct reader *r, struct span *ret_word)
{
    struct span s = word(r);
    if (!is_word(s))
        return fail(r, "a word");
    *ret_word = s;
    return true;
}

static bool read_hash(struct reader *r, char ret_hex[65])
{
    uint8_t bytes[32];
    struct span s = word(r);
    if (s.n != 64 || !crypto_unhex(s, bytes, sizeof bytes))
        return fail(r, "64 hex digits");
    crypto_hex(bytes, sizeof bytes, ret_hex);
    return true;
}

static bool at(const struct reader *r, const char *key)
{
    return span_is(r->key, key);
}

static bool read_head(struct reader *r, struct learn_model *model)
{
    struct span s;
    if (!next(r) || !at(r, "farspan-model") || !span_is(word(r), "1"))
        return fail(r, "\"farspan-model 1\"");
    if (!next(r) || !at(r, "kind") || !read_word(r, &s) || !learn_kind_find(s, &model->kind))
        return fail(r, "\"kind\" and a known one");
    if (!next(r) || !at(r, "task") || !read_word(r, &s))
        return fail(r, "\"task\"");
    for (unsigned i = 0; i < COUNT_OF(task_names); i++)
        if (span_is(s, task_names[i])) {
            model->schema.task = (enum learn_task)i;
            return true;
        }
    return fail(r, "classify, regress or cluster");
}

static bool read_metric(struct reader *r, struct learn_lineage *lineage)
{
    struct span name;
    if (lineage->metric_count == LEARN_METRICS_MAX || !read_word(r, &name) ||
        name.n >= sizeof lineage->metrics[0].name)
        return fail(r, "a short name of a metric");
    struct learn_metric *metric = &lineage->metrics[lineage->metric_count++];
    memcpy(metric->name, name.p, name.n);
    return read_number(r, &metric->value);
}

/* Leaves the reader at the first line that is not its own. */
static bool read_lineage(struct reader *r, struct learn_lineage *lineage)
{
    if (!next(r) || !at(r, "data") || !read_hash(r, lineage->data_sha256) || !next(r))
        return fail(r, "\"data\" and its sha256");
    if (at(r, "test") && (!read_hash(r, lineage->test_sha256) || !next(r)))
        return fail(r, "\"test\" and its sha256");
    if (!at(r, "seed") || !read_u64(r, UINT64_MAX, &lineage->seed) || !next(r))
        return fail(r, "\"seed\"");
    if (!at(r, "rows") || !read_u64(r, UINT64_MAX, &lineage->train_rows) ||
        !read_u64(r, UINT64_MAX, &lineage->test_rows) || !next(r))
        return fail(r, "\"rows\"");
    while (at(r, "metric"))
        if (!read_metric(r, lineage) || !next(r))
            return fail(r, "a metric");
    return true;
}

static bool read_category(struct reader *r, struct learn_attribute *attribute)
{
    uint64_t count;
    if (!read_u64(r, LIMIT_LEARN_CATEGORIES, &count) || count == 0)
        return fail(r, "1 to 64 categories");
    attribute->kind = LEARN_CATEGORY;
    attribute->scale = 1;
    attribute->categories = ARENA_ARRAY(r->arena, struct span, count);
    if (!attribute->categories)
        return fail(r, "room in memory");
    for (uint64_t i = 0; i < count; i++)
        if (!read_word(r, &attribute->categories[i]))
            return false;
    attribute->category_count = (uint32_t)count;
    return true;
}

static bool read_attributes(struct reader *r, struct learn_schema *schema)
{
    schema->attributes = ARENA_ARRAY(r->arena, struct learn_attribute, LIMIT_LEARN_COLUMNS);
    if (!schema->attributes)
        return fail(r, "room in memory");
    schema->vector_name = SPAN_LITERAL("x");
    if (at(r, "vector")) {
        schema->is_vector = true;
        if (!read_word(r, &schema->vector_name) || !next(r))
            return fail(r, "\"vector\" and a name");
    }
    while (at(r, "number") || at(r, "category")) {
        struct learn_attribute *a = &schema->attributes[schema->attribute_count];
        bool is_number = at(r, "number");
        if (schema->attribute_count++ == LIMIT_LEARN_COLUMNS - 1 || !read_word(r, &a->name))
            return fail(r, "at most 127 attributes");
        bool is_good = is_number
                           ? read_number(r, &a->mean) && read_number(r, &a->scale) && a->scale > 0
                           : read_category(r, a);
        if (!is_good || r->line.p)
            return fail(r, "an attribute");
        schema->width += is_number ? 1 : a->category_count;
        if (!next(r))
            return fail(r, "more lines");
        if (schema->is_vector && !is_number)
            return fail(r, "numbers only in a vector");
    }
    return true;
}

static bool read_target(struct reader *r, struct learn_model *model)
{
    struct learn_schema *schema = &model->schema;
    if (schema->task == LEARN_CLUSTER)
        return true;
    if (!at(r, "target") || !read_word(r, &schema->target) || !next(r))
        return fail(r, "\"target\"");
    if (schema->task == LEARN_REGRESS)
        return (at(r, "scale") && read_number(r, &model->target_mean) &&
                read_number(r, &model->target_scale) && next(r)) ||
               fail(r, "\"scale\"");
    schema->classes = ARENA_ARRAY(r->arena, struct span, LIMIT_LEARN_CATEGORIES);
    schema->class_names = ARENA_ARRAY(r->arena, struct span, LIMIT_LEARN_CATEGORIES);
    if (!schema->classes || !schema->class_names)
        return fail(r, "room in memory");
    while (at(r, "class")) {
        uint32_t i = schema->class_count;
        if (i == LIMIT_LEARN_CATEGORIES || !read_word(r, &schema->classes[i]) ||
            !read_word(r, &schema->class_names[i]) || !next(r))
            return fail(r, "a class and its name");
        schema->class_count++;
    }
    return schema->class_count >= 2 || fail(r, "at least two classes");
}

static bool read_weights(struct reader *r, struct learn_model *model)
{
    if (!at(r, "shape"))
        return fail(r, "\"shape\"");
    while (r->line.p) {
        uint64_t value;
        if (model->shape_count == LEARN_SHAPE_MAX || !read_u64(r, UINT32_MAX, &value))
            return fail(r, "1 to 4 sizes");
        model->shape[model->shape_count++] = (uint32_t)value;
    }
    uint64_t count;
    if (!next(r) || !at(r, "weights") || !read_u64(r, LIMIT_LEARN_WEIGHTS, &count))
        return fail(r, "\"weights\" and their count");
    /* Each takes 17 bytes: a count that the file cannot hold must not take memory first. */
    if (count > r->rest.n / 17 + 1)
        return fail(r, "as many weights as it says");
    model->weights = ARENA_ARRAY(r->arena, double, count);
    if (!model->weights)
        return fail(r, "room in memory");
    model->weight_count = (size_t)count;
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0) {
            if (!next(r))
                return fail(r, "as many weights as it says");
            r->line = span_from(r->key.p, r->key.n + (r->line.p ? r->line.n + 1 : 0));
        }
        if (!read_number(r, &model->weights[i]))
            return false;
    }
    return true;
}

static bool read_end(struct reader *r, struct span file)
{
    if (!next(r) || !at(r, "end") || (r->rest.p && r->rest.n))
        return fail(r, "\"end\" as the last line");
    uint8_t digest[CRYPTO_SHA256_SIZE], said[CRYPTO_SHA256_SIZE];
    crypto_sha256(span_from(file.p, (size_t)(r->key.p - file.p)), digest);
    if (r->line.n != 64 || !crypto_unhex(r->line, said, sizeof said))
        return fail(r, "64 hex digits");
    return crypto_is_equal(digest, said, sizeof digest) ||
           fail(r, "the sha256 of what stands before (the file is damaged)");
}

enum err learn_model_read(struct span file, struct arena *arena, struct learn_model *ret_model,
                          struct text *why)
{
    struct reader r = {.rest = file, .arena = arena};
    struct learn_model model = {0};
    bool is_good = read_head(&r, &model) && read_lineage(&r, &model.lineage) &&
                   read_attributes(&r, &model.schema) && read_target(&r, &model) &&
                   read_weights(&r, &model) && read_end(&r, file);
    if (is_good && !learn_model_is_sound(&model))
        is_good = fail(&r, "shape, weights and schema that belong together");
    if (!is_good) {
        if (why)
            text_add(why, "line %u: expected %s", r.line_number, r.expected);
        return arena->is_overflown ? ERR_MEMORY : ERR_CORRUPT;
    }
    *ret_model = model;
    return ERR_OK;
}
