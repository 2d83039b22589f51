/* server/store/queries.h: every statement by name. One text for all engines.
 *
 * The name says table and verb; the comment in queries.c says arguments and columns. */
#pragma once

typedef enum {
    STORE_NETWORK_ALL,
    STORE_NETWORK_GET,
    STORE_NETWORK_INSERT,
    STORE_NETWORK_BUMP,
    STORE_NETWORK_SERIAL,
    STORE_NETWORK_INDEX,
    STORE_NETWORK_NEXT_IP4,
    STORE_NETWORK_SET,
    STORE_NETWORK_POLICY,
    STORE_NETWORK_DELETE,
    STORE_NODE_ALL,
    STORE_NODE_GET,
    STORE_NODE_NAMED,
    STORE_NODE_WITH_WG,
    STORE_NODE_WITH_IP6,
    STORE_NODE_COUNT,
    STORE_NODE_INSERT,
    STORE_NODE_UPDATE,
    STORE_NODE_SEEN,
    STORE_NODE_DELETE,
    STORE_NODE_DUE,
    STORE_IP4_USED,
    STORE_IP4_HELD,
    STORE_TOMBSTONE_ALL,
    STORE_TOMBSTONE_GET,
    STORE_TOMBSTONE_INSERT,
    STORE_TOMBSTONE_LOWEST_FREE,
    STORE_TOMBSTONE_RELEASE,
    STORE_JOIN_KEY_ALL,
    STORE_JOIN_KEY_GET,
    STORE_JOIN_KEY_COUNT,
    STORE_JOIN_KEY_INSERT,
    STORE_JOIN_KEY_USE,
    STORE_JOIN_KEY_REVOKE,
    STORE_JOIN_KEY_PRUNE,
    STORE_LOG_INSERT,
    STORE_LOG_TRIM,
    STORE_N_QUERIES,
} StoreQuery;

/* The statement's text, `?1` … for its arguments; static. */
const char *store_queries_get(StoreQuery query);
