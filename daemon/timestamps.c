#include "daemon/timestamps.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/glib/jsonout.h"
#include "common/glib/keyset.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/wire/time.h"

#define DOCUMENT    "timestamps"
#define NS_PER_S    INT64_C(1000000000)
#define MAX_PEERS   WIRE_MAX_PEERS
#define MAX_BYTES   (UINT64_C(160) * MAX_PEERS + 4096)
#define MAX_SECONDS (UINT64_C(1) << 33)                /* sent by us: the year 2242 */
#define MAX_TAKEN_S (INT64_MAX / UINT64_C(1000000000)) /* the last there is */

enum {
    AHEAD_S = 1800, /* a bound is stored that much ahead */
    RENEW_S = 900,  /* and again when only this is left */
    AFTER_S = 15,   /* and at least this after where this run began: the clock may be behind */
    SLACK_S = 10,   /* what lies before the bound for time to stand still in: 600 initiations */
    TRUST_S = 3600, /* as far as the plane trusts our own clock */
};

/* What was taken of one peer. */
typedef struct {
    MeshKey  wg;
    uint64_t s, ns;
} Taken;

struct MeshdTimestamps {
    MeshdState     *state; /* borrowed */
    MeshNetworkId   net;
    const LockGate *gate;    /* borrowed */
    int64_t         from_s;  /* nothing earlier is sent in this run; 0: no bound */
    int64_t         until_s; /* stored: nothing later is sent; 0: none stored yet */
    bool            unread; /* the disk has some, which could not be read yet: not to be replaced */
    GHashTable     *taken;  /* &Taken.wg → owned Taken */
};

/* Enough: only what a verified map named comes in. */
MeshdTimestamps *meshd_timestamps_new(MeshdState *state, const MeshNetworkId *net,
                                      const LockGate *gate)
{
    MeshdTimestamps *self = g_new0(MeshdTimestamps, 1);

    self->state = state;
    self->net = *net;
    self->gate = gate;
    self->taken = g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, NULL, g_free);
    return self;
}

void meshd_timestamps_free(MeshdTimestamps *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->taken);
    g_free(self);
}

/* ---- the document ---- */

static GBytes *encode(const MeshdTimestamps *self)
{
    MeshJsonOut    out;
    GHashTableIter iter;
    gpointer       value;
    size_t         len;
    char          *text;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "sent-until", self->until_s);
    mesh_jsonout_open(&out, "taken", '[');
    g_hash_table_iter_init(&iter, self->taken);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Taken *taken = value;

        mesh_jsonout_open(&out, NULL, '{');
        mesh_jsonout_b64u(&out, "wg", taken->wg.bytes, sizeof taken->wg.bytes);
        mesh_jsonout_int(&out, "s", (int64_t)taken->s);
        mesh_jsonout_int(&out, "ns", (int64_t)taken->ns);
        mesh_jsonout_close(&out, '}');
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    text = mesh_jsonout_finish(&out, &len);
    return g_bytes_new_take(text, len);
}

static bool read_taken(MeshdTimestamps *self, JsonArray *array, GError **error)
{
    static const MeshJsonField fields[] = {
        { "wg", MESH_JSON_KEY, true, offsetof(Taken, wg) },
        { "s", MESH_JSON_INT, true, offsetof(Taken, s), .max = MAX_TAKEN_S },
        { "ns", MESH_JSON_INT, true, offsetof(Taken, ns), .max = NS_PER_S - 1 },
    };

    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        JsonObject       *object = mesh_json_get_object(array, i, "taken", error);
        g_autofree Taken *taken = g_new0(Taken, 1);

        if (object == NULL ||
            !mesh_json_read(object, fields, G_N_ELEMENTS(fields), taken, "taken[]", error))
            return false;
        g_hash_table_replace(self->taken, &taken->wg, taken);
        g_steal_pointer(&taken);
    }
    return true;
}

typedef struct {
    uint64_t   until_s;
    JsonArray *taken;
} Document;

static bool decode(MeshdTimestamps *self, GBytes *bytes, GError **error)
{
    static const MeshJsonField fields[] = {
        { "sent-until", MESH_JSON_INT, true, offsetof(Document, until_s), .max = MAX_SECONDS },
        { "taken", MESH_JSON_ARRAY, true, offsetof(Document, taken), .max = MAX_PEERS },
    };
    gsize       len = 0;
    const char *text = g_bytes_get_data(bytes, &len);
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_BYTES, error);
    Document document = { 0 };

    if (object == NULL ||
        !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &document, "", error))
        return false;
    self->until_s = (int64_t)document.until_s;
    return read_taken(self, document.taken, error);
}

static void load(MeshdTimestamps *self)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load(self->state, &self->net, DOCUMENT, &error);

    self->unread = g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREAD);
    if (bytes != NULL)
        decode(self, bytes, &error);
    if (error != NULL && !self->unread)
        mesh_log_warning("the stored timestamps are of no use: %s", error->message);
}

