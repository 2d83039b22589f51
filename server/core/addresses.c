/* server/core/addresses.c: allocation of addresses. Storage thread; the database is the truth. */
#include "server/core/addresses.h"

#include "common/glib/error.h"
#include "common/std/hash.h"

#include <string.h>
#include <sys/socket.h>

#define SKIPPED_HOSTS 9 /* of a /16 or wider: people number their own gateways there */

static uint32_t number_of(const MeshAddr *addr)
{
    return (uint32_t)addr->bytes[0] << 24 | (uint32_t)addr->bytes[1] << 16 |
           (uint32_t)addr->bytes[2] << 8 | addr->bytes[3];
}

MeshAddr core_addresses_make4(uint32_t ip4)
{
    uint8_t bytes[4] = { (uint8_t)(ip4 >> 24), (uint8_t)(ip4 >> 16), (uint8_t)(ip4 >> 8),
                         (uint8_t)ip4 };

    return ip4 == 0 ? (MeshAddr){ 0 } : mesh_ip_make_addr(AF_INET, bytes);
}

void core_addresses_range4(const MeshPrefix *prefix, uint32_t *out_low, uint32_t *out_high)
{
    uint32_t first = number_of(&prefix->addr);
    uint32_t hosts = prefix->bits == 0 ? UINT32_MAX : (UINT32_C(1) << (32 - prefix->bits)) - 1;

    *out_low = first + 1 + (prefix->bits <= 16 ? SKIPPED_HOSTS : 0);
    *out_high = first + hosts - 1;
}

bool core_addresses_check_prefix4(const MeshPrefix *prefix, GError **error)
{
    static const char *const spaces[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                          "100.64.0.0/10" };
    MeshPrefix               space;

    if (prefix->addr.family == AF_INET && prefix->bits >= 8 && prefix->bits <= 30)
        for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++)
            if (mesh_ip_parse_prefix(spaces[i], &space) == 0 && prefix->bits >= space.bits &&
                mesh_ip_contains(&space, &prefix->addr))
                return true;
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST,
                        "ip4: a prefix of /8 to /30 inside 10.0.0.0/8, 172.16.0.0/12, "
                        "192.168.0.0/16 or 100.64.0.0/10, or \"none\"");
    return false;
}

static MeshPrefix make_pool4(unsigned at)
{
    const uint8_t bytes[4] = { 10, (uint8_t)(64 | at), 0, 0 };

    return (MeshPrefix){ .addr = mesh_ip_make_addr(AF_INET, bytes), .bits = 16 };
}

void core_addresses_use4(uint64_t *used, const MeshPrefix *prefix)
{
    for (unsigned i = 0; i < 64; i++) {
        MeshPrefix one = make_pool4(i);

        if (prefix->addr.family == AF_INET && mesh_ip_overlaps(&one, prefix))
            *used |= UINT64_C(1) << i;
    }
}

MeshPrefix core_addresses_random4(uint64_t used)
{
    uint8_t at = 0;

    do
        mesh_key_random(&at, 1);
    while (used != UINT64_MAX && (used >> (at & 63) & 1) != 0);
    return make_pool4(at & 63);
}

MeshPrefix core_addresses_random6(void)
{
    uint8_t bytes[16] = { 0xfd };

    mesh_key_random(&bytes[1], 5); /* RFC 4193 §3.2.2: a random global id */
    return (MeshPrefix){ .addr = mesh_ip_make_addr(AF_INET6, bytes), .bits = 48 };
}

/* A walk over taken addresses, ascending, until a gap shows. */
typedef struct {
    uint32_t candidate;
} Walk;

static bool on_taken(const StoreRow *row, void *user_data)
{
    Walk    *walk = user_data;
    uint32_t taken = (uint32_t)store_row_int(row, 0);

    if (taken > walk->candidate)
        return false;
    walk->candidate = taken + 1;
    return true;
}

/* The first address from @from on that @query does not list. */
static bool find_gap(CoreChange *change, StoreQuery query, uint32_t from, uint32_t *out_address,
                     GError **error)
{
    Walk      walk = { .candidate = from };
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(from)),
                       .on_row = on_taken, .user_data = &walk };

    if (!store_query(change->tx, query, &call, error))
        return false;
    *out_address = walk.candidate;
    return true;
}

