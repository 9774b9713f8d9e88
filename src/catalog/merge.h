/* merge.h: somebody's own rows into a file of a catalogue, by key: those that are there are
 * replaced, the others appended. */
#ifndef CATALOG_MERGE_H
#define CATALOG_MERGE_H

#include "catalog/cells.h"

/* Both of one file. The rows of the result have the lines of <own>, or 0 where they come from
 * <base>. More rows than may be are complained about, and then it is <base>. False: no room in
 * <arena>. */
bool catalog_merge(const struct catalog_cells *base, const struct catalog_cells *own,
                   struct arena *arena, struct fleet_complaints *complaints,
                   struct catalog_cells *ret_merged);

/* Pairs of regions without a link get one by rule (data/catalog/README.md): the line between the
 * places for the round-trip time, the fit for the bandwidth, what the sender's region takes for
 * traffic to the internet. <date> is that of the estimate. Regions whose numbers cannot be read are
 * left out: catalog_read() says why. False: no room. */
bool catalog_estimate_links(const struct catalog_cells *regions, const struct catalog_cells *links,
                            struct span date, struct arena *arena, struct catalog_cells *ret_links,
                            uint32_t *ret_count);

#endif
