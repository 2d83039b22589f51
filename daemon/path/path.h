/* daemon/path/path.h: how the peers of one network are reached: which endpoints are tried, when,
 * and why a peer is not reached. Front door of the folder.
 *
 * The data plane does the trying: it sends each handshake initiation to every candidate at once,
 * and the authentic answer decides. This folder chooses candidates, starts, repeats and explains.
 * Thread: main loop only; timers are sources of its default context. */
#pragma once

#include "common/codec/probe.h"
#include "common/proto/record.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "common/std/sign.h"
#include "daemon/path/natclass.h"
#include "daemon/wire/plane.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_MAX_EAGER   256u /* peers that are connected without traffic, if there is no relay */
#define PATH_MAX_MET     64u  /* with one: in a network so small all peers are, once at the start */
#define PATH_NUDGE_ID    0u   /* of the echoes of path_nudge(); nobody waits for their answer */
#define PATH_KEEPALIVE_S 25u  /* keeps mappings of NATs and firewalls open */

#define PATH_MAX_HOMES  4u  /* relays that a peer names */
#define PATH_MAX_RELAYS 16u /* of a network */

typedef struct Path Path;

/** PathRelay: a relay of the network's signed map, its name resolved. */
typedef struct {
    uint16_t     id;
    char         name[64];
    bool         usable;     /* takes new nodes: neither to be avoided nor drained */
    bool         draining;   /* with !usable: it will go; else only to be avoided */
    MeshEndpoint at4, at6;   /* UDP; family 0: none */
    uint16_t     alt_port;   /* of STUN beside the relay's; 0: none */
    MeshKey      key;        /* X25519 */
    MeshEndpoint tls4, tls6; /* family 0: none, but @host may be known to a proxy */
    uint16_t     tls_port;   /* 0: not over TLS */
    MeshKey      tls_key;    /* Ed25519, of its certificate */
    bool         webpki;     /* the system's authorities and @host stand for that key */
    char         host[254];  /* DNS name or address */
} PathRelay;

/** PathRelayMap: the relays and what opens them to us. Borrowed, but for @secret copied. */
typedef struct {
    const PathRelay      *relays;
    size_t                n_relays;
    MeshSpan              token; /* body of T */
    MeshSignature         token_signature;
    MeshKey               server; /* Ed25519; it signed T */
    uint8_t               net[8];
    const MeshSignSecret *secret; /* of our node key; outlives the Path */
} PathRelayMap;

/** PathRelayInfo: a relay as this host knows it. */
typedef struct {
    uint16_t id;
    char     name[64];
    bool     usable, draining; /* as of PathRelay */
    bool     bound, tls;       /* we have a session there; over TLS */
    bool     down;             /* it does not answer us now */
    bool     home, second;     /* where peers look for us first, and then */
    int64_t  rtt_us;           /* 0: not measured, or no answer */
} PathRelayInfo;

/** PathSelf: what peers have to know about us: it goes into our record E. */
typedef struct {
    MeshKey      probe_key; /* X25519; new at each start */
    size_t       n_relays;
    uint16_t     relays[PATH_MAX_HOMES]; /* where we are found, home first */
    MeshEndpoint seen;                   /* our UDP port as the relay sees it; family 0: not seen */
    bool         wants_tcp;              /* a peer would come by TCP if our router let it in */
    bool         relayless; /* there is none for a while: eager peers have to be kept open */
} PathSelf;

/** PathPeer: what the verified map says about a peer. */
typedef struct {
    MeshKey                   wg;     /* X25519, names the peer here */
    MeshAddr                  inner;  /* its IPv6 address in the mesh */
    bool                      online; /* the server says so */
    bool                      eager;  /* connect without waiting for traffic */
    uint64_t                  e_seq;  /* of the record the endpoints come from; 0: none */
    size_t                    n_endpoints;
    const MeshRecordEndpoint *endpoints; /* borrowed for the call; the first ones count */
    bool                      has_probe_key;
    MeshKey                   probe_key; /* X25519, of its record E */
    uint32_t                  index;     /* of the node, as relays know it */
    size_t                    n_relays;
    uint16_t                  relays[PATH_MAX_HOMES]; /* where it is found, home first */
    MeshEndpoint              tcp;   /* where a router takes TCP for it; family 0: nowhere */
    const MeshRecordRelay    *relay; /* that it keeps for others; NULL: none; for the call only */
    const char               *name;  /* for people; for the call only */
} PathPeer;

