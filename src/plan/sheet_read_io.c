/* sheet_read_io.c: the bytes of a plan file into a checked sheet, whole or not at all.
 *
 *   bytes --jansson--> values --field tables--> struct plan_sheet
 *
 * Each object is read by a table of its keys; a key that is in no table is a mistake, so that a
 * misspelt one is not silently taken for its default. What a plan file says about itself beyond the
 * sheet (what_if and the like) is named in <passed_over>. No file is touched here: jansson
 * allocates, hence the name. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "fleet/complaint.h"
#include "plan/sheet.h"

enum kind { NAME, PHRASE, WORD, DIGEST, COUNT, REAL, TRUTH };

enum { NULL_IS_NAN = 1, MAY_BE_LEFT_OUT = 2, WORDS_MAX = 24, PHRASE_MAX = 1024 };

struct field {
    const char *key;
    enum kind kind;
    size_t at;          /* within the struct: span, uint32_t, double or bool by <kind> */
    double min, max;    /* COUNT, REAL */
    const char *words;  /* WORD: those allowed, with a space between */
    unsigned allowance; /* NULL_IS_NAN, MAY_BE_LEFT_OUT */
};

/* A list of objects: its key and the table of one of them. */
struct group {
    const char *key;
    const struct field *fields;
    size_t field_count, size; /* size: of one struct */
    uint32_t count_max;
};

#define AT(member) offsetof(struct plan_sheet, member)
static const struct field head_fields[] = {
    {"status", WORD, AT(status), 0, 0, "optimal feasible infeasible", 0},
    {"stopped_by", WORD, AT(stopped_by), 0, 0, "gap work time done", 0},
    {"build", PHRASE, AT(build), 0, 0, NULL, 0},
    {"solver", PHRASE, AT(solver), 0, 0, NULL, 0},
    {"catalogue", DIGEST, AT(catalogue), 0, 0, NULL, 0},
    {"world", NAME, AT(world), 0, 0, NULL, 0},
    {"cost_usd_h", REAL, AT(cost_usd_h), -1e12, 1e12, NULL, NULL_IS_NAN},
    {"bound_usd_h", REAL, AT(bound_usd_h), -1e12, 1e12, NULL, NULL_IS_NAN},
    {"gap", REAL, AT(gap), -1, 1e9, NULL, NULL_IS_NAN},
    {"seconds", REAL, AT(seconds), 0, 1e9, NULL, 0},
    {"carbon_kg_h", REAL, AT(carbon_kg_h), 0, 1e12, NULL, NULL_IS_NAN},
    {"egress_usd_h", REAL, AT(egress_usd_h), 0, 1e12, NULL, NULL_IS_NAN},
};
#undef AT

#define AT(member) offsetof(struct plan_sheet_replica, member)
static const struct field replica_fields[] = {
    {"service", NAME, AT(service), 0, 0, NULL, 0},
    {"region", NAME, AT(region), 0, 0, NULL, 0},
    {"sku", NAME, AT(sku), 0, 0, NULL, 0},
    {"market", WORD, AT(market), 0, 0, "on_demand spot reserved own", 0},
    {"count", COUNT, AT(count), 0, PLAN_SHEET_COUNT_MAX, NULL, 0},
    {"running", COUNT, AT(running), 0, PLAN_SHEET_COUNT_MAX, NULL, 0},
    {"machines", COUNT, AT(machines), 1, PLAN_SHEET_COUNT_MAX, NULL, 0},
    {"tensor_parallel", COUNT, AT(tensor_parallel), 0, PLAN_SHEET_COUNT_MAX, NULL, MAY_BE_LEFT_OUT},
    {"usd_h", REAL, AT(usd_h), 0, 1e9, NULL, 0},
    {"estimate", TRUTH, AT(is_estimate), 0, 0, NULL, 0},
};
#undef AT

#define AT(member) offsetof(struct plan_sheet_flow, member)
static const struct field flow_fields[] = {
    {"service", NAME, AT(service), 0, 0, NULL, 0},
    {"zone", NAME, AT(zone), 0, 0, NULL, 0},
    {"bucket", PHRASE, AT(bucket), 0, 0, NULL, MAY_BE_LEFT_OUT},
    {"region", NAME, AT(region), 0, 0, NULL, 0},
    {"sku", NAME, AT(sku), 0, 0, NULL, MAY_BE_LEFT_OUT},
    {"rate", REAL, AT(rate), 0, 1e12, NULL, 0},
    {"share", REAL, AT(share), 0, 1.000001, NULL, 0},
    {"latency_ms", REAL, AT(latency_ms), 0, 1e9, NULL, 0},
};
#undef AT

