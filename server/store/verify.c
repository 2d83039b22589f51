/* server/store/verify.c: see verify.h. SQLite alone: the tool that asks runs beside a server. */
#include "server/store/verify.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/acl.h"
#include "common/proto/member.h"
#include "common/proto/record.h"
#include "common/proto/relaymap.h"

#include <sqlite3.h>
#include <string.h>

enum {
    BUSY_TIMEOUT_MS = 10000,
    MAX_FINDINGS = 100,
    MAX_ENTRY_BYTES = 2048,
    STATE_ACTIVE = 1, /* as stored */
};

typedef struct {
    sqlite3       *db;
    const char    *path;
    const MeshKey *server;
    GPtrArray     *findings;
} Verify;

static void find(const Verify *self, const char *where, const char *what, const char *why)
{
    if (self->findings->len < MAX_FINDINGS)
        g_ptr_array_add(self->findings, g_strdup_printf("%s of %s: %s", what, where, why));
}

/* Bytes of another length leave zeros, which verify nothing. */
static void read_bytes(sqlite3_stmt *row, int column, void *out, size_t want)
{
    memset(out, 0, want);
    if (sqlite3_column_bytes(row, column) == (int)want && want > 0)
        memcpy(out, sqlite3_column_blob(row, column), want);
}

/* Body and signature at @column. Owned; NULL: none, or too long (@error). */
static MeshSigned *read_signed(sqlite3_stmt *row, int column, GError **error)
{
    uint8_t     signature[MESH_SIGN_BYTES];
    const char *body = (const char *)sqlite3_column_text(row, column);

    if (body == NULL || body[0] == '\0')
        return NULL;
    read_bytes(row, column + 1, signature, sizeof signature);
    return mesh_signed_new(body, strlen(body), signature, error);
}

/* id, name, pver, policy_body, policy_sig */
static void verify_network(const Verify *self, sqlite3_stmt *row)
{
    g_autoptr(GError) error = NULL;
    MeshNetworkId id;
    MeshSigned   *object = read_signed(row, 3, &error);
    g_autoptr(MeshAcl) acl = NULL;
    const char *name = (const char *)sqlite3_column_text(row, 1);

    read_bytes(row, 0, &id, sizeof id);
    if (object != NULL)
        acl = mesh_acl_open(object, &id, self->server, &error);
    if (error != NULL)
        find(self, name, "policy", error->message);
    else if (acl != NULL && acl->ver != (uint64_t)sqlite3_column_int64(row, 2))
        find(self, name, "policy", "is of another version than its row");
    mesh_signed_unref(object);
}

/* Where a node's row is: "NAME of NETWORK". Owned. */
static char *describe(sqlite3_stmt *row)
{
    return g_strdup_printf("%s of %s", (const char *)sqlite3_column_text(row, 2),
                           (const char *)sqlite3_column_text(row, 3));
}

/* What an active node's M says beside what its row says. NULL: the same. */
static const char *compare_member(const MeshMember *member, sqlite3_stmt *row, const MeshKey *node)
{
    uint32_t ip4 = (uint32_t)sqlite3_column_int64(row, 6);
    uint8_t  bytes[4] = { (uint8_t)(ip4 >> 24), (uint8_t)(ip4 >> 16), (uint8_t)(ip4 >> 8),
                          (uint8_t)ip4 };

    if (memcmp(&member->node, node, sizeof *node) != 0)
        return "is of another node";
    if (sqlite3_column_int(row, 4) != STATE_ACTIVE) /* its M is void: not renewed by changes */
        return NULL;
    if (member->serial != (uint64_t)sqlite3_column_int64(row, 5))
        return "has another serial than the row";
    if (strcmp(member->name, (const char *)sqlite3_column_text(row, 2)) != 0)
        return "has another name than the row";
    if (ip4 == 0 ? member->ip4.family != 0 : memcmp(member->ip4.bytes, bytes, sizeof bytes) != 0)
        return "has another IPv4 address than the row";
    return NULL;
}

