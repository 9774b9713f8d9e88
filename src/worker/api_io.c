#include "worker/api_io.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "worker/engine_request_io.h"
#include "worker/piece.h"

bool api_fail(struct api_fault *fault, unsigned status, const char *code, const char *param,
              const char *format, ...)
{
    struct text text;
    va_list args;
    fault->status = status;
    fault->code = code;
    fault->param = param;
    text_init(&text, fault->message, sizeof fault->message);
    va_start(args, format);
    text_add_v(&text, format, args);
    va_end(args);
    return false;
}

static bool invalid(struct api_fault *fault, const char *param, const char *expected)
{
    return api_fail(fault, 400, "invalid_request", param, "%s: expected %s.", param, expected);
}

static json_t *parse_body(struct span body, struct api_fault *fault)
{
    json_error_t error;
    json_t *root = json_loadb(body.p, body.n, JSON_ALLOW_NUL, &error);
    if (!root)
        api_fail(fault, 400, "invalid_json", NULL,
                 "The body is not valid JSON: %s (line %d, column %d).", error.text, error.line,
                 error.column);
    else if (!json_is_object(root))
        api_fail(fault, 400, "invalid_json", NULL, "The body must be a JSON object.");
    if (json_is_object(root))
        return root;
    json_decref(root);
    return NULL;
}

/* A member, with null as absent. */
static json_t *member(const json_t *root, const char *key)
{
    json_t *value = json_object_get(root, key);
    return json_is_null(value) ? NULL : value;
}

static bool read_model(const json_t *root, char ret_model[LIMIT_NAME + 1], struct api_fault *fault)
{
    const json_t *model = member(root, "model");
    if (!json_is_string(model))
        return invalid(fault, "model", "the name of a model");
    size_t n = json_string_length(model);
    if (n == 0 || n > LIMIT_NAME || strlen(json_string_value(model)) != n)
        return api_fail(fault, 404, "model_not_found", "model", "There is no such model.");
    memcpy(ret_model, json_string_value(model), n + 1);
    return true;
}

bool api_model(struct span body, char ret_model[LIMIT_NAME + 1], struct api_fault *ret_fault)
{
    json_t *root = parse_body(body, ret_fault);
    bool is_good = root && read_model(root, ret_model, ret_fault);
    json_decref(root);
    return is_good;
}

static bool read_flag(const json_t *root, const char *key, bool *ret_flag, struct api_fault *fault)
{
    const json_t *value = member(root, key);
    if (value && !json_is_boolean(value))
        return invalid(fault, key, "true or false");
    *ret_flag = json_is_true(value);
    return true;
}

/* Copies a number within [min, max] to the engine request; absent: <fallback> unless negative. */
static bool copy_number(const json_t *root, const char *key, double min, double max,
                        double fallback, json_t *engine, struct api_fault *fault)
{
    const json_t *value = member(root, key);
    double number = value ? json_number_value(value) : fallback;
    if (value && (!json_is_number(value) || !(number >= min && number <= max))) {
        char expected[64];
        struct text text;
        text_init(&text, expected, sizeof expected);
        text_add(&text, "a number from %g to %g", min, max);
        return invalid(fault, key, expected);
    }
    if (number >= 0)
        json_object_set_new(engine, key, json_real(number));
    return true;
}

static bool read_max_tokens(const json_t *root, json_t *engine, struct api_fault *fault)
{
    static const char *const keys[] = {"max_tokens", "max_completion_tokens"};
    json_int_t least = 0;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const json_t *value = member(root, keys[i]);
        if (!value)
            continue;
        json_int_t count = json_integer_value(value);
        if (!json_is_integer(value) || count < 1 || count > INT32_MAX)
            return invalid(fault, keys[i], "a whole number of at least 1");
        least = least == 0 || count < least ? count : least;
    }
    if (least)
        json_object_set_new(engine, "max_tokens", json_integer(least));
    return true;
}

