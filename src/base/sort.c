#include "base/sort.h"

#include <string.h>

/* from[first..middle) and from[middle..end), each in order, to to[first..end). */
static void merge(const uint32_t *from, uint32_t *to, uint32_t first, uint32_t middle, uint32_t end,
                  bool (*is_before)(const void *context, uint32_t a, uint32_t b),
                  const void *context)
{
    uint32_t left = first, right = middle;
    for (uint32_t i = first; i < end; i++) {
        bool takes_right =
            right < end && (left == middle || is_before(context, from[right], from[left]));
        to[i] = takes_right ? from[right++] : from[left++];
    }
}

void sort_indices(uint32_t *order, uint32_t *scratch, uint32_t count,
                  bool (*is_before)(const void *context, uint32_t a, uint32_t b),
                  const void *context)
{
    uint32_t *from = order, *to = scratch;
    for (uint64_t width = 1; width < count; width *= 2) {
        for (uint64_t first = 0; first < count; first += 2 * width) {
            uint64_t middle = first + width < count ? first + width : count;
            uint64_t end = middle + width < count ? middle + width : count;
            merge(from, to, (uint32_t)first, (uint32_t)middle, (uint32_t)end, is_before, context);
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, count * sizeof *order);
}
