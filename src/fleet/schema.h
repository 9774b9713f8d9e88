/* schema.h: the table of settings (setting.h) for editors and for people. */
#ifndef FLEET_SCHEMA_H
#define FLEET_SCHEMA_H

#include "base/text.h"

/* The JSON Schema (draft 2020-12) of farspan.yaml, from the same table that the loader reads by. */
void fleet_schema_print(struct text *text);

/* The same as one Markdown table: the second half of docs/farspan-yaml.md. */
void fleet_schema_print_markdown(struct text *text);

#endif