static bool read_stop(const json_t *root, json_t *engine, struct api_fault *fault)
{
    json_t *value = member(root, "stop");
    if (!value)
        return true;
    json_t *words = json_is_string(value) ? json_pack("[O]", value) : json_incref(value);
    bool is_good = json_is_array(words) && json_array_size(words) <= PIECE_STOPS_MAX;
    size_t i;
    json_t *word;
    json_array_foreach(words, i, word)
    {
        is_good = is_good && json_is_string(word) && json_string_length(word) >= 1 &&
                  json_string_length(word) <= PIECE_STOP_SIZE;
    }
    if (is_good && json_array_size(words))
        json_object_set(engine, "stop", words);
    json_decref(words);
    return is_good || invalid(fault, "stop", "a string or at most 4 of 1 to 64 bytes");
}

/* What a client may ask for and we do not do is refused, so that nobody takes its absence for an
 * answer. */
static bool refuse_unsupported(const json_t *root, struct api_fault *fault)
{
    const json_t *n = member(root, "n");
    if (n && (!json_is_integer(n) || json_integer_value(n) != 1))
        return invalid(fault, "n", "1: one answer a request");
    static const char *const lists[] = {"tools", "functions"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        const json_t *value = member(root, lists[i]);
        if (value && json_array_size(value) > 0)
            return api_fail(fault, 400, "unsupported_parameter", lists[i],
                            "%s is not supported by this server.", lists[i]);
    }
    const json_t *logprobs = member(root, "logprobs");
    if (logprobs && !json_is_false(logprobs))
        return api_fail(fault, 400, "unsupported_parameter", "logprobs",
                        "logprobs is not supported by this server.");
    const json_t *format = member(member(root, "response_format"), "type");
    if (format && (!json_is_string(format) || strcmp(json_string_value(format), "text") != 0))
        return api_fail(fault, 400, "unsupported_parameter", "response_format",
                        "response_format: only {\"type\":\"text\"} is supported.");
    return true;
}

static bool read_sampling(const json_t *root, json_t *engine, struct api_fault *fault)
{
    json_t *seed = member(root, "seed");
    if (seed && !json_is_integer(seed))
        return invalid(fault, "seed", "a whole number");
    if (seed)
        json_object_set(engine, "seed", seed);
    return copy_number(root, "temperature", 0, 2, 1, engine, fault) &&
           copy_number(root, "top_p", 0, 1, 1, engine, fault) &&
           read_max_tokens(root, engine, fault) && read_stop(root, engine, fault);
}

/* A message's content: a string, or parts of {"type":"text"}, joined. NULL: neither. */
static json_t *content_text(const json_t *content)
{
    if (!content)
        return json_string("");
    if (json_is_string(content))
        return json_stringn(json_string_value(content), json_string_length(content));
    if (!json_is_array(content))
        return NULL;
    size_t i, size = 0, at = 0;
    json_t *part;
    json_array_foreach(content, i, part)
    {
        const json_t *type = json_object_get(part, "type");
        if (!json_is_string(type) || strcmp(json_string_value(type), "text") != 0 ||
            !json_is_string(json_object_get(part, "text")))
            return NULL;
        size += json_string_length(json_object_get(part, "text"));
    }
    char *joined = malloc(size + 1);
    if (!joined)
        return NULL;
    json_array_foreach(content, i, part)
    {
        const json_t *text = json_object_get(part, "text");
        memcpy(joined + at, json_string_value(text), json_string_length(text));
        at += json_string_length(text);
    }
    json_t *whole = json_stringn(joined, size);
    free(joined);
    return whole;
}

static bool read_messages(const json_t *root, json_t *engine, struct api_fault *fault)
{
    const json_t *messages = member(root, "messages");
    size_t i, count = json_array_size(messages);
    if (count < 1 || count > ENGINE_MESSAGES_MAX)
        return invalid(fault, "messages", "an array of 1 to 1024 messages");
    json_t *rows = json_array(), *message;
    json_object_set_new(engine, "messages", rows);
    json_array_foreach(messages, i, message)
    {
        json_t *role = json_object_get(message, "role");
        json_t *text = json_is_object(message) ? content_text(member(message, "content")) : NULL;
        if (!json_is_string(role) || !text) {
            json_decref(text);
            return invalid(fault, "messages",
                           "each {\"role\": string, \"content\": string or text parts}");
        }
        json_array_append_new(rows, json_pack("[O,o]", role, text));
    }
    return true;
}

