/* sort.h: indices in an order, without memory of its own and without a global (qsort() may take
 * some): merge sort from below. What is equal stays as it was. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stdbool.h>
#include <stdint.h>

/* <order>: <count> of them; <scratch>: room for as many. */
void sort_indices(uint32_t *order, uint32_t *scratch, uint32_t count,
                  bool (*is_before)(const void *context, uint32_t a, uint32_t b),
                  const void *context);

#endif
