#include "cli/demo_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "os/file.h"

enum {
    TRACE_BYTES_MAX = 4 << 20,
    TRACE_ROWS_MAX = 50000,
    TEXT_BYTES_MAX = 1 << 20,
    TABLE_BYTES_MAX = 1 << 20,
    USERS_A_ZONE = 24,
    BODY_MAX = 16 * 1024,
    SIDE_PAUSE_US = 700 * 1000, /* between two calls of one small service */
    TURNS_MAX = 12
};

/* Of prompts, in tenths: the fewest bytes that the shipped model's vocabulary makes a token of in
 * any 1,000 bytes of the shipped text (3.5 in the mean), so that a prompt that fits by our count
 * fits.
 */
enum { BYTES_TEN_TOKENS = 25 };

static const char system_prompt[] =
    "You are the keeper of a country house library. Answer as a letter to a friend would: plainly, "
    "kindly, and in whole sentences.";

struct trace_row {
    int64_t at_us;
    uint32_t context, generated;
};

/* One turn of a conversation: a piece of the text. */
struct turn {
    struct span words;
    bool is_answer;
};

struct user {
    struct turn turns[TURNS_MAX];
    uint32_t turn_count;
    uint32_t tokens; /* of the turns and the system prompt */
};

struct maker {
    const struct demo_rules *rules;
    struct arena *arena;
    struct rng rng;
    struct span text, risk, digits;
    struct trace_row *rows;
    uint32_t row_count;
    struct user *users; /* zone * USERS_A_ZONE + i */
    struct demo_plan plan;
    uint32_t plan_size;
};

const char *demo_kind_path(enum demo_kind kind)
{
    switch (kind) {
    case DEMO_CHAT:
        return "/v1/chat/completions";
    case DEMO_RISK:
        return "/v2/models/risk/infer";
    case DEMO_DIGITS:
        return "/v2/models/digits/infer";
    case DEMO_EMBED:
        return "/v1/embeddings";
    }
    CHECK(false && "a kind of request");
    return "";
}

static bool parse_row(struct span line, struct trace_row *ret_row)
{
    struct span at = span_cut(&line, ','), context = span_cut(&line, ',');
    uint64_t at_ms, context_tokens, generated_tokens;
    if (!span_to_u64(at, &at_ms) || !span_to_u64(context, &context_tokens) ||
        !span_to_u64(span_trim(line), &generated_tokens))
        return false;
    if (at_ms > INT32_MAX || context_tokens > 1000000 || generated_tokens > 1000000)
        return false;
    *ret_row = (struct trace_row){(int64_t)at_ms * 1000, (uint32_t)context_tokens,
                                  (uint32_t)generated_tokens};
    return true;
}

/* The stretch of the trace, as long as the demo, in which the most requests arrive; the first of
 * equals. Arrival times count from its beginning, and come faster by the speed asked for. */
static void keep_busiest(struct maker *maker)
{
    int64_t length_us = (int64_t)((double)maker->rules->duration_us * maker->rules->speed);
    uint32_t best_from = 0, best_count = 0;
    for (uint32_t from = 0, to = 0; from < maker->row_count; from++) {
        while (to < maker->row_count && maker->rows[to].at_us < maker->rows[from].at_us + length_us)
            to++;
        if (to - from > best_count) {
            best_count = to - from;
            best_from = from;
        }
    }
    int64_t begin_us = best_count ? maker->rows[best_from].at_us : 0;
    maker->rows += best_from;
    maker->row_count = best_count;
    for (uint32_t i = 0; i < best_count; i++)
        maker->rows[i].at_us =
            (int64_t)((double)(maker->rows[i].at_us - begin_us) / maker->rules->speed);
}

