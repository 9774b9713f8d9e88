/* catalog_show.c: `farspan catalog show NAME`: all that is known of a region, a size of machine or
 * a model. */
#include <stdio.h>

#include "base/check.h"
#include "cli/catalog_view.h"

enum { NEAREST_SHOWN = 10, TENSOR_PARALLEL_MAX = 16, WORDS_SIZE = 64 };

struct show {
    struct catalog_view view;
    int64_t batch, tokens; /* of a model: what has to fit */
};

/* The price of an offer that may not be. */
static struct catalog_table_cell price_cell(const struct catalog_offer *offer)
{
    if (!offer)
        return catalog_nothing();
    struct catalog_table_cell cell = catalog_number(offer->usd_h);
    cell.is_estimate = offer->price.is_estimate;
    return cell;
}

static struct catalog_table_cell stock_cell(const struct catalog_offer *offer)
{
    if (!offer)
        return catalog_nothing();
    struct catalog_table_cell cell = catalog_number(offer->stock);
    cell.is_estimate = offer->in_stock.line > 0 && offer->in_stock.is_estimate;
    return cell;
}

static const char *mark(bool is_estimate)
{
    return is_estimate ? "~" : "";
}

static bool has_rule(const struct catalog_fact *fact, const char *beginning)
{
    struct span rest = fact->rule;
    while (fact->is_estimate && rest.n > 0)
        if (span_starts_with(span_cut(&rest, '+'), beginning))
            return true;
    return false;
}

static void add_fact(const struct catalog_fact *fact, struct text *out)
{
    text_add(out, "  figures of    ");
    catalog_date_add(fact->date, out);
    text_add(out, " (%.*s)", SPAN_ARG(fact->source));
    if (fact->is_estimate)
        text_add(out, "\n  estimated by  %.*s", SPAN_ARG(fact->rule));
    text_add_c(out, '\n');
}

static bool say_no_room(void)
{
    fprintf(stderr, "farspan catalog: %s\n", err_text(ERR_MEMORY));
    return false;
}

/* Prices shown, for the warning. */
static void warn(struct show *show, const struct catalog_fact **prices, uint32_t count)
{
    catalog_view_warn(&show->view, prices, count);
}

/* --- a region --- */

static const struct catalog_table_column offer_columns[] = {
    {"sku", "sku", CATALOG_TABLE_WORDS, 27, NULL},
    {"accelerator", "accelerator", CATALOG_TABLE_WORDS, 14, NULL},
    {"accelerator_count", "n", 0, 2, NULL},
    {"on_demand_usd_h", "on demand", 3, 9, NULL},
    {"spot_usd_h", "spot", 3, 9, NULL},
    {"reserved_usd_h", "reserved", 3, 9, NULL},
    {"stock", "stock", 0, 6, NULL},
    {"spot_stock", "spot", 0, 6, NULL},
    {"reserved_stock", "own", 0, 6, NULL},
};

static const struct catalog_table_column near_columns[] = {
    {"region", "region", CATALOG_TABLE_WORDS, 30, NULL},
    {"zone", "zone", CATALOG_TABLE_WORDS, 8, NULL},
    {"rtt_ms", "rtt ms", 1, 7, "rtt-"},
    {"rtt_margin_ms", "margin", 1, 6, NULL},
    {"bandwidth_mbps", "Mbit/s", 0, 7, "bw-"},
    {"usd_gib", "$/GiB", 4, 7, "egress-"},
};

