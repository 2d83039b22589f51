/* tests/fuzz/fuzz-exchange.c: two nodes' handshake code, whole, with an attacker on the wire
 * between them who holds back, repeats, alters and makes up messages, and knows every public key.
 *
 * The sockets and the grace periods of RCU are played by this file, chance has a fixed seed, so a
 * run is the same every time. Input: steps of one byte and what they take; see step(). What holds
 * after each message:
 *   a wrong mac1 is met with silence and changes nothing; an answer goes to where the message came
 *   from, is one, and is no longer than it; under load nothing but cookies goes out without a
 * cookie; only what the other node made is taken, each at most once; the endpoint moves only then;
 *   and when a handshake is complete, both nodes have the same keys. */
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/wire/engines.h"
#include "daemon/wire/exchange.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sodium.h>
#include <sys/socket.h>

#define MAX_STEPS 96
#define MAX_SENT  (2 * MAX_STEPS) /* a step sends one message at most, or answers one */
#define REACH     32              /* the attacker has the newest of them at hand */

typedef struct {
    uint8_t      bytes[WIRE_INITIATION_BYTES];
    uint32_t     len;
    unsigned     from; /* side */
    MeshEndpoint to;
    bool         taken;
} Sent;

typedef struct {
    WirePlane    plane;
    WireExchange exchange;
    WireIdentity identity; /* a copy, for the model */
    WirePeer    *peer;     /* the other side */
    MeshEndpoint endpoint;
} Side;

static struct {
    Side             sides[2];
    Sent             sent[MAX_SENT];
    size_t           n_sent;
    unsigned         sending; /* whose code runs */
    int64_t          now_ms;
    struct rcu_head *dead[64];
    void (*ends[64])(struct rcu_head *head);
    size_t   n_dead;
    uint64_t chance;
} world;

/* ---- what is played: randomness, clocks, grace periods, sockets ---- */

static const char *chance_name(void)
{
    return "fuzz";
}

static uint32_t draw(void)
{
    world.chance = world.chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(world.chance >> 32);
}

static void draw_bytes(void *const buf, const size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buf)[i] = (uint8_t)draw();
}

static struct randombytes_implementation chance = { .implementation_name = chance_name,
                                                    .random = draw,
                                                    .buf = draw_bytes };

static int64_t read_clock(void *data)
{
    (void)data;
    return world.now_ms * 1000000;
}

/* In place of liburcu's: the grace period ends with the step, in this thread. */
void urcu_qsbr_call_rcu(struct rcu_head *head, void (*end)(struct rcu_head *head))
{
    assert(world.n_dead < sizeof world.dead / sizeof *world.dead);
    world.dead[world.n_dead] = head;
    world.ends[world.n_dead++] = end;
}

static void end_grace_period(void)
{
    for (size_t i = 0; i < world.n_dead; i++)
        world.ends[i](world.dead[i]);
    world.n_dead = 0;
}

/* In place of udp.c's and tun.c's. */
int wire_udp_sender_new(WireCounters *counters, bool gso, WireUdpSender **out_self)
{
    (void)counters;
    (void)gso;
    *out_self = NULL;
    return 0;
}

void wire_udp_sender_free(WireUdpSender *self)
{
    (void)self;
}

bool wire_tun_up(const WireTun *self)
{
    (void)self;
    return true;
}

void wire_udp_send(WireUdpSender *self, const WireSockets *sockets, WireUdpRun *runs, size_t n_runs)
{
    (void)self;
    (void)sockets;
    for (size_t i = 0; i < n_runs; i++) {
        Sent *sent = &world.sent[world.n_sent];

        assert(world.n_sent < MAX_SENT && runs[i].n_packets == 1 &&
               runs[i].packets->len <= sizeof sent->bytes);
        *sent =
            (Sent){ .len = runs[i].packets->len, .from = world.sending, .to = runs[i].hop.remote };
        memcpy(sent->bytes, runs[i].packets->data, sent->len);
        runs[i].n_sent = 1;
        world.n_sent++;
    }
}

/* ---- the two sides ---- */

static WirePeer *give_peer(const WirePeerSpec *spec, void *data)
{
    Side *side = data;

    side->peer = wire_peer_new(spec, side->plane.index, 0);
    return side->peer;
}

static WireIdentity identities[2]; /* the same in every run */

static void make_identity(WireIdentity *identity, uint8_t seed)
{
    memset(identity->private_key.bytes, seed, MESH_KEY_BYTES);
    mesh_key_make_public(&identity->private_key, &identity->public_key);
}

