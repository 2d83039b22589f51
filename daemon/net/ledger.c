#include "daemon/net/ledger.h"

#include "common/glib/error.h"

#include <gio/gio.h>
#include <string.h>

#define LEDGER_MAX_BYTES 65536 /* far more names than a host has interfaces */

struct NetLedger {
    char   *path;
    GArray *rows; /* NetLedgerRow */
};

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len < NET_IFNAME_SIZE && strchr(text, '/') == NULL;
}

/* A line that is none of ours is left out: it names nothing that we may touch. */
static void read_line(NetLedger *self, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 2);
    NetLedgerRow row = { 0 };
    guint64      index = 0;

    if (words[0] == NULL || !is_name(words[0]) ||
        (words[1] != NULL && !g_ascii_string_to_unsigned(words[1], 10, 1, G_MAXINT, &index, NULL)))
        return;
    g_strlcpy(row.ifname, words[0], sizeof row.ifname);
    row.ifindex = (int)index;
    g_array_append_val(self->rows, row);
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
    self->rows = g_array_new(false, true, sizeof(NetLedgerRow));
    if (text == NULL || len > LEDGER_MAX_BYTES)
        return self;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        read_line(self, *line);
    return self;
}

void net_ledger_free(NetLedger *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->rows);
    g_free(self->path);
    g_free(self);
}

static bool save(NetLedger *self, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) write_error = NULL;

    for (unsigned i = 0; i < self->rows->len; i++) {
        const NetLedgerRow *row = &g_array_index(self->rows, NetLedgerRow, i);

        g_string_append(text, row->ifname);
        if (row->ifindex != 0)
            g_string_append_printf(text, " %d", row->ifindex);
        g_string_append_c(text, '\n');
    }
    if (g_file_set_contents_full(self->path, text->str, (gssize)text->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0600, &write_error))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s", write_error->message);
    return false;
}

static NetLedgerRow *find(NetLedger *self, const char *ifname, unsigned *out_at)
{
    for (unsigned i = 0; i < self->rows->len; i++) {
        NetLedgerRow *row = &g_array_index(self->rows, NetLedgerRow, i);

        if (strcmp(row->ifname, ifname) != 0)
            continue;
        *out_at = i;
        return row;
    }
    return NULL;
}

bool net_ledger_add(NetLedger *self, const char *ifname, GError **error)
{
    unsigned     at = 0;
    NetLedgerRow row = { 0 };

    if (find(self, ifname, &at) != NULL)
        return true;
    g_strlcpy(row.ifname, ifname, sizeof row.ifname);
    g_array_append_val(self->rows, row);
    if (save(self, error))
        return true;
    g_array_set_size(self->rows, self->rows->len - 1);
    return false;
}

bool net_ledger_note_index(NetLedger *self, const char *ifname, int ifindex, GError **error)
{
    unsigned      at = 0;
    NetLedgerRow *row = find(self, ifname, &at);
    int           before;

    if (row == NULL || row->ifindex == ifindex)
        return true;
    before = row->ifindex;
    row->ifindex = ifindex;
    if (save(self, error))
        return true;
    row->ifindex = before;
    return false;
}

bool net_ledger_remove(NetLedger *self, const char *ifname, GError **error)
{
    unsigned at = 0;

    if (find(self, ifname, &at) == NULL)
        return true;
    g_array_remove_index(self->rows, at);
    return save(self, error);
}

const NetLedgerRow *net_ledger_get(NetLedger *self, unsigned at)
{
    return at < self->rows->len ? &g_array_index(self->rows, NetLedgerRow, at) : NULL;
}