static enum err read_trace(struct maker *maker, struct text *why)
{
    struct span content;
    enum err err =
        os_file_read(maker->rules->trace_path, TRACE_BYTES_MAX, maker->arena, &content, why);
    if (err)
        return err;
    maker->rows = ARENA_ARRAY(maker->arena, struct trace_row, TRACE_ROWS_MAX);
    if (!maker->rows)
        return ERR_MEMORY;
    unsigned line_number = 0;
    int64_t last_us = 0;
    for (struct span rest = content; rest.n;) {
        struct span line = span_trim(span_cut(&rest, '\n'));
        line_number++;
        if (line_number == 1 || line.n == 0 || line.p[0] == '#')
            continue;
        struct trace_row row;
        if (!parse_row(line, &row)) {
            text_add(why, "%s:%u: expected arrival_ms,context_tokens,generated_tokens; found %.*s",
                     maker->rules->trace_path, line_number, SPAN_ARG(line));
            return ERR_SYNTAX;
        }
        if (maker->row_count == TRACE_ROWS_MAX || (maker->row_count > 0 && row.at_us < last_us)) {
            text_add(why, "%s:%u: expected at most %d rows in the order of arrival",
                     maker->rules->trace_path, line_number, TRACE_ROWS_MAX);
            return ERR_VALUE;
        }
        last_us = row.at_us;
        maker->rows[maker->row_count++] = row;
    }
    keep_busiest(maker);
    if (maker->row_count == 0) {
        text_add(why, "%s: expected at least one request, found none", maker->rules->trace_path);
        return ERR_VALUE;
    }
    return ERR_OK;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The two scales, by the rules at the head of the header. */
static enum err measure_trace(struct maker *maker)
{
    uint32_t *contexts = ARENA_ARRAY(maker->arena, uint32_t, maker->row_count);
    if (!contexts)
        return ERR_MEMORY;
    uint64_t generated = 0;
    for (uint32_t i = 0; i < maker->row_count; i++) {
        contexts[i] = maker->rows[i].context;
        generated += maker->rows[i].generated;
    }
    qsort(contexts, maker->row_count, sizeof contexts[0], compare_u32);
    uint32_t p95 = contexts[(uint64_t)(maker->row_count - 1) * 95 / 100];
    uint32_t room = maker->rules->context_tokens - maker->rules->output_max;
    maker->plan.context_scale = p95 > room ? (double)room / p95 : 1.0;
    double mean = (double)generated / maker->row_count;
    maker->plan.output_scale = mean > 0 ? maker->rules->output_mean / mean : 1.0;
    return ERR_OK;
}

/* A run of whole words of about <tokens> tokens from a place of the text that the dice choose. */
static struct span some_words(struct maker *maker, uint32_t tokens)
{
    size_t size = (size_t)tokens * BYTES_TEN_TOKENS / 10;
    if (size >= maker->text.n / 2)
        size = maker->text.n / 2;
    size_t from = rng_below(&maker->rng, maker->text.n - size);
    while (from > 0 && maker->text.p[from - 1] != ' ' && maker->text.p[from - 1] != '\n')
        from--;
    struct span words = span_from(maker->text.p + from, size);
    while (words.n > 1 && words.p[words.n - 1] != ' ' && words.p[words.n - 1] != '\n')
        words.n--;
    return span_trim(words);
}

static void add_message(struct text *json, const char *role, struct span content)
{
    text_json_object(json);
    text_json_key(json, "role");
    text_json_str(json, role);
    text_json_key(json, "content");
    text_json_span(json, content);
    text_json_end(json);
}

/* The user's next turn: the conversation grows to about <tokens>, or begins anew. */
static void grow_conversation(struct maker *maker, struct user *user, uint32_t tokens)
{
    uint32_t system_tokens = sizeof system_prompt * 10 / BYTES_TEN_TOKENS;
    bool is_full = user->turn_count + 2 > TURNS_MAX;
    if (user->turn_count == 0 || is_full || user->tokens + 12 > tokens) {
        user->turn_count = 0;
        user->tokens = system_tokens;
    } else {
        uint32_t answer = (tokens - user->tokens) / 3;
        user->turns[user->turn_count++] =
            (struct turn){some_words(maker, answer > 6 ? answer : 6), true};
        user->tokens += answer > 6 ? answer : 6;
    }
    uint32_t left = tokens > user->tokens + 6 ? tokens - user->tokens : 6;
    user->turns[user->turn_count++] = (struct turn){some_words(maker, left), false};
    user->tokens += left;
}

static struct span chat_body(struct maker *maker, const struct user *user, uint32_t output_tokens)
{
    char buffer[BODY_MAX];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "model");
    text_json_str(&json, "chat");
    text_json_key(&json, "stream");
    text_json_bool(&json, true);
    text_json_key(&json, "stream_options");
    text_json_object(&json);
    text_json_key(&json, "include_usage");
    text_json_bool(&json, true);
    text_json_end(&json);
    text_json_key(&json, "max_tokens");
    text_json_u64(&json, output_tokens);
    text_json_key(&json, "seed");
    text_json_u64(&json, rng_below(&maker->rng, 1 << 20));
    text_json_key(&json, "messages");
    text_json_array(&json);
    add_message(&json, "system", span_of(system_prompt));
    for (uint32_t i = 0; i < user->turn_count; i++)
        add_message(&json, user->turns[i].is_answer ? "assistant" : "user", user->turns[i].words);
    text_json_end(&json);
    text_json_end(&json);
    CHECK(!json.is_cut);
    return arena_copy(maker->arena, text_span(&json));
}