static void open_side(unsigned number)
{
    Side         *side = &world.sides[number];
    WirePeerSpec  spec = { .preshared_key = { { 9 } } };
    WireIdentity *identity = mesh_key_alloc(sizeof *identity);
    WireConfig   *config = wire_config_new();
    WireSnapshot *snapshot = NULL;

    memset(side, 0, sizeof *side);
    side->identity = identities[number];
    spec.public_key = identities[1 - number].public_key;
    side->endpoint = mesh_endpoint_make4(0xc0000201 + number, (uint16_t)(1000 + number));
    wire_engines_use(&side->plane, NULL);
    side->plane.sockets.port = 1;
    side->plane.n_shards = 1;
    assert(wire_index_new(&side->plane.index) == 0);
    assert(wire_events_init(&side->plane.events, 1) == 0);
    assert(wire_mailbox_init(&side->plane.to_out[0]) == 0);
    assert(wire_screen_new(&side->plane.screen) == 0);
    assert(wire_config_put_peer(config, &spec) == 0);
    assert(wire_snapshot_new(config, NULL, give_peer, side, &snapshot) == 0);
    wire_config_free(config);
    assert(wire_exchange_init(&side->exchange, &side->plane) == 0);
    side->exchange.snapshot = snapshot;
    *identity = side->identity;
    wire_exchange_set_identity(&side->exchange, identity);
}

static void close_side(Side *side)
{
    WireNote *note = wire_mailbox_take(&side->plane.to_out[0]);

    while (note != NULL) {
        uint32_t  bits;
        WireNote *next = wire_mailbox_next(note, &bits);

        wire_peer_unref(wire_peer_of_out_note(note));
        note = next;
    }
    wire_exchange_forget(&side->exchange, side->peer);
    wire_snapshot_free((WireSnapshot *)side->exchange.snapshot);
    wire_exchange_done(&side->exchange);
    wire_peer_unref(side->peer);
    end_grace_period();
    wire_screen_free(side->plane.screen);
    wire_index_free(side->plane.index);
    wire_events_done(&side->plane.events);
    wire_mailbox_done(&side->plane.to_out[0]);
}

/* ---- the model ---- */

static bool has_right_mac1(const Side *side, const uint8_t *bytes, size_t len)
{
    MeshSpan parts[2] = { MESH_SPAN("mac1----", 8),
                          MESH_SPAN(side->identity.public_key.bytes, MESH_KEY_BYTES) };
    uint8_t  key[32], mac[16];

    mesh_hash_blake2s(parts, 2, key);
    mesh_hash_blake2s_keyed(MESH_SPAN(key, 32), MESH_SPAN(bytes, len - 32), mac, 16);
    return memcmp(mac, bytes + len - 32, 16) == 0;
}

/* What the attacker can do to an altered message: he knows the public key. */
static void set_mac1(const Side *side, uint8_t *bytes, size_t len)
{
    WireCookieJar jar;

    wire_cookie_jar_init(&jar, &side->identity.public_key);
    wire_cookie_add_macs(&jar, bytes, len, world.now_ms);
}

/* The message of the other side that has these authenticated bytes, or NULL. Neither mac nor our
 * own index is authenticated by Noise. */
static Sent *find_genuine(unsigned to, const uint8_t *bytes, uint32_t len)
{
    size_t from = len == WIRE_INITIATION_BYTES ? 8 : 12;

    for (size_t i = 0; i < world.n_sent; i++)
        if (world.sent[i].from != to && world.sent[i].len == len &&
            memcmp(world.sent[i].bytes + from, bytes + from, len - 32 - from) == 0)
            return &world.sent[i];
    return NULL;
}

static unsigned count_events(Side *side, WireEventKind kind)
{
    WireEvent event;
    unsigned  count = 0;

    while (wire_events_pop(&side->plane.events, &event))
        count += event.kind == kind;
    return count;
}

/* What one side seals under its newest keys, the other opens under the keys that the index names.
 */