static void add_offers(struct show *show, uint16_t region, struct catalog_table *table,
                       const struct catalog_fact **prices, uint32_t *price_count)
{
    const struct catalog *catalog = show->view.catalog;
    uint32_t begin = catalog->region_offers[region];
    for (uint32_t i = begin; i < catalog->region_offers[region + 1]; i++) {
        const struct catalog_offer *offer = &catalog->offers[i];
        prices[(*price_count)++] = &offer->price;
        if (i > begin && offer->sku == offer[-1].sku)
            continue;
        const struct catalog_sku *sku = &catalog->skus[offer->sku];
        const struct catalog_offer *of[CATALOG_MARKETS];
        for (enum catalog_market market = 0; market < CATALOG_MARKETS; market++)
            of[market] = catalog_find_offer(catalog, region, offer->sku, market);
        struct catalog_table_cell *cells = catalog_table_add(table, NULL);
        cells[0] = catalog_words(sku->name);
        cells[1] = catalog_words(sku->accelerator);
        cells[2] = catalog_number(sku->accelerator_count);
        cells[3] = price_cell(of[CATALOG_ON_DEMAND]);
        cells[4] = price_cell(of[CATALOG_SPOT]);
        cells[5] = price_cell(of[CATALOG_RESERVED]);
        cells[6] = stock_cell(of[CATALOG_ON_DEMAND]);
        cells[7] = stock_cell(of[CATALOG_SPOT]);
        cells[8] = stock_cell(of[CATALOG_RESERVED]);
    }
}

/* The nearest regions by round-trip time, ties by index. */
static void add_nearest(const struct catalog *catalog, uint16_t region, struct catalog_table *table)
{
    bool is_taken[CATALOG_REGIONS_MAX] = {false};
    is_taken[region] = true;
    for (uint32_t n = 0; n < NEAREST_SHOWN && n + 1 < catalog->region_count; n++) {
        uint16_t nearest = CATALOG_NONE;
        for (uint16_t i = 0; i < catalog->region_count; i++)
            if (!is_taken[i] &&
                (nearest == CATALOG_NONE || catalog_link(catalog, region, i)->rtt_ms <
                                                catalog_link(catalog, region, nearest)->rtt_ms))
                nearest = i;
        is_taken[nearest] = true;
        const struct catalog_link *link = catalog_link(catalog, region, nearest);
        struct catalog_table_cell *cells = catalog_table_add(table, &link->fact);
        cells[0] = catalog_words(catalog->regions[nearest].name);
        cells[1] = catalog_words(catalog->regions[nearest].zone);
        cells[2] = catalog_number(link->rtt_ms);
        cells[3] = catalog_number(link->margin_ms);
        cells[4] = catalog_number(link->bandwidth_mbps);
        cells[5] = catalog_number(link->usd_gib);
    }
}

static void add_day(const double hours[CATALOG_HOURS], const char *unit, bool is_estimate,
                    struct text *out)
{
    double sum = 0, least = hours[0], most = hours[0];
    for (size_t i = 0; i < CATALOG_HOURS; i++) {
        sum += hours[i];
        least = hours[i] < least ? hours[i] : least;
        most = hours[i] > most ? hours[i] : most;
    }
    text_add(out, "%s%.1f %s (%.1f .. %.1f by hour)", mark(is_estimate), sum / CATALOG_HOURS, unit,
             least, most);
}

static void print_region(const struct catalog *catalog, const struct catalog_region *region,
                         struct text *out)
{
    const struct catalog_grid *grid = &catalog->grids[region->grid];
    bool is_place = has_rule(&region->fact, "place-");
    text_add(out, "%.*s: %.*s, %.*s, residency zone %.*s\n", SPAN_ARG(region->name),
             SPAN_ARG(region->country), SPAN_ARG(region->continent), SPAN_ARG(region->zone));
    text_add(out, "  place         %s%.2f, %s%.2f\n", mark(is_place), region->latitude,
             mark(is_place), region->longitude);
    text_add(out, "  grid          %.*s: ", SPAN_ARG(grid->name));
    add_day(grid->g_per_kwh, "gCO2/kWh", grid->carbon.is_estimate, out);
    text_add(out, "\n                ");
    add_day(grid->usd_per_mwh, "$/MWh", grid->power.is_estimate, out);
    text_add(out, "\n  PUE           %s%.3f\n", mark(has_rule(&region->fact, "pue-")), region->pue);
    text_add(out, "  to clients    %s$%.4f/GiB\n", mark(has_rule(&region->fact, "internet-")),
             region->egress_usd_gib);
    add_fact(&region->fact, out);
}

