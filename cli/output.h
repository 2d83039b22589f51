/* cli/output.h: what people and programs read: aligned tables, and JSON with stable keys. Texts
 * from the network are never trusted with the terminal. One thread. */
#pragma once

#include "common/glib/jsonout.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/** cli_output_clean: @text as valid UTF-8 without control characters, line breaks or marks that
 * turn the direction of writing; each becomes U+FFFD. Owned. */
char *cli_output_clean(const char *text);

typedef struct CliTable CliTable;

/** cli_output_table_new: @titles: NULL-terminated. */
CliTable *cli_output_table_new(const char *const *titles);
void      cli_output_table_free(CliTable *self);

/** cli_output_table_add: the next cell, in reading order; cleaned. Too long ones are not cut. */
void cli_output_table_add(CliTable *self, const char *text);

/** cli_output_table_format: columns aligned by what a terminal shows, no blanks at line ends.
 * Owned. */
char *cli_output_table_format(const CliTable *self);

/** cli_output_variant: @value of any type that the interfaces use, as JSON. */
void cli_output_variant(MeshJsonOut *out, const char *name, GVariant *value);

/** cli_output_key: "ServerState" → "server-state". Owned. */
char *cli_output_key(const char *property);

/** cli_output_print_json: prints and ends @out. */
void cli_output_print_json(MeshJsonOut *out);

char *cli_output_format_bytes(uint64_t bytes); /* "1.5 MiB"; owned */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliTable, cli_output_table_free)