static void check_keys(Side *initiator, Side *responder)
{
    WireKeypair *ours = wire_slots_current(&initiator->peer->slots), *theirs;
    uint8_t      plain[16] = { 1, 2, 3 }, sealed[32], opened[16];
    WireSeg      seg = { .in = plain, .out = sealed, .len = sizeof plain };

    assert(ours != NULL && ours->initiator);
    theirs = wire_index_get(responder->plane.index, ours->remote_index);
    if (theirs == NULL)
        return; /* the responder went on without it */
    assert(theirs->remote_index == ours->local_index && !theirs->initiator);
    wire_keypair_seal(ours, 0, 0, &seg, 1);
    seg = (WireSeg){ .in = sealed, .out = opened, .len = sizeof plain, .counter = 0 };
    assert(wire_keypair_open(theirs, 0, &seg, 1) == 1 && memcmp(plain, opened, sizeof plain) == 0);
}

typedef struct {
    WireHop       hop;
    WireHandshake pending;
    size_t        n_sent;
    bool          routed;
} Before;

static void check_initiation(const WireQueuedMessage *message, unsigned to, bool answered)
{
    Sent *genuine = find_genuine(to, message->bytes, message->len);

    if (!answered)
        return;
    assert(genuine != NULL && !genuine->taken);
    genuine->taken = true;
}

static void check_response(const WireQueuedMessage *message, unsigned to, bool completed)
{
    Sent *genuine = find_genuine(to, message->bytes, message->len);

    if (!completed)
        return;
    assert(genuine != NULL && !genuine->taken);
    genuine->taken = true;
    check_keys(&world.sides[to], &world.sides[1 - to]);
}

/* The initiation under way; none: as if it had been wiped. */
static WireHandshake get_pending(const Side *side)
{
    return side->peer->talk != NULL ? side->peer->talk->pending : (WireHandshake){ .state = 0 };
}

static void check_taken(const WireQueuedMessage *message, unsigned to, const Before *before)
{
    Side       *side = &world.sides[to];
    const Sent *reply = &world.sent[before->n_sent];
    size_t      n_replies = world.n_sent - before->n_sent;
    bool        completed = count_events(side, WIRE_EVENT_HANDSHAKE) > 0;
    bool        answered = n_replies == 1 && reply->len == WIRE_RESPONSE_BYTES, authentic;
    WireHop     hop = { .source_if = 0 };
    bool        routed = wire_route_get(&side->peer->route, &hop);

    authentic = answered || completed;
    assert(n_replies <= 1);
    if (side->exchange.loaded && sodium_is_zero(message->bytes + message->len - 16, 16))
        assert(!authentic);
    if (n_replies == 1) {
        assert(reply->len <= message->len && mesh_endpoint_equal(&reply->to, &message->hop.remote));
        assert(has_right_mac1(side, message->bytes, message->len));
    }
    if (message->len != WIRE_COOKIE_BYTES && !has_right_mac1(side, message->bytes, message->len))
        assert(!authentic && n_replies == 0);
    if (!authentic) {
        assert(routed == before->routed && mesh_endpoint_equal(&hop.remote, &before->hop.remote));
        WireHandshake pending = get_pending(side);

        assert(memcmp(&pending, &before->pending, sizeof pending) == 0);
    }
    if (message->len == WIRE_INITIATION_BYTES)
        check_initiation(message, to, answered);
    if (message->len == WIRE_RESPONSE_BYTES)
        check_response(message, to, completed);
    if (message->len == WIRE_COOKIE_BYTES)
        assert(!authentic && n_replies == 0);
}

/* ---- the steps ---- */

static void deliver(WireQueuedMessage *message, unsigned to)
{
    Side       *side = &world.sides[to];
    Before      before = { .n_sent = world.n_sent, .pending = get_pending(side) };
    WireMessage type = wire_noise_get_type(message->bytes, message->len);
    WirePacket  packet = { .data = message->bytes, .len = message->len };

    if (type == WIRE_MESSAGE_NONE || type == WIRE_MESSAGE_DATA)
        return; /* inbound.c sorts these out */
    before.routed = wire_route_get(&side->peer->route, &before.hop);
    count_events(side, WIRE_EVENT_HANDSHAKE);
    world.sending = to;
    side->exchange.now_ms = world.now_ms;
    wire_screen_set_loaded(side->plane.screen, side->exchange.loaded);
    if (wire_screen_judge(side->plane.screen, &packet, &message->hop.remote, world.now_ms,
                          &message->mac) == WIRE_DROP_NONE)
        (void)wire_exchange_take(&side->exchange, message);
    wire_exchange_flush(&side->exchange);
    check_taken(message, to, &before);
    end_grace_period();
}