#define AT(member) offsetof(struct plan_sheet_rule, member)
static const struct field rule_fields[] = {
    {"rule", PHRASE, AT(rule), 0, 0, NULL, 0},
    {"binding", TRUTH, AT(is_binding), 0, 0, NULL, 0},
    {"shadow_usd_h", REAL, AT(shadow_usd_h), -1e12, 1e12, NULL, NULL_IS_NAN},
};
#undef AT

/* As in the file; the action becomes a number and the replica is looked at afterwards. */
struct step_row {
    uint32_t wave;
    struct span action;
    uint32_t replica, count;
};

#define AT(member) offsetof(struct step_row, member)
static const struct field step_fields[] = {
    {"wave", COUNT, AT(wave), 0, PLAN_SHEET_STEPS_MAX, NULL, 0},
    {"action", WORD, AT(action), 0, 0, "start shift stop", 0},
    {"replica", COUNT, AT(replica), 0, PLAN_SHEET_REPLICAS_MAX, NULL, 0},
    {"count", COUNT, AT(count), 0, PLAN_SHEET_COUNT_MAX, NULL, 0},
};
#undef AT

#define GROUP(key, fields, type, max)                                                              \
    {                                                                                              \
        key, fields, COUNT_OF(fields), sizeof(type), max                                           \
    }
static const struct group groups[] = {
    GROUP("replicas", replica_fields, struct plan_sheet_replica, PLAN_SHEET_REPLICAS_MAX),
    GROUP("flows", flow_fields, struct plan_sheet_flow, PLAN_SHEET_FLOWS_MAX),
    GROUP("rules", rule_fields, struct plan_sheet_rule, PLAN_SHEET_RULES_MAX),
    GROUP("steps", step_fields, struct step_row, PLAN_SHEET_STEPS_MAX),
};

/* Keys of the whole that the sheet does not hold. */
static const char *const passed_over[] = {"version",     "base_epoch", "what_if",
                                          "explanation", "policies",   "missed",
                                          "costs",       "day",        "slots"};

struct reader {
    struct span json;
    struct arena *arena;
    struct text *why;
    /* Where we are, for a message: groups[group].key[index].key */
    const struct group *group; /* NULL: the whole */
    size_t index;
};

/* ---- where ---------------------------------------------------------------------------------- */

/* The line on which object <index> of the list behind the key <key> of the whole begins; 1 when it
 * is not found. The bytes are valid JSON. */
static unsigned line_of(struct span json, const char *key, size_t index)
{
    unsigned line = 1, depth = 0;
    size_t commas = 0, string_at = 0;
    bool in_string = false, is_there = false, is_key = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        line += c == '\n';
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
                if (depth == 1)
                    is_key = span_is(span_from(json.p + string_at, i - string_at), key);
            }
            continue;
        }
        in_string = c == '"';
        string_at = i + 1;
        if (c == '{' && depth == 2 && is_there && commas == index)
            return line;
        commas += c == ',' && depth == 2 && is_there;
        is_there |= c == '[' && depth == 1 && is_key;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        is_there &= depth >= 2;
    }
    return 1;
}

/* "line 3: replicas[2].count: " */
static void add_place(const struct reader *reader, const char *key)
{
    if (reader->group)
        text_add(reader->why,
                 "line %u: %s[%zu].%s: ", line_of(reader->json, reader->group->key, reader->index),
                 reader->group->key, reader->index, key);
    else
        text_add(reader->why, "%s: ", key);
}

