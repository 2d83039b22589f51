/* tests/bench/aead.c: what each AEAD engine of the build takes for a packet, for
 * tests/bench/aead.py.
 *
 *   bench-aead [ROUNDS]   (9)
 *
 * Packets lie as in the data plane: sealed from the slab of the TUN into that of datagrams, opened
 * where they arrived, one behind the other with header and tag. Each shape is first compared with
 * the suite's reference on random text, then measured: engines in turns, medians of the rounds. */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/clock.h"
#include "daemon/wire/aead.h"
#include "daemon/wire/packet.h"

enum {
    MAX_ENGINES = 8, /* of one suite */
    MAX_ROUNDS = 99,
    ROUNDS = 9,
    N_PACKETS = 64,     /* that are worked on in one go, in calls of a shape's */
    MAX_BYTES = 1400,   /* of a packet */
    SLICE_NS = 1000000, /* of an engine with a shape in one round */
    STRIDE = MAX_BYTES + WIRE_DATA_OVERHEAD,
    SLAB = N_PACKETS * STRIDE,
};

static const uint32_t lens[] = { 64, 256, 1400 };
static const size_t   runs[] = { 1, 8, N_PACKETS };

typedef enum { SEAL, OPEN, N_WAYS } Way;

/* One shape of work. */
typedef struct {
    Way      way;
    uint32_t len; /* bytes of each packet */
    size_t   n;   /* packets a call */
} Shape;

/* An engine with a key, and its times of a shape. */
typedef struct {
    const WireAead *engine;
    void           *sealer, *opener;
    double          ns[MAX_ROUNDS]; /* a packet */
} Runner;

static _Alignas(64) uint8_t text[SLAB], sealed[SLAB], room[SLAB];

static size_t used(const Shape *shape)
{
    return N_PACKETS * (shape->len + WIRE_DATA_OVERHEAD);
}

static size_t place(const Shape *shape, size_t packet)
{
    return packet * (shape->len + WIRE_DATA_OVERHEAD) + WIRE_DATA_HEADER;
}

static void fail(const Runner *runner, const Shape *shape, const char *what)
{
    fprintf(stderr, "%s %s: %u bytes, %zu packets a call: %s\n",
            wire_suite_get_name(runner->engine->suite), runner->engine->name, shape->len, shape->n,
            what);
    exit(EXIT_FAILURE);
}

static void draw(void *bytes, size_t len)
{
    if (RAND_bytes(bytes, (int)len) != 1)
        exit(EXIT_FAILURE);
}

/* The places of a call from packet @first on; equal slabs: in place. */
static void lay(const Shape *shape, WireSeg *segs, size_t first, const uint8_t *in, uint8_t *out)
{
    for (size_t i = 0; i < shape->n; i++) {
        size_t at = place(shape, first + i);

        segs[i] = (WireSeg){ .in = in + at, .out = out + at, .len = shape->len };
    }
}

/* All packets, counters from @counter on. */
static void seal(const Runner *runner, const Shape *shape, const uint8_t *in, uint8_t *out,
                 uint64_t counter)
{
    WireSeg segs[N_PACKETS];

    for (size_t at = 0; at < N_PACKETS; at += shape->n) {
        lay(shape, segs, at, in, out);
        runner->engine->seal_batch(runner->sealer, counter + at, segs, shape->n);
    }
}

/* All packets, in place. Returns how many tags were right. */
static size_t open(const Runner *runner, const Shape *shape, uint8_t *bytes, uint64_t counter)
{
    WireSeg segs[N_PACKETS];
    size_t  n_right = 0;

    for (size_t at = 0; at < N_PACKETS; at += shape->n) {
        lay(shape, segs, at, bytes, bytes);
        for (size_t i = 0; i < shape->n; i++)
            segs[i].counter = counter + at + i;
        n_right += runner->engine->open_batch(runner->opener, segs, shape->n);
    }
    return n_right;
}

/* Whether every packet of @bytes is as it was before it was sealed. */
static bool is_text(const Shape *shape, const uint8_t *bytes)
{
    for (size_t i = 0; i < N_PACKETS; i++) {
        if (memcmp(bytes + place(shape, i), text + place(shape, i), shape->len) != 0)
            return false;
    }
    return true;
}

/* As the reference has it, apart and in place, not a byte of a header touched; what the reference
 * sealed is opened; a changed bit of one packet refuses that one. */
