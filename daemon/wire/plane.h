/* daemon/wire/plane.h: the data plane, from outside. One WirePlane is one TUN interface, its UDP
 * sockets, its threads (two a shard: out and in; one for handshakes) and the peers of one network.
 *
 * Everything here is called from one control thread (meshd's main loop, mesh-wg's loop); the
 * plane's own threads never call out: news leaves by a bounded event ring with a descriptor to
 * poll. No GLib. Errors: negative errno; on failure nothing changed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/config.h"
#include "daemon/wire/switch.h"
#include "daemon/wire/way.h"

#define WIRE_IFNAME_SIZE    16u   /* IFNAMSIZ, with its NUL */
#define WIRE_MAX_CANDIDATES 8u    /* endpoints tried at once for one peer */
#define WIRE_MAX_RAW        1500u /* bytes of a datagram that is not WireGuard's */

typedef struct WirePlane WirePlane;

/** WirePlaneOptions: what cannot change while the plane lives. */
typedef struct {
    const char *ifname;    /* wished name, "%d" is filled by the kernel; ignored with tun_fd */
    int         tun_fd;    /* an open TUN descriptor, taken over on success; -1: open one */
    uint32_t    mtu;       /* of the TUN, set when we open it; 0: 1420 */
    WireSuite   suite;     /* other than WG1: spoken with all peers, and no other, whatever their
                            * specs say */
    uint16_t   shards;     /* pairs of threads; at most 8; 0: see shards.h */
    const int *tun_queues; /* with tun_fd: further queues of the same device, shards - 1 of them,
                            * taken over as well; NULL: there is one shard */
    WireSwitch offload;    /* TUN: virtio header with TSO and USO. ON with a descriptor that is no
                            * device: each frame on it has that header */
    WireSwitch gso;        /* UDP: GSO and GRO */
} WirePlaneOptions;

/** WireRoute: where a peer may be. @pinned: it is where @way says, and only another route moves it:
 * an authentic packet from elsewhere makes WIRE_EVENT_ROAMED, once a second at most. Otherwise,
 * while a session is unproven, and again after an unanswered
 * initiation, each handshake initiation goes to @endpoint and to every candidate; the peer answers
 * the first copy (the rest are replays to it), and its authentic answer makes that address the
 * endpoint. */
typedef struct {
    MeshEndpoint endpoint; /* family 0: keep what the peer has now */
    uint8_t      n_candidates;
    MeshEndpoint candidates[WIRE_MAX_CANDIDATES];
    bool         pinned; /* then the above is not looked at */
    WireWay      way;    /* not set: none for now */
    WireWay      copy;   /* handshakes, and the next @n_copies packets, go there too. Not by a
                          * relay when @way is */
    uint16_t n_copies;   /* UINT16_MAX: all, until another route is set */
    uint16_t mtu;        /* of a pinned peer: inner bytes that the way carries; more is refused to
                          * the host, or cut (IPv4 without DF). 0: as many as the TUN's */
    bool     singly;     /* of a pinned peer: datagrams go one by one: the way loses bursts */
    uint16_t silent_ms;  /* WIRE_EVENT_SILENT when nothing authentic came for so long since data
                          * was sent; 0: never */
} WireRoute;

typedef enum {
    WIRE_EVENT_HANDSHAKE, /* a session with @peer is up at @endpoint (also at each rekey) */
    WIRE_EVENT_ROAMED,    /* an authentic packet moved @peer to @endpoint */
    WIRE_EVENT_GAVE_UP,   /* 90 s of initiations to @peer went unanswered */
    WIRE_EVENT_EXPIRED,   /* the last session of @peer was wiped (180 s × 3 without a new one) */
    WIRE_EVENT_PONG,      /* an answer to wire_plane_ping(): @id, @sequence, @time_ns */
    WIRE_EVENT_RAW,    /* a datagram that is not WireGuard's (STUN, probe): @data, from @endpoint */
    WIRE_EVENT_SILENT, /* see WireRoute.silent_ms; again only after @peer was heard */
    WIRE_EVENT_ACTIVE, /* data of a pinned @peer, either way, after 30 s without; or of any, out,
                        * while there is no session: once a second */
    WIRE_EVENT_STRAY, /* data came by @way for a session that is not ours: of the one we were before
                       * we started again, say. Once a second a source at most; not authentic but
                       * by the word of the relay of @way */
    WIRE_EVENT_BURSTS, /* datagrams went to pinned @peer as one message (UDP GSO), for the first
                        * time by its way, since it is pinned or since wire_ways_watch_bursts() */
    WIRE_EVENT_LINK,   /* the TUN went up or down, or changed its MTU: see wire_plane_get_info() */
    WIRE_EVENT_LINK_DOWN, /* the stream of @way.link ended: @id is a negative errno */
    WIRE_EVENT_FAILED,    /* the plane cannot go on (TUN deleted): @id is a negative errno */
} WireEventKind;

