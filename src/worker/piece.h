/* piece.h: pieces of text from an engine, held back until they are sure to be said. Pure.
 *
 * Two things keep a byte back: it may be the beginning of a stop word, or of a UTF-8 character
 * whose rest has not come. What can never become a character is replaced by U+FFFD. */
#ifndef WORKER_PIECE_H
#define WORKER_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { PIECE_STOPS_MAX = 4, PIECE_STOP_SIZE = 64, PIECE_ADD_MAX = 512, PIECE_HELD_MAX = 1024 };

struct piece {
    uint32_t stop_count;
    uint8_t stop_size[PIECE_STOPS_MAX];
    char stops[PIECE_STOPS_MAX][PIECE_STOP_SIZE];
    uint32_t held_size;
    char held[PIECE_HELD_MAX]; /* not said yet */
    bool is_stopped;           /* a stop word was found: nothing more comes */
};

void piece_init(struct piece *piece);

/* 1 .. PIECE_STOP_SIZE bytes, at most PIECE_STOPS_MAX words; false otherwise. */
bool piece_stop_add(struct piece *piece, struct span word);

/* Takes at most PIECE_ADD_MAX bytes; writes what is sure into <out> (room: 3 * PIECE_HELD_MAX),
 * whole characters only; answers its size. */
size_t piece_add(struct piece *piece, struct span bytes, char *out);

/* The text is over: what was held back (not a stop word after all). */
size_t piece_end(struct piece *piece, char *out);

#endif
