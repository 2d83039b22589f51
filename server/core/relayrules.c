/* server/core/relayrules.c: rules about relays beside this server. Storage thread. See relays.h. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "server/core/relays.h"

#include <string.h>

enum {
    MAX_RELAYS = 256,                             /* of all networks together */
    MAX_A_NETWORK = MESH_RELAYMAP_MAX_RELAYS - 1, /* beside this server */
    MAX_ENTRY_BYTES = 2048,
    DEFAULT_UDP = 3478,
    DEFAULT_ALT = 3479,
    DEFAULT_TLS = 443,
};

#define OWN_NAME "server"

static bool refuse(MeshErrorCode code, const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, (gint)code, text);
    return false;
}

/* --- rows ------------------------------------------------------------------------------------ */

typedef struct {
    GArray  *rows; /* of CoreRelayRow */
    GError **error;
    bool     bad;
} Reading;

static bool on_row(const StoreRow *stored, void *user_data)
{
    Reading     *self = user_data;
    const char  *text = store_row_text(stored, 2);
    CoreRelayRow row = { .all = store_row_null(stored, 1), .created = store_row_int(stored, 3) };
    g_autoptr(JsonObject) object = NULL;
    size_t      len = 0;
    const void *net = store_row_blob(stored, 1, &len);

    if (!row.all && len == sizeof row.net)
        memcpy(&row.net, net, sizeof row.net);
    object = mesh_json_parse(text != NULL ? text : "", text != NULL ? strlen(text) : 0,
                             MAX_ENTRY_BYTES, self->error);
    self->bad = object == NULL ||
                !mesh_relaymap_decode_entry(object, "table relay", &row.entry, self->error);
    if (!self->bad)
        g_array_append_val(self->rows, row);
    return !self->bad;
}

bool core_relayrules_read(StoreTx *tx, GArray *out, GError **error)
{
    Reading   reading = { .rows = out, .error = error };
    StoreCall call = { .on_row = on_row, .user_data = &reading };

    return store_query(tx, STORE_RELAY_ALL, &call, error) && !reading.bad;
}

static CoreRelayRow *find_row(GArray *rows, uint16_t id)
{
    for (guint i = 0; i < rows->len; i++)
        if (g_array_index(rows, CoreRelayRow, i).entry.id == id)
            return &g_array_index(rows, CoreRelayRow, i);
    return NULL;
}

static bool save(CoreChange *change, const CoreRelayRow *row, StoreQuery query, GError **error)
{
    MeshJsonOut      out;
    g_autofree char *text = NULL;

    mesh_jsonout_init(&out);
    mesh_relaymap_encode_entry(&row->entry, &out, NULL);
    text = mesh_jsonout_finish(&out, NULL);
    StoreCall insert = { STORE_ARGS(STORE_ARG_INT(row->entry.id),
                                    row->all ? STORE_ARG_NULL
                                             : STORE_ARG_BLOB(&row->net, sizeof row->net),
                                    STORE_ARG_TEXT(text), STORE_ARG_INT(row->created)) };
    StoreCall set = { STORE_ARGS(STORE_ARG_INT(row->entry.id), STORE_ARG_TEXT(text)) };

    return store_query(change->tx, query, query == STORE_RELAY_INSERT ? &insert : &set, error);
}

/* The map's version, once a change. */
static bool bump(CoreChange *change, const CoreRelayRow *row, GError **error)
{
    StoreCall none = { 0 };
    int64_t   ver = 0;

    if (!core_rows_number(change->tx, STORE_RELAY_MAP_BUMP, &none, &ver, error))
        return false;
    change->relay = *row;
    change->relays_ver = (uint64_t)ver;
    return true;
}

/* --- what a relay may be --------------------------------------------------------------------- */

/* An address in the place of the host is one of its addresses: the map keeps them apart. */
static void move_address(MeshRelayEntry *entry)
{
    MeshAddr addr;

    if (entry->host[0] == '\0' || mesh_ip_parse_addr(entry->host, &addr) < 0)
        return;
    if (entry->n_addrs < MESH_RELAYMAP_MAX_ADDRS)
        entry->addrs[entry->n_addrs++] = addr;
    entry->host[0] = '\0';
}

static void take_patch(MeshRelayEntry *entry, const CoreRelayPatch *patch)
{
    const MeshRelayEntry *from = &patch->entry;

    if (patch->has & CORE_RELAY_NAME)
        g_strlcpy(entry->name, from->name, sizeof entry->name);
    if (patch->has & CORE_RELAY_HOST) {
        g_strlcpy(entry->host, from->host, sizeof entry->host);
        if ((patch->has & CORE_RELAY_ADDRS) == 0)
            entry->n_addrs = 0; /* of the host before */
    }
    if (patch->has & CORE_RELAY_ADDRS) {
        entry->n_addrs = from->n_addrs;
        memcpy(entry->addrs, from->addrs, sizeof entry->addrs);
    }
    if (patch->has & CORE_RELAY_UDP)
        entry->udp = from->udp;
    if (patch->has & CORE_RELAY_ALT)
        entry->alt = from->alt;
    if (patch->has & CORE_RELAY_TLS)
        entry->tls = from->tls;
    if (patch->has & CORE_RELAY_RK)
        entry->rk = from->rk;
    if (patch->has & CORE_RELAY_SK)
        entry->sk = from->sk;
    if (patch->has & CORE_RELAY_STATE)
        entry->state = from->state;
    move_address(entry);
}

