#include "catalog/merge.h"

#include "base/check.h"
#include "base/maths.h"
#include "base/text.h"
#include "catalog/row.h"

enum { LATITUDE = 5, LONGITUDE = 6, EGRESS = 9, LINK_COLUMNS = 11 };

/* The rules rtt-line and bw-fit, as fitted over the measured pairs of the shipped catalogue. */
#define RTT_BASE_MS     23.1
#define RTT_MS_PER_KM   0.01556
#define RTT_MARGIN_MS   86.0
#define BANDWIDTH_A     4.834
#define BANDWIDTH_B     (-0.919)
#define BANDWIDTH_MAX   10000.0
#define BANDWIDTH_MIN   1.0
#define INSIDE_RTT_MS   1.0
#define EARTH_RADIUS_KM 6371.0
#define PI              3.14159265358979323846

bool catalog_merge(const struct catalog_cells *base, const struct catalog_cells *own,
                   struct arena *arena, struct fleet_complaints *complaints,
                   struct catalog_cells *ret_merged)
{
    CHECK(base->file == own->file);
    uint32_t rows_max = base->row_count + own->row_count, most = base->schema->rows_max, found;
    struct catalog_cells merged;
    if (!catalog_cells_init(&merged, base->file, base->path, rows_max, arena))
        return false;
    for (uint32_t i = 0; i < base->row_count; i++)
        CHECK(catalog_cells_add(&merged, catalog_cells_row(base, i), 0));
    for (uint32_t i = 0; i < own->row_count; i++) {
        const struct span *row = catalog_cells_row(own, i);
        if (!catalog_cells_find(&merged, row, &found)) {
            CHECK(catalog_cells_add(&merged, row, own->lines[i]));
            continue;
        }
        memcpy(catalog_cells_row(&merged, found), row, merged.column_count * sizeof *row);
        merged.lines[found] = own->lines[i];
    }
    *ret_merged = merged.row_count > most ? *base : merged;
    if (merged.row_count > most)
        fleet_complain(complaints, arena, (struct fleet_place){own->path, 0, 0},
                       "expected at most %u rows together with those of %.*s, found %u", most,
                       SPAN_ARG(base->path), merged.row_count);
    return true;
}

/* --- links by rule --- */

struct place {
    struct span name, egress;
    double latitude, longitude; /* radians */
};

static bool read_place(const struct span *row, struct place *ret_place)
{
    double latitude, longitude, egress;
    if (!catalog_parse_number(row[LATITUDE], &latitude) || latitude < -90 || latitude > 90 ||
        !catalog_parse_number(row[LONGITUDE], &longitude) || longitude < -180 || longitude > 180 ||
        !catalog_parse_number(row[EGRESS], &egress))
        return false;
    *ret_place = (struct place){row[0], row[EGRESS], latitude * PI / 180, longitude * PI / 180};
    return true;
}

/* The x of 0 .. pi/2 with sin x = s, by halving: base has no inverse of the sine. */
static double arc_sine(double s)
{
    double low = 0, high = PI / 2;
    for (int i = 0; i < 52; i++) {
        double middle = (low + high) / 2;
        if (maths_sin(middle) < s)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* The great circle, by the haversine formula. */
static double distance_km(const struct place *a, const struct place *b)
{
    double up = maths_sin((b->latitude - a->latitude) / 2);
    double along = maths_sin((b->longitude - a->longitude) / 2);
    double h = up * up + maths_cos(a->latitude) * maths_cos(b->latitude) * along * along;
    return 2 * EARTH_RADIUS_KM * arc_sine(__builtin_sqrt(h < 1 ? h : 1));
}

static double bandwidth_mbps(double rtt_ms)
{
    const double ten = 10;
    double mbps = maths_pow(ten, BANDWIDTH_A) * maths_pow(rtt_ms, BANDWIDTH_B);
    return mbps > BANDWIDTH_MAX ? BANDWIDTH_MAX : mbps < BANDWIDTH_MIN ? BANDWIDTH_MIN : mbps;
}

static struct span number_cell(struct arena *arena, double number)
{
    char buffer[32];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add(&text, "%.1f", number);
    return arena_copy(arena, text_span(&text));
}

/* <from> <= <to> by name. */
static void make_link(const struct place *from, const struct place *to, struct span date,
                      struct arena *arena, struct span row[LINK_COLUMNS])
{
    bool is_inside = span_is_equal(from->name, to->name);
    double rtt_ms = is_inside ? INSIDE_RTT_MS : RTT_BASE_MS + RTT_MS_PER_KM * distance_km(from, to);
    double mbps = is_inside ? BANDWIDTH_MAX : bandwidth_mbps(rtt_ms);
    const struct span nothing = SPAN_LITERAL("0");
    const struct span cells[LINK_COLUMNS] = {
        from->name,
        to->name,
        number_cell(arena, rtt_ms),
        number_cell(arena, is_inside ? INSIDE_RTT_MS : RTT_MARGIN_MS),
        number_cell(arena, mbps),
        is_inside ? nothing : from->egress,
        is_inside ? nothing : to->egress,
        SPAN_LITERAL("guess"),
        date,
        SPAN_LITERAL("true"),
        is_inside ? SPAN_LITERAL("rtt-inside+bw-inside")
                  : SPAN_LITERAL("rtt-line+bw-fit+egress-net"),
    };
    memcpy(row, cells, sizeof cells);
}

static uint32_t read_places(const struct catalog_cells *regions, struct place *places)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < regions->row_count; i++)
        count += read_place(catalog_cells_row(regions, i), &places[count]);
    return count;
}

bool catalog_estimate_links(const struct catalog_cells *regions, const struct catalog_cells *links,
                            struct span date, struct arena *arena, struct catalog_cells *ret_links,
                            uint32_t *ret_count)
{
    CHECK(regions->file == CATALOG_FILE_REGIONS && links->file == CATALOG_FILE_LINKS);
    struct place *places = ARENA_ARRAY(arena, struct place, regions->row_count + 1);
    if (!places)
        return false;
    uint32_t count = read_places(regions, places), added = 0, found;
    uint32_t most = links->row_count + count * (count + 1) / 2;
    struct catalog_cells all;
    if (!catalog_cells_init(&all, CATALOG_FILE_LINKS, links->path, most, arena))
        return false;
    for (uint32_t i = 0; i < links->row_count; i++)
        CHECK(catalog_cells_add(&all, catalog_cells_row(links, i), links->lines[i]));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = i; j < count; j++) {
            bool is_turned = span_compare(places[i].name, places[j].name) > 0;
            const struct place *from = &places[is_turned ? j : i], *to = &places[is_turned ? i : j];
            const struct span key[CATALOG_KEYS_MAX] = {from->name, to->name};
            struct span row[LINK_COLUMNS];
            if (catalog_cells_find(&all, key, &found))
                continue;
            make_link(from, to, date, arena, row);
            CHECK(catalog_cells_add(&all, row, 0));
            added++;
        }
    if (arena->is_overflown)
        return false;
    *ret_links = all;
    *ret_count = added;
    return true;
}