typedef enum {
    PATH_NONE,       /* no way now; retried where that may help */
    PATH_IDLE,       /* nothing tried: there was no traffic */
    PATH_CONNECTING, /* initiations are on their way */
    PATH_RELAY,      /* a session goes by a relay */
    PATH_PEER_RELAY, /* by one that another node keeps */
    PATH_DIRECT_TCP, /* by TCP straight to the peer, because UDP is blocked */
    PATH_DIRECT,     /* a session is proven */
} PathKind;

typedef struct {
    PathKind           kind;
    char              *reason; /* owned; for people; "" when direct */
    const char        *code;   /* of the reason, static; see common/glib/reason.h */
    size_t             n_candidates;
    MeshRecordEndpoint candidates[WIRE_MAX_CANDIDATES];
    WirePeerInfo       wire;      /* endpoint in use, counters, last handshake */
    char              *relay;     /* owned; its name; NULL unless relayed */
    bool               relay_tls; /* our own session there is over TLS */
    int64_t            rtt_us;    /* of the direct way when it was last measured; 0: not known */
    unsigned           mtu; /* inner bytes that a packet on the direct way may have; 0: not known */
    bool               singly;    /* bursts are lost on the way in use: datagrams go one by one */
    bool               busy;      /* a direct way is being looked for */
    bool               again;     /* and the search before found nothing */
    PathAnswer         peer_udp;  /* NO: its relay has it, and not over UDP */
    bool               peer_told; /* in a call, what stands before it: @peer_nat */
    MeshProbeNat       peer_nat;
    MeshEndpoint       peer_seen;                /* by its relay; family 0: not told */
    bool               own4, own6, peer4, peer6; /* IP that each has, as far as is known */
} PathInfo;

/** PathHost: what of this host matters; addresses of mesh interfaces left out. Borrowed. */
typedef struct {
    const MeshAddr *addrs;
    size_t          n_addrs;
    MeshPrefix      nat64;          /* prefix that a router announced; bits 0: none did */
    bool            presence_known; /* false: the server is away, so everybody may be online */
    bool check; /* it woke up, or something around it changed: prove anew what is in use */
} PathHost;

/** PathEvents: may be called from inside any call here. */
typedef struct {
    void (*changed)(const MeshKey *peer, void *user_data); /* the path of @peer */
    void (*self_changed)(void *user_data);                 /* path_get_self() says something else */
} PathEvents;

typedef struct {
    WirePlane    *plane; /* borrowed; outlives the Path */
    MeshAddr      inner; /* our own address in the mesh */
    MeshNetworkId net;
    bool          relayless; /* as a Path of before told of itself */
    PathEvents    events;
    void         *user_data;
} PathOptions;

Path *path_start(const PathOptions *options);
void  path_stop(Path *self); /* NULL is fine */

/** path_apply: the peers that the data plane knows now, all of them. Idempotent. */
void path_apply(Path *self, const PathPeer *peers, size_t n_peers);

/** path_set_host: copies; on a change every peer is tried again at once. */
void path_set_host(Path *self, const PathHost *host);

/** path_set_relays: relays may be none. A newer token is used when the old one ends. */
void path_set_relays(Path *self, const PathRelayMap *map);
void path_get_self(Path *self, PathSelf *out_self);

void path_handle_event(Path *self, const WireEvent *event);

/** path_nudge: our port or address is another: one small packet to every peer with a session, whose
 * source tells it where we are now. path_set_host() does it by itself. */
void path_nudge(Path *self);

/** PathWishes: of the owner, and what follows from them. */
typedef struct {
    bool     hard_nat; /* hard NATs, ours or a peer's, are searched through; what was found stays */
    uint16_t tcp_port; /* peers without UDP may connect to it by TCP; 0: none */
} PathWishes;

/** path_set_wishes: at first hard NATs are searched through, and no TCP is taken. */
void path_set_wishes(Path *self, const PathWishes *wishes);

/** path_connect: starts an attempt now, traffic or not. False: no such peer. */
bool path_connect(Path *self, const MeshKey *peer);

/** path_explain: Returns false for an unknown peer; else end @out_info with path_clear_info(). */
bool path_explain(Path *self, const MeshKey *peer, PathInfo *out_info);
void path_clear_info(PathInfo *info);
