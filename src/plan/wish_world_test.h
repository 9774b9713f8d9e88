/* wish_world_test.h: a small catalogue for tests of wishes, and a wish read against it.
 *
 *   a:east  a:west  (zone eu)   b:north  b:south  (zone us); clients paris at a:east, york at
 *   b:north, half of all each. Round trips: 1 ms inside, 20 ms in a, 30 ms in b, about 100 between.
 *   gpu4: four accelerators, for the model m; cpu: $0.20 to $0.26 an hour. Stock 100, spot 50. */
#ifndef PLAN_WISH_WORLD_TEST_H
#define PLAN_WISH_WORLD_TEST_H

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "plan/wish.h"
#include "plan/wish_read_io.h"

#define END   ",test,2026-01-31,false,\n"
#define GUESS ",test,2026-01-31,true,guess\n"
#define FACT  ",source,date,estimate,rule\n"

static const char small_regions[] =
    "region,provider,country,continent,zone,latitude,longitude,grid_zone,pue,"
    "egress_internet_usd_per_gib" FACT                   /* */
    "a:east,a,DE,europe,eu,50,10,g,1.2,0.08" END         /* */
    "a:west,a,FR,europe,eu,48,2,g,1.2,0.08" END          /* */
    "b:north,b,US,north-america,us,41,-74,h,1.1,0.1" END /* */
    "b:south,b,US,north-america,us,33,-84,h,1.1,0.1" END;
static const char small_skus[] =
    "sku,provider,accelerator,accelerator_count,accelerator_memory_gib,vcpu,memory_gib,idle_w,"
    "peak_w" FACT                                              /* */
    "cpu,a,,0,0,4,16,50,150" END "cpub,b,,0,0,4,16,50,150" END /* */
    "gpu4,a,g-80,4,80,48,900,500,2500" END "gpu4b,b,g-80,4,80,48,900,500,2500" END;
static const char small_prices[] =
    "region,sku,market,usd_h" FACT                                    /* */
    "a:east,cpu,on_demand,0.20" END "a:east,cpu,spot,0.06" GUESS      /* */
    "a:east,gpu4,on_demand,10" END "a:east,gpu4,spot,3" GUESS         /* */
    "a:west,cpu,on_demand,0.22" END "a:west,gpu4,on_demand,12" END    /* */
    "b:north,cpub,on_demand,0.18" END "b:north,gpu4b,on_demand,9" END /* */
    "b:south,cpub,on_demand,0.26" END "b:south,gpu4b,on_demand,11" GUESS;
static const char small_stock[] =
    "region,sku,market,count" FACT                                     /* */
    "a:east,cpu,on_demand,100" END "a:east,cpu,spot,50" END            /* */
    "a:east,gpu4,on_demand,100" END "a:east,gpu4,spot,50" END          /* */
    "a:west,cpu,on_demand,100" END "a:west,gpu4,on_demand,100" END     /* */
    "b:north,cpub,on_demand,100" END "b:north,gpu4b,on_demand,100" END /* */
    "b:south,cpub,on_demand,100" END "b:south,gpu4b,on_demand,100" END;
static const char small_spot[] = "provider,accelerator,up_h,down_h" FACT "a,,3,1" END
                                 "a,g-80,3,1" END "b,,3,1" END "b,g-80,3,1" END;
static const char small_links[] =
    "from,to,rtt_ms,rtt_margin_ms,bandwidth_mbps,usd_per_gib,usd_per_gib_back" FACT /* */
    "a:east,a:east,1,0,10000,0,0" END "a:east,a:west,20,0,1000,0.01,0.01" END       /* */
    "a:east,b:north,90,0,1000,0.05,0.05" END "a:east,b:south,100,40,1000,0.05,0.05" GUESS
    "a:west,a:west,1,0,10000,0,0" END "a:west,b:north,95,0,1000,0.05,0.05" END
    "a:west,b:south,105,40,1000,0.05,0.05" GUESS "b:north,b:north,1,0,10000,0,0" END
    "b:north,b:south,30,0,1000,0.01,0.01" END "b:south,b:south,1,0,10000,0,0" END;
