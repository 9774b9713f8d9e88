/* engine_native_io.c: fitted models of farspan's own format behind the engine table. All native
 * models of a worker live in one child. The mathematics is in learn/model.c; here is the Open
 * Inference Protocol around it:
 *
 *   inputs   one tensor an attribute (BYTES or FP32, [rows]), or for a vector model one tensor of
 * its name, FP32 [rows, attributes] (a bare [attributes] is one row) outputs  classification: label
 * BYTES, score FP32; clustering: label INT32, distance FP32; regression: value FP64; all [rows]
 *
 * Names of inputs must be those of the schema, all of them, once; what is wrong is said with the
 * name of the input, what was expected and what was found. */
#include <float.h>

#include <jansson.h>

#include "base/check.h"
#include "base/crypto.h"
#include "learn/model_file.h"
#include "os/file.h"
#include "os/memory.h"
#include "worker/engine.h"

enum { MODEL_BYTES_MAX = 64 << 20 };

struct native_model {
    struct span name;
    void *memory;
    struct learn_model model;
};

struct native {
    struct engine_progress *progress;
    uint32_t count;
    struct native_model models[LIMIT_SERVICES];
    double row[LIMIT_LEARN_WIDTH];
};

static void native_unload(void *self)
{
    struct native *native = self;
    for (uint32_t i = 0; i < native->count; i++)
        os_free(native->models[i].memory);
    os_free(native);
}

static bool is_pinned_right(struct span content, struct span sha256)
{
    uint8_t digest[CRYPTO_SHA256_SIZE], said[CRYPTO_SHA256_SIZE];
    if (sha256.n == 0)
        return true;
    crypto_sha256(content, digest);
    return sha256.n == 2 * sizeof said && crypto_unhex(sha256, said, sizeof said) &&
           crypto_is_equal(digest, said, sizeof said);
}

static enum err load_one(struct native *native, const struct engine_model *row, struct text *why)
{
    struct native_model *slot = &native->models[native->count];
    size_t size = MODEL_BYTES_MAX + MODEL_BYTES_MAX / 2;
    slot->memory = os_alloc(size); /* pages are taken when they are touched */
    if (!slot->memory)
        return ERR_MEMORY;
    native->count++;
    slot->name = row->name;
    struct arena arena;
    arena_init(&arena, slot->memory, size);
    struct span content;
    enum err err = os_file_read(row->file.p, MODEL_BYTES_MAX, &arena, &content, why);
    if (err)
        return err;
    if (!is_pinned_right(content, row->sha256)) {
        text_add(why, "%.*s: the file is not the one with sha256 %.*s", SPAN_ARG(row->file),
                 SPAN_ARG(row->sha256));
        return ERR_CORRUPT;
    }
    text_add(why, "%.*s: ", SPAN_ARG(row->file));
    err = learn_model_read(content, &arena, &slot->model, why);
    if (!err)
        text_truncate(why, 0);
    return err;
}

static enum err native_load(const struct engine_load *load, void **ret_self,
                            struct engine_info *ret_info, struct text *why)
{
    struct native *native = os_alloc(sizeof *native);
    if (!native)
        return ERR_MEMORY;
    native->progress = load->progress;
    for (uint32_t i = 0; i < load->model_count; i++) {
        enum err err = load_one(native, &load->models[i], why);
        if (err) {
            native_unload(native);
            return err;
        }
    }
    *ret_info = (struct engine_info){.version = "native 1"};
    *ret_self = native;
    return ERR_OK;
}

static void describe_tensor(struct text *json, struct span name, const char *datatype,
                            uint32_t columns)
{
    text_json_object(json);
    text_json_key(json, "name");
    text_json_span(json, name);
    text_json_key(json, "datatype");
    text_json_str(json, datatype);
    text_json_key(json, "shape");
    text_json_array(json);
    text_json_i64(json, -1);
    if (columns)
        text_json_u64(json, columns);
    text_json_end(json);
    text_json_end(json);
}

static void describe_outputs(struct text *json, enum learn_task task)
{
    static const struct {
        const char *name[2], *datatype[2];
    } rows[] = {[LEARN_CLASSIFY] = {{"label", "score"}, {"BYTES", "FP32"}},
                [LEARN_CLUSTER] = {{"label", "distance"}, {"INT32", "FP32"}},
                [LEARN_REGRESS] = {{"value", NULL}, {"FP64", NULL}}};
    text_json_array(json);
    for (unsigned i = 0; i < 2 && rows[task].name[i]; i++)
        describe_tensor(json, span_of(rows[task].name[i]), rows[task].datatype[i], 0);
    text_json_end(json);
}

