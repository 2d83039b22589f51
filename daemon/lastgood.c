#include "daemon/lastgood.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/glib/jsonout.h"
#include "common/glib/keyset.h"
#include "common/glib/log.h"
#include "common/std/endpoint.h"

#define DOCUMENT  "lastgood"
#define MAX_BYTES (UINT64_C(192) * MESHD_LASTGOOD_MAX + 4096)

enum {
    SAVE_AFTER_S = 60,
    RENEW_S = 3600, /* a place that stays is written again that seldom */
};

typedef struct {
    MeshKey      wg;
    MeshEndpoint at;
    uint64_t     seen_s;
} Place;

struct MeshdLastgood {
    MeshdState   *state; /* borrowed */
    MeshNetworkId net;
    bool          loaded;
    GHashTable   *places; /* &Place.wg → owned Place */
    GHashTable   *known;  /* the same, as it was at the last start */
    guint         save;   /* timer; 0: all is saved */
};

static GHashTable *new_table(void)
{
    return g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, NULL, g_free);
}

static void put(GHashTable *table, const Place *place)
{
    Place *owned = g_memdup2(place, sizeof *place);

    g_hash_table_replace(table, &owned->wg, owned);
}

MeshdLastgood *meshd_lastgood_new(MeshdState *state, const MeshNetworkId *net)
{
    MeshdLastgood *self = g_new0(MeshdLastgood, 1);

    self->state = state;
    self->net = *net;
    self->places = new_table();
    self->known = new_table();
    return self;
}

/* ---- the document ---- */

static GBytes *encode(const MeshdLastgood *self)
{
    MeshJsonOut    out;
    GHashTableIter iter;
    gpointer       value;
    char           text[MESH_ENDPOINT_TEXT_SIZE];
    size_t         len;
    char          *bytes;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_open(&out, "peers", '[');
    g_hash_table_iter_init(&iter, self->places);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Place *place = value;

        mesh_jsonout_open(&out, NULL, '{');
        mesh_jsonout_b64u(&out, "wg", place->wg.bytes, sizeof place->wg.bytes);
        mesh_jsonout_text(&out, "a", mesh_endpoint_format(&place->at, text));
        mesh_jsonout_int(&out, "seen", (int64_t)place->seen_s);
        mesh_jsonout_close(&out, '}');
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    bytes = mesh_jsonout_finish(&out, &len);
    return g_bytes_new_take(bytes, len);
}

static bool read_places(GHashTable *table, JsonArray *array, GError **error)
{
    static const MeshJsonField fields[] = {
        { "wg", MESH_JSON_KEY, true, offsetof(Place, wg) },
        { "a", MESH_JSON_ENDPOINT, true, offsetof(Place, at) },
        { "seen", MESH_JSON_INT, true, offsetof(Place, seen_s), .max = UINT64_C(1) << 40 },
    };

    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        JsonObject *object = mesh_json_get_object(array, i, "peers", error);
        Place       place = { .seen_s = 0 };

        if (object == NULL ||
            !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &place, "peers[]", error))
            return false;
        put(table, &place);
    }
    return true;
}

static bool decode(GHashTable *table, GBytes *bytes, GError **error)
{
    static const MeshJsonField fields[] = {
        { "peers", MESH_JSON_ARRAY, true, 0, .max = MESHD_LASTGOOD_MAX },
    };
    gsize       len = 0;
    const char *text = g_bytes_get_data(bytes, &len);
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_BYTES, error);
    JsonArray *array = NULL;

    return object != NULL &&
           mesh_json_read(object, fields, G_N_ELEMENTS(fields), &array, "", error) &&
           read_places(table, array, error);
}

static void load(MeshdLastgood *self)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load(self->state, &self->net, DOCUMENT, &error);

    self->loaded = true;
    if (bytes != NULL && !decode(self->places, bytes, &error))
        g_hash_table_remove_all(self->places);
    if (error != NULL)
        mesh_log_warning("where peers were reached last cannot be read: %s", error->message);
}

static void save(MeshdLastgood *self)
{
    g_autoptr(GBytes) bytes = encode(self);

    g_clear_handle_id(&self->save, g_source_remove);
    meshd_state_save_later(self->state, &self->net, DOCUMENT, bytes);
}

static gboolean on_save(gpointer user_data)
{
    MeshdLastgood *self = user_data;

    self->save = 0;
    save(self);
    return G_SOURCE_REMOVE;
}

void meshd_lastgood_free(MeshdLastgood *self)
{
    if (self == NULL)
        return;
    if (self->save != 0)
        save(self);
    g_hash_table_unref(self->places);
    g_hash_table_unref(self->known);
    g_free(self);
}

/* ---- what the parts call ---- */

void meshd_lastgood_start(MeshdLastgood *self, int64_t now_s)
{
    GHashTableIter iter;
    gpointer       value;

    if (!self->loaded)
        load(self);
    g_hash_table_remove_all(self->known);
    g_hash_table_iter_init(&iter, self->places);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (now_s - (int64_t)((Place *)value)->seen_s < MESHD_LASTGOOD_LIFE_S)
            put(self->known, value);
}

static void drop_oldest(GHashTable *table)
{
    GHashTableIter iter;
    gpointer       value;
    const Place   *oldest = NULL;

    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (oldest == NULL || ((Place *)value)->seen_s < oldest->seen_s)
            oldest = value;
    if (oldest != NULL)
        g_hash_table_remove(table, &oldest->wg);
}

void meshd_lastgood_note(MeshdLastgood *self, const MeshKey *peer, const MeshEndpoint *at,
                         int64_t now_s)
{
    Place        place = { .wg = *peer, .at = *at, .seen_s = (uint64_t)MAX(now_s, 0) };
    const Place *before = g_hash_table_lookup(self->places, peer);

    if (at->addr.family == 0 || at->port == 0 || at->scope != 0)
        return; /* the number of an interface is another after a restart */
    if (before != NULL && mesh_endpoint_equal(&before->at, at) &&
        now_s - (int64_t)before->seen_s < RENEW_S)
        return;
    if (before == NULL && g_hash_table_size(self->places) >= MESHD_LASTGOOD_MAX)
        drop_oldest(self->places);
    put(self->places, &place);
    if (self->save == 0)
        self->save = g_timeout_add_seconds(SAVE_AFTER_S, on_save, self);
}

const MeshEndpoint *meshd_lastgood_get(const MeshdLastgood *self, const MeshKey *peer)
{
    const Place *place = g_hash_table_lookup(self->known, peer);

    return place != NULL ? &place->at : NULL;
}