static bool save(MeshdTimestamps *self)
{
    g_autoptr(GBytes) bytes = encode(self);
    g_autoptr(GError) error = NULL;

    if (self->unread)
        return false;
    if (meshd_state_save(self->state, &self->net, DOCUMENT, bytes, &error))
        return true;
    mesh_log_error("%s", error->message);
    return false;
}

/* ---- the bounds ---- */

/* The time that timestamps are made of. */
static int64_t get_now(int64_t true_s)
{
    int64_t now_s = mesh_clock_wall_s();

    return true_s != 0 && ABS(now_s - true_s) > TRUST_S ? true_s : now_s;
}

/* Stores a later bound in time. That one is on disk is what makes it count. */
static void reserve(MeshdTimestamps *self, int64_t true_s)
{
    int64_t before_s = self->until_s, now_s = get_now(true_s);
    bool    absurd = true_s != 0 && MAX(self->from_s, before_s) > true_s + TRUST_S;

    /* Our clock was ahead: who knows the time took none of those. A bound of this run alone says
     * nothing about what the last one sent. */
    if (true_s != 0 && self->from_s > true_s + TRUST_S)
        self->from_s = 0;
    if (!absurd && before_s - now_s >= RENEW_S && before_s >= self->from_s + AFTER_S)
        return;
    self->until_s = MAX(now_s + AHEAD_S, self->from_s + AFTER_S);
    if (self->until_s != before_s && !save(self))
        self->until_s = before_s;
}

static void tell(const MeshdTimestamps *self, WirePlane *plane, int64_t true_s)
{
    WireTime time = { .true_s = true_s, .from_s = self->from_s };

    time.until_s = self->until_s == 0 ? 0 : self->until_s - SLACK_S;
    wire_time_set(plane, &time);
}

/* Returns: true: something new. What a peer took back, because its clock is right now, is new. */
static bool collect(MeshdTimestamps *self, WirePlane *plane, LockVerified *map)
{
    bool any = false;

    for (size_t i = 0; map != NULL && i < lock_verified_count(map); i++) {
        const MeshKey *wg = &lock_verified_get_peer(map, i)->wg;
        Taken         *taken = g_hash_table_lookup(self->taken, wg);
        WirePeerInfo   info;

        if (wire_plane_get_peer(plane, wg, &info) < 0 || info.taken_ns <= 0 ||
            info.taken_ns == meshd_timestamps_get(self, wg))
            continue;
        if (taken == NULL) {
            taken = g_new0(Taken, 1);
            taken->wg = *wg;
            g_hash_table_insert(self->taken, &taken->wg, taken);
        }
        taken->s = (uint64_t)(info.taken_ns / NS_PER_S);
        taken->ns = (uint64_t)(info.taken_ns % NS_PER_S);
        any = true;
    }
    return any;
}

static gboolean is_gone(gpointer key, gpointer value, gpointer user_data)
{
    (void)value;
    return !g_hash_table_contains(user_data, key);
}

/* Only peers of the map stay: what is stored does not grow with those that came and went. */
static bool forget_others(MeshdTimestamps *self, LockVerified *map)
{
    g_autoptr(GHashTable) known = g_hash_table_new(mesh_keyset_hash, mesh_keyset_equal);

    if (map == NULL)
        return false;
    for (size_t i = 0; i < lock_verified_count(map); i++)
        g_hash_table_add(known, (gpointer)&lock_verified_get_peer(map, i)->wg);
    return g_hash_table_foreach_remove(self->taken, is_gone, known) > 0;
}

/* What earlier runs left, which this one goes on from. */
static void begin(MeshdTimestamps *self)
{
    load(self);
    self->from_s = self->until_s;
}

void meshd_timestamps_start(MeshdTimestamps *self, WirePlane *plane)
{
    int64_t true_s = lock_gate_true_time(self->gate);

    g_hash_table_remove_all(self->taken);
    self->until_s = 0;
    begin(self);
    reserve(self, true_s);
    tell(self, plane, true_s);
}

int64_t meshd_timestamps_get(const MeshdTimestamps *self, const MeshKey *peer)
{
    const Taken *taken = g_hash_table_lookup(self->taken, peer);

    return taken == NULL
               ? 0
               : (int64_t)MIN(taken->s * (uint64_t)NS_PER_S + taken->ns, (uint64_t)INT64_MAX);
}

void meshd_timestamps_keep(MeshdTimestamps *self, WirePlane *plane, LockVerified *map)
{
    int64_t true_s = lock_gate_true_time(self->gate);

    if (self->unread)
        begin(self);
    reserve(self, true_s);
    tell(self, plane, true_s);
    if ((collect(self, plane, map) | forget_others(self, map)) && !self->unread) {
        g_autoptr(GBytes) bytes = encode(self);

        meshd_state_save_later(self->state, &self->net, DOCUMENT, bytes);
    }
}

void meshd_timestamps_stop(MeshdTimestamps *self, WirePlane *plane, LockVerified *map)
{
    WirePlaneInfo info;

    collect(self, plane, map);
    wire_plane_get_info(plane, &info);
    self->until_s = MAX(self->from_s, info.sent_ns / NS_PER_S + 1);
    save(self);
}
