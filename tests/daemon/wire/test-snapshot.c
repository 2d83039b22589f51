/* Tests of what configurations and snapshots share (daemon/wire/cards.c, config.c, snapshot.c):
 * random changes applied one after the other against the whole made anew, and what was there before
 * stays what it was. */
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/cards.h"
#include "daemon/wire/config-read.h"
#include "daemon/wire/snapshot.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

enum { KEYS = 150, PREFIXES = 400, BACK = 4, ROUNDS = 300 };

/* What a configuration should say. */
typedef struct {
    uint16_t keepalive_s[KEYS]; /* 0: no such peer */
    uint8_t  owner[PREFIXES];   /* 0: nobody; else key + 1 */
} Model;

typedef struct {
    WireConfig   *config;
    WireSnapshot *snapshot;
    Model         model;
} Version;

typedef struct {
    GRand    *rand;
    Version   versions[BACK]; /* the first is the newest */
    uintptr_t peers[KEYS];    /* the WirePeer that each should have, a number */
    uintptr_t n_made;
    unsigned  n_asked;
    int       fail_after; /* that many are made, then memory is out; -1: never */
} World;

static MeshKey key(unsigned number)
{
    MeshKey value = { { 7 } };

    memcpy(value.bytes + 4, &number, sizeof number);
    return value;
}

static unsigned number_of(const MeshKey *key)
{
    unsigned number;

    memcpy(&number, key->bytes + 4, sizeof number);
    return number;
}

/* They nest, and those of one family lie close together. */
static MeshPrefix prefix(unsigned number)
{
    uint8_t    bytes[16] = { 10, (uint8_t)(number % 5), (uint8_t)(number * 37), (uint8_t)number };
    MeshPrefix value = { .addr = mesh_ip_make_addr(number % 2 ? AF_INET6 : AF_INET, bytes),
                         .bits = (uint8_t)(8 + number % 25) };

    return mesh_ip_mask_prefix(&value);
}

/* Two numbers may be one prefix: the lower stands for both. */
static unsigned first_number(unsigned number)
{
    static unsigned known[PREFIXES]; /* one more than it is */
    MeshPrefix      wanted = prefix(number);

    for (unsigned i = 0; i <= number && known[number] == 0; i++) {
        MeshPrefix other = prefix(i);

        if (mesh_ip_equal_prefix(&wanted, &other))
            known[number] = i + 1;
    }
    return known[number] - 1;
}

/* ---- changes ---- */

static void put(World *self, WireConfig *config, Model *model)
{
    unsigned     n = g_rand_int(self->rand) % KEYS;
    WirePeerSpec spec = { .public_key = key(n),
                          .keepalive_s = (uint16_t)g_rand_int_range(self->rand, 1, 60000) };

    if (n % 3 == 0)
        memcpy(spec.preshared_key.bytes, &spec.keepalive_s, 2);
    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, 0);
    model->keepalive_s[n] = spec.keepalive_s;
}

static void forget_ips(Model *model, unsigned n)
{
    for (unsigned i = 0; i < PREFIXES; i++)
        if (model->owner[i] == n + 1)
            model->owner[i] = 0;
}

static void remove_some(World *self, WireConfig *config, Model *model)
{
    unsigned n = g_rand_int(self->rand) % KEYS;
    MeshKey  gone = key(n);

    if (g_rand_int_range(self->rand, 0, 200) == 0) {
        wire_config_remove_peer(config, NULL);
        *model = (Model){ .keepalive_s = { 0 } };
    } else if (g_rand_boolean(self->rand)) {
        wire_config_remove_peer(config, &gone);
        model->keepalive_s[n] = 0;
        forget_ips(model, n);
    } else {
        wire_config_remove_allowed_ip(config, &gone, NULL);
        forget_ips(model, n);
    }
}

static void change_ip(World *self, WireConfig *config, Model *model)
{
    unsigned   n = g_rand_int(self->rand) % KEYS;
    unsigned   i = first_number(g_rand_int(self->rand) % PREFIXES);
    MeshKey    owner = key(n);
    MeshPrefix ip = prefix(i);

    if (g_rand_int_range(self->rand, 0, 4) == 0) {
        wire_config_remove_allowed_ip(config, &owner, &ip);
        if (model->owner[i] == n + 1)
            model->owner[i] = 0;
        return;
    }
    g_assert_cmpint(wire_config_add_allowed_ip(config, &owner, &ip), ==,
                    model->keepalive_s[n] != 0 ? 0 : -ENOENT);
    if (model->keepalive_s[n] != 0)
        model->owner[i] = (uint8_t)(n + 1);
}

