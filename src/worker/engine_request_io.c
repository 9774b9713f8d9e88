#include "worker/engine_request_io.h"

static struct span text_of(const json_t *value)
{
    return json_is_string(value) ? span_from(json_string_value(value), json_string_length(value))
                                 : (struct span){0, 0};
}

static uint32_t number_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 ? 0 : value > INT32_MAX ? INT32_MAX : (uint32_t)value;
}

static json_t *parse(struct span json)
{
    json_t *root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

enum err engine_load_parse(struct span json, json_t **ret_root, struct engine_load *ret_load)
{
    json_t *root = parse(json);
    if (!root)
        return ERR_SYNTAX;
    struct engine_load load = {.engine = text_of(json_object_get(root, "engine")),
                               .slots = number_of(root, "slots"),
                               .context_tokens = number_of(root, "context_tokens"),
                               .threads = number_of(root, "threads"),
                               .generates = json_is_true(json_object_get(root, "generates")),
                               .embeds = json_is_true(json_object_get(root, "embeds")),
                               .prefill_ns_per_token = number_of(root, "prefill_ns_per_token"),
                               .decode_ns_per_token = number_of(root, "decode_ns_per_token")};
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "models"), i, row)
    {
        if (load.model_count == LIMIT_SERVICES)
            break;
        load.models[load.model_count++] =
            (struct engine_model){.name = text_of(json_object_get(row, "name")),
                                  .file = text_of(json_object_get(row, "file")),
                                  .sha256 = text_of(json_object_get(row, "sha256"))};
    }
    if (load.engine.n == 0 || load.slots == 0 || load.slots > BATCH_JOBS_MAX ||
        load.model_count == 0) {
        json_decref(root);
        return ERR_SYNTAX;
    }
    *ret_root = root;
    *ret_load = load;
    return ERR_OK;
}

static bool add_message(struct engine_request *request, struct span role, const json_t *text)
{
    if (!json_is_string(text) || request->message_count == ENGINE_MESSAGES_MAX)
        return false;
    request->messages[request->message_count++] = (struct engine_message){role, text_of(text)};
    return true;
}

static bool parse_texts(struct engine_request *request, const json_t *root)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "messages"), i, row)
    {
        struct span role = text_of(json_array_get(row, 0));
        if (!add_message(request, role, json_array_get(row, 1)))
            return false;
    }
    json_array_foreach(json_object_get(root, "texts"), i, row)
    {
        if (!add_message(request, SPAN_LITERAL(""), row))
            return false;
    }
    const json_t *text = json_object_get(root, "text");
    return !text || add_message(request, SPAN_LITERAL(""), text);
}

static bool parse_stops(struct engine_request *request, const json_t *root)
{
    piece_init(&request->piece);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "stop"), i, row)
    {
        if (!piece_stop_add(&request->piece, text_of(row)))
            return false;
    }
    return true;
}

enum err engine_request_parse(struct span json, struct engine_request *ret_request)
{
    json_t *root = parse(json);
    if (!root)
        return ERR_SYNTAX;
    struct engine_request *request = ret_request;
    request->root = root;
    request->message_count = 0;
    request->is_stream = json_is_true(json_object_get(root, "stream"));
    request->credits = number_of(root, "credits");
    request->context_tokens = number_of(root, "context_tokens");
    const json_t *max_tokens = json_object_get(root, "max_tokens");
    request->sampling = (struct engine_sampling){
        .temperature = json_number_value(json_object_get(root, "temperature")),
        .top_p = json_number_value(json_object_get(root, "top_p")),
        .seed = (uint64_t)json_integer_value(json_object_get(root, "seed")),
        .is_seed_given = json_object_get(root, "seed") != NULL,
        .max_tokens = number_of(root, "max_tokens"),
        .is_max_given = max_tokens != NULL};
    struct span op = text_of(json_object_get(root, "op"));
    request->op = span_is(op, "embed")   ? ENGINE_EMBED
                  : span_is(op, "infer") ? ENGINE_INFER
                                         : ENGINE_GENERATE;
    bool is_known = request->op != ENGINE_GENERATE || span_is(op, "generate");
    if (!is_known || !parse_texts(request, root) || !parse_stops(request, root)) {
        json_decref(root);
        return ERR_SYNTAX;
    }
    return ERR_OK;
}
