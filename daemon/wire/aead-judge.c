/* daemon/wire/aead-judge.c: see aead-judge.h. The longest text is a packet of 1500 bytes: tests go
 * further (tests/daemon/wire/test-aead.c), this has to be quick. */
#include "daemon/wire/aead-judge.h"

#include <stdlib.h>
#include <string.h>

#include "common/std/clock.h"

enum {
    MAX_LEN = 1500,
    SMALL = 64,
    LARGE = 1424,
    RUN = 16, /* packets a run */
    TRIES = 8,
};

/* Both directions of one key. */
typedef struct {
    const WireAead *engine;
    void           *sealer, *opener;
} Pair;

static const uint8_t some_key[WIRE_AEAD_KEY_BYTES] = {
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f,
    0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f,
};

/* Of 32 bytes 00 … 1f under that key with counter 0x0102030405060708: the tags, which are of all
 * that is before them. By Python's cryptography. */
static const uint8_t known_tags[WIRE_N_SUITES][WIRE_AEAD_TAG_BYTES] = {
    [WIRE_SUITE_WG1] = { 0xc5, 0x50, 0xc2, 0xfd, 0x2a, 0x17, 0x9d, 0x87, 0x26, 0x52, 0xad, 0xeb,
                         0xbf, 0x08, 0xa5, 0x94 },
    [WIRE_SUITE_AESGCM1] = { 0xa2, 0xc1, 0x52, 0x8d, 0x8e, 0xf4, 0xa9, 0xc1, 0x73, 0x63, 0xed, 0xd2,
                             0xf0, 0x8c, 0xd8, 0x6f },
};

static bool open_pair(Pair *self, const WireAead *engine)
{
    *self =
        (Pair){ engine, engine->context_new(some_key, true), engine->context_new(some_key, false) };
    return self->sealer != NULL && self->opener != NULL;
}

static void close_pair(Pair *self)
{
    self->engine->context_free(self->sealer);
    self->engine->context_free(self->opener);
}

static void fill(uint8_t *bytes, size_t len)
{
    uint32_t state = 0x9e3779b9;

    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static void seal(const Pair *pair, uint64_t counter, const uint8_t *text, uint32_t len,
                 uint8_t *out)
{
    WireSeg seg = { .in = text, .out = out, .len = len };

    pair->engine->seal_batch(pair->sealer, counter, &seg, 1);
}

static bool open(const Pair *pair, uint64_t counter, uint8_t *sealed, uint32_t len)
{
    WireSeg seg = { .in = sealed, .out = sealed, .len = len, .counter = counter };

    return pair->engine->open_batch(pair->opener, &seg, 1) == 1 && seg.tag_ok;
}

/* One length: sealed as the other seals it, opened again, and with any one bit wrong not. */
static bool agrees(const Pair *pair, const Pair *reference, uint32_t len, const uint8_t *text)
{
    uint8_t  ours[MAX_LEN + WIRE_AEAD_TAG_BYTES], theirs[MAX_LEN + WIRE_AEAD_TAG_BYTES];
    uint64_t counter = (uint64_t)len << 33 | len;

    seal(pair, counter, text, len, ours);
    seal(reference, counter, text, len, theirs);
    if (memcmp(ours, theirs, len + WIRE_AEAD_TAG_BYTES) != 0)
        return false;
    if (!open(pair, counter, ours, len) || memcmp(ours, text, len) != 0)
        return false;
    seal(pair, counter, text, len, ours);
    ours[(counter * 7) % (len + WIRE_AEAD_TAG_BYTES)] ^= (uint8_t)(1u << len % 8);
    return !open(pair, counter, ours, len) && !open(pair, counter + 1, theirs, len);
}

static bool knows_answer(const Pair *reference)
{
    uint8_t text[32], sealed[sizeof(text) + WIRE_AEAD_TAG_BYTES];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)i;
    seal(reference, UINT64_C(0x0102030405060708), text, sizeof(text), sealed);
    return memcmp(sealed + sizeof(text), known_tags[reference->engine->suite],
                  WIRE_AEAD_TAG_BYTES) == 0;
}

bool wire_aead_judge_is_sound(const WireAead *engine, const WireAead *reference)
{
    uint8_t text[MAX_LEN];
    Pair    pair = { engine, NULL, NULL }, other = { reference, NULL, NULL };
    bool    good = open_pair(&pair, engine) && open_pair(&other, reference);

    fill(text, sizeof(text));
    good = good && knows_answer(&other);
    for (uint32_t len = 0; good && len <= MAX_LEN; len += len < 80 ? 1 : 71)
        good = agrees(&pair, &other, len, text);
    close_pair(&pair);
    close_pair(&other);
    return good;
}

/* A run there and back. */
static uint64_t time_run(const Pair *pair, uint8_t *room, uint32_t len)
{
    WireSeg segs[RUN];
    int64_t begin;

    for (size_t i = 0; i < RUN; i++) {
        uint8_t *at = room + i * (MAX_LEN + WIRE_AEAD_TAG_BYTES);

        segs[i] = (WireSeg){ .in = at, .out = at, .len = len };
    }
    begin = mesh_clock_boot_ns();
    pair->engine->seal_batch(pair->sealer, 0, segs, RUN);
    (void)pair->engine->open_batch(pair->opener, segs, RUN);
    return (uint64_t)(mesh_clock_boot_ns() - begin);
}

uint64_t wire_aead_judge_measure(const WireAead *engine)
{
    static const uint32_t lens[] = { SMALL, LARGE };
    uint8_t              *room = calloc(RUN, MAX_LEN + WIRE_AEAD_TAG_BYTES);
    uint64_t              sum = 0;
    Pair                  pair = { engine, NULL, NULL };

    if (room == NULL || !open_pair(&pair, engine))
        sum = UINT64_MAX;
    for (size_t l = 0; sum != UINT64_MAX && l < MESH_N_ELEMENTS(lens); l++) {
        uint64_t least = UINT64_MAX;

        for (int i = 0; i < TRIES; i++) {
            uint64_t took = time_run(&pair, room, lens[l]);

            least = took < least ? took : least;
        }
        sum += least / RUN;
    }
    close_pair(&pair);
    free(room);
    return sum;
}