static void native_describe(void *self, struct text *json)
{
    const struct native *native = self;
    text_json_array(json);
    for (uint32_t i = 0; i < native->count; i++) {
        const struct learn_schema *schema = &native->models[i].model.schema;
        text_json_object(json);
        text_json_key(json, "name");
        text_json_span(json, native->models[i].name);
        text_json_key(json, "kind");
        text_json_str(json, learn_kind_name(native->models[i].model.kind));
        text_json_key(json, "inputs");
        text_json_array(json);
        if (schema->is_vector)
            describe_tensor(json, schema->vector_name, "FP32", schema->attribute_count);
        for (uint32_t j = 0; !schema->is_vector && j < schema->attribute_count; j++)
            describe_tensor(json, schema->attributes[j].name,
                            schema->attributes[j].kind == LEARN_NUMBER ? "FP32" : "BYTES", 0);
        text_json_end(json);
        text_json_key(json, "outputs");
        describe_outputs(json, schema->task);
        text_json_end(json);
    }
    text_json_end(json);
}

/* One tensor of a request, checked. */
struct tensor {
    const json_t *data;
    uint64_t rows, columns; /* columns 1 for [rows] */
    bool is_bytes;
    double most; /* the greatest number of its datatype */
};

static struct span string_of(const json_t *value)
{
    return json_is_string(value) ? span_from(json_string_value(value), json_string_length(value))
                                 : (struct span){0, 0};
}

static const json_t *find_input(const json_t *inputs, struct span name, size_t *ret_count)
{
    const json_t *found = NULL;
    size_t i;
    json_t *row;
    *ret_count = 0;
    json_array_foreach(inputs, i, row)
    {
        if (span_is_equal(string_of(json_object_get(row, "name")), name)) {
            found = row;
            ++*ret_count;
        }
    }
    return found;
}

static bool is_number_type(struct span datatype)
{
    static const char *const names[] = {"FP32",  "FP64",  "FP16",   "INT8",   "INT16", "INT32",
                                        "INT64", "UINT8", "UINT16", "UINT32", "UINT64"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_is(datatype, names[i]))
            return true;
    return false;
}

static double most_of(struct span datatype)
{
    return span_is(datatype, "FP32") ? 0x1.fffffep127 : span_is(datatype, "FP16") ? 65504 : DBL_MAX;
}

/* Rows that are arrays of their own hold each what the shape says. */
static bool has_whole_rows(const struct tensor *tensor)
{
    size_t i;
    const json_t *row;
    json_array_foreach(tensor->data, i, row)
    {
        if (json_array_size(row) != tensor->columns)
            return false;
    }
    return true;
}

static void add_shape(struct text *text, const json_t *shape)
{
    size_t i;
    json_t *size;
    text_add_c(text, '[');
    json_array_foreach(shape, i, size)
    {
        text_add(text, i ? ",%lld" : "%lld", (long long)json_integer_value(size));
    }
    text_add_c(text, ']');
}

static bool read_shape(const json_t *shape, uint32_t columns, struct tensor *tensor)
{
    size_t dimensions = json_array_size(shape);
    json_int_t first = json_integer_value(json_array_get(shape, 0));
    json_int_t second = json_integer_value(json_array_get(shape, 1));
    if (first < 1 || first > LIMIT_INFER_ROWS)
        return false;
    if (columns == 0) {
        tensor->rows = (uint64_t)first;
        tensor->columns = 1;
        return dimensions == 1 || (dimensions == 2 && second == 1);
    }
    tensor->columns = columns;
    if (dimensions == 1 && first == (json_int_t)columns) {
        tensor->rows = 1;
        return true;
    }
    tensor->rows = (uint64_t)first;
    return dimensions == 2 && second == (json_int_t)columns;
}

/* <columns> 0: [rows]. Flat data only for [rows]; nested rows are accepted where there are columns.
 */
