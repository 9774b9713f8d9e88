#include "plan/mps.h"

#include <math.h>

#include "base/check.h"
#include "plan/lp.h"

enum { BLOCK = 64 * 1024, LINE_MAX = 256 };

#define REQUESTS(rate) (1e-6 * (double)(rate))

struct writer {
    const struct plan_problem *problem;
    const struct plan_mps_out *out;
    struct text text;
    bool *takes;          /* failure * services + service: takes a node of it */
    uint32_t *row_firsts; /* first entry of each column in row_of; column_count + 1 */
    uint32_t *row_of;
    double *row_factors;
};

static void flush(struct writer *writer)
{
    writer->out->write(writer->out->context, text_span(&writer->text));
    text_truncate(&writer->text, 0);
}

/* Room for a line. */
static struct text *line(struct writer *writer)
{
    if (writer->text.n + LINE_MAX > writer->text.size)
        flush(writer);
    return &writer->text;
}

/* "column row value". */
static void entry(struct writer *writer, const char *column, const char *row, double value)
{
    text_add(line(writer), " %s %s %.15g\n", column, row, value);
}

struct name {
    char p[40];
};

static struct name name_of(char kind, uint32_t index)
{
    struct name name;
    struct text text;
    text_init(&text, name.p, sizeof name.p);
    text_add(&text, "%c%u", kind, index);
    return name;
}

static struct name name_of_two(char kind, uint32_t first, uint32_t second)
{
    struct name name;
    struct text text;
    text_init(&text, name.p, sizeof name.p);
    text_add(&text, "%c%u_%u", kind, first, second);
    return name;
}

/* What is there --------------------------------------------------------------------------- */

static const struct plan_service *service_of(const struct plan_problem *problem, uint32_t node)
{
    return &problem->services[problem->nodes[node].service];
}

static bool has_moves(const struct plan_column *column)
{
    return column->start_usd_h > 0 || (column->running > 0 && column->stop_usd_h > 0);
}

static bool is_soft(const struct plan_demand *demand)
{
    return demand->unmet_usd < PLAN_LP_INFINITY;
}

static bool takes(const struct writer *writer, uint32_t failure, uint32_t service)
{
    return writer->takes[failure * writer->problem->service_count + service];
}

static bool loses(const struct writer *writer, uint32_t failure, uint32_t node)
{
    return plan_failure_has(&writer->problem->failures[failure],
                            writer->problem->nodes[node].region);
}

static void find_takes(struct writer *writer)
{
    const struct plan_problem *problem = writer->problem;
    for (uint32_t f = 0; f < problem->failure_count; f++)
        for (uint32_t v = 0; v < problem->node_count; v++)
            if (loses(writer, f, v))
                writer->takes[f * problem->service_count + problem->nodes[v].service] = true;
}

static void transpose_rows(struct writer *writer)
{
    const struct plan_problem *problem = writer->problem;
    uint32_t *firsts = writer->row_firsts;
    for (uint32_t r = 0; r < problem->row_count; r++)
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++)
            firsts[problem->rows[r].terms[i].column + 1]++;
    for (uint32_t c = 0; c < problem->column_count; c++)
        firsts[c + 1] += firsts[c];
    for (uint32_t r = 0; r < problem->row_count; r++)
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++) {
            const struct plan_term *term = &problem->rows[r].terms[i];
            uint32_t at = firsts[term->column]++;
            writer->row_of[at] = r;
            writer->row_factors[at] = term->factor;
        }
    for (uint32_t c = problem->column_count; c-- > 0;)
        firsts[c + 1] = firsts[c];
    firsts[0] = 0;
}

/* Rows -------------------------------------------------------------------------------------- */

static void declare(struct writer *writer, char kind, struct name row)
{
    text_add(line(writer), " %c %s\n", kind, row.p);
}

static char kind_of(const struct plan_row *row)
{
    bool has_lower = row->lower > -PLAN_LP_INFINITY, has_upper = row->upper < PLAN_LP_INFINITY;
    if (has_lower && has_upper)
        return row->lower < row->upper ? 'L' : 'E'; /* L with a range */
    return has_upper ? 'L' : has_lower ? 'G' : 'N';
}

