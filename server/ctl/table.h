/* server/ctl/table.h: rows of texts, printed in columns. What nodes say of themselves is made
 * harmless for terminals. */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CtlTable CtlTable;

CtlTable *ctl_table_new(const char *const *headings); /* NULL-terminated, static */
void      ctl_table_free(CtlTable *self);             /* NULL is fine */

/* One cell after the other; a row is full when it has a cell for each heading. */
void ctl_table_add(CtlTable *self, const char *text); /* NULL or "": "-" */
void ctl_table_add_int(CtlTable *self, int64_t number);
void ctl_table_add_limit(CtlTable *self, int64_t number);                /* 0: "-" */
void ctl_table_add_time(CtlTable *self, int64_t time, const char *zero); /* local; 0: @zero */

void ctl_table_print(const CtlTable *self); /* to stdout */

/* A member a line, "name  value"; as one JSON object when @json. To stdout. */
void ctl_table_print_object(JsonObject *object, bool json);

/* "2026-11-21 09:30", local. Owned. */
char *ctl_table_format_time(int64_t time);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlTable, ctl_table_free)
