/* tests/daemon/path/hardlab.h: two sides of a search through a hard NAT (daemon/path/hardnat.c):
 * two seeks whose relay, plain pings, routes and sessions are hardlab.c's. */
#pragma once

#include "daemon/path/hardports.h"
#include "daemon/path/seeking.h"

#include <glib.h>

enum {
    HARDLAB_IP_UDP_BYTES = 28,
    HARDLAB_LIMIT_S = 60,
};

/* One side: what the real parts would keep for it. */
typedef struct {
    PathSeekHost  host;
    PathPeer      told;
    PathSeek      seek;
    MeshKey       secret, public_key;
    PathRelayLook look;
    unsigned      n_looks, n_asked; /* pings of the relay; questions where the peer is */
    unsigned      n_calls, n_acks;
    unsigned      n_pings; /* at ports of the other, in a search */
    bool          pinged[65536];
    bool          strayed; /* one went elsewhere */
    size_t        n_bytes; /* sent, on the wire, without what its sockets send */
    int           adopts;  /* what the plane answers */
    int           adopted; /* descriptor */
    unsigned      dropped; /* sockets of the plane */
    bool          silent;  /* there was no data */
} HardlabSide;

typedef struct {
    HardlabSide sides[2];
    int         far;      /* the socket that ours send to */
    int64_t     ahead_ms; /* the clock */
    bool        apart;    /* the relay loses what is not its own */
} Hardlab;

extern Hardlab lab;

void hardlab_start(void); /* once: its clock */

/* The first side's NAT, then the second's. */
void hardlab_set_up(MeshProbeDependence first, MeshProbeDependence second);
void hardlab_tear_down(void);

MeshEndpoint hardlab_at_loopback(uint16_t port);

/* Datagrams that came to the far socket so far; marks where they came from. */
unsigned hardlab_count_far(bool from[65536], size_t *out_bytes);
unsigned hardlab_count_set(const bool set[65536]);

gboolean hardlab_on_limit(gpointer user_data);

#define wait_for(condition)                                                           \
    do {                                                                              \
        guint limit_id = g_timeout_add_seconds(HARDLAB_LIMIT_S, hardlab_on_limit, 0); \
        while (!(condition))                                                          \
            g_main_context_iteration(NULL, TRUE);                                     \
        g_source_remove(limit_id);                                                    \
    } while (0)
