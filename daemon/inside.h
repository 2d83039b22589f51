/* daemon/inside.h: the inside of an engine, for engine.c (which owns it), membership.c, clone.c,
 * view.c and the networks.
 */
#pragma once

#include "daemon/checks.h"
#include "daemon/control/client.h"
#include "daemon/engine.h"
#include "daemon/history.h"
#include "daemon/lan.h"
#include "daemon/lock/gate.h"
#include "daemon/parts.h"
#include "daemon/path/tech-portmap.h"
#include "daemon/peerrelay.h"
#include "daemon/relaymap.h"
#include "daemon/report.h"
#include "daemon/shown.h"

/* What routers are asked for, each by itself. */
typedef enum {
    MESHD_PORTMAP_UDP4,
    MESHD_PORTMAP_TCP4, /* only while peers would come by it */
    MESHD_PORTMAP_UDP6, /* a hole in the firewall */
    MESHD_PORTMAP_TCP6,
    MESHD_PORTMAPS,
} MeshdPortmapKind;

typedef enum {
    MESHD_ENGINE_DOWN,
    MESHD_ENGINE_PENDING,
    MESHD_ENGINE_UP,
    MESHD_ENGINE_REMOVED,
    MESHD_ENGINE_EXPIRED,
    MESHD_ENGINE_ERROR,
} MeshdEngineState;

struct MeshdEngine {
    const MeshdEngineHost *host; /* borrowed */
    MeshdProfile          *profile;
    MeshdEngineState       state;
    char                  *error;   /* why ERROR, or what else is wrong; NULL: nothing */
    const char            *problem; /* static: the same for programs; NULL: nothing */
    LockGate              *gate;
    MeshdChecks           *checks; /* verifies what a large map brings */
    int64_t          news_ms; /* boot clock: since when peers wait to be verified; 0: none do */
    bool             floors_loaded;
    bool             unread;  /* the system refused to read what is needed: load.c tries again */
    uint64_t         k_epoch; /* of the map with which our K was told to the server; 0: not yet */
    uint64_t         saved_epoch, saved_ver; /* of the map that is on disk, or on its way there */
    int64_t          saved_ms;               /* boot clock: since when; 0: none is */
    ControlClient   *client;                 /* NULL while down */
    ControlState     server_state;
    char            *server_error;
    const char      *server_problem; /* static: the same for programs; NULL: nothing */
    MeshdTimestamps *timestamps;
    MeshdLastgood   *lastgood;
    MeshdNames      *names;
    MeshdParts      *parts;
    MeshdPings      *pings;
    MeshdReport     *report;
    MeshdHistory    *history; /* of paths */
    MeshdShown      *shown;   /* of peers */
    MeshdRelaymap   *relays;
    MeshAddr         observed; /* family 0: not known */
    GArray          *addrs;    /* MeshAddr of this host, meshes left out */
    GArray          *foreign;  /* MeshPrefix: of the host's other networks */
    GArray          *links;    /* unsigned: indexes of the host's interfaces to its own links */
    MeshAddr         gateway;  /* IPv4, of the default route; family 0: none */
    MeshEndpoint     gateway6; /* the same of IPv6, without a port */
    MeshPrefix       nat64;    /* that it announced; bits 0: none */
    PathPortmap     *portmaps[MESHD_PORTMAPS]; /* NULL until our port was known once */
    MeshdPeerRelay  *relaying;                 /* NULL: no relay for others */
    MeshdLan        *lan;
    char            *clash;  /* why IPv4 is left out; NULL: it is not */
    guint            timer;  /* verify and report again; 0: none */
    guint            broken; /* idle source after the plane failed; 0: none */
    guint            mend;   /* timer of meshd_engine_mend(); 0: none */
    guint            tidy;   /* timer that gives memory back; 0: none */
    MeshdEngineDone  done;   /* who waits for join or up; NULL: nobody */
    void            *done_data;
    guint            done_timer;
    MeshdEngineDone  left; /* who waits for leave */
    void            *left_data;
    MeshdLeaveHow    left_how;
    bool             lent;      /* up for NetworkManager alone: down when that ends */
    bool             displaced; /* another host runs with our keys and keeps the node */
    bool             unknown;   /* the server said that it does not know us */
    int64_t          cloned_ms; /* boot clock: another host was said to use our keys; 0: no */
    guint            cloned;    /* timer: that is not shown any more; 0: none */
    guint            again;     /* timer: after the server ended the conversation; 0: none */
};

/* ---- engine.c, for membership.c ---- */

/* @error: for people, @problem: for programs (problem.h); NULL: nothing is wrong. */
void meshd_engine_set_state(MeshdEngine *self, MeshdEngineState state, const char *error,
                            const char *problem);
void meshd_engine_finish(MeshdEngine  *self,
                         const GError *error); /* calls done, if somebody waits */
void meshd_engine_save_profile(MeshdEngine *self);
void meshd_engine_stop_parts(MeshdEngine *self);
/* The wall clock was set, or timers stood still in sleep: judges anew what depends on the time. */
void meshd_engine_set_clock(MeshdEngine *self);

/* Takes a map from server or disk into force; failures are shown, and told to who waits. */
void meshd_engine_use_map(MeshdEngine *self, const MeshNetmap *map, MeshNetmapChange change);

/* ---- membership.c, for engine.c ---- */

/* Makes the client, if there is none, and registers; a secret of the profile is used and shown. */
void meshd_membership_register(MeshdEngine *self);
/* Makes the client, if there is none. */
void meshd_membership_connect(MeshdEngine *self);
/* Frees the client, if there is one; who waits for a leave is told so. */
void meshd_membership_disconnect(MeshdEngine *self);
/* Our membership ended, by the server's word or by its own date. */
void meshd_membership_end(MeshdEngine *self, MeshdProfileStage stage, const char *why);
/* The server does not know this node any more: a join link brings it back. */
bool meshd_membership_is_unknown(const MeshdEngine *self);
/* Signs and reports our endpoints if they changed. */
void meshd_membership_report(MeshdEngine *self);