static void write_failure_rows(struct writer *writer, uint32_t failure)
{
    const struct plan_problem *problem = writer->problem;
    for (uint32_t d = 0; d < problem->demand_count; d++)
        if (takes(writer, failure, problem->demands[d].service))
            declare(writer, 'E', name_of_two('d', failure, d));
    for (uint32_t v = 0; v < problem->node_count; v++)
        if (takes(writer, failure, problem->nodes[v].service) && !loses(writer, failure, v))
            declare(writer, 'G', name_of_two('l', failure, v));
}

static void write_rows(struct writer *writer)
{
    const struct plan_problem *problem = writer->problem;
    text_add(line(writer), "NAME farspan FREE\nROWS\n N cost\n");
    for (uint32_t d = 0; d < problem->demand_count; d++)
        declare(writer, 'E', name_of('d', d));
    for (uint32_t v = 0; v < problem->node_count; v++) {
        declare(writer, 'G', name_of('l', v));
        if (problem->nodes[v].replicas_min > 1)
            declare(writer, 'G', name_of('m', v));
    }
    for (uint32_t c = 0; c < problem->column_count; c++) {
        declare(writer, 'L', name_of('k', c));
        if (has_moves(&problem->columns[c]))
            declare(writer, 'E', name_of('v', c));
    }
    for (uint32_t r = 0; r < problem->row_count; r++)
        declare(writer, kind_of(&problem->rows[r]), name_of('r', r));
    for (uint32_t f = 0; f < problem->failure_count; f++)
        write_failure_rows(writer, f);
}

/* Columns ----------------------------------------------------------------------------------- */

static void write_count(struct writer *writer, uint32_t c)
{
    const struct plan_problem *problem = writer->problem;
    const struct plan_column *column = &problem->columns[c];
    const struct plan_service *service = service_of(problem, column->node);
    uint32_t v = column->node;
    struct name name = name_of('n', c);
    entry(writer, name.p, "cost", column->cost_usd_h);
    entry(writer, name.p, name_of('l', v).p, 1e-6 * service->share_ppm * REQUESTS(column->speed));
    entry(writer, name.p, name_of('k', c).p, 1);
    if (problem->nodes[v].replicas_min > 1)
        entry(writer, name.p, name_of('m', v).p, 1);
    if (has_moves(column))
        entry(writer, name.p, name_of('v', c).p, 1);
    for (uint32_t i = writer->row_firsts[c]; i < writer->row_firsts[c + 1]; i++)
        entry(writer, name.p, name_of('r', writer->row_of[i]).p, writer->row_factors[i]);
    for (uint32_t f = 0; f < problem->failure_count; f++)
        if (takes(writer, f, problem->nodes[v].service) && !loses(writer, f, v))
            entry(writer, name.p, name_of_two('l', f, v).p,
                  1e-6 * service->share_lost_ppm * REQUESTS(column->speed));
}

static void write_open(struct writer *writer, uint32_t v)
{
    const struct plan_node *node = &writer->problem->nodes[v];
    struct name name = name_of('y', v);
    entry(writer, name.p, "cost", node->open_usd_h);
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        entry(writer, name.p, name_of('k', c).p, -(double)writer->problem->columns[c].count_max);
    if (node->replicas_min > 1)
        entry(writer, name.p, name_of('m', v).p, -(double)node->replicas_min);
}

static void write_flows(struct writer *writer, uint32_t d)
{
    const struct plan_problem *problem = writer->problem;
    const struct plan_demand *demand = &problem->demands[d];
    for (uint32_t i = 0; i < demand->node_count; i++) {
        uint32_t v = demand->nodes[i];
        struct name name = name_of_two('x', d, v);
        entry(writer, name.p, "cost", 3600 * problem->nodes[v].egress_usd);
        entry(writer, name.p, name_of('d', d).p, 1);
        entry(writer, name.p, name_of('l', v).p, -1);
    }
    for (uint32_t f = 0; f < problem->failure_count; f++)
        for (uint32_t i = 0; takes(writer, f, demand->service) && i < demand->node_count; i++) {
            uint32_t v = demand->nodes[i];
            if (loses(writer, f, v))
                continue;
            char name[64];
            struct text text;
            text_init(&text, name, sizeof name);
            text_add(&text, "x%u_%u_%u", f, d, v);
            entry(writer, name, name_of_two('d', f, d).p, 1);
            entry(writer, name, name_of_two('l', f, v).p, -1);
        }
}

