/* model_file.h: a model as a text file: a person can read what it is, a program can check it. Pure.
 *
 *   farspan-model 1
 *   kind mlp
 *   task classify
 *   data SHA256 | test SHA256 | seed N | rows TRAIN TEST | metric NAME VALUE ...
 *   vector x                                    (only when served as one tensor)
 *   number NAME MEAN SCALE                      (one line an attribute)
 *   category NAME COUNT VALUE ...
 *   target NAME | class VALUE NAME | scale MEAN SCALE
 *   shape N ...
 *   weights COUNT, then 4 numbers a line
 *   end SHA256-OF-ALL-BEFORE-THIS-LINE
 *
 * Numbers that count are IEEE 754 doubles as 16 hex digits, so a file reads back to the same bits
 * on every machine. Words hold no white space and are 1 to LIMIT_NAME bytes. The reader is strict:
 * an unknown line, a missing one, a wrong order or a wrong sum is refused. */
#ifndef LEARN_MODEL_FILE_H
#define LEARN_MODEL_FILE_H

#include "learn/model.h"

/* <text> must have room; ERR_FULL when it was cut; ERR_VALUE when a name holds white space. */
MUST_USE enum err learn_model_write(const struct learn_model *model, struct text *text);

/* Names and weights are taken from <arena>; names are spans into <file>, which must stay. */
MUST_USE enum err learn_model_read(struct span file, struct arena *arena,
                                   struct learn_model *ret_model, struct text *why);

#endif
