/* tree.c: decision trees and forests. A node is split where the impurity (Gini, or the variance)
 * falls most; ties go to the lower feature, then the lower threshold. Nodes wait on an explicit
 * stack, so a deep tree costs memory that was reserved and never the machine's stack. */
#include "base/check.h"
#include "base/limits.h"
#include "base/rng.h"
#include "learn/fit.h"

struct item {
    double x;
    uint32_t row;
};

struct open_node {
    uint32_t node;
    uint32_t first, count; /* of the rows array */
    uint32_t depth;
};

struct grower {
    const struct learn_data *data;
    const struct learn_options *options;
    struct rng rng;
    uint32_t *rows;     /* of the tree being grown, reordered so that a node's rows are together */
    struct item *items; /* of one node and feature, sorted */
    struct open_node *stack;
    uint32_t *features;
    double *nodes; /* LEARN_NODE_SIZE each */
    uint32_t node_count, node_max;
};

struct split {
    uint32_t feature;
    double threshold;
    double gain;
};

/* Heap sort: in place, no recursion, and the order of equal values is fixed by the row. */
static bool is_before(const struct item *a, const struct item *b)
{
    return a->x < b->x || (a->x == b->x && a->row < b->row);
}

static void sift(struct item *items, uint32_t at, uint32_t count)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_before(&items[child], &items[child + 1]))
            child++;
        if (!is_before(&items[at], &items[child]))
            return;
        struct item kept = items[at];
        items[at] = items[child];
        items[child] = kept;
    }
}

static void sort(struct item *items, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift(items, i, count);
    for (uint32_t end = count; end-- > 1;) {
        struct item kept = items[0];
        items[0] = items[end];
        items[end] = kept;
        sift(items, 0, end);
    }
}

/* Sum of squares over the sum: the part of the impurity that a split changes. Larger is purer. */
struct tally {
    double counts[LIMIT_LEARN_CATEGORIES]; /* classes; regression: [0] is the sum of y */
    double n;
};

static void tally_add(struct tally *tally, bool is_class, double y, double weight)
{
    tally->counts[is_class ? (uint32_t)y : 0] += is_class ? weight : weight * y;
    tally->n += weight;
}

static double purity(const struct tally *tally, uint32_t cells)
{
    double sum = 0;
    for (uint32_t i = 0; i < cells; i++)
        sum += tally->counts[i] * tally->counts[i];
    return tally->n > 0 ? sum / tally->n : 0;
}

static void try_feature(struct grower *g, const struct open_node *open, uint32_t feature,
                        const struct tally *all, struct split *best)
{
    const struct learn_data *data = g->data;
    bool is_class = data->class_count > 0;
    uint32_t cells = is_class ? data->class_count : 1;
    for (uint32_t i = 0; i < open->count; i++) {
        uint32_t row = g->rows[open->first + i];
        g->items[i] = (struct item){data->x[(size_t)row * data->width + feature], row};
    }
    sort(g->items, open->count);
    struct tally left = {.n = 0}, right = *all;
    double before = purity(all, cells);
    for (uint32_t i = 0; i + 1 < open->count; i++) {
        double y = data->y[g->items[i].row];
        tally_add(&left, is_class, y, 1);
        tally_add(&right, is_class, y, -1);
        if (g->items[i].x == g->items[i + 1].x || i + 1 < g->options->leaf_min ||
            open->count - i - 1 < g->options->leaf_min)
            continue;
        double gain = purity(&left, cells) + purity(&right, cells) - before;
        if (gain > best->gain + 1e-12) {
            best->gain = gain;
            best->feature = feature;
            best->threshold = g->items[i].x + (g->items[i + 1].x - g->items[i].x) / 2;
        }
    }
}

static double leaf_value(const struct tally *tally, uint32_t class_count)
{
    if (class_count == 0)
        return tally->counts[0] / tally->n;
    uint32_t best = 0;
    for (uint32_t i = 1; i < class_count; i++)
        if (tally->counts[i] > tally->counts[best])
            best = i;
    return best;
}

/* A forest looks at sqrt(width) features a node, a single tree at all. */
static uint32_t choose_features(struct grower *g)
{
    uint32_t width = g->data->width, count = width;
    for (uint32_t i = 0; i < width; i++)
        g->features[i] = i;
    if (g->options->trees <= 1)
        return count;
    for (count = 1; (count + 1) * (count + 1) <= width;)
        count++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = i + (uint32_t)rng_below(&g->rng, width - i);
        uint32_t kept = g->features[i];
        g->features[i] = g->features[j];
        g->features[j] = kept;
    }
    return count;
}

