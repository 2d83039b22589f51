/* server/store/schema.c: the tables, as numbered migrations; the same for all engines.
 *
 * A migration that was released is never edited: a change is a new row at the end. Keys and
 * addresses are bytes, IPv4 addresses are numbers in host order so that gaps can be searched.
 * The tables are those of a later cluster: the version of a network is a row that each change
 * updates in its own transaction, so version order is commit order. */
#include "common/glib/error.h"
#include "server/store/engine.h"

static const char *const migrations[] = {
    /* 1: networks, nodes, join keys, the log of changes, tombstones */
    "CREATE TABLE network ("
    " id BLOB NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " ip4 TEXT,"
    " ip6 TEXT NOT NULL,"
    " approve BIGINT NOT NULL,"
    " ver BIGINT NOT NULL,"
    " epoch BIGINT NOT NULL,"
    " serial BIGINT NOT NULL,"     /* the last one given to an M */
    " next_index BIGINT NOT NULL," /* of the next node */
    " next_ip4 BIGINT NOT NULL,"   /* all below is taken or held */
    " pver BIGINT NOT NULL,"
    " policy_body TEXT NOT NULL,"
    " policy_sig BLOB NOT NULL,"
    " created BIGINT NOT NULL);"
    "CREATE TABLE node ("
    " network BLOB NOT NULL REFERENCES network(id) ON DELETE CASCADE,"
    " node BLOB NOT NULL,"
    " idx BIGINT NOT NULL,"
    " name TEXT NOT NULL,"
    " wg BLOB NOT NULL,"
    " ip4 BIGINT,"
    " ip6 BLOB NOT NULL,"
    " state BIGINT NOT NULL,"
    " serial BIGINT NOT NULL," /* of its M; 0: never had one */
    " k_seq BIGINT NOT NULL,"
    " k_body TEXT NOT NULL,"
    " k_sig BLOB NOT NULL,"
    " m_body TEXT,"
    " m_sig BLOB,"
    " m_nbf BIGINT NOT NULL,"
    " m_exp BIGINT NOT NULL,"
    " expires BIGINT NOT NULL," /* end of the membership; 0: never */
    " due BIGINT NOT NULL,"     /* when it ends or its M is to be renewed */
    " want_ip4 BIGINT NOT NULL,"
    " ver BIGINT NOT NULL," /* of its last change */
    " created BIGINT NOT NULL,"
    " last_seen BIGINT NOT NULL,"
    " os TEXT NOT NULL,"
    " version TEXT NOT NULL,"
    " PRIMARY KEY (network, node),"
    " UNIQUE (network, idx),"
    " UNIQUE (network, name),"
    " UNIQUE (network, wg),"
    " UNIQUE (network, ip4),"
    " UNIQUE (network, ip6));"
    "CREATE INDEX node_due ON node (network, state, due);"
    "CREATE TABLE tombstone ("
    " network BLOB NOT NULL REFERENCES network(id) ON DELETE CASCADE,"
    " node BLOB NOT NULL,"
    " idx BIGINT NOT NULL,"
    " serial BIGINT NOT NULL,"
    " ip4 BIGINT," /* held back from others; null: returned to the pool */
    " removed BIGINT NOT NULL,"
    " ver BIGINT NOT NULL,"
    " PRIMARY KEY (network, node));"
    "CREATE INDEX tombstone_ip4 ON tombstone (network, ip4);"
    "CREATE TABLE join_key ("
    " network BLOB NOT NULL REFERENCES network(id) ON DELETE CASCADE,"
    " public BLOB NOT NULL," /* derived public key; the secret is stored nowhere */
    " reusable BIGINT NOT NULL,"
    " uses BIGINT NOT NULL,"
    " created BIGINT NOT NULL,"
    " expires BIGINT NOT NULL," /* 0: never */
    " revoked BIGINT NOT NULL,"
    " note TEXT NOT NULL,"
    " PRIMARY KEY (network, public));"
    "CREATE TABLE change_log ("
    " network BLOB NOT NULL REFERENCES network(id) ON DELETE CASCADE,"
    " ver BIGINT NOT NULL,"
    " kind TEXT NOT NULL," /* put, gone, network, policy */
    " node BLOB NOT NULL," /* empty for network and policy */
    " blob TEXT,"          /* the signed body, if the kind has one */
    " at BIGINT NOT NULL,"
    " PRIMARY KEY (network, ver, kind, node));",
    /* 2: users, who owns nodes and keys, places in a network, tombstones that need not stay */
    "CREATE TABLE account ("
    " id BIGINT NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " note TEXT NOT NULL,"
    " disabled BIGINT NOT NULL,"
    " max_nodes BIGINT NOT NULL," /* 0: any number */
    " expires BIGINT NOT NULL,"   /* 0: never */
    " created BIGINT NOT NULL);"
    "ALTER TABLE network ADD COLUMN max_nodes BIGINT NOT NULL DEFAULT 0;" /* 0: the most there are
                                                                           */
    "ALTER TABLE node ADD COLUMN owner BIGINT NOT NULL DEFAULT 0;"        /* account; 0: nobody */
    "ALTER TABLE node ADD COLUMN suspended BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE join_key ADD COLUMN owner BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE tombstone ADD COLUMN parted BIGINT NOT NULL DEFAULT 0;" /* left by itself */
    "CREATE INDEX node_owner ON node (owner);",
    /* 3: the version of the relay map, and what it said of this server */
    "CREATE TABLE relay_map ("
    " one BIGINT NOT NULL PRIMARY KEY,"
    " ver BIGINT NOT NULL,"
    " own TEXT NOT NULL);",
    /* 4: the members' secret for announcements on their links; empty: made at the next start */
    "ALTER TABLE network ADD COLUMN lan BLOB NOT NULL DEFAULT '';",
    /* 5: relays beside this server */
    "CREATE TABLE relay ("
    " id BIGINT NOT NULL PRIMARY KEY,"                        /* as in R; 1 is this server */
    " network BLOB REFERENCES network(id) ON DELETE CASCADE," /* null: of all networks */
    " entry TEXT NOT NULL,"                                   /* as in R */
    " created BIGINT NOT NULL);",
};

int64_t store_schema_latest(void)
{
    return (int64_t)G_N_ELEMENTS(migrations);
}

static bool step(const StoreEngine *engine, void *db, int64_t version, GError **error)
{
    if (!engine->control(db, STORE_BEGIN, error))
        return false;
    if (engine->script(db, migrations[version], error) &&
        engine->set_version(db, version + 1, error) && engine->control(db, STORE_COMMIT, error))
        return true;
    engine->control(db, STORE_ROLLBACK, NULL);
    g_prefix_error(error, "migration to schema %d: ", (int)version + 1);
    return false;
}

bool store_schema_migrate_to(const StoreEngine *engine, void *db, int64_t latest, GError **error)
{
    int64_t version;

    if (!engine->get_version(db, &version, error))
        return false;
    if (version < 0 || version > store_schema_latest()) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE,
                    "the database has schema %d, this program knows up to %d: it was written by a "
                    "newer mesh-server",
                    (int)version, (int)store_schema_latest());
        return false;
    }
    for (; version < latest; version++)
        if (!step(engine, db, version, error))
            return false;
    return true;
}

bool store_schema_migrate(const StoreEngine *engine, void *db, GError **error)
{
    return store_schema_migrate_to(engine, db, store_schema_latest(), error);
}
