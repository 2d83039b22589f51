#include "daemon/net/ledger.h"

#include "common/glib/error.h"

#include <gio/gio.h>
#include <string.h>

#define LEDGER_MAX_BYTES 65536 /* far more names than a host has interfaces */

struct NetLedger {
    char      *path;
    GPtrArray *names; /* owned texts */
};

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len < 16 && strpbrk(text, "/ \t") == NULL;
}

NetLedger *net_ledger_open(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) read_error = NULL;
    NetLedger *self;
    gsize      len = 0;

    if (!g_file_get_contents(path, &text, &len, &read_error) &&
        !g_error_matches(read_error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s", read_error->message);
        return NULL;
    }
    self = g_new0(NetLedger, 1);
    self->path = g_strdup(path);
    self->names = g_ptr_array_new_with_free_func(g_free);
    if (text == NULL || len > LEDGER_MAX_BYTES)
        return self;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if (is_name(*line))
            g_ptr_array_add(self->names, g_strdup(*line));
    return self;
}

void net_ledger_free(NetLedger *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->names);
    g_free(self->path);
    g_free(self);
}

static bool save(NetLedger *self, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) write_error = NULL;

    for (unsigned i = 0; i < self->names->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)self->names->pdata[i]);
    if (g_file_set_contents_full(self->path, text->str, (gssize)text->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0600, &write_error))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s", write_error->message);
    return false;
}

static bool find(NetLedger *self, const char *ifname, guint *out_index)
{
    return g_ptr_array_find_with_equal_func(self->names, ifname, g_str_equal, out_index);
}

bool net_ledger_add(NetLedger *self, const char *ifname, GError **error)
{
    if (find(self, ifname, NULL))
        return true;
    g_ptr_array_add(self->names, g_strdup(ifname));
    if (save(self, error))
        return true;
    g_ptr_array_remove_index(self->names, self->names->len - 1);
    return false;
}

bool net_ledger_remove(NetLedger *self, const char *ifname, GError **error)
{
    guint index = 0;

    if (!find(self, ifname, &index))
        return true;
    g_ptr_array_remove_index(self->names, index);
    return save(self, error);
}

char **net_ledger_list(NetLedger *self)
{
    GStrvBuilder *builder = g_strv_builder_new();
    char        **names;

    for (unsigned i = 0; i < self->names->len; i++)
        g_strv_builder_add(builder, self->names->pdata[i]);
    names = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return names;
}