/* Addresses of nodes removed a day ago return to the pool: the search starts at the lowest. */
static bool release_old(CoreChange *change, GError **error)
{
    int64_t   lowest = 0;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(change->now - CORE_ADDRESSES_QUARANTINE_S)) };

    if (!core_rows_number(change->tx, STORE_TOMBSTONE_LOWEST_FREE, &call, &lowest, error))
        return false;
    if (lowest == 0)
        return true;
    if ((uint32_t)lowest < change->network.next_ip4)
        change->network.next_ip4 = (uint32_t)lowest;
    return store_query(change->tx, STORE_TOMBSTONE_RELEASE, &call, error);
}

static bool save_next(CoreChange *change, uint32_t next, GError **error)
{
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(next)) };

    change->network.next_ip4 = next;
    return store_query(change->tx, STORE_NETWORK_NEXT_IP4, &call, error);
}

bool core_addresses_assign4(CoreChange *change, CoreNodeRow *row, GError **error)
{
    const MeshPrefix *prefix = &change->network.net.ip4;
    uint32_t          low, high, address;

    row->ip4 = 0;
    if (prefix->addr.family == 0)
        return true;
    core_addresses_range4(prefix, &low, &high);
    if (!release_old(change, error) ||
        !find_gap(change, STORE_IP4_USED, MAX(low, change->network.next_ip4), &address, error))
        return false;
    /* nothing fresh is left: what left early, then what was removed less than a day ago */
    if (address > high && !find_gap(change, STORE_IP4_USED, low, &address, error))
        return false;
    if (address > high && !find_gap(change, STORE_IP4_HELD, low, &address, error))
        return false;
    if (address > high) {
        char text[MESH_IP_PREFIX_TEXT_SIZE];

        g_set_error(error, MESH_ERROR, MESH_ERROR_FULL, "no IPv4 address is free in %s",
                    mesh_ip_format_prefix(prefix, text));
        return false;
    }
    row->ip4 = address;
    return save_next(change, address + 1, error);
}

static bool on_any(const StoreRow *row, void *user_data)
{
    (void)row;
    *(bool *)user_data = true;
    return false;
}

bool core_addresses_choose4(CoreChange *change, CoreNodeRow *row, const char *text, GError **error)
{
    const MeshPrefix *prefix = &change->network.net.ip4;
    MeshAddr          addr = { 0 };
    uint32_t          low, high, wish;
    bool              taken = false;

    row->want_ip4 = strcmp(text, "none") != 0;
    if (!row->want_ip4) {
        row->ip4 = 0;
        return true;
    }
    if (prefix->addr.family != 0)
        core_addresses_range4(prefix, &low, &high);
    if (prefix->addr.family == 0 || mesh_ip_parse_addr(text, &addr) < 0 ||
        !mesh_ip_contains(prefix, &addr) || number_of(&addr) == number_of(&prefix->addr) ||
        number_of(&addr) > high) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST,
                            "ip4: not the address of a host in the network's prefix, nor none");
        return false;
    }
    wish = number_of(&addr);
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(wish)),
                       .on_row = on_any, .user_data = &taken };

    if (wish == row->ip4)
        return true;
    if (!store_query(change->tx, STORE_NODE_WITH_IP4, &call, error))
        return false;
    if (taken) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT, "another node has the address %s",
                    text);
        return false;
    }
    row->ip4 = wish;
    return true;
}

static void step_up(uint8_t host[8])
{
    for (int i = 7; i >= 0; i--)
        if (++host[i] != 0)
            return;
}

bool core_addresses_assign6(CoreChange *change, CoreNodeRow *row, GError **error)
{
    MeshSpan parts[] = { MESH_SPAN_TEXT("mesh1-ip6"), MESH_SPAN(&row->node, sizeof row->node) };
    uint8_t  hash[MESH_HASH_BYTES];
    bool     taken;

    mesh_hash_blake2s(parts, G_N_ELEMENTS(parts), hash);
    memset(row->ip6, 0, sizeof row->ip6);
    memcpy(row->ip6, change->network.net.ip6.addr.bytes, 6);
    memcpy(&row->ip6[8], hash, 8);
    do {
        StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                      STORE_ARG_BLOB(row->ip6, sizeof row->ip6)),
                           .on_row = on_any, .user_data = &taken };

        taken = false;
        if (!store_query(change->tx, STORE_NODE_WITH_IP6, &call, error))
            return false;
        if (taken)
            step_up(&row->ip6[8]);
    } while (taken);
    return true;
}