/** WireEvent: one entry of the ring; a value. Events that do not fit are counted and lost, so state
 * is always to be read from wire_plane_get_peer(), never summed up from events. */
typedef struct {
    WireEventKind kind;
    MeshKey       peer;     /* all but RAW, STRAY, LINK, LINK_DOWN, FAILED */
    MeshEndpoint  endpoint; /* HANDSHAKE, ROAMED, RAW, STRAY, PONG; family 0: by a relay */
    WireWay       way;      /* the same. RAW from a relay: what it carried, without its header; or a
                             * frame of its own, with index WIRE_WHOLE_FRAME */
    int32_t  id;            /* PONG: as given; FAILED, LINK_DOWN: errno */
    uint16_t sequence;      /* PONG */
    uint16_t n_data;        /* RAW, bytes */
    uint64_t time_ns;       /* boot clock at reception */
    uint8_t  data[WIRE_MAX_RAW];
} WireEvent;

/** WirePeerInfo: a peer as it is now. Times are wall clock, as `wg show` wants them. */
typedef struct {
    MeshKey      public_key;
    MeshEndpoint endpoint;         /* family 0: none known, or by a relay */
    WireWay      way;              /* the same as a way */
    bool         has_session;      /* a keypair that may still send exists */
    WireSuite    suite;            /* of that */
    int64_t      last_handshake_s; /* CLOCK_REALTIME; 0: never */
    uint32_t     last_handshake_ns;
    uint64_t     last_received_ms; /* boot clock, authentic packets only; 0: never */
    uint64_t     last_data_ms; /* of a pinned peer: packets with content, either way; 0: never */
    uint64_t     rx_bytes, tx_bytes; /* outer WireGuard bytes, as the kernel counts them */
    uint64_t     handshake_attempts; /* initiations sent since the last session */
    int64_t      taken_ns; /* greatest timestamp of its initiations, ns since 1970; 0: none */
} WirePeerInfo;

typedef enum {
    WIRE_DROP_NONE,
    WIRE_DROP_NO_PEER,    /* out: no allowed IP for the destination */
    WIRE_DROP_NO_ROUTE,   /* out: peer without endpoint */
    WIRE_DROP_STAGED,     /* out: staging queue of a peer without session overflowed */
    WIRE_DROP_SEND,       /* out: the socket refused */
    WIRE_DROP_MALFORMED,  /* in: length or type impossible */
    WIRE_DROP_NO_SESSION, /* in: unknown receiver index, or session past its limits */
    WIRE_DROP_FORGED,     /* in: tag does not verify, mac1 wrong */
    WIRE_DROP_REPLAYED,   /* in: counter seen or too old */
    WIRE_DROP_SPOOFED,    /* in: inner source not the peer's */
    WIRE_DROP_FILTERED,   /* both: policy */
    WIRE_DROP_TUN,        /* in: the TUN refused */
    WIRE_DROP_EVENTS,     /* event ring full */
    WIRE_DROP_HANDSHAKES, /* handshake queue full; source or peer over its rate */
    WIRE_DROP_CONGESTION, /* in: marked on its way, and its ends know no ECN (RFC 6040) */
    WIRE_DROP_TOO_LONG,   /* out: more than the peer's way carries; the sender was told */
    WIRE_DROP_QUEUE_FULL, /* out: the link takes less than came, and the queue was full */
    WIRE_DROP_QUEUE_SLOW, /* out: the same, and it had waited for too long */
    WIRE_N_DROPS,
} WireDrop;

typedef enum {
    WIRE_OFFLOAD_TUN_READ,    /* out: super-packets of the host, split */
    WIRE_OFFLOAD_TUN_WRITE,   /* in: merged for the host */
    WIRE_OFFLOAD_UDP_SEND,    /* out: UDP GSO */
    WIRE_OFFLOAD_UDP_RECEIVE, /* in: UDP GRO */
    WIRE_N_OFFLOADS,
} WireOffload;

typedef struct {
    uint64_t units;    /* of more than one packet that crossed the kernel's border as one */
    uint64_t packets;  /* in them */
    uint64_t refused;  /* units that the kernel refused; their packets went one by one */
    uint64_t held;     /* packets that went one by one because their way loses units */
    uint64_t given_up; /* so often a thread ceased to make units of a kind, or for a family: the
                        * kernel had refused one */
    bool on;           /* wished for, and found at the start */
} WireOffloadStats;