static bool has_usable_addrs(const MeshRelayEntry *entry)
{
    for (size_t i = 0; i < entry->n_addrs; i++) {
        MeshIpClass class = mesh_ip_class(&entry->addrs[i]);

        if (class == MESH_IP_NONE || class == MESH_IP_LINK_LOCAL || class == MESH_IP_MULTICAST)
            return false;
    }
    return true;
}

static bool check(const CoreRelayRow *row, GArray *rows, GError **error)
{
    const MeshRelayEntry *entry = &row->entry;

    if (!mesh_relaymap_check(entry, error))
        return false;
    if (entry->host[0] == '\0' && entry->n_addrs == 0)
        return refuse(MESH_ERROR_BAD_REQUEST, "host, addrs: neither", error);
    if (!has_usable_addrs(entry))
        return refuse(MESH_ERROR_BAD_REQUEST, "addrs: not those of a host", error);
    if (strcmp(entry->name, OWN_NAME) == 0)
        return refuse(MESH_ERROR_CONFLICT, "name: that is this server's own relay", error);
    for (guint i = 0; i < rows->len; i++) {
        const MeshRelayEntry *other = &g_array_index(rows, CoreRelayRow, i).entry;

        if (other->id == entry->id)
            continue;
        if (strcmp(other->name, entry->name) == 0)
            return refuse(MESH_ERROR_CONFLICT, "name: there is a relay of that name already",
                          error);
        if (mesh_key_equal(&other->rk, &entry->rk))
            return refuse(MESH_ERROR_CONFLICT, "rk: there is a relay with that key already", error);
    }
    return true;
}

/* How many a node of @net is told of; for a relay of all, of the network that has most. */
static bool has_room(const CoreRelayRow *row, const GArray *rows)
{
    unsigned most = 0, all = 0;

    for (guint i = 0; i < rows->len; i++) {
        const CoreRelayRow *each = &g_array_index(rows, CoreRelayRow, i);
        unsigned            same = 0;

        all += each->all;
        for (guint j = 0; !each->all && j < rows->len; j++) {
            const CoreRelayRow *other = &g_array_index(rows, CoreRelayRow, j);

            same += !other->all && mesh_network_equal_id(&other->net, &each->net);
        }
        if (row->all || mesh_network_equal_id(&row->net, &each->net))
            most = MAX(most, same);
    }
    return rows->len < MAX_RELAYS && all + most < MAX_A_NETWORK;
}

/* The lowest that is free: what peers were told of a relay of the past ends with their records. */
static uint16_t choose_id(GArray *rows)
{
    uint16_t id = CORE_RELAY_OWN_ID + 1;

    while (find_row(rows, id) != NULL)
        id++;
    return id;
}

bool core_relayrules_add(CoreChange *change, const CoreRelayPatch *patch, const MeshNetworkId *net,
                         GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(CoreRelayRow));
    CoreRelayRow row = { .all = net == NULL, .created = change->now };

    if (!core_relayrules_read(change->tx, rows, error))
        return false;
    row.entry = (MeshRelayEntry){ .id = choose_id(rows), .udp = DEFAULT_UDP, .tls = DEFAULT_TLS };
    if ((patch->has & CORE_RELAY_UDP) == 0)
        row.entry.alt = DEFAULT_ALT;
    if (net != NULL)
        row.net = *net;
    take_patch(&row.entry, patch);
    if (!check(&row, rows, error))
        return false;
    if (!has_room(&row, rows))
        return refuse(MESH_ERROR_FULL,
                      "a network may have 15 relays beside this server, a server "
                      "256",
                      error);
    return save(change, &row, STORE_RELAY_INSERT, error) && bump(change, &row, error);
}

bool core_relayrules_set(CoreChange *change, uint16_t id, const CoreRelayPatch *patch,
                         GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(CoreRelayRow));
    CoreRelayRow *row;

    if (!core_relayrules_read(change->tx, rows, error))
        return false;
    row = find_row(rows, id);
    if (row == NULL)
        return refuse(MESH_ERROR_NOT_FOUND, "this relay was removed", error);
    take_patch(&row->entry, patch);
    return check(row, rows, error) && save(change, row, STORE_RELAY_SET, error) &&
           bump(change, row, error);
}

bool core_relayrules_remove(CoreChange *change, uint16_t id, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(CoreRelayRow));
    StoreCall           call = { STORE_ARGS(STORE_ARG_INT(id)) };
    const CoreRelayRow *row;

    if (!core_relayrules_read(change->tx, rows, error))
        return false;
    row = find_row(rows, id);
    if (row == NULL)
        return refuse(MESH_ERROR_NOT_FOUND, "this relay was removed", error);
    change->relay_gone = true;
    return store_query(change->tx, STORE_RELAY_DELETE, &call, error) && bump(change, row, error);
}