static void add_hours(const char *key, const double hours[CATALOG_HOURS], struct text *out)
{
    text_json_key(out, key);
    text_json_array(out);
    for (size_t i = 0; i < CATALOG_HOURS; i++)
        text_json_double(out, hours[i]);
    text_json_end(out);
}

static void json_region(const struct catalog *catalog, const struct catalog_region *region,
                        struct text *out)
{
    const struct catalog_grid *grid = &catalog->grids[region->grid];
    text_json_key(out, "region");
    text_json_span(out, region->name);
    text_json_key(out, "provider");
    text_json_span(out, region->provider);
    text_json_key(out, "country");
    text_json_span(out, region->country);
    text_json_key(out, "continent");
    text_json_span(out, region->continent);
    text_json_key(out, "zone");
    text_json_span(out, region->zone);
    text_json_key(out, "latitude");
    text_json_double(out, region->latitude);
    text_json_key(out, "longitude");
    text_json_double(out, region->longitude);
    text_json_key(out, "pue");
    text_json_double(out, region->pue);
    text_json_key(out, "egress_usd_gib");
    text_json_double(out, region->egress_usd_gib);
    catalog_fact_json(&region->fact, out);
    text_json_key(out, "grid");
    text_json_object(out);
    text_json_key(out, "grid");
    text_json_span(out, grid->name);
    add_hours("g_per_kwh", grid->g_per_kwh, out);
    add_hours("usd_per_mwh", grid->usd_per_mwh, out);
    text_json_key(out, "carbon_estimate");
    text_json_bool(out, grid->carbon.is_estimate);
    text_json_key(out, "power_estimate");
    text_json_bool(out, grid->power.is_estimate);
    text_json_end(out);
}

static bool show_region(struct show *show, uint16_t index)
{
    const struct catalog *catalog = show->view.catalog;
    const struct catalog_region *region = &catalog->regions[index];
    struct text *out = &show->view.out;
    struct arena *arena = &show->view.arena;
    struct catalog_table offers, nearest;
    uint32_t price_count = 0;
    uint32_t offer_count = catalog->region_offers[index + 1] - catalog->region_offers[index];
    const struct catalog_fact **prices =
        ARENA_ARRAY(arena, const struct catalog_fact *, offer_count);
    if (!prices ||
        !catalog_table_init(&offers, offer_columns, COUNT_OF(offer_columns), offer_count, arena) ||
        !catalog_table_init(&nearest, near_columns, COUNT_OF(near_columns), NEAREST_SHOWN, arena))
        return say_no_room();
    add_offers(show, index, &offers, prices, &price_count);
    add_nearest(catalog, index, &nearest);
    if (show->view.is_json) {
        json_region(catalog, region, out);
        text_json_key(out, "offers");
        catalog_table_json(&offers, out);
        text_json_key(out, "nearest");
        catalog_table_json(&nearest, out);
        warn(show, prices, price_count);
        return true;
    }
    print_region(catalog, region, out);
    text_add(out, "\nmachines, $/h\n");
    catalog_table_print(&offers, 2, out);
    text_add(out, "\nnearest regions\n");
    catalog_table_print(&nearest, 2, out);
    warn(show, prices, price_count);
    return true;
}

/* --- a size of machine --- */

static const struct catalog_table_column place_columns[] = {
    {"region", "region", CATALOG_TABLE_WORDS, 30, NULL},
    {"zone", "zone", CATALOG_TABLE_WORDS, 8, NULL},
    {"on_demand_usd_h", "on demand", 3, 9, NULL},
    {"spot_usd_h", "spot", 3, 9, NULL},
    {"reserved_usd_h", "reserved", 3, 9, NULL},
    {"stock", "stock", 0, 6, NULL},
    {"spot_stock", "spot", 0, 6, NULL},
    {"reserved_stock", "own", 0, 6, NULL},
};