static void add_found(struct text *why, const json_t *value)
{
    static const char *const types[] = {[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list"};
    text_add(why, ", found ");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        text_add(why, "%s", types[json_typeof(value)]);
        break;
    case JSON_STRING:
        text_add_c(why, '"');
        text_add_json_escaped(
            why, span_from(json_string_value(value),
                           json_string_length(value) < 80 ? json_string_length(value) : 80));
        text_add_c(why, '"');
        break;
    case JSON_INTEGER:
        text_add_i64(why, json_integer_value(value));
        break;
    case JSON_REAL:
        text_add(why, "%g", json_real_value(value));
        break;
    default:
        text_add(why, "%s", json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false");
    }
}

__attribute__((format(printf, 4, 5))) static enum err
refuse(const struct reader *reader, const char *key, const json_t *value, const char *format, ...)
{
    add_place(reader, key);
    text_add(reader->why, "expected ");
    va_list args;
    va_start(args, format);
    text_add_v(reader->why, format, args);
    va_end(args);
    if (value)
        add_found(reader->why, value);
    return ERR_VALUE;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool is_word(struct span words, struct span word)
{
    while (words.n) {
        if (span_is_equal(span_cut(&words, ' '), word))
            return true;
    }
    return false;
}

static enum err read_span(const struct reader *reader, const struct field *field,
                          const json_t *value, struct span *ret_span)
{
    if (!json_is_string(value))
        return refuse(reader, field->key, value, "text");
    struct span s = span_from(json_string_value(value), json_string_length(value));
    size_t max = field->kind == PHRASE ? (size_t)PHRASE_MAX : (size_t)LIMIT_API_NAME;
    if (s.n > max || (field->kind == NAME && s.n == 0))
        return refuse(reader, field->key, NULL, "%d to %zu bytes, found %zu", field->kind == NAME,
                      max, s.n);
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
            return refuse(reader, field->key, value, "no control characters");
    }
    uint8_t digest[32];
    if (field->kind == DIGEST && s.n != 0 && !(s.n == 64 && crypto_unhex(s, digest, 32)))
        return refuse(reader, field->key, value, "64 hex digits, or nothing");
    if (field->kind == WORD && !is_word(span_of(field->words), s))
        return refuse(reader, field->key, value, "one of: %s", field->words);
    *ret_span = arena_copy(reader->arena, s);
    return ret_span->p ? ERR_OK : ERR_MEMORY;
}

static enum err read_count(const struct reader *reader, const struct field *field,
                           const json_t *value, uint32_t *ret_count)
{
    if (!json_is_integer(value) || (double)json_integer_value(value) < field->min ||
        (double)json_integer_value(value) > field->max)
        return refuse(reader, field->key, value, "%.0f .. %.0f", field->min, field->max);
    *ret_count = (uint32_t)json_integer_value(value);
    return ERR_OK;
}

static enum err read_real(const struct reader *reader, const struct field *field,
                          const json_t *value, double *ret_real)
{
    if (json_is_null(value) && (field->allowance & NULL_IS_NAN)) {
        *ret_real = (double)NAN;
        return ERR_OK;
    }
    double real = json_number_value(value);
    if (!json_is_number(value) || !(real >= field->min && real <= field->max))
        return refuse(reader, field->key, value, "a number %g .. %g", field->min, field->max);
    *ret_real = real;
    return ERR_OK;
}

static enum err read_field(const struct reader *reader, const struct field *field,
                           const json_t *value, char *row)
{
    void *out = row + field->at;
    switch (field->kind) {
    case COUNT:
        return read_count(reader, field, value, out);
    case REAL:
        return read_real(reader, field, value, out);
    case TRUTH:
        if (!json_is_boolean(value))
            return refuse(reader, field->key, value, "true or false");
        *(bool *)out = json_is_true(value);
        return ERR_OK;
    default:
        return read_span(reader, field, value, out);
    }
}

/* Every key of <object> that <fields> knows; how many those were. */
static enum err read_fields(const struct reader *reader, const struct field *fields,
                            size_t field_count, const json_t *object, void *row,
                            size_t *ret_known_count)
{
    size_t known_count = 0;
    for (size_t i = 0; i < field_count; i++) {
        const json_t *value = json_object_get(object, fields[i].key);
        if (!value && (fields[i].allowance & MAY_BE_LEFT_OUT))
            continue;
        if (!value)
            return refuse(reader, fields[i].key, NULL, "a value, found none");
        enum err err = read_field(reader, &fields[i], value, row);
        if (err)
            return err;
        known_count++;
    }
    *ret_known_count = known_count;
    return ERR_OK;
}

/* ---- objects -------------------------------------------------------------------------------- */

static bool is_field(const struct field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return true;
    }
    return false;
}

static enum err refuse_key(const struct reader *reader, const struct field *fields, size_t count,
                           const char *key)
{
    struct span words[WORDS_MAX];
    CHECK(count <= WORDS_MAX);
    for (size_t i = 0; i < count; i++)
        words[i] = span_of(fields[i].key);
    int nearest = fleet_nearest(span_of(key), words, count);
    char shown[LIMIT_NAME + 1];
    struct text name;
    text_init(&name, shown, sizeof shown);
    text_add_json_escaped(&name, span_of(key));
    add_place(reader, shown);
    text_add(reader->why, "there is no such key");
    if (nearest >= 0)
        text_add(reader->why, "; did you mean %.*s?", SPAN_ARG(words[nearest]));
    return ERR_VALUE;
}

static enum err read_row(const struct reader *reader, json_t *object, void *row)
{
    const struct group *group = reader->group;
    size_t known_count = 0;
    if (!json_is_object(object)) {
        text_add(reader->why, "%s[%zu]: expected an object", group->key, reader->index);
        add_found(reader->why, object);
        return ERR_VALUE;
    }
    enum err err =
        read_fields(reader, group->fields, group->field_count, object, row, &known_count);
    if (err || json_object_size(object) == known_count)
        return err;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!is_field(group->fields, group->field_count, key))
            return refuse_key(reader, group->fields, group->field_count, key);
    }
    CHECK(false && "an unknown key was counted and not found");
}