/* Line <n> modulo the lines of a table. */
static struct span line_of(struct span table, uint64_t n)
{
    struct span rest = table, line = {0};
    for (uint64_t i = 0; i <= n; i++) {
        if (!rest.n)
            rest = table;
        line = span_trim(span_cut(&rest, '\n'));
    }
    return line;
}

static void add_tensor(struct text *json, const char *name, const char *datatype)
{
    text_json_object(json);
    text_json_key(json, "name");
    text_json_str(json, name);
    text_json_key(json, "datatype");
    text_json_str(json, datatype);
    text_json_key(json, "shape");
}

/* One applicant: an input per attribute, in the order of the data set's description. */
static void add_risk_inputs(struct maker *maker, struct text *json)
{
    /* clang-format off */
    static const char *const names[] = {
        "checking", "duration", "history", "purpose", "amount",
        "savings", "employment", "installment_rate", "personal_status",
        "debtors", "residence_years", "property", "age", "other_plans",
        "housing", "existing_credits", "job", "liable_people", "telephone", "foreign_worker"};
    /* clang-format on */
    struct span rest = line_of(maker->risk, rng_below(&maker->rng, 1000));
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        rest = span_trim(rest);
        size_t n = 0;
        while (n < rest.n && rest.p[n] != ' ' && rest.p[n] != '\t')
            n++;
        struct span value = span_from(rest.p, n);
        rest = span_from(rest.p + n, rest.n - n);
        bool is_code = value.n && value.p[0] == 'A';
        add_tensor(json, names[i], is_code ? "BYTES" : "FP32");
        text_json_array(json);
        text_json_u64(json, 1);
        text_json_end(json);
        text_json_key(json, "data");
        text_json_array(json);
        if (is_code)
            text_json_span(json, value);
        else
            text_json_raw(json, value);
        text_json_end(json);
        text_json_end(json);
    }
}

static void add_digit_input(struct maker *maker, struct text *json)
{
    struct span line = line_of(maker->digits, 1 + rng_below(&maker->rng, 1700));
    add_tensor(json, "x", "FP32");
    text_json_array(json);
    text_json_u64(json, 1);
    text_json_u64(json, 64);
    text_json_end(json);
    text_json_key(json, "data");
    text_json_array(json);
    for (unsigned i = 0; i < 64; i++)
        text_json_raw(json, span_trim(span_cut(&line, ',')));
    text_json_end(json);
    text_json_end(json);
}

static struct span side_body(struct maker *maker, enum demo_kind kind)
{
    char buffer[BODY_MAX];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    if (kind == DEMO_EMBED) {
        text_json_key(&json, "model");
        text_json_str(&json, "embed");
        text_json_key(&json, "input");
        text_json_span(&json, some_words(maker, 40));
    } else {
        text_json_key(&json, "inputs");
        text_json_array(&json);
        if (kind == DEMO_RISK)
            add_risk_inputs(maker, &json);
        else
            add_digit_input(maker, &json);
        text_json_end(&json);
    }
    text_json_end(&json);
    CHECK(!json.is_cut);
    return arena_copy(maker->arena, text_span(&json));
}

static uint16_t some_zone(struct maker *maker)
{
    return (uint16_t)rng_below(&maker->rng, maker->rules->fleet->zone_count);
}