/* A row of each region that sells it, the cheapest first (on demand, else what there is). */
static void add_places(const struct catalog *catalog, uint16_t sku, struct catalog_table *table,
                       const struct catalog_fact **prices, uint32_t *price_count)
{
    double key[CATALOG_REGIONS_MAX];
    for (uint16_t region = 0; region < catalog->region_count; region++) {
        const struct catalog_offer *of[CATALOG_MARKETS], *any = NULL;
        for (enum catalog_market market = CATALOG_MARKETS; market-- > 0;) {
            of[market] = catalog_find_offer(catalog, region, sku, market);
            any = of[market] ? of[market] : any;
            if (of[market])
                prices[(*price_count)++] = &of[market]->price;
        }
        if (!any)
            continue;
        uint32_t at = table->row_count;
        struct catalog_table_cell *cells = catalog_table_add(table, NULL);
        for (; at > 0 && key[at - 1] > any->usd_h; at--, cells -= table->column_count) {
            key[at] = key[at - 1];
            memcpy(cells, cells - table->column_count, table->column_count * sizeof *cells);
        }
        key[at] = any->usd_h;
        cells[0] = catalog_words(catalog->regions[region].name);
        cells[1] = catalog_words(catalog->regions[region].zone);
        cells[2] = price_cell(of[CATALOG_ON_DEMAND]);
        cells[3] = price_cell(of[CATALOG_SPOT]);
        cells[4] = price_cell(of[CATALOG_RESERVED]);
        cells[5] = stock_cell(of[CATALOG_ON_DEMAND]);
        cells[6] = stock_cell(of[CATALOG_SPOT]);
        cells[7] = stock_cell(of[CATALOG_RESERVED]);
    }
}

/* Cheapest and dearest of one market; false: sold nowhere on it. */
static bool find_extremes(const struct catalog *catalog, uint16_t sku, enum catalog_market market,
                          const struct catalog_offer **ret_cheapest,
                          const struct catalog_offer **ret_dearest)
{
    const struct catalog_offer *cheapest = NULL, *dearest = NULL;
    for (uint16_t region = 0; region < catalog->region_count; region++) {
        const struct catalog_offer *offer = catalog_find_offer(catalog, region, sku, market);
        if (!offer)
            continue;
        cheapest = !cheapest || offer->usd_h < cheapest->usd_h ? offer : cheapest;
        dearest = !dearest || offer->usd_h > dearest->usd_h ? offer : dearest;
    }
    *ret_cheapest = cheapest;
    *ret_dearest = dearest;
    return cheapest != NULL;
}

static void add_end(const struct catalog *catalog, const char *what,
                    const struct catalog_offer *offer, struct text *out)
{
    text_add(out, "%s %s$%.3f/h in %.*s", what, mark(offer->price.is_estimate), offer->usd_h,
             SPAN_ARG(catalog->regions[offer->region].name));
}

static void print_sku(const struct catalog *catalog, uint16_t index, struct text *out)
{
    const struct catalog_sku *sku = &catalog->skus[index];
    const struct catalog_offer *cheapest, *dearest;
    text_add(out, "%.*s of %.*s: ", SPAN_ARG(sku->name), SPAN_ARG(sku->provider));
    if (sku->accelerator_count > 0)
        text_add(out, "%u x %.*s with %.1f GiB each, ", sku->accelerator_count,
                 SPAN_ARG(sku->accelerator), sku->accelerator_memory_gib);
    text_add(out, "%u vCPU, %.0f GiB\n", sku->vcpu, sku->memory_gib);
    text_add(out, "  power         %s%.0f W idle, %s%.0f W at peak, before PUE\n",
             mark(has_rule(&sku->fact, "watts-")), sku->idle_w,
             mark(has_rule(&sku->fact, "watts-")), sku->peak_w);
    add_fact(&sku->fact, out);
    for (enum catalog_market market = 0; market < CATALOG_MARKETS; market++) {
        if (!find_extremes(catalog, index, market, &cheapest, &dearest))
            continue;
        text_add(out, "  %-12s  ", catalog_market_name(market));
        add_end(catalog, "cheapest", cheapest, out);
        add_end(catalog, ", dearest", dearest, out);
        text_add_c(out, '\n');
    }
}

