/* daemon/bus/options.h: reads the a{sv} options of a method by a table. Inside daemon/bus only. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stddef.h>

/** BusOption: @type "b" → gboolean, "q" → guint16, "u" → guint32, "s" → const char * (borrowed from
 * the options), "as" → const char ** (the array is owned: g_free()). @out keeps its value when
 * absent. */
typedef struct {
    const char *name, *type;
    void       *out;
    bool       *seen; /* may be NULL */
} BusOption;

/** bus_options_read: MESH_ERROR_INVALID_ARGUMENT naming an unknown key or a wrong type. */
bool bus_options_read(GVariant *options, const BusOption *table, size_t n, GError **error);
