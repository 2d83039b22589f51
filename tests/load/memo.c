#include "tests/load/memo.h"

#include "common/glib/error.h"
#include "common/proto/member.h"
#include "common/proto/record.h"
#include "common/proto/tip.h"

#include <sodium.h>
#include <string.h>

enum {
    MAX_LINES = 16384, /* then all are forgotten */
};

typedef struct {
    uint64_t words[2];
} Digest;

struct LoadMemo {
    MeshJoinlink link;
    GHashTable  *lines;    /* Digest → MeshMapline */
    GHashTable  *verified; /* Digest of signed objects */
    GHashTable  *keys;     /* index → MeshKey */
    GHashTable  *indexes;  /* MeshKey → index */
};

static guint hash_digest(gconstpointer digest)
{
    return (guint)((const Digest *)digest)->words[0];
}

static gboolean equal_digest(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Digest)) == 0;
}

static guint hash_key(gconstpointer key)
{
    guint hash;

    memcpy(&hash, key, sizeof hash);
    return hash;
}

static gboolean equal_key(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(MeshKey)) == 0;
}

static Digest digest_of(const char *text, size_t len)
{
    static const uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
    Digest               digest;

    (void)crypto_shorthash_siphashx24((uint8_t *)&digest, (const uint8_t *)text, len, key);
    return digest;
}

static void free_line(gpointer line)
{
    mesh_mapline_free(line);
}

LoadMemo *load_memo_new(const MeshJoinlink *link)
{
    LoadMemo *self = g_new0(LoadMemo, 1);

    self->link = *link;
    self->lines = g_hash_table_new_full(hash_digest, equal_digest, g_free, free_line);
    self->verified = g_hash_table_new_full(hash_digest, equal_digest, g_free, NULL);
    self->keys = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    self->indexes = g_hash_table_new_full(hash_key, equal_key, g_free, NULL);
    return self;
}

void load_memo_free(LoadMemo *self)
{
    g_hash_table_unref(self->lines);
    g_hash_table_unref(self->verified);
    g_hash_table_unref(self->keys);
    g_hash_table_unref(self->indexes);
    g_free(self);
}

/* --- signed objects, each verified once ------------------------------------------------------ */

static Digest object_digest(const MeshSigned *object)
{
    size_t      len;
    const char *body = mesh_signed_get_body(object, &len);
    Digest      digest = digest_of(body, len), sig;

    sig = digest_of((const char *)mesh_signed_get_signature(object), sizeof(MeshSignature));
    digest.words[0] ^= sig.words[0] * 3;
    digest.words[1] += sig.words[1];
    return digest;
}

static bool is_known(LoadMemo *self, const MeshSigned *object, Digest *out_digest)
{
    *out_digest = object_digest(object);
    return g_hash_table_contains(self->verified, out_digest);
}

static void remember(LoadMemo *self, const Digest *digest)
{
    g_hash_table_add(self->verified, g_memdup2(digest, sizeof *digest));
}

static bool open_plain(LoadMemo *self, MeshSigned *object, MeshSignedType type, GError **error)
{
    Digest      digest;
    JsonObject *body;

    if (object == NULL || is_known(self, object, &digest))
        return true;
    body = mesh_signed_open(object, type, &self->link.network, &self->link.server, error);
    if (body == NULL)
        return false;
    json_object_unref(body);
    remember(self, &digest);
    return true;
}

static bool open_e(LoadMemo *self, MeshSigned *object, uint32_t index, GError **error)
{
    const MeshKey *node = g_hash_table_lookup(self->keys, GUINT_TO_POINTER(index));
    MeshRecordE    record;
    Digest         digest;

    if (object == NULL || is_known(self, object, &digest))
        return true;
    if (node == NULL)
        return true; /* an index that the protocol lets a node ignore */
    if (!mesh_record_open_e(object, &self->link.network, node, &record, error))
        return false;
    remember(self, &digest);
    return true;
}

static bool open_m(LoadMemo *self, MeshSigned *object, uint32_t index, GError **error)
{
    g_autoptr(MeshMember) member = NULL;
    Digest digest;

    if (is_known(self, object, &digest) &&
        g_hash_table_contains(self->keys,
                              GUINT_TO_POINTER(index))) /* else: seen as someone's own */
        return true;
    member = mesh_member_open(object, &self->link.network, &self->link.server, error);
    if (member == NULL)
        return false;
    remember(self, &digest);
    g_hash_table_insert(self->keys, GUINT_TO_POINTER(index),
                        g_memdup2(&member->node, sizeof member->node));
    g_hash_table_insert(self->indexes, g_memdup2(&member->node, sizeof member->node),
                        GUINT_TO_POINTER(index));
    return true;
}

static bool open_peer(LoadMemo *self, const MeshPeer *peer, GError **error)
{
    MeshRecordK    record;
    Digest         digest;
    const MeshKey *node;

    if (!open_m(self, peer->m, peer->index, error))
        return false;
    node = g_hash_table_lookup(self->keys, GUINT_TO_POINTER(peer->index));
    if (node != NULL && !is_known(self, peer->k, &digest)) {
        if (!mesh_record_open_k(peer->k, &self->link.network, node, &record, error))
            return false;
        remember(self, &digest);
    }
    return open_e(self, peer->e, peer->index, error);
}

static bool verify(LoadMemo *self, const MeshMapline *line, GError **error)
{
    bool ok = true;

    if (line->type == MESH_MAPLINE_EP)
        return open_e(self, line->e, line->index, error);
    if (line->type == MESH_MAPLINE_DELTA)
        ok = open_plain(self, line->tip, MESH_SIGNED_TIP, error);
    ok = ok && open_plain(self, line->m, MESH_SIGNED_M, error) &&
         open_plain(self, line->p, MESH_SIGNED_P, error);
    for (size_t i = 0; ok && i < line->n_peers; i++)
        ok = open_peer(self, &line->peers[i], error);
    return ok;
}

/* --- lines ----------------------------------------------------------------------------------- */

const MeshMapline *load_memo_take(LoadMemo *self, const char *text, size_t len, GError **error)
{
    Digest       digest = digest_of(text, len);
    MeshMapline *line = g_hash_table_lookup(self->lines, &digest);

    if (line != NULL)
        return line;
    line = mesh_mapline_decode(text, len, error);
    if (line == NULL)
        return NULL;
    if (!verify(self, line, error)) {
        mesh_mapline_free(line);
        return NULL;
    }
    if (g_hash_table_size(self->lines) >= MAX_LINES)
        g_hash_table_remove_all(self->lines);
    g_hash_table_insert(self->lines, g_memdup2(&digest, sizeof digest), line);
    return line;
}

bool load_memo_check_hello(LoadMemo *self, const MeshMapline *line, const MeshNonce *nonce,
                           GError **error)
{
    MeshTip tip;

    if (!mesh_tip_open(line->tip, &self->link.network, &self->link.server, &tip, error))
        return false;
    if (tip.has_nonce && tip.nonce.number == nonce->number &&
        memcmp(tip.nonce.start, nonce->start, sizeof nonce->start) == 0)
        return true;
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_UNVERIFIED, "hello: another request's tip");
    return false;
}

bool load_memo_find_index(LoadMemo *self, const MeshKey *node, uint32_t *out_index)
{
    gpointer index;

    if (!g_hash_table_lookup_extended(self->indexes, node, NULL, &index))
        return false;
    *out_index = GPOINTER_TO_UINT(index);
    return true;
}