static enum err read_group(struct reader *reader, const struct group *group, const json_t *root,
                           void **ret_rows, uint32_t *ret_count)
{
    const json_t *list = json_object_get(root, group->key);
    reader->group = NULL;
    if (!json_is_array(list))
        return refuse(reader, group->key, list, "a list%s", list ? "" : ", found none");
    size_t count = json_array_size(list);
    if (count > group->count_max)
        return refuse(reader, group->key, NULL, "at most %u rows, found %zu", group->count_max,
                      count);
    char *rows = arena_take_array(reader->arena, count, group->size);
    if (!rows)
        return ERR_MEMORY;
    reader->group = group;
    for (reader->index = 0; reader->index < count; reader->index++) {
        enum err err = read_row(reader, json_array_get(list, reader->index),
                                rows + reader->index * group->size);
        if (err)
            return err;
    }
    reader->group = NULL;
    *ret_rows = rows;
    *ret_count = (uint32_t)count;
    return ERR_OK;
}

static bool is_known_at_top(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        if (strcmp(groups[i].key, key) == 0)
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(passed_over); i++) {
        if (strcmp(passed_over[i], key) == 0)
            return true;
    }
    return is_field(head_fields, COUNT_OF(head_fields), key);
}

static enum err read_head(struct reader *reader, json_t *root, struct plan_sheet *sheet)
{
    size_t known_count;
    const char *key;
    json_t *value = json_object_get(root, "version");
    if (!json_is_integer(value) || json_integer_value(value) != PLAN_SHEET_VERSION) {
        add_place(reader, "version");
        text_add(reader->why, "expected %d: this file is none of this farspan's plans",
                 PLAN_SHEET_VERSION);
        if (value)
            add_found(reader->why, value);
        return ERR_VALUE;
    }
    json_object_foreach(root, key, value)
    {
        if (!is_known_at_top(key))
            return refuse_key(reader, head_fields, COUNT_OF(head_fields), key);
    }
    value = json_object_get(root, "base_epoch");
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(reader, "base_epoch", value, "a whole number from 0");
    sheet->base_epoch = (uint64_t)json_integer_value(value);
    return read_fields(reader, head_fields, COUNT_OF(head_fields), root, sheet, &known_count);
}

/* ---- what single rows cannot say ------------------------------------------------------------ */

struct sorted {
    const struct plan_sheet_replica *replica;
};

static int compare_replicas(const void *left, const void *right)
{
    return plan_sheet_compare(((const struct sorted *)left)->replica,
                              ((const struct sorted *)right)->replica);
}