static const char small_clients[] = "client,region,zone,countries,users_million,weight" FACT
                                    "paris,a:east,eu,FR,50,0.5" END "york,b:north,us,US,50,0.5" END;
static const char small_models[] =
    "model,parameters_million,weights_gib,kv_bytes_per_token" FACT "m,50000,100,1048576" END;
static const char small_profiles[] =
    "model,accelerator,tensor_parallel,batch,prompt_tokens,prompt_ms,token_ms,accelerator_w" FACT
    "m,g-80,2,1,100,50,30,300" END "m,g-80,2,1,1000,400,30,300" END   /* */
    "m,g-80,2,8,100,300,40,300" END "m,g-80,2,8,1000,2400,40,300" END /* */
    "m,g-80,4,1,100,30,20,300" END "m,g-80,4,1,1000,220,20,300" END   /* */
    "m,g-80,4,8,100,200,28,300" END "m,g-80,4,8,1000,1400,28,300" END;

struct small_world {
    char memory[32 << 20], carbon[8192], power[8192];
    struct arena arena;
    struct fleet_complaints complaints;
    struct catalog *catalog;
    struct fleet_document document;
    const struct plan_wish *wish;
};

static inline void small_hours(char *buffer, size_t size, const char *header, unsigned g,
                               unsigned h)
{
    size_t n = (size_t)snprintf(buffer, size, "%s" FACT, header);
    for (int hour = 0; hour < CATALOG_HOURS; hour++)
        n += (size_t)snprintf(buffer + n, size - n, "g,%d,%u" END "h,%d,%u" END, hour, g, hour, h);
}

static inline void small_world_open(struct small_world *world)
{
    struct span files[CATALOG_FILES] = {[CATALOG_FILE_REGIONS] = span_of(small_regions),
                                        [CATALOG_FILE_SKUS] = span_of(small_skus),
                                        [CATALOG_FILE_PRICES] = span_of(small_prices),
                                        [CATALOG_FILE_STOCK] = span_of(small_stock),
                                        [CATALOG_FILE_SPOT] = span_of(small_spot),
                                        [CATALOG_FILE_LINKS] = span_of(small_links),
                                        [CATALOG_FILE_CLIENTS] = span_of(small_clients),
                                        [CATALOG_FILE_MODELS] = span_of(small_models),
                                        [CATALOG_FILE_PROFILES] = span_of(small_profiles)};
    arena_init(&world->arena, world->memory, sizeof world->memory);
    small_hours(world->carbon, sizeof world->carbon, "grid_zone,hour_utc,g_per_kwh", 400, 200);
    small_hours(world->power, sizeof world->power, "grid_zone,hour_utc,usd_per_mwh", 80, 40);
    files[CATALOG_FILE_CARBON] = span_of(world->carbon);
    files[CATALOG_FILE_POWER] = span_of(world->power);
    world->complaints = (struct fleet_complaints){0};
    enum err err = catalog_read(files, SPAN_LITERAL("small"), &world->arena, &world->complaints,
                                &world->catalog);
    for (uint32_t i = 0; err && i < world->complaints.count; i++)
        fprintf(stderr, "%.*s:%u: %.*s\n", SPAN_ARG(world->complaints.row[i].file),
                world->complaints.row[i].line, SPAN_ARG(world->complaints.row[i].message));
    CHECK(err == ERR_OK);
}

/* <yaml> is the part below `plan:`, flow style or indented by at least one space. */
static inline enum err small_world_read(struct small_world *world, const char *yaml)
{
    static char whole[65536];
    snprintf(whole, sizeof whole, "version: 1\nworld: w\nplan:\n%s", yaml);
    small_world_open(world);
    enum err err = plan_wish_open_io(span_of(whole), SPAN_LITERAL("f.yaml"), &world->arena,
                                     &world->complaints, &world->document);
    return err ? err
               : plan_wish_read(&world->document, world->catalog, &world->arena, &world->complaints,
                                &world->wish);
}

#endif