static uint32_t partition(struct grower *g, const struct open_node *open, const struct split *split)
{
    uint32_t left = 0;
    uint32_t *rows = g->rows + open->first;
    for (uint32_t i = 0; i < open->count; i++)
        if (g->data->x[(size_t)rows[i] * g->data->width + split->feature] <= split->threshold) {
            uint32_t kept = rows[left];
            rows[left++] = rows[i];
            rows[i] = kept;
        }
    return left;
}

static double *new_node(struct grower *g)
{
    CHECK(g->node_count < g->node_max);
    return g->nodes + (size_t)g->node_count++ * LEARN_NODE_SIZE;
}

/* Splits one node, or makes it a leaf; pushes its children. */
static uint32_t grow_node(struct grower *g, struct open_node open, uint32_t stack_count)
{
    struct tally all = {.n = 0};
    for (uint32_t i = 0; i < open.count; i++)
        tally_add(&all, g->data->class_count > 0, g->data->y[g->rows[open.first + i]], 1);
    struct split best = {.gain = 1e-9};
    bool may_split = open.depth < g->options->depth && open.count >= 2 * g->options->leaf_min &&
                     g->node_count + 2 <= g->node_max;
    uint32_t feature_count = may_split ? choose_features(g) : 0;
    for (uint32_t i = 0; i < feature_count; i++)
        try_feature(g, &open, g->features[i], &all, &best);

    double *node = g->nodes + (size_t)open.node * LEARN_NODE_SIZE;
    node[0] = -1;
    node[4] = leaf_value(&all, g->data->class_count);
    if (!(best.gain > 1e-9))
        return stack_count;
    uint32_t left = partition(g, &open, &best);
    CHECK(left > 0 && left < open.count);
    uint32_t child = g->node_count;
    new_node(g);
    new_node(g);
    node[0] = best.feature;
    node[1] = best.threshold;
    node[2] = child;
    node[3] = child + 1;
    g->stack[stack_count++] = (struct open_node){child, open.first, left, open.depth + 1};
    g->stack[stack_count++] =
        (struct open_node){child + 1, open.first + left, open.count - left, open.depth + 1};
    return stack_count;
}

static uint32_t grow_tree(struct grower *g)
{
    uint32_t count = (uint32_t)g->data->row_count;
    for (uint32_t i = 0; i < count; i++)
        g->rows[i] = g->options->trees > 1 ? (uint32_t)rng_below(&g->rng, count) : i;
    uint32_t root = g->node_count;
    new_node(g);
    g->stack[0] = (struct open_node){root, 0, count, 0};
    for (uint32_t open = 1; open > 0;) {
        struct open_node top = g->stack[--open];
        open = grow_node(g, top, open);
    }
    return root;
}

enum err learn_tree_fit(const struct learn_data *data, const struct learn_options *options,
                        struct arena *arena, struct learn_model *model)
{
    uint32_t trees = options->trees ? options->trees : 1;
    uint32_t leaf_min = options->leaf_min ? options->leaf_min : 1;
    size_t leaves = data->row_count / leaf_min + 1;
    size_t node_max = trees * (2 * leaves + 1);
    if (options->depth < 30 && ((size_t)2 << options->depth) * trees < node_max)
        node_max = ((size_t)2 << options->depth) * trees;
    if (trees > 1000 || node_max * LEARN_NODE_SIZE > LIMIT_LEARN_WEIGHTS)
        return ERR_VALUE;
    struct learn_options bounded = *options;
    bounded.leaf_min = leaf_min;
    double *weights = ARENA_ARRAY(arena, double, trees + node_max * LEARN_NODE_SIZE);
    size_t mark = arena->used;
    struct grower g = {.data = data,
                       .options = &bounded,
                       .rows = ARENA_ARRAY(arena, uint32_t, data->row_count),
                       .items = ARENA_ARRAY(arena, struct item, data->row_count),
                       .stack = ARENA_ARRAY(arena, struct open_node, node_max + 2),
                       .features = ARENA_ARRAY(arena, uint32_t, data->width),
                       .nodes = weights ? weights + trees : NULL,
                       .node_max = (uint32_t)node_max};
    if (!weights || !g.rows || !g.items || !g.stack || !g.features)
        return ERR_MEMORY;
    rng_init(&g.rng, options->seed);
    for (uint32_t i = 0; i < trees; i++)
        weights[i] = grow_tree(&g);
    arena_reset(arena, mark);
    model->kind = LEARN_TREE;
    model->shape_count = 3;
    model->shape[0] = data->width;
    model->shape[1] = trees;
    model->shape[2] = g.node_count;
    model->weights = weights;
    model->weight_count = trees + (size_t)g.node_count * LEARN_NODE_SIZE;
    return ERR_OK;
}
