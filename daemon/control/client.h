/* daemon/control/client.h: the conversation with one network's server. Front door of the folder.
 *
 * One client per network; main loop only; nothing blocks. It registers, holds the map stream (or
 * the plain long poll), reports, reconnects with jitter, keeps the clock offset and the nonces. It
 * owns the MeshNetmap that the lines build up and hands it out; verifying is the caller's business
 * (daemon/lock/gate.h). Callbacks come from the main context, never from inside a call of the
 * caller; in a callback everything may be called, control_client_free() too. */
#pragma once

#include "common/proto/joinlink.h"
#include "common/proto/netmap.h"
#include "common/proto/register.h"
#include "common/proto/relaymap.h"
#include "common/proto/session.h"
#include "common/proto/signed.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ControlClient ControlClient;

typedef enum {
    CONTROL_OFF,        /* nothing asked for */
    CONTROL_CONNECTING, /* a request is on its way, nothing heard yet */
    CONTROL_CONNECTED,  /* the stream (or the last long poll) is alive */
    CONTROL_PENDING,    /* registered, waits for approval */
    CONTROL_OFFLINE,    /* no server; tries again by itself */
} ControlState;

/* Each may be NULL. @user_data: of control_client_new(). Objects are borrowed for the call. */
typedef struct {
    /* @why: what went wrong with OFFLINE, else NULL. */
    void (*state)(ControlClient *client, ControlState state, const GError *why, void *user_data);
    /* register was answered 200; the stream is the caller's to start. */
    void (*registered)(ControlClient *client, const MeshRegisterAnswer *answer, void *user_data);
    /* The map changed; lines that came together are told once. @change: _CHANGED or _PRESENCE. */
    void (*map)(ControlClient *client, const MeshNetmap *map, MeshNetmapChange change,
                void *user_data);
    /* Our address as the server sees it changed (no port). */
    void (*observed)(ControlClient *client, const MeshAddr *address, void *user_data);
    /* Our E's seq is not above what the server holds: sign one with a seq ≥ @min_seq and call
     * control_client_report() again. */
    void (*seq)(ControlClient *client, uint64_t min_seq, void *user_data);
    /* The client stopped for good and is OFF: REMOVED, EXPIRED, KEY_*, CONFLICT, WRONG_SERVER,
     * BAD_SIGNATURE, PROTO, FULL, NO_NETWORK, NOT_MEMBER (register again), SERVER_KEY while
     * registering. Not CLOCK, REPLAYED, CLONED: those may pass, so it is OFFLINE and asks again. */
    void (*fatal)(ControlClient *client, const GError *why, void *user_data);
    /* The relays of the network, and what opens them to us: not verified yet. */
    void (*relays)(ControlClient *client, const MeshRelayAnswer *answer, void *user_data);
    /* Another host uses the key of this node; this one keeps it. Told again while that goes on. */
    void (*cloned)(ControlClient *client, void *user_data);
} ControlEvents;

typedef struct {
    const MeshJoinlink *server; /* host, port, network, server key, webpki; the secret is ignored */
    const MeshSignSecret *secret; /* of the node key; borrowed until control_client_free() */
    MeshKey               node;   /* its public half */
} ControlOptions;

ControlClient *control_client_new(const ControlOptions *options, const ControlEvents *events,
                                  void *user_data);

/* Closes the connections; no callback comes after. NULL is fine. */
void control_client_free(ControlClient *self);

/* Registers until answered: retries what may be retried (unreachable, busy), waits while pending,
 * then calls registered. @request: k and join already signed; copied. @tries: give up with fatal
 * after so many unanswered attempts; 0: never. */
void control_client_register(ControlClient *self, const MeshRegister *request, unsigned tries);

/* Opens the map stream and keeps it open. @map: from disk, NULL: none; copied. */
void control_client_start(ControlClient *self, const MeshNetmap *map);

/* Ends stream and retries; the state becomes OFF. */
void control_client_stop(ControlClient *self);

/* Tells our records: sent at most once a second, the newest wins, kept and sent again until
 * answered and after each reconnect. @k NULL: unchanged. Refs. @health: NULL-terminated, may be
 * NULL. */
void control_client_report(ControlClient *self, MeshSigned *e, MeshSigned *k,
                           const char *const *health);

/* Tells the server that we leave; @done once, within @timeout_ms. Answers that mean "you are no
 * member" count as told (@error NULL). */
typedef void (*ControlDone)(ControlClient *client, const GError *error, void *user_data);
void control_client_leave(ControlClient *self, unsigned timeout_ms, ControlDone done,
                          void *user_data);

/* The network changed or the host woke up: try now instead of waiting, and doubt the stream. */
void control_client_kick(ControlClient *self);

/* A peer told newer records of itself on our link: @k (NULL: as it was) and @e, verified by the
 * caller. False: nothing new. No callback comes: the caller knows. */
bool control_client_learn(ControlClient *self, uint32_t index, MeshSigned *k, MeshSigned *e);

/* @out_address: where the stream came from last, the server or the proxy to it; family 0: not known
 * yet. May be NULL. */
ControlState control_client_get_state(const ControlClient *self, MeshAddr *out_address);

const MeshNetmap *control_client_get_map(const ControlClient *self); /* borrowed, never NULL */
const char       *control_client_state_name(ControlState state);     /* "off", "connecting", … */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ControlClient, control_client_free)