static void deliver_sent(FuzzInput *in, bool altered)
{
    WireQueuedMessage message = { .len = 0 };
    const Sent       *sent;
    uint8_t           flags, back;
    unsigned          to;

    back = fuzz_take_u8(in) % REACH;
    if (back >= world.n_sent)
        return;
    sent = &world.sent[world.n_sent - 1 - back];
    message.len = sent->len;
    memcpy(message.bytes, sent->bytes, sent->len);
    message.hop.remote = world.sides[sent->from].endpoint;
    to = 1 - sent->from;
    if (altered) {
        flags = fuzz_take_u8(in);
        message.bytes[fuzz_take_u8(in) % sent->len] ^= fuzz_take_u8(in);
        if (flags & 1)
            message.hop.remote = mesh_endpoint_make4(0xc6336401u, 666);
        if (flags & 2)
            to = sent->from;
        if (flags & 4 && sent->len != WIRE_COOKIE_BYTES)
            set_mac1(&world.sides[to], message.bytes, sent->len);
    }
    deliver(&message, to);
}

static void deliver_made_up(FuzzInput *in)
{
    static const uint32_t lengths[] = { WIRE_INITIATION_BYTES, WIRE_RESPONSE_BYTES,
                                        WIRE_COOKIE_BYTES };
    uint8_t               pick = fuzz_take_u8(in);
    WireQueuedMessage     message = { .len = lengths[pick % 3] };
    unsigned              to = pick >> 7;

    fuzz_take_bytes(in, message.bytes, message.len);
    memset(message.bytes, 0, 4);
    message.bytes[0] = (uint8_t)(pick % 3 + 1);
    message.hop.remote = mesh_endpoint_make4(0xc6336401u, 666);
    if (pick & 0x40 && message.len != WIRE_COOKIE_BYTES)
        set_mac1(&world.sides[to], message.bytes, message.len);
    deliver(&message, to);
}

/* The initiator's first packet arrives: the responder goes over to the new keys. */
static void confirm(unsigned to)
{
    Side        *side = &world.sides[to];
    WireKeypair *theirs = wire_slots_current(&world.sides[1 - to].peer->slots), *ours;

    if (theirs == NULL)
        return;
    ours = wire_index_get(side->plane.index, theirs->remote_index);
    if (ours != NULL && wire_slots_received(&side->peer->slots, ours)) {
        assert(wire_slots_current(&side->peer->slots) == ours);
        wire_exchange_complete(&side->exchange, side->peer);
    }
    end_grace_period();
}

static void initiate(unsigned number)
{
    Side   *side = &world.sides[number];
    WireHop hop = { .remote = world.sides[1 - number].endpoint };

    assert(wire_route_prepare(&side->peer->route) == 0);
    if (!wire_route_get(&side->peer->route, &hop))
        wire_route_set(&side->peer->route, &hop);
    world.sending = number;
    side->exchange.now_ms = world.now_ms;
    wire_exchange_initiate(&side->exchange, side->peer, false);
    end_grace_period();
}

static void step(FuzzInput *in)
{
    uint8_t  op = fuzz_take_u8(in);
    unsigned number = op >> 7;

    switch (op % 8) {
    case 0:
        initiate(number);
        break;
    case 1:
        deliver_sent(in, false);
        break;
    case 2:
        deliver_sent(in, true);
        break;
    case 3:
        deliver_made_up(in);
        break;
    case 4:
        world.now_ms += (int64_t)fuzz_take_u8(in) * fuzz_take_u8(in) * 4;
        break;
    case 5:
        world.sides[number].exchange.loaded = (op & 0x40) != 0;
        break;
    case 6:
        confirm(number);
        break;
    default:
        wire_exchange_forget(&world.sides[number].exchange, world.sides[number].peer);
        end_grace_period();
    }
}

static void start(void)
{
    static const MeshClockSource clock = { .boot_ns = read_clock, .wall_ns = read_clock };
    static bool                  ready;

    if (ready)
        return;
    ready = true;
    randombytes_set_implementation(&chance);
    if (mesh_key_init() < 0 || mesh_hash_init() < 0 || wire_aead_init() < 0)
        abort();
    mesh_clock_set_source(&clock);
    make_identity(&identities[0], 1);
    make_identity(&identities[1], 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);

    start();
    world.n_sent = 0;
    memset(world.sent, 0, sizeof world.sent);
    world.chance = 1;
    world.now_ms = INT64_C(1790000000000);
    open_side(0);
    open_side(1);
    for (unsigned steps = 0; in.left > 0 && steps < MAX_STEPS; steps++)
        step(&in);
    close_side(&world.sides[0]);
    close_side(&world.sides[1]);
    return 0;
}
