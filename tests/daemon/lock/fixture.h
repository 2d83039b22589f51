/* tests/daemon/lock/fixture.h: a gate and the map that its tests break.
 *
 * The base is a network of node 50 (ourselves) and its peers 1 to 3, map 1.5, policy 1; the clock
 * is the tests' own and stands at FIXTURE_NOW. */
#pragma once

#include "daemon/lock/gate.h"
#include "tests/common/proto/objects.h"

enum { SELF = 50, N_PEERS = 3 };

/* What the map of a test is made of; changed before it is built. */
typedef struct {
    uint64_t    epoch, ver, pver;
    MeshSigned *m, *p;
    MeshPeer    peers[N_PEERS];
    size_t      n_gone;
    MeshGone    gone;
    MeshSigned *tip; /* NULL: made to fit */
    MeshSigned *set; /* over all M; NULL: none */
    MeshNonce   nonce;
    bool        cached; /* no tip at all: from disk */
    MeshNetwork network;
} GateParts;

typedef struct {
    LockGate *gate;
    GateParts parts;
} GateFixture;

typedef void (*GateTest)(GateFixture *f, gconstpointer data);

/* First in main(): the clock, the libraries. */
void gate_begin(void);

/* Adds @test as /gate/<group>/<name>; group "": /gate/<name>. */
void gate_add(const char *group, const char *name, gconstpointer data, GateTest test);

/* Both clocks. */
void gate_set_clock(int64_t wall_s);
void gate_pass(int64_t s);

/* Replaces an object of the parts; takes over @object. */
void gate_swap(MeshSigned **slot, MeshSigned *object);

/* Signs a changed M of @n; the change is by @edit. */
void gate_edit_member(GateFixture *f, unsigned n, void (*edit)(MeshMember *member));

/* A K that names @named, signed by @signer. */
MeshSigned *gate_sign_k(unsigned signer, unsigned named, const MeshKey *wg, uint64_t seq);

/* The parts as a map, through the gate. */
LockVerified *gate_verify(GateFixture *f, GError **error);
LockVerified *gate_verify_fine(GateFixture *f);

/* The floors through their text into a new gate. */
void gate_restart(GateFixture *f);