static bool read_prompt(const json_t *root, json_t *engine, struct api_fault *fault)
{
    json_t *prompt = member(root, "prompt");
    if (json_is_array(prompt) && json_array_size(prompt) == 1)
        prompt = json_array_get(prompt, 0);
    if (!json_is_string(prompt))
        return invalid(fault, "prompt", "a string, or an array of one string");
    json_object_set(engine, "text", prompt);
    return true;
}

static bool read_stream(const json_t *root, json_t *engine, struct api_request *request,
                        struct api_fault *fault)
{
    const json_t *options = member(root, "stream_options");
    if (!read_flag(root, "stream", &request->is_stream, fault))
        return false;
    if (options && !json_is_object(options))
        return invalid(fault, "stream_options", "an object");
    if (options && !read_flag(options, "include_usage", &request->includes_usage, fault))
        return false;
    json_object_set_new(engine, "stream", json_boolean(request->is_stream));
    json_object_set_new(engine, "credits", json_integer(API_CREDITS));
    return true;
}

static bool parse_generate(const json_t *root, json_t *engine, struct api_request *request,
                           struct api_fault *fault)
{
    json_object_set_new(engine, "op", json_string("generate"));
    return refuse_unsupported(root, fault) && read_stream(root, engine, request, fault) &&
           read_sampling(root, engine, fault) &&
           (request->kind == API_CHAT ? read_messages(root, engine, fault)
                                      : read_prompt(root, engine, fault));
}

/* 1 to API_INPUTS_MAX strings, none empty. */
static bool read_texts(json_t *input, const char *param, json_t *engine,
                       struct api_request *request, struct api_fault *fault)
{
    json_t *texts = json_is_string(input) ? json_pack("[O]", input) : json_incref(input);
    size_t i, count = json_array_size(texts);
    bool is_good = count >= 1 && count <= API_INPUTS_MAX;
    json_t *text;
    json_array_foreach(texts, i, text)
    {
        is_good = is_good && json_is_string(text) && json_string_length(text) > 0;
    }
    if (is_good) {
        json_object_set(engine, "texts", texts);
        request->input_count = (uint32_t)count;
    }
    json_decref(texts);
    return is_good ||
           invalid(fault, param, "a string or an array of 1 to 256 strings, none of them empty");
}

static bool parse_embeddings(const json_t *root, json_t *engine, struct api_request *request,
                             struct api_fault *fault)
{
    json_object_set_new(engine, "op", json_string("embed"));
    const json_t *format = member(root, "encoding_format");
    const char *name = format ? json_string_value(format) : "float";
    request->is_base64 = name && strcmp(name, "base64") == 0;
    if (!name || (!request->is_base64 && strcmp(name, "float") != 0))
        return invalid(fault, "encoding_format", "float or base64");
    if (member(root, "dimensions"))
        return api_fail(fault, 400, "unsupported_parameter", "dimensions",
                        "dimensions is not supported: this model has one size.");
    return read_texts(member(root, "input"), "input", engine, request, fault);
}

/* The one tensor "text", BYTES, of a generation or embeddings service. */
static bool read_text_tensor(const json_t *root, uint32_t rows_max, json_t **ret_data,
                             struct api_fault *fault)
{
    const json_t *inputs = json_object_get(root, "inputs"), *input = json_array_get(inputs, 0);
    const char *name = json_string_value(json_object_get(input, "name"));
    const char *datatype = json_string_value(json_object_get(input, "datatype"));
    if (json_array_size(inputs) != 1 || !name || strcmp(name, "text") != 0)
        return api_fail(fault, 400, "invalid_input", "inputs",
                        "inputs: expected one tensor \"text\", found %zu tensors%s%s.",
                        json_array_size(inputs), name ? ", the first named " : "",
                        name ? name : "");
    if (!datatype || strcmp(datatype, "BYTES") != 0)
        return api_fail(fault, 400, "invalid_input", "inputs",
                        "input \"text\": expected datatype BYTES, found \"%s\".",
                        datatype ? datatype : "");
    const json_t *shape = json_object_get(input, "shape");
    json_int_t rows = json_integer_value(json_array_get(shape, 0));
    json_t *data = json_object_get(input, "data");
    if (json_array_size(shape) != 1 || rows < 1 || rows > rows_max ||
        json_array_size(data) != (size_t)rows)
        return api_fail(fault, 400, "invalid_input", "inputs",
                        "input \"text\": expected shape [%s%u] and as many values, found shape of "
                        "%zu dimensions, first %lld, and %zu values.",
                        rows_max > 1 ? "1.." : "", rows_max, json_array_size(shape),
                        (long long)rows, json_array_size(data));
    for (size_t i = 0; i < (size_t)rows; i++)
        if (!json_is_string(json_array_get(data, i)))
            return api_fail(fault, 400, "invalid_input", "inputs",
                            "input \"text\", row %zu: expected a string.", i);
    *ret_data = data;
    return true;
}

