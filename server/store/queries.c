/* server/store/queries.c: every statement, one text for all engines (`?1` … are its arguments). */
#include "server/store/queries.h"

#include <stddef.h>

#define NETWORK_COLUMNS                                                                         \
    "id, name, ip4, ip6, approve, ver, epoch, serial, next_index, next_ip4, pver, policy_body," \
    " policy_sig, created, max_nodes, lan"
#define NODE_COLUMNS                                                                              \
    "network, node, idx, name, wg, ip4, ip6, state, serial, k_seq, k_body, k_sig, m_body, m_sig," \
    " m_nbf, m_exp, expires, want_ip4, ver, created, last_seen, os, version, due, owner, "        \
    "suspended"
#define JOIN_KEY_COLUMNS "network, public, reusable, uses, created, expires, revoked, note, owner"
/* with the owner's name */
#define JOIN_KEY_SELECT \
    "SELECT " JOIN_KEY_COLUMNS ", (SELECT name FROM account WHERE id=owner) FROM join_key"
#define ACCOUNT_COLUMNS "id, name, note, disabled, max_nodes, expires, created"
/* those whose nodes may not be members at ?2 */
#define BLOCKED_ACCOUNTS \
    "(SELECT id FROM account WHERE disabled<>0 OR (expires<>0 AND expires<=?2))"
#define TOMBSTONE_COLUMNS "network, node, idx, serial, ip4, removed, ver, parted"
#define RELAY_COLUMNS     "id, network, entry, created"