static enum err read_tensor(const json_t *inputs, struct span name, enum learn_attribute_kind kind,
                            uint32_t columns, struct tensor *ret_tensor, struct text *why)
{
    size_t count;
    const json_t *input = find_input(inputs, name, &count);
    const char *wanted = kind == LEARN_CATEGORY ? "BYTES" : "FP32";
    if (count != 1) {
        text_add(why, "input \"%.*s\": expected once, %s [-1%s", SPAN_ARG(name), wanted,
                 columns ? "," : "");
        if (columns)
            text_add(why, "%u", columns);
        text_add(why, "], found %zu of that name", count);
        return ERR_VALUE;
    }
    struct span datatype = string_of(json_object_get(input, "datatype"));
    struct tensor tensor = {.data = json_object_get(input, "data"),
                            .is_bytes = span_is(datatype, "BYTES"),
                            .most = most_of(datatype)};
    /* A category may come as BYTES only; a number as BYTES too ("one input per attribute BYTES or
     * FP32"), parsed strictly. */
    bool is_good = kind == LEARN_CATEGORY
                       ? tensor.is_bytes
                       : (tensor.is_bytes && !columns) || is_number_type(datatype);
    if (!is_good) {
        text_add(why, "input \"%.*s\": expected datatype %s, found \"%.*s\"", SPAN_ARG(name),
                 wanted, SPAN_ARG(datatype));
        return ERR_VALUE;
    }
    const json_t *shape = json_object_get(input, "shape");
    if (!read_shape(shape, columns, &tensor)) {
        text_add(why, "input \"%.*s\": expected shape [rows%s", SPAN_ARG(name), columns ? "," : "");
        if (columns)
            text_add(why, "%u", columns);
        text_add(why, "] with 1 to %d rows, found ", LIMIT_INFER_ROWS);
        add_shape(why, shape);
        return ERR_VALUE;
    }
    size_t size = json_array_size(tensor.data);
    bool is_nested = columns && json_is_array(json_array_get(tensor.data, 0));
    if (size != (is_nested ? tensor.rows : tensor.rows * tensor.columns)) {
        text_add(why, "input \"%.*s\": expected %lu values for its shape, found %zu",
                 SPAN_ARG(name), tensor.rows * tensor.columns, size);
        return ERR_VALUE;
    }
    if (is_nested && !has_whole_rows(&tensor)) {
        text_add(why, "input \"%.*s\": expected rows of %u values", SPAN_ARG(name), columns);
        return ERR_VALUE;
    }
    *ret_tensor = tensor;
    return ERR_OK;
}

static const json_t *value_at(const struct tensor *tensor, uint64_t row, uint64_t column)
{
    const json_t *first = json_array_get(tensor->data, 0);
    if (json_is_array(first))
        return json_array_get(json_array_get(tensor->data, row), column);
    return json_array_get(tensor->data, row * tensor->columns + column);
}

static enum err complain_value(struct span name, uint64_t row, const char *expected,
                               const json_t *found, struct text *why)
{
    text_add(why, "input \"%.*s\", row %llu: expected %s, found ", SPAN_ARG(name),
             (unsigned long long)row, expected);
    if (json_is_string(found)) {
        struct span s = string_of(found);
        text_add(why, "\"%.*s\"", (int)(s.n < 64 ? s.n : 64), s.p);
    } else if (json_is_number(found)) {
        text_add(why, "%g", json_number_value(found));
    } else {
        text_add(why, "%s", !found || json_is_null(found) ? "nothing" : "a value of another type");
    }
    return ERR_VALUE;
}

static enum err encode_value(const struct learn_schema *schema, uint32_t attribute,
                             const struct tensor *tensor, uint64_t row, uint64_t column,
                             double *encoded, struct text *why)
{
    const struct learn_attribute *a = &schema->attributes[attribute];
    struct span name = schema->is_vector ? schema->vector_name : a->name;
    const json_t *value = value_at(tensor, row, column);
    if (a->kind == LEARN_CATEGORY) {
        if (json_is_string(value) &&
            !learn_schema_encode_category(schema, attribute, string_of(value), encoded))
            return ERR_OK;
        enum err err = complain_value(name, row, "one of", value, why);
        text_add(why, " (the model knows");
        for (uint32_t i = 0; i < a->category_count && i < 12; i++)
            text_add(why, " %.*s", SPAN_ARG(a->categories[i]));
        text_add_c(why, ')');
        return err;
    }
    double number;
    bool is_number =
        tensor->is_bytes ? span_to_double(string_of(value), &number) : json_is_number(value);
    if (is_number && !tensor->is_bytes)
        number = json_number_value(value);
    if (is_number && (number > tensor->most || number < -tensor->most))
        return complain_value(name, row, "a number within its datatype", value, why);
    if (!is_number || learn_schema_encode_number(schema, attribute, number, encoded))
        return complain_value(name, row, "a finite number", value, why);
    return ERR_OK;
}