static void verify_member(const Verify *self, sqlite3_stmt *row, const MeshNetworkId *id,
                          const MeshKey *node)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *where = describe(row);
    MeshSigned      *object = read_signed(row, 10, &error);
    g_autoptr(MeshMember) member = NULL;
    const char *other = NULL;

    if (object != NULL)
        member = mesh_member_open(object, id, self->server, &error);
    if (member != NULL)
        other = compare_member(member, row, node);
    else if (error == NULL && sqlite3_column_int(row, 4) == STATE_ACTIVE)
        other = "missing";
    if (error != NULL || other != NULL)
        find(self, where, "membership", error != NULL ? error->message : other);
    mesh_signed_unref(object);
}

static void verify_record(const Verify *self, sqlite3_stmt *row, const MeshNetworkId *id,
                          const MeshKey *node)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *where = describe(row);
    MeshSigned      *object = read_signed(row, 8, &error);
    MeshRecordK      record;
    uint8_t          wg[MESH_KEY_BYTES];

    read_bytes(row, 12, wg, sizeof wg);
    if (error != NULL || (object != NULL && !mesh_record_open_k(object, id, node, &record, &error)))
        find(self, where, "record", error->message);
    else if (object == NULL)
        find(self, where, "record", "missing");
    else if (record.seq != (uint64_t)sqlite3_column_int64(row, 7) ||
             memcmp(&record.wg, wg, sizeof wg) != 0)
        find(self, where, "record", "is of another sequence or WireGuard key than the row");
    mesh_signed_unref(object);
}

/* network, node, name, network's name, state, serial, ip4, k_seq, k_body, k_sig, m_body, m_sig, wg
 */
static void verify_node(const Verify *self, sqlite3_stmt *row)
{
    MeshNetworkId id;
    MeshKey       node;

    read_bytes(row, 0, &id, sizeof id);
    read_bytes(row, 1, &node, sizeof node);
    verify_record(self, row, &id, &node);
    verify_member(self, row, &id, &node);
}

/* id, entry */
static void verify_relay(const Verify *self, sqlite3_stmt *row)
{
    const char      *text = (const char *)sqlite3_column_text(row, 1);
    size_t           len = (size_t)sqlite3_column_bytes(row, 1);
    g_autofree char *where = g_strdup_printf("%d", sqlite3_column_int(row, 0));
    MeshRelayEntry   entry = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = NULL;

    if (text != NULL)
        object = mesh_json_parse(text, len, MAX_ENTRY_BYTES, &error);
    if (object == NULL || !mesh_relaymap_decode_entry(object, "entry", &entry, &error))
        find(self, where, "relay", error != NULL ? error->message : "no entry");
    else if (entry.id != sqlite3_column_int(row, 0))
        find(self, where, "relay", "is of another number than its row");
}

static bool each(const Verify *self, const char                                 *sql,
                 void (*verify)(const Verify *self, sqlite3_stmt *row), GError **error)
{
    sqlite3_stmt *stmt = NULL;
    int           rc = sqlite3_prepare_v2(self->db, sql, -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            verify(self, stmt);
    }
    if (rc != SQLITE_DONE)
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", self->path,
                    sqlite3_errmsg(self->db));
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE;
}

/* A database of an earlier release has no table of them. */
static bool has_relays(sqlite3 *db)
{
    return sqlite3_table_column_metadata(db, NULL, "relay", "entry", NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

bool store_verify_signatures(const char *path, const MeshKey *server, GPtrArray *findings,
                             GError **error)
{
    Verify self = { .path = path, .server = server, .findings = findings };
    bool ok = sqlite3_open_v2(path, &self.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
                  SQLITE_OK &&
              sqlite3_busy_timeout(self.db, BUSY_TIMEOUT_MS) == SQLITE_OK &&
              sqlite3_exec(self.db, "PRAGMA trusted_schema=OFF; PRAGMA query_only=ON; BEGIN", NULL,
                           NULL, NULL) == SQLITE_OK;

    if (!ok)
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", path, sqlite3_errmsg(self.db));
    ok = ok &&
         each(&self, "SELECT id, name, pver, policy_body, policy_sig FROM network", verify_network,
              error) &&
         each(&self,
              "SELECT n.network, n.node, n.name, w.name, n.state, n.serial, n.ip4, n.k_seq,"
              " n.k_body, n.k_sig, n.m_body, n.m_sig, n.wg FROM node n JOIN network w"
              " ON w.id=n.network",
              verify_node, error) &&
         (!has_relays(self.db) || each(&self, "SELECT id, entry FROM relay", verify_relay, error));
    sqlite3_close(self.db);
    return ok;
}