static const char *const texts[STORE_N_QUERIES] = {
    [STORE_NETWORK_ALL] = "SELECT " NETWORK_COLUMNS " FROM network ORDER BY created, id",
    [STORE_NETWORK_GET] = "SELECT " NETWORK_COLUMNS " FROM network WHERE id=?1",
    [STORE_NETWORK_INSERT] = "INSERT INTO network (" NETWORK_COLUMNS ") VALUES"
                             " (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
    /* the row lock that makes version order commit order; → ver */
    [STORE_NETWORK_BUMP] = "UPDATE network SET ver=ver+1 WHERE id=?1 RETURNING ver",
    [STORE_NETWORK_SERIAL] = "UPDATE network SET serial=serial+1 WHERE id=?1 RETURNING serial",
    [STORE_NETWORK_INDEX] =
        "UPDATE network SET next_index=next_index+1 WHERE id=?1 RETURNING next_index-1",
    [STORE_NETWORK_NEXT_IP4] = "UPDATE network SET next_ip4=?2 WHERE id=?1",
    [STORE_NETWORK_SET] = "UPDATE network SET name=?2, approve=?3, max_nodes=?4 WHERE id=?1",
    [STORE_NETWORK_POLICY] =
        "UPDATE network SET pver=?2, policy_body=?3, policy_sig=?4 WHERE id=?1",
    [STORE_NETWORK_LAN] = "UPDATE network SET lan=?2 WHERE id=?1",
    [STORE_NETWORK_DELETE] = "DELETE FROM network WHERE id=?1",

    [STORE_NODE_ALL] = "SELECT " NODE_COLUMNS " FROM node ORDER BY network, ver, idx",
    [STORE_NODE_GET] = "SELECT " NODE_COLUMNS " FROM node WHERE network=?1 AND node=?2",
    [STORE_NODE_NAMED] = "SELECT node FROM node WHERE network=?1 AND name=?2",
    [STORE_NODE_WITH_WG] = "SELECT node FROM node WHERE network=?1 AND wg=?2",
    [STORE_NODE_WITH_IP6] = "SELECT node FROM node WHERE network=?1 AND ip6=?2",
    [STORE_NODE_COUNT] = "SELECT count(*) FROM node WHERE network=?1 AND state=?2",
    [STORE_NODE_INSERT] =
        "INSERT INTO node (" NODE_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
        "?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26)",
    /* the same arguments as INSERT; network, node and idx name it, created stays */
    [STORE_NODE_UPDATE] =
        "UPDATE node SET name=?4, wg=?5, ip4=?6, ip6=?7, state=?8, serial=?9, k_seq=?10,"
        " k_body=?11, k_sig=?12, m_body=?13, m_sig=?14, m_nbf=?15, m_exp=?16, expires=?17,"
        " want_ip4=?18, ver=?19, created=?20, last_seen=?21, os=?22, version=?23, due=?24,"
        " owner=?25, suspended=?26"
        " WHERE network=?1 AND node=?2 AND idx=?3",
    [STORE_NODE_SEEN] = "UPDATE node SET last_seen=?3 WHERE network=?1 AND node=?2",
    [STORE_NODE_DELETE] = "DELETE FROM node WHERE network=?1 AND node=?2",
    /* those in state ?3 that were due at ?2 or begin after ?4, the most urgent first */
    [STORE_NODE_DUE] = "SELECT " NODE_COLUMNS " FROM node WHERE network=?1 AND state=?3"
                       " AND (due<=?2 OR m_nbf>?4) ORDER BY due",
    /* those in state ?3 whose user may have none, and those who wait for their user */
    [STORE_NODE_BLOCKED] = "SELECT " NODE_COLUMNS " FROM node WHERE network=?1 AND state=?3"
                           " AND owner IN " BLOCKED_ACCOUNTS " ORDER BY idx",
    [STORE_NODE_FREED] = "SELECT " NODE_COLUMNS " FROM node WHERE network=?1 AND suspended<>0"
                         " AND owner NOT IN " BLOCKED_ACCOUNTS " ORDER BY idx",
    /* of user ?1 in any network, but not in state ?2 and not node ?4 of network ?3 */
    [STORE_NODE_OWNED] = "SELECT count(*) FROM node WHERE owner=?1 AND state<>?2"
                         " AND NOT (network=?3 AND node=?4)",
    [STORE_NODE_OF_OWNER] = "SELECT " NODE_COLUMNS " FROM node WHERE owner=?1 AND state=?2"
                            " ORDER BY network, idx",
    [STORE_NODE_WITH_IP4] = "SELECT node FROM node WHERE network=?1 AND ip4=?2",

    /* addresses from ?2 on that are taken or held back, ascending */
    [STORE_IP4_USED] = "SELECT ip4 FROM node WHERE network=?1 AND ip4>=?2"
                       " UNION SELECT ip4 FROM tombstone WHERE network=?1 AND ip4>=?2 ORDER BY 1",
    [STORE_IP4_HELD] = "SELECT ip4 FROM node WHERE network=?1 AND ip4>=?2 ORDER BY ip4",

    [STORE_TOMBSTONE_ALL] = "SELECT " TOMBSTONE_COLUMNS " FROM tombstone ORDER BY network, ver",
    [STORE_TOMBSTONE_GET] =
        "SELECT " TOMBSTONE_COLUMNS " FROM tombstone WHERE network=?1 AND node=?2",
    [STORE_TOMBSTONE_INSERT] =
        "INSERT INTO tombstone (" TOMBSTONE_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
    /* of those that left by themselves before ?2, under version ?3 at most */
    [STORE_TOMBSTONE_OLD] = "SELECT " TOMBSTONE_COLUMNS " FROM tombstone WHERE network=?1"
                            " AND parted<>0 AND removed<?2 AND ver<=?3",
    [STORE_TOMBSTONE_FORGET] = "DELETE FROM tombstone WHERE network=?1 AND parted<>0"
                               " AND removed<?2 AND ver<=?3",
    /* of those removed at or before ?2 */
    [STORE_TOMBSTONE_LOWEST_FREE] =
        "SELECT min(ip4) FROM tombstone WHERE network=?1 AND ip4 IS NOT NULL AND removed<=?2",
    [STORE_TOMBSTONE_RELEASE] =
        "UPDATE tombstone SET ip4=NULL WHERE network=?1 AND ip4 IS NOT NULL AND removed<=?2",

    [STORE_JOIN_KEY_ALL] = JOIN_KEY_SELECT " WHERE network=?1 ORDER BY created, public",
    [STORE_JOIN_KEY_GET] = JOIN_KEY_SELECT " WHERE network=?1 AND public=?2",
    [STORE_JOIN_KEY_COUNT] = "SELECT count(*) FROM join_key WHERE network=?1",
    [STORE_JOIN_KEY_INSERT] =
        "INSERT INTO join_key (" JOIN_KEY_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [STORE_JOIN_KEY_USE] = "UPDATE join_key SET uses=uses+1 WHERE network=?1 AND public=?2",
    [STORE_JOIN_KEY_REVOKE] = "UPDATE join_key SET revoked=1 WHERE network=?1 AND public=?2",
    /* the oldest one that can no longer be used at ?2 makes room */
    [STORE_JOIN_KEY_PRUNE] =
        "DELETE FROM join_key WHERE network=?1 AND public=(SELECT public FROM join_key WHERE"
        " network=?1 AND (revoked=1 OR (reusable=0 AND uses>0) OR (expires<>0 AND expires<=?2))"
        " ORDER BY created LIMIT 1)",
    [STORE_JOIN_KEY_SET] =
        "UPDATE join_key SET note=?3, expires=?4, owner=?5 WHERE network=?1 AND public=?2",
    /* of user ?1, in all networks: nobody joins with them */
    [STORE_JOIN_KEY_ORPHAN] = "UPDATE join_key SET revoked=1, owner=0 WHERE owner=?1",

    [STORE_ACCOUNT_ALL] = "SELECT " ACCOUNT_COLUMNS " FROM account ORDER BY name",
    [STORE_ACCOUNT_GET] = "SELECT " ACCOUNT_COLUMNS " FROM account WHERE id=?1",
    [STORE_ACCOUNT_NEXT] = "SELECT coalesce(max(id),0)+1 FROM account",
    [STORE_ACCOUNT_INSERT] =
        "INSERT INTO account (" ACCOUNT_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7)",
    /* the same arguments; created stays */
    [STORE_ACCOUNT_SET] = "UPDATE account SET name=?2, note=?3, disabled=?4, max_nodes=?5,"
                          " expires=?6, created=?7 WHERE id=?1",
    [STORE_ACCOUNT_DELETE] = "DELETE FROM account WHERE id=?1",
    [STORE_ACCOUNT_NODES] = "SELECT count(*) FROM node WHERE owner=?1",

    [STORE_RELAY_MAP_GET] = "SELECT ver, own FROM relay_map WHERE one=1",
    [STORE_RELAY_MAP_SET] = "INSERT INTO relay_map (one, ver, own) VALUES (1,?1,?2)"
                            " ON CONFLICT (one) DO UPDATE SET ver=?1, own=?2",

    /* → ver */
    [STORE_RELAY_MAP_BUMP] = "INSERT INTO relay_map (one, ver, own) VALUES (1,1,'')"
                             " ON CONFLICT (one) DO UPDATE SET ver=ver+1 RETURNING ver",
    [STORE_RELAY_ALL] = "SELECT " RELAY_COLUMNS " FROM relay ORDER BY id",
    [STORE_RELAY_INSERT] = "INSERT INTO relay (" RELAY_COLUMNS ") VALUES (?1,?2,?3,?4)",
    [STORE_RELAY_SET] = "UPDATE relay SET entry=?2 WHERE id=?1",
    [STORE_RELAY_DELETE] = "DELETE FROM relay WHERE id=?1",

    [STORE_LOG_INSERT] =
        "INSERT INTO change_log (network, ver, kind, node, blob, at) VALUES (?1,?2,?3,?4,?5,?6)",
    /* what is older than version ?2 or than the time ?3 */
    [STORE_LOG_TRIM] = "DELETE FROM change_log WHERE network=?1 AND (ver<=?2 OR at<?3)",
};

const char *store_queries_get(StoreQuery query)
{
    return texts[query];
}
