/* Changes of a configuration that shares with others, when each allocation fails once: what was
 * refused did not happen, what could not be removed refuses the whole, and those it shares with say
 * what they said. */
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/config-read.h"
#include "daemon/wire/snapshot.h"
#include "tests/faults/shortage.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

enum { PEERS = 12, IPS_EACH = 3, STEPS = 90 };

static MeshKey key_of(unsigned peer)
{
    return (MeshKey){ { 5, (uint8_t)peer } };
}

static MeshPrefix prefix_of(unsigned number)
{
    const uint8_t bytes[4] = { 10, 1, (uint8_t)(number / IPS_EACH), (uint8_t)(number % IPS_EACH) };

    return (MeshPrefix){ .addr = mesh_ip_make_addr(AF_INET, bytes), .bits = 32 };
}

/* ---- what a configuration says, and that it agrees with itself ---- */

typedef struct {
    const WireConfig *config;
    const WireOwner  *owner;
    GString          *text;
    unsigned          n_peers, n_ips;
} Reading;

static void read_ip(const MeshPrefix *prefix, void *data)
{
    Reading *self = data;
    char     text[MESH_IP_PREFIX_TEXT_SIZE];

    g_assert_true(wire_allowedips_find(wire_config_get_allowed_ips(self->config), prefix) ==
                  self->owner);
    g_string_append_printf(self->text, " %s", mesh_ip_format_prefix(prefix, text));
    self->n_ips++;
}

static void read_peer(const WirePeerSpec *spec, void *data)
{
    Reading        *self = data;
    const WireCard *card = wire_cards_find(wire_config_get_cards(self->config), &spec->public_key);

    g_assert_nonnull(card);
    self->owner = card->owner;
    g_string_append_printf(self->text, "\n%u %u %u", spec->public_key.bytes[1], spec->keepalive_s,
                           spec->preshared_key.bytes[0]);
    wire_config_list_allowed_ips(self->config, &spec->public_key, read_ip, self);
    self->n_peers++;
}

static char *read_config(const WireConfig *config)
{
    Reading  self = { .config = config, .text = g_string_new(NULL) };
    unsigned n_owned = 0;

    wire_config_list_peers(config, read_peer, &self);
    for (unsigned i = 0; i < PEERS * IPS_EACH; i++) {
        MeshPrefix prefix = prefix_of(i);

        n_owned +=
            wire_allowedips_find(wire_config_get_allowed_ips(config), &prefix) != NULL ? 1 : 0;
    }
    g_assert_cmpuint(self.n_peers, ==, wire_config_count_peers(config));
    g_assert_cmpuint(self.n_ips, ==, n_owned); /* nothing is owned by who is not there */
    return g_string_free(self.text, FALSE);
}

/* ---- changes ---- */

/* Returns: 0; -ENOMEM; -ENOENT: that peer was removed. */
static int put(WireConfig *config, unsigned peer, unsigned n)
{
    WirePeerSpec spec = { .public_key = key_of(peer), .keepalive_s = (uint16_t)(n + 1) };

    spec.preshared_key.bytes[0] = (uint8_t)(n % 3);
    return wire_config_put_peer(config, &spec);
}

static int add(WireConfig *config, unsigned peer, unsigned number)
{
    MeshKey    key = key_of(peer);
    MeshPrefix prefix = prefix_of(number);

    return wire_config_add_allowed_ip(config, &key, &prefix);
}

/* Step @n of a fixed muddle: addresses are stolen, given back, and taken from who was removed. */
static int step(WireConfig *config, unsigned n)
{
    unsigned   peer = n * 7 % PEERS, number = n * 11 % (PEERS * IPS_EACH);
    MeshKey    key = key_of(peer);
    MeshPrefix prefix = prefix_of(number);

    switch (n % 9) {
    case 0:
    case 5:
        wire_config_remove_peer(config, &key);
        return 0;
    case 1: /* of the one that was just removed */
        return add(config, (n * 7 + 1) % PEERS, (n - 1) * 7 % PEERS * IPS_EACH);
    case 2:
        wire_config_remove_allowed_ip(config, &key, n % 2 == 0 ? NULL : &prefix);
        return 0;
    case 3:
    case 6:
        return put(config, peer, n);
    default:
        return add(config, peer, number);
    }
}

static void change(WireConfig *config)
{
    for (unsigned n = 0; n < STEPS; n++) {
        int rc = step(config, n);

        if (rc == -ENOMEM) {
            shortage_end(); /* the same again, now that there is memory */
            rc = step(config, n);
        }
        g_assert_true(rc == 0 || rc == -ENOENT);
    }
}

static WirePeer *make_peer(const WirePeerSpec *spec, void *data)
{
    (void)data;
    return (WirePeer *)(uintptr_t)(1000 + spec->public_key.bytes[1]);
}

static WireConfig *make_base(void)
{
    WireConfig *config = wire_config_new();

    for (unsigned i = 0; i < PEERS * IPS_EACH; i++) {
        if (i % IPS_EACH == 0)
            g_assert_cmpint(put(config, i / IPS_EACH, i), ==, 0);
        g_assert_cmpint(add(config, i / IPS_EACH, i), ==, 0);
    }
    return config;
}

/* A snapshot of what was changed, or none and the reason. */
static void check_snapshot(const WireConfig *config, const WireSnapshot *old, const char *wanted)
{
    g_autofree char *text = read_config(config);
    WireSnapshot    *news = NULL;
    int              rc = wire_snapshot_new(config, old, make_peer, NULL, &news);

    g_assert_true(rc == 0 || shortage_happened());
    shortage_end();
    if (rc < 0)
        rc = wire_snapshot_new(config, old, make_peer, NULL, &news);
    g_assert_cmpint(rc, ==, wire_config_get_error(config));
    if (rc == 0)
        g_assert_cmpstr(text, ==, wanted);
    wire_snapshot_free(news);
}

static void use_shared(void)
{
    WireConfig      *base = make_base(), *copy, *all = wire_config_dup(base);
    g_autofree char *before = read_config(base), *after = NULL, *wanted = NULL;
    WireSnapshot    *old;

    change(all);
    wanted = read_config(all);
    g_assert_cmpint(wire_snapshot_new(base, NULL, make_peer, NULL, &old), ==, 0);
    shortage_begin();
    copy = wire_config_dup(base);
    if (copy != NULL) {
        change(copy);
        check_snapshot(copy, old, wanted);
    }
    shortage_end();
    after = read_config(base);
    g_assert_cmpstr(before, ==, after);
    wire_config_free(copy);
    wire_config_free(all);
    wire_config_free(base);
    after = (g_free(after), read_config(old->config));
    g_assert_cmpstr(before, ==, after);
    wire_snapshot_free(old);
}

static const ShortageRow rows[] = {
    { "shared/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_shared, 100 },
    { "shared/memory-for-good", { SHORTAGE_MEMORY, ENOMEM, true }, use_shared, 100 },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    shortage_add_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