static void change(World *self, WireConfig *config, Model *model)
{
    switch (g_rand_int_range(self->rand, 0, 6)) {
    case 0:
    case 1:
        put(self, config, model);
        return;
    case 2:
        remove_some(self, config, model);
        return;
    default:
        change_ip(self, config, model);
    }
}

/* ---- what must be so ---- */

static void count_ip(const MeshPrefix *ip, void *data)
{
    (void)ip;
    (*(unsigned *)data)++;
}

/* A version says what its model does, whatever came after it. */
static void check_version(const Version *self)
{
    unsigned n_peers = 0, n_ips = 0, n_listed = 0;

    for (unsigned n = 0; n < KEYS; n++) {
        MeshKey         public_key = key(n);
        const WireCard *card = wire_snapshot_find(self->snapshot, &public_key);
        uint16_t        secret = n % 3 == 0 ? self->model.keepalive_s[n] : 0, found = 0;

        g_assert_cmpuint(card != NULL ? card->keepalive_s : 0, ==, self->model.keepalive_s[n]);
        n_peers += card != NULL;
        if (card != NULL)
            memcpy(&found, wire_card_get_preshared(card)->bytes, 2);
        g_assert_cmpuint(found, ==, secret);
        wire_config_list_allowed_ips(self->config, &public_key, count_ip, &n_listed);
    }
    g_assert_cmpuint(self->snapshot->n_peers, ==, n_peers);
    for (unsigned i = 0; i < PREFIXES; i++) {
        MeshPrefix       ip = prefix(i);
        const WireOwner *owner = wire_allowedips_find(self->snapshot->allowed_ips, &ip);
        unsigned         wanted = self->model.owner[first_number(i)];

        g_assert_cmpuint(owner != NULL ? number_of(&owner->public_key) + 1 : 0, ==, wanted);
        n_ips += self->model.owner[i] != 0;
    }
    g_assert_cmpuint(n_listed, ==, n_ips);
}

static WirePeer *give_known(const WirePeerSpec *spec, void *data)
{
    const World *self = data;

    return (WirePeer *)self->peers[number_of(&spec->public_key)];
}

/* The newest answers as one that is made of nothing but what should be in it. */
static void check_whole(World *self)
{
    const WireSnapshot *news = self->versions[0].snapshot;
    WireConfig         *apart = wire_config_dup_apart(self->versions[0].config);
    WireSnapshot       *whole;

    g_assert_cmpint(wire_snapshot_new(apart, NULL, give_known, self, &whole), ==, 0);
    for (int i = 0; i < 300; i++) {
        uint32_t draw = g_rand_int(self->rand);
        uint8_t addr[16] = { 10, (uint8_t)(draw % 6), (uint8_t)(draw >> 8), (uint8_t)(draw >> 16) };

        g_assert_true(wire_allowedips_get4(news->allowed_ips, addr) ==
                      wire_allowedips_get4(whole->allowed_ips, addr));
        g_assert_true(wire_allowedips_get6(news->allowed_ips, addr) ==
                      wire_allowedips_get6(whole->allowed_ips, addr));
    }
    for (unsigned n = 0; n < KEYS; n++) {
        MeshKey public_key = key(n);

        g_assert_true(wire_snapshot_get_peer(news, &public_key) ==
                      wire_snapshot_get_peer(whole, &public_key));
    }
    wire_snapshot_free(whole);
    wire_config_free(apart);
}

/* ---- applying ---- */

static WirePeer *make_peer(const WirePeerSpec *spec, void *data)
{
    World   *self = data;
    unsigned n = number_of(&spec->public_key);

    if (self->fail_after >= 0 && (unsigned)self->fail_after == self->n_asked)
        return NULL;
    self->n_asked++;
    g_assert_cmpuint(self->versions[0].model.keepalive_s[n], ==, 0); /* else it lives */
    self->peers[n] = 1000 + self->n_made++;
    return (WirePeer *)self->peers[n];
}

typedef struct {
    const Model *was, *is;
    unsigned     n_told;
} Told;

static void check_told(WireCard *was, WireCard *is, void *data)
{
    Told    *self = data;
    unsigned n = number_of(&(is != NULL ? is : was)->owner->public_key);

    g_assert_true(was != is);
    g_assert_cmpuint(was != NULL ? was->keepalive_s : 0, ==, self->was->keepalive_s[n]);
    g_assert_cmpuint(is != NULL ? is->keepalive_s : 0, ==, self->is->keepalive_s[n]);
    self->n_told++;
}

/* At least what differs is told, and with few changes little else is. */
static void check_compare(const Version *was, const Version *is, unsigned n_changes)
{
    Told     told = { .was = &was->model, .is = &is->model };
    unsigned n_different = 0;

    wire_snapshot_compare(was->snapshot, is->snapshot, check_told, &told);
    for (unsigned n = 0; n < KEYS; n++)
        n_different += was->model.keepalive_s[n] != is->model.keepalive_s[n];
    g_assert_cmpuint(told.n_told, >=, n_different);
    if (n_changes > 0)
        g_assert_cmpuint(told.n_told, <=, MAX(2 * n_changes, n_different));
}