static void begin_output(struct text *json, const char *name, const char *datatype, uint64_t rows)
{
    text_json_object(json);
    text_json_key(json, "name");
    text_json_str(json, name);
    text_json_key(json, "datatype");
    text_json_str(json, datatype);
    text_json_key(json, "shape");
    text_json_array(json);
    text_json_u64(json, rows);
    text_json_end(json);
    text_json_key(json, "data");
    text_json_array(json);
}

static void end_output(struct text *json)
{
    text_json_end(json);
    text_json_end(json);
}

static void write_answers(const struct learn_schema *schema, const struct learn_answer *answers,
                          uint64_t rows, struct text *json)
{
    text_json_object(json);
    text_json_key(json, "outputs");
    text_json_array(json);
    if (schema->task == LEARN_REGRESS) {
        begin_output(json, "value", "FP64", rows);
        for (uint64_t i = 0; i < rows; i++)
            text_json_double(json, answers[i].value);
        end_output(json);
    } else {
        bool is_class = schema->task == LEARN_CLASSIFY;
        begin_output(json, "label", is_class ? "BYTES" : "INT32", rows);
        for (uint64_t i = 0; i < rows; i++)
            if (is_class)
                text_json_span(json, schema->class_names[answers[i].label]);
            else
                text_json_u64(json, answers[i].label);
        end_output(json);
        begin_output(json, is_class ? "score" : "distance", "FP32", rows);
        for (uint64_t i = 0; i < rows; i++)
            text_json_double(json, is_class ? answers[i].score : answers[i].distance);
        end_output(json);
    }
    text_json_end(json);
    text_json_end(json);
}

static enum err read_tensors(const struct learn_schema *schema, const json_t *inputs,
                             struct tensor *tensors, struct text *why)
{
    size_t expected = schema->is_vector ? 1 : schema->attribute_count;
    if (!json_is_array(inputs) || json_array_size(inputs) > expected) {
        text_add(why, "\"inputs\": expected an array of %zu tensors, found %zu", expected,
                 json_array_size(inputs));
        return ERR_VALUE;
    }
    if (schema->is_vector)
        return read_tensor(inputs, schema->vector_name, LEARN_NUMBER, schema->attribute_count,
                           &tensors[0], why);
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        enum err err = read_tensor(inputs, schema->attributes[i].name, schema->attributes[i].kind,
                                   0, &tensors[i], why);
        if (err)
            return err;
        if (tensors[i].rows != tensors[0].rows) {
            text_add(why, "input \"%.*s\": expected %llu rows as in \"%.*s\", found %llu",
                     SPAN_ARG(schema->attributes[i].name), (unsigned long long)tensors[0].rows,
                     SPAN_ARG(schema->attributes[0].name), (unsigned long long)tensors[i].rows);
            return ERR_VALUE;
        }
    }
    return ERR_OK;
}

static enum err native_infer(void *self, json_t *request, struct text *answer, struct text *why)
{
    struct native *native = self;
    static struct learn_answer answers[LIMIT_INFER_ROWS];
    static struct tensor tensors[LIMIT_LEARN_COLUMNS];
    struct span name = string_of(json_object_get(request, "model"));
    const struct learn_model *model = NULL;
    for (uint32_t i = 0; i < native->count; i++)
        if (span_is_equal(native->models[i].name, name))
            model = &native->models[i].model;
    if (!model) {
        text_add(why, "the model \"%.*s\" is not loaded here", SPAN_ARG(name));
        return ERR_NOT_FOUND;
    }
    const struct learn_schema *schema = &model->schema;
    enum err err = read_tensors(schema, json_object_get(request, "inputs"), tensors, why);
    if (err)
        return err;
    for (uint64_t row = 0; row < tensors[0].rows; row++) {
        for (uint32_t i = 0; i < schema->attribute_count; i++) {
            const struct tensor *tensor = schema->is_vector ? &tensors[0] : &tensors[i];
            err = encode_value(schema, i, tensor, row, schema->is_vector ? i : 0, native->row, why);
            if (err)
                return err;
        }
        learn_model_predict(model, native->row, &answers[row]);
        native->progress->note(native->progress);
    }
    write_answers(schema, answers, tensors[0].rows, answer);
    return ERR_OK;
}

const struct engine_ops engine_native_ops = {.name = "native",
                                             .load = native_load,
                                             .unload = native_unload,
                                             .infer = native_infer,
                                             .describe = native_describe};
