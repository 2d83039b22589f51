/* tests/fuzz/fuzz-transport.c: sealed packets that come late, twice, altered or made up: each
 * counter's packet is taken at most once, and only as it was sealed; what we seal is what libsodium
 * would have sealed.
 *
 * Input: steps: seal a packet (0: its length, a byte it is filled with), deliver one of those
 * sealed as it is (1), with a bit flipped (2), under another counter (3), deliver bytes of the
 * input (4). */
#include "daemon/wire/aead.h"
#include "daemon/wire/replay.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sodium.h>

#define MAX_PACKETS 64
#define MAX_PLAIN   300

typedef struct {
    uint64_t counter;
    uint32_t len; /* of the plaintext */
    uint8_t  plain[MAX_PLAIN];
    uint8_t  sealed[MAX_PLAIN + WIRE_AEAD_TAG_BYTES];
    bool     taken;
} Packet;

typedef struct {
    Packet     packets[MAX_PACKETS];
    size_t     n;
    WireReplay window;
    uint64_t   newest; /* taken */
    bool       any;
} World;

static const uint8_t key[WIRE_AEAD_KEY_BYTES] = { 1, 2, 3 };
static void         *sealer, *opener;

static void start(void)
{
    if (sealer != NULL)
        return;
    if (sodium_init() < 0 || wire_aead_init() < 0)
        abort();
    sealer = wire_aead_best(WIRE_SUITE_WG1)->context_new(key, true);
    opener = wire_aead_best(WIRE_SUITE_WG1)->context_new(key, false);
    assert(sealer != NULL && opener != NULL);
}

static void make_nonce(uint64_t counter, uint8_t nonce[12])
{
    memset(nonce, 0, 12);
    for (size_t i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

static bool reference_opens(const uint8_t *sealed, uint32_t len, uint64_t counter)
{
    uint8_t            nonce[12], plain[MAX_PLAIN];
    unsigned long long plain_len;

    make_nonce(counter, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt(plain, &plain_len, NULL, sealed,
                                                     len + WIRE_AEAD_TAG_BYTES, NULL, 0, nonce,
                                                     key) == 0;
}

static void check_reference(const Packet *packet)
{
    uint8_t            nonce[12], want[sizeof packet->sealed];
    unsigned long long len;

    make_nonce(packet->counter, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(want, &len, packet->plain, packet->len, NULL, 0, NULL,
                                              nonce, key);
    assert(len == packet->len + WIRE_AEAD_TAG_BYTES && memcmp(want, packet->sealed, len) == 0);
}

static void seal(World *world, FuzzInput *in)
{
    static uint64_t next; /* as the send counter: never twice under a key */
    Packet         *packet = &world->packets[world->n];
    WireSeg         seg;

    if (world->n == MAX_PACKETS)
        return;
    if (world->n == 0)
        next = 0;
    packet->taken = false;
    packet->len = fuzz_take_u16(in) % (MAX_PLAIN + 1);
    memset(packet->plain, fuzz_take_u8(in), sizeof packet->plain);
    seg = (WireSeg){ .in = packet->plain, .out = packet->sealed, .len = packet->len };
    wire_aead_best(WIRE_SUITE_WG1)->seal_batch(sealer, next, &seg, 1);
    assert(seg.counter == next);
    packet->counter = next;
    next += 1 + (packet->len == MAX_PLAIN ? 9000 : 0); /* a gap wider than the window */
    check_reference(packet);
    world->n++;
}

/* As the in-thread does: the tag first, then the window. True: its plaintext may go on. */
static bool deliver(World *world, const uint8_t *sealed, uint32_t len, uint64_t counter,
                    uint8_t *out)
{
    WireSeg seg = { .in = sealed, .out = out, .len = len, .counter = counter };
    size_t  right = wire_aead_best(WIRE_SUITE_WG1)->open_batch(opener, &seg, 1);

    assert(right == (seg.tag_ok ? 1u : 0u));
    return seg.tag_ok && wire_replay_accept(&world->window, counter) == 0;
}

static void deliver_genuine(World *world, Packet *packet)
{
    uint8_t out[MAX_PLAIN];
    bool    too_old = world->any && world->newest >= packet->counter &&
                   world->newest - packet->counter >= WIRE_REPLAY_WINDOW;
    bool ok = deliver(world, packet->sealed, packet->len, packet->counter, out);

    assert(ok == (!packet->taken && !too_old));
    if (!ok)
        return;
    assert(memcmp(out, packet->plain, packet->len) == 0);
    packet->taken = true;
    if (!world->any || packet->counter > world->newest)
        world->newest = packet->counter;
    world->any = true;
}

static void deliver_altered(World *world, const Packet *packet, FuzzInput *in)
{
    uint8_t copy[sizeof packet->sealed], out[MAX_PLAIN];
    size_t  bit = fuzz_take_u16(in) % ((packet->len + WIRE_AEAD_TAG_BYTES) * 8);

    memcpy(copy, packet->sealed, sizeof copy);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert(!deliver(world, copy, packet->len, packet->counter, out));
}

static void deliver_raw(World *world, FuzzInput *in)
{
    uint8_t  sealed[MAX_PLAIN + WIRE_AEAD_TAG_BYTES], out[MAX_PLAIN];
    uint64_t counter = fuzz_take_u64(in);
    uint32_t len = fuzz_take_u16(in) % (MAX_PLAIN + 1);

    fuzz_take_bytes(in, sealed, len + WIRE_AEAD_TAG_BYTES);
    if (reference_opens(sealed, len, counter)) /* one that was sealed in another run: known key */
        return;
    assert(!deliver(world, sealed, len, counter, out));
}

static void step(World *world, FuzzInput *in)
{
    uint8_t op = fuzz_take_u8(in) % 5;
    Packet *packet = NULL;
    uint8_t out[MAX_PLAIN];

    if (op == 0)
        seal(world, in);
    if (op == 4)
        deliver_raw(world, in);
    if (op == 0 || op == 4 || world->n == 0)
        return;
    packet = &world->packets[fuzz_take_u8(in) % world->n];
    if (op == 1)
        deliver_genuine(world, packet);
    if (op == 2)
        deliver_altered(world, packet, in);
    if (op == 3)
        assert(!deliver(world, packet->sealed, packet->len,
                        packet->counter + 1 + fuzz_take_u8(in) + (UINT64_C(1) << 40), out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static World world;
    FuzzInput    in = fuzz_make_input(data, len);

    start();
    world.n = 0;
    world.any = false;
    world.window = (WireReplay){ 0 };
    for (unsigned steps = 0; in.left > 0 && steps < 256; steps++)
        step(&world, &in);
    return 0;
}