typedef struct {
    uint64_t rx_packets, tx_packets;      /* inner packets delivered, sent */
    uint64_t rx_bytes, tx_bytes;          /* inner bytes */
    uint64_t queue_times;                 /* so often a link took less than came */
    uint64_t queue_peak;                  /* bytes: most that waited then, all shards together */
    uint64_t marked;                      /* packets that got a congestion mark there (ECN) */
    uint64_t cut;                         /* packets longer than their way carries, without DF:
                                           * sent in pieces that are counted as packets */
    uint64_t         drops[WIRE_N_DROPS]; /* packets, by reason */
    WireOffloadStats offloads[WIRE_N_OFFLOADS];
} WireStats;

typedef struct {
    char        ifname[WIRE_IFNAME_SIZE];
    uint32_t    mtu;         /* bytes, of the TUN now */
    bool        up;          /* IFF_UP */
    uint16_t    listen_port; /* bound port; 0: not bound */
    uint32_t    fwmark;
    int64_t     sent_ns; /* greatest timestamp of our initiations, ns since 1970; 0: none sent */
    const char *engines[WIRE_N_SUITES]; /* names, of new sessions; NULL: the suite is not for this
                                         * machine */
} WirePlaneInfo;

/** wire_plane_start: opens the TUN, starts the threads; no peers, no key, port not yet bound.
 * Returns 0; -EPERM: no CAP_NET_ADMIN; -EBUSY: name taken; -EINVAL: bad name; -ENODEV: no TUN;
 * -EOPNOTSUPP: an offload that is switched ON is not to be had. */
MESH_CHECKED int wire_plane_start(const WirePlaneOptions *options, WirePlane **out_plane);

/** wire_plane_stop: ends and joins the threads, wipes every key, closes and removes the TUN. */
void wire_plane_stop(WirePlane *self); /* NULL is fine */

/** wire_plane_set_private_key: the static X25519 key, copied to guarded memory that only the
 * handshake thread reads. NULL or zero: none, nothing is sent. A change drops all sessions; a peer
 * with our own public key is left out from then on. Returns 0 or -ENOMEM. */
MESH_CHECKED int wire_plane_set_private_key(WirePlane *self, const MeshKey *private_key);

/** wire_plane_apply: publishes @config. Peers known by key keep sessions, endpoint and counters;
 * peers gone are wiped. Binds again if the port changed. Idempotent.
 * Returns 0; -EADDRINUSE: the port is taken; -ENOMEM. On failure the old snapshot runs on. */
MESH_CHECKED int wire_plane_apply(WirePlane *self, const WireConfig *config);

/** wire_plane_set_route: see WireRoute. @initiate: start a handshake now if there is no session.
 * Returns 0; -ENOENT: no such peer. */
MESH_CHECKED int wire_plane_set_route(WirePlane *self, const MeshKey *peer, const WireRoute *route,
                                      bool initiate);

/** wire_plane_send_raw: sends a datagram from the plane's socket; @bytes must not start like
 * WireGuard. Returns 0; -EINVAL; -EAGAIN: socket full; or what the kernel says. */
MESH_CHECKED int wire_plane_send_raw(WirePlane *self, const MeshEndpoint *to, const uint8_t *bytes,
                                     size_t n_bytes);

/** wire_plane_ping: injects an ICMP or ICMPv6 echo from @source to @destination (same family, inner
 * addresses) as if it came from the TUN; the answer, matched by address, id,
 * sequence and 16 random payload bytes, becomes WIRE_EVENT_PONG and does not reach the TUN; others
 * do. Returns 0; -ENOENT: no peer owns @destination; -ENOBUFS: queue full. */
MESH_CHECKED int wire_plane_ping(WirePlane *self, const MeshAddr *source,
                                 const MeshAddr *destination, uint16_t id, uint16_t sequence);

/** wire_plane_event_fd: readable while events wait; owned by the plane. */
int wire_plane_event_fd(const WirePlane *self);

/** wire_plane_next_event: takes the oldest. Returns false when there is none. */
bool wire_plane_next_event(WirePlane *self, WireEvent *out_event);

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info);
void wire_plane_get_stats(WirePlane *self, WireStats *out_stats);

/** wire_plane_get_peer: Returns 0 or -ENOENT. To list all, walk the configuration's keys. */
MESH_CHECKED int wire_plane_get_peer(WirePlane *self, const MeshKey *peer, WirePeerInfo *out_info);