static enum err check_replicas(struct reader *reader, const struct plan_sheet *sheet)
{
    struct sorted *order = ARENA_ARRAY(reader->arena, struct sorted, sheet->replica_count);
    if (!order)
        return ERR_MEMORY;
    CHECK(sheet->replicas);
    reader->group = &groups[0];
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        order[i].replica = &sheet->replicas[i];
        reader->index = i;
        if (sheet->replicas[i].count == 0 && sheet->replicas[i].running == 0)
            return refuse(reader, "count", NULL, "replicas wanted or running, found neither");
    }
    qsort(order, sheet->replica_count, sizeof *order, compare_replicas);
    for (uint32_t i = 1; i < sheet->replica_count; i++) {
        if (compare_replicas(&order[i - 1], &order[i]) != 0)
            continue;
        ptrdiff_t a = order[i - 1].replica - sheet->replicas,
                  b = order[i].replica - sheet->replicas;
        reader->index = (size_t)(a > b ? a : b);
        return refuse(reader, "service", NULL,
                      "service, region, sku and market once, found as in replicas[%zu]",
                      (size_t)(a > b ? b : a));
    }
    return ERR_OK;
}

static enum err take_step(struct reader *reader, const struct step_row *row, uint32_t last_wave,
                          uint32_t replica_count, struct plan_sheet_step *ret_step)
{
    enum plan_action action = span_is(row->action, "start")   ? PLAN_ACTION_START
                              : span_is(row->action, "shift") ? PLAN_ACTION_SHIFT
                                                              : PLAN_ACTION_STOP;
    if (row->replica >= replica_count)
        return refuse(reader, "replica", NULL, "an index below %u, found %u", replica_count,
                      row->replica);
    if (row->wave < last_wave || row->wave > last_wave + (reader->index > 0))
        return refuse(reader, "wave", NULL, "waves in their order from 0, found %u after %u",
                      row->wave, last_wave);
    if ((row->count == 0) != (action == PLAN_ACTION_SHIFT))
        return refuse(reader, "count", NULL, "%s, found %u",
                      action == PLAN_ACTION_SHIFT ? "0 where requests shift" : "at least 1",
                      row->count);
    *ret_step = (struct plan_sheet_step){row->wave, action, row->replica, row->count};
    return ERR_OK;
}

static enum err take_steps(struct reader *reader, const struct step_row *rows,
                           struct plan_sheet *sheet)
{
    sheet->steps = ARENA_ARRAY(reader->arena, struct plan_sheet_step, sheet->step_count);
    if (!sheet->steps)
        return ERR_MEMORY;
    reader->group = &groups[3];
    for (uint32_t i = 0; i < sheet->step_count; i++) {
        reader->index = i;
        uint32_t last_wave = i > 0 ? rows[i - 1].wave : 0;
        enum err err =
            take_step(reader, &rows[i], last_wave, sheet->replica_count, &sheet->steps[i]);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err read_sheet(struct reader *reader, json_t *root, struct plan_sheet *sheet)
{
    void *replicas = NULL, *flows = NULL, *rules = NULL, *steps = NULL;
    enum err err = read_head(reader, root, sheet);
    if (!err)
        err = read_group(reader, &groups[0], root, &replicas, &sheet->replica_count);
    if (!err)
        err = read_group(reader, &groups[1], root, &flows, &sheet->flow_count);
    if (!err)
        err = read_group(reader, &groups[2], root, &rules, &sheet->rule_count);
    if (!err)
        err = read_group(reader, &groups[3], root, &steps, &sheet->step_count);
    sheet->replicas = replicas;
    sheet->flows = flows;
    sheet->rules = rules;
    if (!err)
        err = check_replicas(reader, sheet);
    return err ? err : take_steps(reader, steps, sheet);
}

enum err plan_sheet_read_io(struct span json, struct arena *arena, struct plan_sheet **ret_sheet,
                            struct text *why)
{
    struct reader reader = {.json = json, .arena = arena, .why = why};
    json_error_t where;
    if (json.n > PLAN_SHEET_BYTES_MAX) {
        text_add(why, "expected at most %d bytes, found %zu", PLAN_SHEET_BYTES_MAX, json.n);
        return ERR_VALUE;
    }
    struct plan_sheet *sheet = ARENA_NEW(arena, struct plan_sheet);
    if (!sheet)
        return ERR_MEMORY;
    json_t *root = json_loadb(json.n ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        if (root)
            text_add(why, "line 1: expected an object: a plan file");
        else
            text_add(why, "line %d, column %d: %s", where.line, where.column, where.text);
        json_decref(root);
        return ERR_VALUE;
    }
    enum err err = read_sheet(&reader, root, sheet);
    json_decref(root);
    if (!err)
        *ret_sheet = sheet;
    return err;
}