static bool parse_infer(const struct fleet_service *service, json_t *root, json_t *engine,
                        struct api_request *request, struct api_fault *fault)
{
    const json_t *id = member(root, "id");
    if (json_is_string(id) && json_string_length(id) <= LIMIT_NAME)
        memcpy(request->infer_id, json_string_value(id), strlen(json_string_value(id)) + 1);
    json_t *data = NULL;
    if (service->kind == FLEET_GENERATION) {
        if (!read_text_tensor(root, 1, &data, fault))
            return false;
        json_object_set_new(engine, "op", json_string("generate"));
        json_object_set(engine, "text", json_array_get(data, 0));
        return read_sampling(member(root, "parameters"), engine, fault);
    }
    if (service->kind == FLEET_EMBEDDINGS) {
        if (!read_text_tensor(root, API_INPUTS_MAX, &data, fault))
            return false;
        json_object_set_new(engine, "op", json_string("embed"));
        return read_texts(data, "inputs", engine, request, fault);
    }
    json_t *inputs = json_object_get(root, "inputs");
    if (!json_is_array(inputs))
        return api_fail(fault, 400, "invalid_input", "inputs",
                        "inputs: expected an array of tensors.");
    json_object_set_new(engine, "op", json_string("infer"));
    json_object_set_new(engine, "model", json_stringn(service->name.p, service->name.n));
    json_object_set(engine, "inputs", inputs);
    return true;
}

static bool fits_kind(enum api_kind kind, const struct fleet_service *service,
                      struct api_fault *fault)
{
    bool wants_text = kind == API_CHAT || kind == API_COMPLETION;
    if ((wants_text && service->kind != FLEET_GENERATION) ||
        (kind == API_EMBEDDINGS && service->kind != FLEET_EMBEDDINGS))
        return api_fail(fault, 400, "wrong_kind", "model", "The model \"%.*s\" is for %s; use %s.",
                        SPAN_ARG(service->name), fleet_kind_name(service->kind),
                        service->kind == FLEET_GENERATION   ? "/v1/chat/completions"
                        : service->kind == FLEET_EMBEDDINGS ? "/v1/embeddings"
                                                            : "/v2/models/NAME/infer");
    return true;
}

bool api_parse(enum api_kind kind, const struct fleet_service *service, struct span body,
               struct api_request *ret_request, struct api_fault *ret_fault)
{
    struct api_request request = {.kind = kind};
    json_t *root = parse_body(body, ret_fault);
    json_t *engine = json_object();
    bool is_good = root && engine && fits_kind(kind, service, ret_fault);
    if (is_good && service->context_tokens)
        json_object_set_new(engine, "context_tokens", json_integer(service->context_tokens));
    if (is_good && kind != API_INFER)
        is_good = read_model(root, request.model, ret_fault);
    if (is_good && (kind == API_CHAT || kind == API_COMPLETION))
        is_good = parse_generate(root, engine, &request, ret_fault);
    else if (is_good && kind == API_EMBEDDINGS)
        is_good = parse_embeddings(root, engine, &request, ret_fault);
    else if (is_good)
        is_good = parse_infer(service, root, engine, &request, ret_fault);
    if (is_good) {
        request.engine_json = json_dumps(engine, JSON_COMPACT);
        request.engine_json_size = request.engine_json ? strlen(request.engine_json) : 0;
        is_good = request.engine_json ||
                  api_fail(ret_fault, 500, "engine_error", NULL, "The worker has no memory.");
    }
    json_decref(root);
    json_decref(engine);
    if (is_good)
        *ret_request = request;
    return is_good;
}