static enum err add_request(struct maker *maker, struct demo_request request)
{
    if (!request.body.p || maker->plan.count == maker->plan_size)
        return ERR_MEMORY;
    maker->plan.requests[maker->plan.count++] = request;
    return ERR_OK;
}

static enum err add_chats(struct maker *maker)
{
    const struct demo_rules *rules = maker->rules;
    uint32_t context_room = rules->context_tokens - rules->output_max;
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < maker->row_count && !err; i++) {
        const struct trace_row *row = &maker->rows[i];
        uint32_t context = (uint32_t)(row->context * maker->plan.context_scale);
        uint32_t output = (uint32_t)(row->generated * maker->plan.output_scale + 0.5);
        maker->plan.clipped_contexts += context > context_room;
        maker->plan.clipped_outputs += output > rules->output_max;
        context = context > context_room ? context_room : context;
        output = output > rules->output_max ? rules->output_max : output ? output : 1;
        uint16_t zone = some_zone(maker);
        struct user *user =
            &maker->users[zone * USERS_A_ZONE + rng_below(&maker->rng, USERS_A_ZONE)];
        grow_conversation(maker, user, context);
        err = add_request(maker, (struct demo_request){.at_us = row->at_us,
                                                       .kind = DEMO_CHAT,
                                                       .zone = zone,
                                                       .output_tokens = (uint16_t)output,
                                                       .prompt_tokens = (uint16_t)user->tokens,
                                                       .body = chat_body(maker, user, output)});
    }
    maker->plan.chat_count = maker->plan.count;
    return err;
}

static enum err add_side_calls(struct maker *maker)
{
    enum err err = ERR_OK;
    for (int64_t at_us = SIDE_PAUSE_US; at_us < maker->rules->duration_us; at_us += SIDE_PAUSE_US) {
        for (enum demo_kind kind = DEMO_RISK; kind <= DEMO_EMBED && !err; kind++)
            err = add_request(maker, (struct demo_request){.at_us = at_us + 100000 * (int)kind,
                                                           .kind = kind,
                                                           .zone = some_zone(maker),
                                                           .body = side_body(maker, kind)});
    }
    return err;
}

static int compare_requests(const void *a, const void *b)
{
    const struct demo_request *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return (x->body.p > y->body.p) - (x->body.p < y->body.p); /* the order they were made in */
}

enum err demo_plan_make(const struct demo_rules *rules, struct arena *arena,
                        struct demo_plan *ret_plan, struct text *why)
{
    CHECK(rules->output_max > 0 && rules->speed > 0);
    if (rules->context_tokens < rules->output_max + 64) {
        text_add(why,
                 "a context of %u tokens leaves no room for a prompt beside %u tokens of answer",
                 rules->context_tokens, rules->output_max);
        return ERR_VALUE;
    }
    struct maker maker = {.rules = rules, .arena = arena};
    rng_init(&maker.rng, rules->seed);
    enum err err = os_file_read(rules->text_path, TEXT_BYTES_MAX, arena, &maker.text, why);
    if (!err)
        err = os_file_read(rules->risk_path, TABLE_BYTES_MAX, arena, &maker.risk, why);
    if (!err)
        err = os_file_read(rules->digits_path, TABLE_BYTES_MAX, arena, &maker.digits, why);
    if (!err)
        err = read_trace(&maker, why);
    if (!err)
        err = measure_trace(&maker);
    if (err)
        return err;
    maker.plan_size = maker.row_count + 3 * (uint32_t)(rules->duration_us / SIDE_PAUSE_US + 2);
    maker.plan.requests = ARENA_ARRAY(arena, struct demo_request, maker.plan_size);
    maker.users = ARENA_ARRAY(arena, struct user, (size_t)rules->fleet->zone_count * USERS_A_ZONE);
    if (!maker.plan.requests || !maker.users)
        return ERR_MEMORY;
    err = add_chats(&maker);
    if (!err)
        err = add_side_calls(&maker);
    if (err)
        return err;
    qsort(maker.plan.requests, maker.plan.count, sizeof maker.plan.requests[0], compare_requests);
    *ret_plan = maker.plan;
    return ERR_OK;
}