static void check(const Runner *runner, const Runner *reference, const Shape *shape)
{
    static uint8_t wanted[SLAB];
    size_t         bytes = used(shape), at;
    uint64_t       counter, chosen;

    draw(text, bytes);
    draw(&counter, sizeof(counter));
    draw(&chosen, sizeof(chosen));
    memcpy(wanted, text, bytes);
    memcpy(sealed, text, bytes);
    memcpy(room, text, bytes);
    seal(reference, shape, text, wanted, counter);
    seal(runner, shape, text, sealed, counter);
    seal(runner, shape, room, room, counter);
    if (memcmp(sealed, wanted, bytes) != 0)
        fail(runner, shape, "sealed otherwise than the reference");
    if (memcmp(room, wanted, bytes) != 0)
        fail(runner, shape, "sealed otherwise than the reference, in place");
    if (open(runner, shape, wanted, counter) != N_PACKETS || !is_text(shape, wanted))
        fail(runner, shape, "what the reference sealed is not opened");
    at = place(shape, chosen % N_PACKETS) + chosen / 64 % (shape->len + WIRE_AEAD_TAG_BYTES);
    sealed[at] ^= (uint8_t)(1u << chosen % 8);
    if (open(runner, shape, sealed, counter) != N_PACKETS - 1)
        fail(runner, shape, "a changed bit is not seen");
}

/* Nanoseconds a packet; `sealed` is sealed. What an opener destroys is brought back between two
 * goes, while the clock stands still. */
static double measure(const Runner *runner, const Shape *shape)
{
    int64_t  took = 0;
    uint64_t n = 0;

    for (; took < SLICE_NS; n += N_PACKETS) {
        int64_t begin;

        if (shape->way == OPEN)
            memcpy(room, sealed, used(shape));
        begin = mesh_clock_boot_ns();
        if (shape->way == SEAL)
            seal(runner, shape, text, room, 0);
        else if (open(runner, shape, room, 0) != N_PACKETS)
            fail(runner, shape, "not opened");
        took += mesh_clock_boot_ns() - begin;
    }
    return (double)took / (double)n;
}

static int compare(const void *a, const void *b)
{
    const double *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

static double get_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* @runners: of one suite, the reference last. */
static void bench(Runner *runners, size_t n, const Shape *shape, int rounds)
{
    const Runner *reference = &runners[n - 1];
    double        slowest = 0;

    for (size_t i = 0; i < n; i++)
        check(&runners[i], reference, shape);
    seal(reference, shape, text, sealed, 0);
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++)
            runners[i].ns[round] = measure(&runners[i], shape);
    }
    for (size_t i = n; i-- > 0;) {
        double ns = get_median(runners[i].ns, rounds);

        if (i == n - 1)
            slowest = ns;
        printf("%-9s%-6s%6u%8zu  %-10s%10.1f%8.2f%13.2f\n",
               wire_suite_get_name(runners[i].engine->suite), shape->way == SEAL ? "seal" : "open",
               shape->len, shape->n, runners[i].engine->name, ns, (double)shape->len / ns,
               slowest / ns);
    }
}

static void begin(Runner *runner, const WireAead *engine, const uint8_t *key)
{
    *runner =
        (Runner){ engine, engine->context_new(key, true), engine->context_new(key, false), { 0 } };
    if (runner->sealer == NULL || runner->opener == NULL) {
        fputs("out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
}

/* The engines of @suite that are right on this machine; the others are named. */
static size_t begin_all(WireSuite suite, Runner *runners)
{
    uint8_t         key[WIRE_AEAD_KEY_BYTES];
    const WireAead *engine;
    size_t          n = 0;

    draw(key, sizeof(key));
    for (size_t i = 0; (engine = wire_aead_get(i)) != NULL && n < MAX_ENGINES; i++) {
        if (engine->suite != suite)
            continue;
        if (wire_aead_find(suite, engine->name) == NULL)
            printf("%-9s%s: not for this machine\n", wire_suite_get_name(suite), engine->name);
        else
            begin(&runners[n++], engine, key);
    }
    return n;
}

static void bench_suite(WireSuite suite, int rounds)
{
    static Runner runners[MAX_ENGINES];
    size_t        n = begin_all(suite, runners);

    for (Way way = 0; n > 0 && way < N_WAYS; way++) {
        for (size_t l = 0; l < MESH_N_ELEMENTS(lens); l++) {
            for (size_t r = 0; r < MESH_N_ELEMENTS(runs); r++)
                bench(runners, n, &(Shape){ way, lens[l], runs[r] }, rounds);
        }
    }
    for (size_t i = 0; i < n; i++) {
        runners[i].engine->context_free(runners[i].sealer);
        runners[i].engine->context_free(runners[i].opener);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;

    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench-aead: \"%s\" rounds: 1 to %d\n", argv[1], MAX_ROUNDS);
        return 2;
    }
    if (wire_aead_init() < 0) {
        fputs("bench-aead: no engine\n", stderr);
        return 1;
    }
    printf("%-9s%-6s%6s%8s  %-10s%10s%8s%13s\n", "suite", "", "bytes", "a call", "engine",
           "ns/packet", "GB/s", "x reference");
    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++)
        bench_suite(suite, rounds);
    return 0;
}