static void json_sku(const struct catalog *catalog, uint16_t index, struct text *out)
{
    const struct catalog_sku *sku = &catalog->skus[index];
    const struct catalog_offer *ends[2];
    static const char *const names[] = {"cheapest", "dearest"};
    text_json_key(out, "sku");
    text_json_span(out, sku->name);
    text_json_key(out, "provider");
    text_json_span(out, sku->provider);
    text_json_key(out, "accelerator");
    text_json_span(out, sku->accelerator);
    text_json_key(out, "accelerator_count");
    text_json_u64(out, sku->accelerator_count);
    text_json_key(out, "accelerator_memory_gib");
    text_json_double(out, sku->accelerator_memory_gib);
    text_json_key(out, "vcpu");
    text_json_u64(out, sku->vcpu);
    text_json_key(out, "memory_gib");
    text_json_double(out, sku->memory_gib);
    text_json_key(out, "idle_w");
    text_json_double(out, sku->idle_w);
    text_json_key(out, "peak_w");
    text_json_double(out, sku->peak_w);
    catalog_fact_json(&sku->fact, out);
    for (enum catalog_market market = 0; market < CATALOG_MARKETS; market++) {
        if (!find_extremes(catalog, index, market, &ends[0], &ends[1]))
            continue;
        text_json_key(out, catalog_market_name(market));
        text_json_object(out);
        for (size_t i = 0; i < 2; i++) {
            text_json_key(out, names[i]);
            text_json_object(out);
            text_json_key(out, "region");
            text_json_span(out, catalog->regions[ends[i]->region].name);
            text_json_key(out, "usd_h");
            text_json_double(out, ends[i]->usd_h);
            text_json_key(out, "estimate");
            text_json_bool(out, ends[i]->price.is_estimate);
            text_json_end(out);
        }
        text_json_end(out);
    }
}

static bool show_sku(struct show *show, uint16_t index)
{
    const struct catalog *catalog = show->view.catalog;
    struct text *out = &show->view.out;
    struct arena *arena = &show->view.arena;
    struct catalog_table places;
    uint32_t price_count = 0;
    const struct catalog_fact **prices =
        ARENA_ARRAY(arena, const struct catalog_fact *, catalog->region_count *CATALOG_MARKETS);
    if (!prices || !catalog_table_init(&places, place_columns, COUNT_OF(place_columns),
                                       catalog->region_count, arena))
        return say_no_room();
    add_places(catalog, index, &places, prices, &price_count);
    if (show->view.is_json) {
        json_sku(catalog, index, out);
        text_json_key(out, "offers");
        catalog_table_json(&places, out);
        warn(show, prices, price_count);
        return true;
    }
    print_sku(catalog, index, out);
    text_add(out, "\nsold in %u region%s, $/h\n", PLURAL(places.row_count));
    catalog_table_print(&places, 2, out);
    warn(show, prices, price_count);
    return true;
}

/* --- a model --- */

static const struct catalog_table_column fit_columns[] = {
    {"sku", "sku", CATALOG_TABLE_WORDS, 28, NULL},
    {"accelerator", "accelerator", CATALOG_TABLE_WORDS, 15, NULL},
    {"accelerator_count", "n", 0, 2, NULL},
    {"tensor_parallel", "fits in", CATALOG_TABLE_WORDS, 10, NULL},
    {"cache_tokens", "cache tokens", 0, 12, NULL},
    {"profiles", "speed known", CATALOG_TABLE_WORDS, 11, NULL},
};

