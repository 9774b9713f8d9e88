#include "fleet/shape.h"

#include "base/check.h"
#include "base/limits.h"

enum { EXPECT_SIZE = 512, SHOWN_MAX = 80, KEYS_MAX = 32 };

struct checker {
    struct fleet_document *document;
    struct arena *arena;
    struct fleet_complaints *complaints;
};

/* What stands there, in a few words: a value in quotation marks, a mapping, a list, nothing. */
static void describe(const struct fleet_node *node, struct text *text)
{
    if (node->kind == FLEET_NODE_MAP)
        text_add(text, "a mapping");
    else if (node->kind == FLEET_NODE_LIST)
        text_add(text, "a list");
    else if (node->text.n == 0 && !node->is_quoted)
        text_add(text, "nothing");
    else {
        size_t n = node->text.n < SHOWN_MAX ? node->text.n : SHOWN_MAX;
        text_add(text, "\"");
        text_add_json_escaped(text, span_from(node->text.p, n));
        text_add(text, n < node->text.n ? "...\"" : "\"");
    }
}

static void add_nearest_word(const struct fleet_setting *setting, struct span found,
                             struct text *text)
{
    struct span words[KEYS_MAX];
    size_t count = 0;
    for (; count < KEYS_MAX; count++) {
        words[count] = fleet_setting_word(setting, count);
        if (words[count].n == 0)
            break;
    }
    int nearest = fleet_nearest(found, words, count);
    if (nearest >= 0)
        text_add(text, ": did you mean %.*s?", SPAN_ARG(words[nearest]));
}

