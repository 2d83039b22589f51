/* Tests of daemon/planeconfig.c: a configuration changed along a row of random maps says what one
 * says that is made of the last map alone. */
#include "daemon/lock/build.h"
#include "daemon/planeconfig.h"

#include <string.h>
#include <sys/socket.h>

enum { INDICES = 16, ROUNDS = 600 };

typedef struct {
    GRand          *rand;
    const LockPeer *peers[INDICES]; /* NULL: not in the map; references */
    uint64_t        n_made;
} World;

static MeshAddr make_addr(unsigned number)
{
    uint8_t bytes[16] = { 0xfd, [15] = (uint8_t)number };

    return mesh_ip_make_addr(AF_INET6, bytes);
}

static MeshAddr make_addr4(unsigned number)
{
    const uint8_t bytes[4] = { 10, 71, 0, (uint8_t)number };

    return mesh_ip_make_addr(AF_INET, bytes);
}

/* Routes are few networks, or an address that a peer may have, too. */
static void add_routes(World *self, MeshMember *member)
{
    member->n_prefixes = (size_t)g_rand_int_range(self->rand, 1, 3);
    member->prefixes = g_new0(MeshPrefix, member->n_prefixes);
    for (size_t i = 0; i < member->n_prefixes; i++) {
        unsigned number = (unsigned)g_rand_int_range(self->rand, 0, INDICES);
        bool     host = g_rand_int_range(self->rand, 0, 3) == 0;

        member->prefixes[i] = (MeshPrefix){ .addr = g_rand_boolean(self->rand) ? make_addr4(number)
                                                                               : make_addr(number),
                                            .bits = host ? 128 : 24 };
        if (host && member->prefixes[i].addr.family == AF_INET)
            member->prefixes[i].bits = 32;
        member->prefixes[i] = mesh_ip_mask_prefix(&member->prefixes[i]);
    }
}

/* One that has no address and key of others: they follow from its index and a turn. */
static const LockPeer *make_peer(World *self, unsigned index, bool routes)
{
    unsigned turn = g_rand_int(self->rand) % 2;
    LockPeer peer = { .index = index, .member = mesh_member_new(), .online = true };

    peer.wg = (MeshKey){ { 3, (uint8_t)index, (uint8_t)turn } };
    peer.offers_aes = g_rand_boolean(self->rand);
    g_snprintf(peer.member->name, sizeof peer.member->name, "n%u", index);
    peer.member->node = (MeshKey){ { 4, (uint8_t)index } };
    peer.member->ip6 = make_addr(index);
    if (turn == 0)
        peer.member->ip4 = make_addr4(index);
    peer.member->serial = ++self->n_made;
    if (routes && g_rand_int_range(self->rand, 0, 4) == 0)
        add_routes(self, peer.member);
    return lock_build_share(&peer);
}

static void change(World *self, bool routes)
{
    for (unsigned n = g_rand_int(self->rand) % 4; n > 0; n--) {
        unsigned index = g_rand_int(self->rand) % INDICES;

        lock_build_unref((gpointer)self->peers[index]);
        self->peers[index] =
            g_rand_int_range(self->rand, 0, 3) == 0 ? NULL : make_peer(self, index, routes);
    }
}

static LockVerified *make_map(World *self)
{
    LockVerified *map = lock_build_new();
    g_autoptr(GPtrArray) peers = g_ptr_array_new_with_free_func(lock_build_unref);
    GArray *rows = g_array_new(false, true, sizeof(MeshAclRow));

    g_array_set_size(rows, g_rand_int(self->rand) % 2);
    lock_build_set_policy(map, NULL, rows);
    for (unsigned i = 0; i < INDICES; i++)
        if (self->peers[i] != NULL)
            g_ptr_array_add(peers, (gpointer)lock_build_ref(self->peers[i]));
    g_assert_true(lock_build_set_peers(map, peers, NULL));
    return map;
}

/* ---- what a configuration says ---- */

typedef struct {
    const WireConfig   *config;
    GPtrArray          *lines;
    const WirePeerSpec *spec;
} Reading;

static void read_ip(const MeshPrefix *prefix, void *data)
{
    Reading *self = data;
    char     text[MESH_IP_PREFIX_TEXT_SIZE];

    g_ptr_array_add(self->lines, g_strdup_printf("%s %u.%u", mesh_ip_format_prefix(prefix, text),
                                                 self->spec->public_key.bytes[1],
                                                 self->spec->public_key.bytes[2]));
}

static void read_peer(const WirePeerSpec *spec, void *data)
{
    Reading *self = data;

    self->spec = spec;
    g_ptr_array_add(self->lines, g_strdup_printf("%u.%u: %u %d %u", spec->public_key.bytes[1],
                                                 spec->public_key.bytes[2], spec->keepalive_s,
                                                 spec->suite, spec->answers));
    wire_config_list_allowed_ips(self->config, &spec->public_key, read_ip, self);
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *read_config(const WireConfig *config)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    Reading self = { .config = config, .lines = lines };

    wire_config_list_peers(config, read_peer, &self);
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

/* ---- rows of maps ---- */

/* Returns: was it changed, not made anew? */
static bool step(World *world, WireConfig **config, MeshdPlaneWish *told,
                 const MeshdTimestamps *timestamps)
{
    MeshdPlaneWish   wish = { .map = make_map(world), .port = 7, .ip4 = true, .offers_aes = true };
    WireConfig      *whole = meshd_planeconfig_make(&wish, timestamps);
    WireConfig      *news = meshd_planeconfig_change(*config, told, &wish, timestamps);
    bool             changed = news != NULL;
    g_autofree char *want = read_config(whole), *got = NULL;

    if (!changed)
        news = g_steal_pointer(&whole);
    got = read_config(news);
    g_assert_cmpstr(got, ==, want);
    wire_config_free(whole);
    wire_config_free(*config);
    *config = news;
    lock_verified_unref(told->map);
    *told = wish;
    return changed;
}

static void test_change(gconstpointer data)
{
    World            world = { .rand = g_rand_new_with_seed(5) };
    MeshdTimestamps *timestamps = meshd_timestamps_new(NULL, &(MeshNetworkId){ { 0 } }, NULL);
    MeshdPlaneWish   told = { .map = NULL };
    WireConfig      *config = NULL;
    unsigned         n_changed = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        change(&world, GPOINTER_TO_INT(data) != 0);
        n_changed += step(&world, &config, &told, timestamps) ? 1 : 0;
    }
    g_assert_cmpuint(n_changed, >, data == NULL ? ROUNDS - 2 : 0);
    for (unsigned i = 0; i < INDICES; i++)
        lock_build_unref((gpointer)world.peers[i]);
    lock_verified_unref(told.map);
    wire_config_free(config);
    meshd_timestamps_free(timestamps);
    g_rand_free(world.rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add_data_func("/planeconfig/change", NULL, test_change);
    g_test_add_data_func("/planeconfig/change-with-routes", GINT_TO_POINTER(1), test_change);
    return g_test_run();
}
