#include "tests/server/relay/client.h"

#include "common/proto/reqsign.h"
#include "common/std/clock.h"
#include "common/std/hash.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT_MS = 60000, WIDE_BYTES = 16 << 20 };

/* What mesh-server does with a token, for the rig's one server. */
static MeshRelayStatus open_token(const MeshRelayBind *bind, void *user_data, RelayGrant *out_grant)
{
    const RelayRig *rig = user_data;
    MeshSpan        key = MESH_SPAN(rig->key.bytes, sizeof(rig->key.bytes));
    uint8_t         id[MESH_HASH_BYTES];
    MeshNetworkId   net;
    MeshToken       token;
    g_autoptr(MeshSigned) object =
        mesh_signed_new(bind->token.data, bind->token.len, bind->token_signature.bytes, NULL);

    mesh_hash_sha256(&key, 1, id);
    if (memcmp(id, bind->server_id, sizeof(bind->server_id)) != 0)
        return MESH_RELAYBIND_NOT_SERVED;
    memcpy(net.bytes, bind->network_id, sizeof(net.bytes));
    if (!mesh_token_open(object, &net, &rig->key, &token, NULL))
        return MESH_RELAYBIND_TOKEN_WRONG;
    *out_grant = (RelayGrant){ .node = { .index = token.index, .node = token.node },
                               .exp_s = token.exp,
                               .bps = token.bps,
                               .burst = token.burst };
    memcpy(out_grant->node.network, net.bytes, sizeof(net.bytes));
    return MESH_RELAYBIND_OK;
}

void relay_rig_start(RelayRig *rig, uint16_t alt)
{
    const uint8_t seed[MESH_SIGN_SEED_BYTES] = { 7 };
    RelayConfig   config = {
          .alt = alt, .sessions = 1000, .open_token = open_token, .user_data = rig
    };
    char why[RELAY_WHY_SIZE] = "";

    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    mesh_sign_make_pair(seed, &rig->secret, &rig->key);
    mesh_key_make_private(&config.rk_secret);
    if (relay_start(&config, &rig->relay, why) < 0)
        g_error("relay: %s", why);
    rig->rk = *relay_get_key(rig->relay);
    rig->port = relay_get_port(rig->relay);
    rig->alt = alt;
}

void relay_rig_stop(RelayRig *rig)
{
    relay_stop(rig->relay);
}

/* Each node has an address of its own: the relay limits strangers by that. */
static int open_socket(const RelayClient *self)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(self->rig->port) };
    struct sockaddr_in from = { .sin_family = AF_INET };
    int                fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + ((uint32_t)self->net.bytes[0] << 16) + (self->token.index << 1));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&from, sizeof(from)), ==, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        g_error("port %u: %s", self->rig->port, g_strerror(errno));
    return fd;
}

void relay_client_init(RelayClient *self, const RelayRig *rig, uint8_t net, uint32_t index,
                       uint64_t bps)
{
    uint8_t seed[MESH_SIGN_SEED_BYTES] = { net, (uint8_t)index, (uint8_t)(index >> 8), 99 };

    *self = (RelayClient){ .rig = rig, .net = { { net } } };
    self->token = (MeshToken){
        .index = index, .exp = mesh_clock_wall_s() + 3600, .bps = bps, .burst = bps / 8 + 65536
    };
    mesh_sign_make_pair(seed, &self->secret, &self->token.node);
    self->fd = open_socket(self);
}

void relay_client_done(RelayClient *self)
{
    (void)close(self->fd);
}

void relay_client_reopen(RelayClient *self)
{
    int old = self->fd;

    self->fd = open_socket(self); /* before the old port is free again */
    (void)close(old);
}