static void write_unmet(struct writer *writer, uint32_t d)
{
    const struct plan_problem *problem = writer->problem;
    const struct plan_demand *demand = &problem->demands[d];
    struct name name = name_of('u', d);
    entry(writer, name.p, "cost", 3600 * demand->unmet_usd);
    entry(writer, name.p, name_of('d', d).p, 1);
    for (uint32_t f = 0; f < problem->failure_count; f++)
        if (takes(writer, f, demand->service))
            entry(writer, name.p, name_of_two('d', f, d).p, 1);
}

static void write_columns(struct writer *writer)
{
    const struct plan_problem *problem = writer->problem;
    text_add(line(writer), "COLUMNS\n M1 'MARKER' 'INTORG'\n");
    for (uint32_t c = 0; c < problem->column_count; c++)
        write_count(writer, c);
    for (uint32_t v = 0; v < problem->node_count; v++)
        write_open(writer, v);
    text_add(line(writer), " M2 'MARKER' 'INTEND'\n");
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        write_flows(writer, d);
        if (is_soft(&problem->demands[d]))
            write_unmet(writer, d);
    }
    for (uint32_t c = 0; c < problem->column_count; c++)
        if (has_moves(&problem->columns[c])) {
            entry(writer, name_of('p', c).p, "cost", problem->columns[c].start_usd_h);
            entry(writer, name_of('p', c).p, name_of('v', c).p, -1);
            entry(writer, name_of('q', c).p, "cost", problem->columns[c].stop_usd_h);
            entry(writer, name_of('q', c).p, name_of('v', c).p, 1);
        }
}

/* Sides and bounds -------------------------------------------------------------------------- */

static void write_sides(struct writer *writer)
{
    const struct plan_problem *problem = writer->problem;
    text_add(line(writer), "RHS\n");
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        double rate = REQUESTS(problem->demands[d].rate);
        entry(writer, "RHS", name_of('d', d).p, rate);
        for (uint32_t f = 0; f < problem->failure_count; f++)
            if (takes(writer, f, problem->demands[d].service))
                entry(writer, "RHS", name_of_two('d', f, d).p, rate);
    }
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        char kind = kind_of(row);
        if (kind != 'N')
            entry(writer, "RHS", name_of('r', r).p, kind == 'G' ? row->lower : row->upper);
    }
    for (uint32_t c = 0; c < problem->column_count; c++)
        if (has_moves(&problem->columns[c]))
            entry(writer, "RHS", name_of('v', c).p, problem->columns[c].running);
    text_add(line(writer), "RANGES\n");
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        if (kind_of(row) == 'L' && row->lower > -PLAN_LP_INFINITY)
            entry(writer, "RANGES", name_of('r', r).p, row->upper - row->lower);
    }
}

static void write_bounds(struct writer *writer)
{
    const struct plan_problem *problem = writer->problem;
    text_add(line(writer), "BOUNDS\n");
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        text_add(line(writer), " LO BOUND n%u %u\n UP BOUND n%u %u\n", c, column->count_min, c,
                 column->count_max);
        if (has_moves(column))
            text_add(line(writer), " UP BOUND q%u %u\n", c, column->running);
    }
    for (uint32_t v = 0; v < problem->node_count; v++)
        text_add(line(writer), " BV BOUND y%u\n", v);
    text_add(line(writer), "ENDATA\n");
}

enum err plan_mps_write(const struct plan_problem *problem, struct arena *arena,
                        const struct plan_mps_out *out)
{
    size_t mark = arena->used, term_count = 0;
    for (uint32_t r = 0; r < problem->row_count; r++)
        term_count += problem->rows[r].term_count;
    struct writer writer = {
        .problem = problem,
        .out = out,
        .takes = ARENA_ARRAY(arena, bool, (size_t)problem->failure_count * problem->service_count),
        .row_firsts = ARENA_ARRAY(arena, uint32_t, (size_t)problem->column_count + 1),
        .row_of = ARENA_ARRAY(arena, uint32_t, term_count),
        .row_factors = ARENA_ARRAY(arena, double, term_count)};
    char *block = arena_take(arena, BLOCK);
    if (arena->is_overflown)
        return ERR_MEMORY;
    text_init(&writer.text, block, BLOCK);
    find_takes(&writer);
    transpose_rows(&writer);
    write_rows(&writer);
    write_columns(&writer);
    write_sides(&writer);
    write_bounds(&writer);
    flush(&writer);
    arena_reset(arena, mark);
    return ERR_OK;
}