/* "2 4 8": the sizes for which <holds>. */
static struct span sizes_where(const struct show *show, uint16_t model, uint16_t sku, bool is_speed,
                               struct arena *arena, uint32_t *ret_largest)
{
    const struct catalog *catalog = show->view.catalog;
    const struct catalog_sku *machine = &catalog->skus[sku];
    char buffer[WORDS_SIZE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    *ret_largest = 0;
    for (uint32_t size = 1; size <= machine->accelerator_count && size <= TENSOR_PARALLEL_MAX;
         size *= 2) {
        bool holds = !is_speed && catalog_fits(catalog, model, sku, size, (uint32_t)show->batch,
                                               (uint32_t)show->tokens);
        for (uint32_t i = 0; is_speed && !holds && i < catalog->profile_count; i++)
            holds = catalog->profiles[i].model == model &&
                    catalog->profiles[i].tensor_parallel == size &&
                    span_is_equal(catalog->profiles[i].accelerator, machine->accelerator);
        if (!holds)
            continue;
        text_add(&text, "%s%u", text.n > 0 ? " " : "", size);
        *ret_largest = size;
    }
    return arena_copy(arena, text_span(&text));
}

static void add_fits(struct show *show, uint16_t model, struct catalog_table *table)
{
    const struct catalog *catalog = show->view.catalog;
    const struct catalog_model *what = &catalog->models[model];
    const double bytes_per_gib = 1 << 30;
    for (uint16_t i = 0; i < catalog->sku_count; i++) {
        const struct catalog_sku *sku = &catalog->skus[i];
        uint32_t largest, largest_known;
        struct span sizes = sizes_where(show, model, i, false, &show->view.arena, &largest);
        if (largest == 0)
            continue;
        double room_gib =
            CATALOG_MEMORY_SHARE * sku->accelerator_memory_gib * largest - what->weights_gib;
        struct catalog_table_cell *cells = catalog_table_add(table, NULL);
        cells[0] = catalog_words(sku->name);
        cells[1] = catalog_words(sku->accelerator);
        cells[2] = catalog_number(sku->accelerator_count);
        cells[3] = catalog_words(sizes);
        cells[4] = catalog_number(
            (double)(uint64_t)(room_gib * bytes_per_gib / (double)what->kv_bytes_per_token));
        cells[5] =
            catalog_words(sizes_where(show, model, i, true, &show->view.arena, &largest_known));
    }
}

static void json_model(const struct catalog_model *model, struct text *out)
{
    text_json_key(out, "model");
    text_json_span(out, model->name);
    text_json_key(out, "parameters_million");
    text_json_double(out, model->parameters_million);
    text_json_key(out, "weights_gib");
    text_json_double(out, model->weights_gib);
    text_json_key(out, "kv_bytes_per_token");
    text_json_u64(out, model->kv_bytes_per_token);
    catalog_fact_json(&model->fact, out);
}

static bool show_model(struct show *show, uint16_t index)
{
    const struct catalog *catalog = show->view.catalog;
    const struct catalog_model *model = &catalog->models[index];
    struct text *out = &show->view.out;
    struct catalog_table fits;
    if (!catalog_table_init(&fits, fit_columns, COUNT_OF(fit_columns), catalog->sku_count,
                            &show->view.arena))
        return say_no_room();
    add_fits(show, index, &fits);
    if (show->view.is_json) {
        json_model(model, out);
        text_json_key(out, "batch");
        text_json_i64(out, show->batch);
        text_json_key(out, "tokens");
        text_json_i64(out, show->tokens);
        text_json_key(out, "fits");
        catalog_table_json(&fits, out);
        return true;
    }
    text_add(out,
             "%.*s: %.0f million parameters, %.2f GiB of weights, %llu bytes of cache a token\n",
             SPAN_ARG(model->name), model->parameters_million, model->weights_gib,
             (unsigned long long)model->kv_bytes_per_token);
    add_fact(&model->fact, out);
    text_add(
        out,
        "\nfits %u of %u sizes of machine with %lld x %lld tokens (90 %% of accelerator memory); "
        "cache\ntokens and speeds by number of accelerators (tensor-parallel)\n",
        fits.row_count, catalog->sku_count, (long long)show->batch, (long long)show->tokens);
    catalog_table_print(&fits, 2, out);
    return true;
}

/* --- which of them --- */

static bool refuse(struct show *show, const char *name)
{
    const struct catalog *catalog = show->view.catalog;
    uint32_t count = 0, most = catalog->region_count + catalog->sku_count + catalog->model_count;
    struct span *names = ARENA_ARRAY(&show->view.arena, struct span, most);
    if (!names)
        return say_no_room();
    for (uint32_t i = 0; i < catalog->region_count; i++)
        names[count++] = catalog->regions[i].name;
    for (uint32_t i = 0; i < catalog->sku_count; i++)
        names[count++] = catalog->skus[i].name;
    for (uint32_t i = 0; i < catalog->model_count; i++)
        names[count++] = catalog->models[i].name;
    int nearest = fleet_nearest(span_of(name), names, count);
    fprintf(stderr, "farspan catalog: there is no region, sku or model %.80s\n", name);
    if (nearest >= 0)
        fprintf(stderr, "  did you mean %.*s?\n", SPAN_ARG(names[nearest]));
    else
        fprintf(stderr, "  farspan catalog list regions|skus|models lists them\n");
    return false;
}

static bool show_name(struct show *show, const char *name)
{
    const struct catalog *catalog = show->view.catalog;
    uint16_t region = catalog_find_region(catalog, span_of(name));
    uint16_t sku = catalog_find_sku(catalog, span_of(name));
    uint16_t model = catalog_find_model(catalog, span_of(name));
    if (region != CATALOG_NONE)
        return show_region(show, region);
    if (sku != CATALOG_NONE)
        return show_sku(show, sku);
    if (model != CATALOG_NONE)
        return show_model(show, model);
    return refuse(show, name);
}

int catalog_show(int argc, char **argv)
{
    struct show show = {.batch = 1, .tokens = 4096};
    const struct option_row rows[] = {
        {"--batch", "N", "of a model: sequences at once; default 1", OPTION_NUMBER, &show.batch, 1,
         65536},
        {"--tokens", "N", "of a model: tokens of each; default 4096", OPTION_NUMBER, &show.tokens,
         1, 16777216},
        {"--catalog", "DIR", "of this folder; default: the shipped catalogue", OPTION_TEXT,
         &show.view.folder, 0, 0},
        {"--json", NULL, "one JSON object", OPTION_FLAG, &show.view.is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan catalog show NAME [--batch N] [--tokens N] [--catalog DIR] [--json]",
        "A region: place, zone, grid, PUE, machines, the nearest regions. A size of machine: "
        "where\n"
        "it is sold, cheapest and dearest. A model: the machines it fits, in which "
        "tensor-parallel\n"
        "sizes, with its weights and the cache of N x N tokens. ~ marks an estimate.",
        "farspan catalog show llama2-70b --batch 16 --tokens 2048",
        rows,
        COUNT_OF(rows),
        2,
        2};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!catalog_view_open(&show.view))
        return 1;
    struct text *out = &show.view.out;
    if (show.view.is_json)
        text_json_object(out);
    bool is_good = show_name(&show, argv[1]);
    if (show.view.is_json && is_good) {
        text_json_end(out);
        text_add_c(out, '\n');
    }
    if (!is_good)
        text_truncate(out, 0);
    return catalog_view_close(&show.view, is_good ? 0 : 1);
}