static void complain_value(struct checker *checker, uint32_t index,
                           const struct fleet_setting *setting)
{
    const struct fleet_node *node = &checker->document->nodes[index];
    char buffer[EXPECT_SIZE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    struct span key = fleet_setting_key(setting);
    bool is_item = checker->document->nodes[node->parent].kind == FLEET_NODE_LIST;
    text_add(&text, "%.*s: expected ", SPAN_ARG(key));
    fleet_setting_expect(setting, is_item, &text);
    text_add(&text, ", found ");
    describe(node, &text);
    if (node->is_quoted && setting->type >= SETTING_WORD)
        text_add(&text, " in quotes");
    if (setting->type == SETTING_WORD && node->kind == FLEET_NODE_SCALAR)
        add_nearest_word(setting, node->text, &text);
    struct span message = text_span(&text);
    fleet_complain(checker->complaints, checker->arena, fleet_node_place(checker->document, index),
                   "%.*s", SPAN_ARG(message));
    fleet_node_spoil(checker->document, index);
}

static void complain_unknown(struct checker *checker, uint32_t index,
                             const struct fleet_setting *parent)
{
    struct fleet_place place = fleet_node_key_place(checker->document, index);
    struct span key = checker->document->nodes[index].key;
    if (key.n > SHOWN_MAX)
        key.n = SHOWN_MAX;
    fleet_node_spoil(checker->document, index);
    if (checker->complaints->count == LIMIT_CONFIG_ERRORS) {
        checker->complaints->left_out++;
        return;
    }

    struct span keys[KEYS_MAX];
    size_t count = 0, cursor = 0;
    char buffer[EXPECT_SIZE], shown[SHOWN_MAX * 6 + 1];
    struct text list, found;
    text_init(&list, buffer, sizeof buffer);
    text_init(&found, shown, sizeof shown);
    text_add_json_escaped(&found, key);
    for (const struct fleet_setting *row; (row = fleet_setting_next(parent, &cursor));) {
        CHECK(count < KEYS_MAX);
        keys[count] = fleet_setting_key(row);
        text_add(&list, "%s%.*s", count ? ", " : "", SPAN_ARG(keys[count]));
        count++;
    }
    int nearest = fleet_nearest(key, keys, count);
    if (nearest >= 0)
        fleet_complain(checker->complaints, checker->arena, place,
                       "unknown key \"%s\": did you mean %.*s?", shown, SPAN_ARG(keys[nearest]));
    else
        fleet_complain(checker->complaints, checker->arena, place,
                       "unknown key \"%s\": expected one of %s", shown, buffer);
}

/* The sibling before <index> with the same setting, or FLEET_NODE_NONE. */
static uint32_t find_twin(const struct fleet_document *document, uint32_t index)
{
    const struct fleet_node *node = &document->nodes[index];
    uint32_t twin = document->nodes[node->parent].first;
    while (twin != index && document->nodes[twin].setting != node->setting)
        twin = document->nodes[twin].next;
    return twin == index ? FLEET_NODE_NONE : twin;
}

static void check_scalar(struct checker *checker, uint32_t index,
                         const struct fleet_setting *setting)
{
    struct fleet_node *node = &checker->document->nodes[index];
    bool is_plain_type = setting->type >= SETTING_WORD;
    if (node->kind != FLEET_NODE_SCALAR || (is_plain_type && node->is_quoted) ||
        !fleet_setting_parse(setting, node->text, &node->number))
        complain_value(checker, index, setting);
}

static void check_required(struct checker *checker, uint32_t map,
                           const struct fleet_setting *parent)
{
    size_t cursor = 0;
    for (const struct fleet_setting *row; (row = fleet_setting_next(parent, &cursor));) {
        if (!row->is_required)
            continue;
        struct span key = fleet_setting_key(row);
        uint32_t child = checker->document->nodes[map].first;
        while (child != FLEET_NODE_NONE && checker->document->nodes[child].setting != row)
            child = checker->document->nodes[child].next;
        if (child != FLEET_NODE_NONE)
            continue;
        fleet_complain(checker->complaints, checker->arena,
                       fleet_node_place(checker->document, map), "expected the key %.*s (%s)",
                       SPAN_ARG(key), row->sentence);
        fleet_node_spoil(checker->document, map);
    }
}

/* The keys of one mapping get their settings. */
static void match_keys(struct checker *checker, uint32_t map, const struct fleet_setting *parent)
{
    struct fleet_node *nodes = checker->document->nodes;
    for (uint32_t child = nodes[map].first; child != FLEET_NODE_NONE; child = nodes[child].next) {
        nodes[child].setting = fleet_setting_find(parent, nodes[child].key);
        if (!nodes[child].setting) {
            complain_unknown(checker, child, parent);
            continue;
        }
        uint32_t twin = find_twin(checker->document, child);
        if (twin == FLEET_NODE_NONE)
            continue;
        struct span key = nodes[child].key;
        fleet_complain(checker->complaints, checker->arena,
                       fleet_node_key_place(checker->document, child),
                       "%.*s: expected once, found again (first in line %u)", SPAN_ARG(key),
                       nodes[twin].key_line);
        fleet_node_spoil(checker->document, child);
    }
    check_required(checker, map, parent);
}

/* The items of a list get the setting of the list. */
static void match_items(struct checker *checker, uint32_t list, const struct fleet_setting *setting)
{
    struct fleet_node *nodes = checker->document->nodes;
    if (nodes[list].child_count > (uint64_t)setting->max) {
        struct span key = fleet_setting_key(setting);
        fleet_complain(checker->complaints, checker->arena,
                       fleet_node_place(checker->document, list),
                       "%.*s: expected at most %lld items, found %u", SPAN_ARG(key),
                       (long long)setting->max, nodes[list].child_count);
        fleet_node_spoil(checker->document, list);
    }
    for (uint32_t item = nodes[list].first; item != FLEET_NODE_NONE; item = nodes[item].next)
        nodes[item].setting = setting;
}

/* One node whose setting is known. Its children come behind it in the order of nodes, so one walk
 * over the array sees each parent first. */
static void check_node(struct checker *checker, uint32_t index)
{
    const struct fleet_node *node = &checker->document->nodes[index];
    const struct fleet_setting *setting = node->setting;
    bool is_item = index != 0 && checker->document->nodes[node->parent].kind == FLEET_NODE_LIST;
    bool is_list = !is_item && (setting->type == SETTING_MAPS || setting->type == SETTING_NAMES);
    bool is_map = !is_list && (setting->type == SETTING_MAP || setting->type == SETTING_MAPS);
    if (is_list && node->kind == FLEET_NODE_LIST)
        match_items(checker, index, setting);
    else if (is_map && node->kind == FLEET_NODE_MAP)
        match_keys(checker, index, setting);
    else if (is_list || is_map)
        complain_value(checker, index, setting);
    else
        check_scalar(checker, index, setting);
}

static void check_version_first(struct checker *checker)
{
    const struct fleet_node *nodes = checker->document->nodes;
    uint32_t first = nodes[0].first;
    uint32_t version = fleet_node_child(checker->document, 0, "version");
    if (version == FLEET_NODE_NONE || version == first)
        return;
    fleet_complain(checker->complaints, checker->arena,
                   fleet_node_key_place(checker->document, version),
                   "version: expected as the first key of the file");
    fleet_node_spoil(checker->document, version);
}

void fleet_shape_check(struct fleet_document *document, struct arena *arena,
                       struct fleet_complaints *complaints)
{
    struct checker checker = {document, arena, complaints};
    CHECK(document->count > 0);
    if (document->nodes[0].kind != FLEET_NODE_MAP) {
        fleet_complain(complaints, arena, fleet_node_place(document, 0),
                       "expected keys such as `version: 1`, found %s",
                       document->nodes[0].kind == FLEET_NODE_LIST ? "a list" : "a single value");
        fleet_node_spoil(document, 0);
        return;
    }
    match_keys(&checker, 0, NULL);
    check_version_first(&checker);
    for (uint32_t i = 1; i < document->count; i++)
        if (document->nodes[i].setting)
            check_node(&checker, i);
}
