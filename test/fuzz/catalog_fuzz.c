/* catalog_fuzz.c: any bytes as the files of a catalogue, a line "%%" after each, in the order of
 * enum catalog_file. Whatever comes: a whole catalogue, or complaints; never both, never neither.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "catalog/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts <rest> at the first line that is "%%". */
static struct span cut_part(struct span *rest)
{
    struct span part = *rest;
    for (size_t i = 0; i + 3 <= rest->n; i++) {
        if (memcmp(rest->p + i, "%%\n", 3) != 0 || (i > 0 && rest->p[i - 1] != '\n'))
            continue;
        part.n = i;
        *rest = span_from(rest->p + i + 3, rest->n - i - 3);
        return part;
    }
    *rest = (struct span){NULL, 0};
    return part;
}

/* What every holder of a catalogue relies on. */
static void check_catalog(const struct catalog *catalog)
{
    CHECK(catalog->region_count > 0 && catalog->region_count <= CATALOG_REGIONS_MAX);
    for (uint32_t i = 0; i < catalog->region_count; i++) {
        CHECK(catalog->regions[i].grid < catalog->grid_count);
        CHECK(catalog->region_offers[i] <= catalog->region_offers[i + 1]);
    }
    CHECK(catalog->region_offers[catalog->region_count] == catalog->offer_count);
    for (uint32_t i = 0; i < catalog->offer_count; i++) {
        const struct catalog_offer *offer = &catalog->offers[i];
        CHECK(offer->region < catalog->region_count && offer->sku < catalog->sku_count);
        CHECK(offer->market < CATALOG_MARKETS && offer->price.line > 0);
        CHECK(catalog_find_offer(catalog, offer->region, offer->sku, offer->market) == offer);
    }
    for (uint16_t from = 0; from < catalog->region_count; from++)
        for (uint16_t to = 0; to < catalog->region_count; to++)
            CHECK(catalog_link(catalog, from, to)->rtt_ms > 0);
    for (uint32_t i = 0; i < catalog->client_count; i++)
        CHECK(catalog->clients[i].region < catalog->region_count);
    for (uint32_t i = 0; i < catalog->profile_count; i++)
        CHECK(catalog->profiles[i].model < catalog->model_count &&
              catalog->profiles[i].prompt_ms > 0);
    for (uint16_t model = 0; model < catalog->model_count; model++)
        for (uint16_t sku = 0; sku < catalog->sku_count; sku++)
            CHECK(!catalog_fits(catalog, model, sku, 0, 1, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[64 << 20];
    static struct fleet_complaints complaints;
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    complaints = (struct fleet_complaints){0};
    struct span rest = span_from((const char *)data, size), files[CATALOG_FILES];
    for (size_t i = 0; i < CATALOG_FILES; i++)
        files[i] = cut_part(&rest);
    struct catalog *catalog = NULL;
    enum err err = catalog_read(files, SPAN_LITERAL("fuzz"), &arena, &complaints, &catalog);
    CHECK(err == ERR_OK || err == ERR_VALUE || err == ERR_MEMORY);
    CHECK((err == ERR_OK) == (catalog != NULL));
    CHECK(err != ERR_OK || complaints.count == 0);
    CHECK(err != ERR_VALUE || complaints.count > 0);
    if (catalog)
        check_catalog(catalog);
    return 0;
}
