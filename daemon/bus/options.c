#include "daemon/bus/options.h"

#include "common/glib/error.h"

#include <string.h>

static void store(const BusOption *row, GVariant *value)
{
    if (strcmp(row->type, "as") == 0)
        *(const char ***)row->out = g_variant_get_strv(value, NULL);
    else if (strcmp(row->type, "s") == 0)
        *(const char **)row->out = g_variant_get_string(value, NULL);
    else if (strcmp(row->type, "b") == 0)
        *(gboolean *)row->out = g_variant_get_boolean(value);
    else if (strcmp(row->type, "q") == 0)
        *(guint16 *)row->out = g_variant_get_uint16(value);
    else
        *(guint32 *)row->out = g_variant_get_uint32(value);
    if (row->seen != NULL)
        *row->seen = true;
}

static const BusOption *find(const BusOption *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* The name is anybody's text: on one line, and not longer than needed to find it. */
static void set_unknown(GError **error, const char *name)
{
    g_autofree char *shown = g_strescape(name, NULL); /* ASCII: can be cut anywhere */

    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "unknown option \"%.64s%s\"", shown,
                strlen(shown) > 64 ? "…" : "");
}

/* All are looked at before any is stored. */
static bool check(GVariant *options, const BusOption *table, size_t n, GError **error)
{
    GVariantIter iter;
    const char  *name;
    GVariant    *value;

    g_variant_iter_init(&iter, options);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        const BusOption *row = find(table, n, name);
        bool             fits = row != NULL &&
                    g_variant_is_of_type(value, G_VARIANT_TYPE(row != NULL ? row->type : "v"));

        if (fits)
            continue;
        if (row == NULL)
            set_unknown(error, name);
        else
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                        "option \"%s\" has type %s instead of %s", name,
                        g_variant_get_type_string(value), row->type);
        g_variant_unref(value);
        return false;
    }
    return true;
}

bool bus_options_read(GVariant *options, const BusOption *table, size_t n, GError **error)
{
    if (!check(options, table, n, error))
        return false;
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GVariant) value =
            g_variant_lookup_value(options, table[i].name, G_VARIANT_TYPE(table[i].type));

        if (value != NULL)
            store(&table[i], value);
    }
    return true;
}