void relay_client_widen(RelayClient *self)
{
    int bytes = WIDE_BYTES;

    if (setsockopt(self->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0) /* not root */
        (void)setsockopt(self->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

unsigned relay_client_count_lost(const RelayClient *self)
{
    uint32_t  memory[SK_MEMINFO_VARS];
    socklen_t len = sizeof(memory);

    g_assert_cmpint(getsockopt(self->fd, SOL_SOCKET, SO_MEMINFO, memory, &len), ==, 0);
    return memory[SK_MEMINFO_DROPS];
}

size_t relay_client_receive(RelayClient *self, uint8_t *out, size_t size, int wait_ms)
{
    struct pollfd ready = { .fd = self->fd, .events = POLLIN };
    ssize_t       n;

    if (poll(&ready, 1, wait_ms) <= 0)
        return 0;
    n = recv(self->fd, out, size, 0);
    return n > 0 ? (size_t)n : 0;
}

static void send_bytes(RelayClient *self, const uint8_t *bytes, size_t len)
{
    g_assert_cmpint(send(self->fd, bytes, len, 0), ==, (ssize_t)len);
}

static void get_cookie(RelayClient *self, MeshRelayGreeting *greeting)
{
    uint8_t           bytes[2048];
    MeshRelayGreeting answer;

    mesh_key_random(greeting->nonce, sizeof(greeting->nonce));
    mesh_relaybind_encode_hello(greeting, bytes);
    send_bytes(self, bytes, MESH_RELAYBIND_HELLO_BYTES);
    for (;;) {
        size_t len = relay_client_receive(self, bytes, sizeof(bytes), LIMIT_MS);

        g_assert_cmpuint(len, >, 0);
        if (mesh_relaybind_decode_cookie(MESH_SPAN(bytes, len), &answer) == 0 &&
            memcmp(answer.nonce, greeting->nonce, sizeof(answer.nonce)) == 0)
            break;
    }
    *greeting = answer;
}

static void send_bind(RelayClient *self, const MeshRelayGreeting *greeting)
{
    MeshRelayBind    bind = { .greeting = *greeting };
    MeshSpan         key = MESH_SPAN(self->rig->key.bytes, sizeof(self->rig->key.bytes));
    MeshKey          ephemeral_secret;
    uint8_t          id[MESH_HASH_BYTES];
    MeshWriter       w = mesh_writer_make(self->bind, sizeof(self->bind));
    MeshRelayPublics publics;
    g_autoptr(MeshSigned) token =
        mesh_token_sign(&self->token, &self->net, &self->rig->secret, NULL);

    mesh_key_make_private(&ephemeral_secret);
    mesh_key_make_public(&ephemeral_secret, &self->ephemeral);
    publics = (MeshRelayPublics){ self->ephemeral, self->rig->rk };
    g_assert_cmpint(mesh_relaykey_derive(&ephemeral_secret, false, &publics, &self->keys), ==, 0);
    mesh_hash_sha256(&key, 1, id);
    bind.ephemeral = self->ephemeral;
    memcpy(bind.server_id, id, sizeof(bind.server_id));
    memcpy(bind.network_id, self->net.bytes, sizeof(bind.network_id));
    bind.token.data = mesh_signed_get_body(token, &bind.token.len);
    bind.token_signature = *mesh_signed_get_signature(token);
    g_assert_cmpint(mesh_relaybind_encode_bind(&bind, &self->rig->rk, &self->secret, &w), ==, 0);
    self->bind_len = mesh_writer_length(&w);
    send_bytes(self, self->bind, self->bind_len);
}

MeshRelayStatus relay_client_bind(RelayClient *self)
{
    MeshRelayGreeting greeting;
    MeshRelayBound    bound;
    uint8_t           bytes[2048];

    get_cookie(self, &greeting);
    send_bind(self, &greeting);
    for (;;) {
        size_t len = relay_client_receive(self, bytes, sizeof(bytes), LIMIT_MS);

        g_assert_cmpuint(len, >, 0);
        if (mesh_relaybind_decode_bound(MESH_SPAN(bytes, len), &self->keys.down, &bound) == 0)
            break;
    }
    g_assert_cmpmem(bound.nonce, sizeof(bound.nonce), greeting.nonce, sizeof(greeting.nonce));
    self->session = bound.session;
    self->seen = bound.seen;
    return bound.status;
}

void relay_client_send(RelayClient *self, const MeshRelayFrame *frame)
{
    MeshRelayFrame ours = *frame;
    uint8_t        bytes[2048];
    size_t         len = 0;

    ours.session = self->session;
    g_assert_cmpint(mesh_relayframe_encode(&ours, &self->keys.up, bytes, sizeof(bytes), &len), ==,
                    0);
    send_bytes(self, bytes, len);
}

void relay_client_send_data(RelayClient *self, uint32_t to, const void *data, size_t len)
{
    const MeshRelayFrame frame = { .kind = MESH_RELAY_DATA,
                                   .arg = to,
                                   .data = MESH_SPAN(data, len) };

    relay_client_send(self, &frame);
}

bool relay_client_next(RelayClient *self, uint8_t *buffer, size_t size, int wait_ms,
                       MeshRelayFrame *out_frame)
{
    for (;;) {
        size_t len = relay_client_receive(self, buffer, size, wait_ms);

        if (len == 0)
            return false;
        if (mesh_relayframe_decode(MESH_RELAY_DOWN, &self->keys.down, MESH_SPAN(buffer, len),
                                   out_frame) == 0)
            return true;
    }
}