static void done_version(Version *self)
{
    wire_config_free(self->config);
    wire_snapshot_free(self->snapshot);
}

static void keep(World *self, const Version *news)
{
    done_version(&self->versions[BACK - 1]);
    memmove(&self->versions[1], &self->versions[0], (BACK - 1) * sizeof(Version));
    self->versions[0] = *news;
}

/* Now and then from a copy of before, or from one that shares nothing. */
static WireConfig *choose_start(World *self, Model *out_model, bool *out_is_near)
{
    unsigned       draw = g_rand_int(self->rand) % 10;
    const Version *from = &self->versions[draw == 0 ? 2 : 0];

    *out_model = from->model;
    *out_is_near = draw > 1;
    return draw == 1 ? wire_config_dup_apart(from->config) : wire_config_dup(from->config);
}

static void step(World *self)
{
    Version  news;
    bool     is_near;
    unsigned n = g_rand_int(self->rand) % 6;

    news.config = choose_start(self, &news.model, &is_near);
    for (unsigned i = 0; i < n; i++)
        change(self, news.config, &news.model);
    self->n_asked = 0;
    if (wire_snapshot_new(news.config, self->versions[0].snapshot, make_peer, self,
                          &news.snapshot) < 0) {
        g_assert_cmpint(self->fail_after, >=, 0);
        wire_config_free(news.config);
        return; /* as it was: the checks of the next step say so */
    }
    g_assert_cmpuint(news.snapshot->generation, ==, self->versions[0].snapshot->generation + 1);
    check_compare(&self->versions[0], &news, is_near ? n : 0);
    keep(self, &news);
    check_whole(self);
}

static void start(World *self, guint32 seed)
{
    *self = (World){ .rand = g_rand_new_with_seed(seed), .fail_after = -1 };
    for (unsigned i = 0; i < BACK; i++) {
        self->versions[i].config = wire_config_new();
        g_assert_cmpint(wire_snapshot_new(self->versions[i].config, NULL, make_peer, self,
                                          &self->versions[i].snapshot),
                        ==, 0);
    }
}

static void stop(World *self)
{
    for (unsigned i = 0; i < BACK; i++)
        done_version(&self->versions[i]);
    g_rand_free(self->rand);
}

static void test_changes(void)
{
    World world;

    start(&world, 41);
    for (unsigned round = 0; round < ROUNDS; round++) {
        step(&world);
        for (unsigned i = 0; i < BACK; i++)
            check_version(&world.versions[i]);
    }
    stop(&world);
}

/* Peers that cannot be made: nothing of it happened. */
static void test_refused(void)
{
    World world;

    start(&world, 42);
    for (unsigned round = 0; round < ROUNDS; round++) {
        world.fail_after = round % 3 == 0 ? (int)(round % 2) : -1;
        step(&world);
        for (unsigned i = 0; i < BACK; i++)
            check_version(&world.versions[i]);
    }
    stop(&world);
}

/* A peer of thousands of addresses, then all of them another's. */
static void test_many_addresses(void)
{
    WireConfig  *config = wire_config_new(), *copy;
    WirePeerSpec specs[2] = { { .public_key = key(1) }, { .public_key = key(2) } };
    unsigned     n_first = 0, n_second = 0;

    for (int peer = 0; peer < 2; peer++)
        g_assert_cmpint(wire_config_put_peer(config, &specs[peer]), ==, 0);
    for (int peer = 0; peer < 2; peer++)
        for (unsigned i = 0; i < 20000; i++) {
            uint8_t    bytes[4] = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
            MeshPrefix ip = { .addr = mesh_ip_make_addr(AF_INET, bytes), .bits = 32 };

            g_assert_cmpint(wire_config_add_allowed_ip(config, &specs[peer].public_key, &ip), ==,
                            0);
        }
    copy = wire_config_dup(config);
    wire_config_remove_peer(config, &specs[1].public_key);
    wire_config_list_allowed_ips(copy, &specs[0].public_key, count_ip, &n_first);
    wire_config_list_allowed_ips(copy, &specs[1].public_key, count_ip, &n_second);
    g_assert_cmpuint(n_first, ==, 0);
    g_assert_cmpuint(n_second, ==, 20000);
    wire_config_free(config);
    wire_config_free(copy);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add_func("/snapshot/changes", test_changes);
    g_test_add_func("/snapshot/refused", test_refused);
    g_test_add_func("/snapshot/many-addresses", test_many_addresses);
    return g_test_run();
}
