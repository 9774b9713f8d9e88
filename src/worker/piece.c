#include "worker/piece.h"

#include "base/check.h"

void piece_init(struct piece *piece)
{
    *piece = (struct piece){0};
}

bool piece_stop_add(struct piece *piece, struct span word)
{
    if (word.n == 0 || word.n > PIECE_STOP_SIZE || piece->stop_count == PIECE_STOPS_MAX)
        return false;
    memcpy(piece->stops[piece->stop_count], word.p, word.n);
    piece->stop_size[piece->stop_count++] = (uint8_t)word.n;
    return true;
}

/* Size of the character at <p>; 0: not whole yet; -1: can never be one (RFC 3629). */
static int character_size(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char first, last, low, high; /* lead byte range, range of the second byte */
        int size;
    } rows[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
                {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        for (int j = 1; j < rows[i].size; j++) {
            if ((size_t)j == n)
                return 0;
            bool is_good =
                j == 1 ? p[1] >= rows[i].low && p[1] <= rows[i].high : (p[j] & 0xC0) == 0x80;
            if (!is_good)
                return -1;
        }
        return rows[i].size;
    }
    return -1;
}

/* Moves whole characters of the first <limit> held bytes out. <is_end>: unfinished ones are
 * replaced. */
static size_t say(struct piece *piece, size_t limit, bool is_end, char *out)
{
    size_t at = 0, written = 0;
    while (at < limit) {
        int size = character_size((const unsigned char *)piece->held + at, piece->held_size - at);
        if (size == 0 && !is_end)
            break;
        if (size > 0 && at + (size_t)size > limit && !is_end)
            break;
        if (size <= 0) {
            memcpy(out + written, "\xEF\xBF\xBD", 3);
            written += 3;
            at = size == 0 ? limit : at + 1;
            continue;
        }
        memcpy(out + written, piece->held + at, (size_t)size);
        written += (size_t)size;
        at += (size_t)size;
    }
    if (at > piece->held_size)
        at = piece->held_size;
    memmove(piece->held, piece->held + at, piece->held_size - at);
    piece->held_size -= (uint32_t)at;
    return written;
}

/* Where the first stop word begins, or held_size. */
static size_t find_stop(const struct piece *piece)
{
    size_t first = piece->held_size;
    for (uint32_t i = 0; i < piece->stop_count; i++) {
        const char *found =
            memmem(piece->held, piece->held_size, piece->stops[i], piece->stop_size[i]);
        if (found && (size_t)(found - piece->held) < first)
            first = (size_t)(found - piece->held);
    }
    return first;
}

/* Bytes at the end that may be the beginning of a stop word. */
static size_t maybe_stop(const struct piece *piece)
{
    for (size_t n = PIECE_STOP_SIZE - 1; n > 0; n--)
        for (uint32_t i = 0; i < piece->stop_count; i++)
            if (n < piece->stop_size[i] && n <= piece->held_size &&
                memcmp(piece->held + piece->held_size - n, piece->stops[i], n) == 0)
                return n;
    return 0;
}

size_t piece_add(struct piece *piece, struct span bytes, char *out)
{
    CHECK(bytes.n <= PIECE_ADD_MAX && piece->held_size + bytes.n <= PIECE_HELD_MAX);
    if (piece->is_stopped)
        return 0;
    memcpy(piece->held + piece->held_size, bytes.p, bytes.n);
    piece->held_size += (uint32_t)bytes.n;
    size_t stop = find_stop(piece);
    if (stop < piece->held_size) {
        piece->is_stopped = true;
        piece->held_size = (uint32_t)stop;
        return say(piece, stop, true, out);
    }
    return say(piece, piece->held_size - maybe_stop(piece), false, out);
}

size_t piece_end(struct piece *piece, char *out)
{
    return piece->is_stopped ? 0 : say(piece, piece->held_size, true, out);
}
