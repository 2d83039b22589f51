/* daemon/engine.h: one joined network: its conversation with the server, its verified map, its
 * parts on this host, and what others are shown of it.
 *
 * Thread: main loop. What can take long ends with a MeshdEngineDone, once, never from inside the
 * call that started it unless it failed at once. */
#pragma once

#include "daemon/dns/hostdns.h"
#include "daemon/net/net.h"
#include "daemon/path/path.h"
#include "daemon/path/tech-upnp.h"
#include "daemon/ping.h"
#include "daemon/profile.h"
#include "daemon/state.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MeshdEngine MeshdEngine;

/** MeshdEngineHost: what the networks share. Borrowed by every engine. */
typedef struct {
    MeshdState *state;
    Net        *net;
    DnsHostdns *hostdns;
    PathUpnp   *upnp; /* NULL: none */
    /* Owned text that names what of this host or its other networks shares addresses with @prefix;
     * NULL: nothing. */
    char *(*find_clash)(MeshdEngine *engine, const MeshPrefix *prefix, void *user_data);
    /* What the view shows changed; @peers: something about a peer did. */
    void (*changed)(MeshdEngine *engine, bool peers, void *user_data);
    void *user_data;
} MeshdEngineHost;

typedef void (*MeshdEngineDone)(MeshdEngine *engine, const GError *error, void *user_data);

/** meshd_engine_new: takes @profile. Nothing starts. @host is borrowed. */
MeshdEngine *meshd_engine_new(const MeshdEngineHost *host, MeshdProfile *profile);
void         meshd_engine_free(MeshdEngine *self); /* stops; a Done that waits gets CANCELLED */

/** meshd_engine_join: registers with the profile's join secret; done when the network is up or
 * pending, or with the server's error. */
void meshd_engine_join(MeshdEngine *self, MeshdEngineDone done, void *user_data);

/** meshd_engine_up: done when interface, addresses and routes are in place. */
void meshd_engine_up(MeshdEngine *self, MeshdEngineDone done, void *user_data);
void meshd_engine_down(MeshdEngine *self);

typedef enum {
    MESHD_LEAVE_TOLD,  /* an error when the server cannot be told */
    MESHD_LEAVE_FORCE, /* no error then */
    MESHD_LEAVE_LOCAL, /* the server is not told: another host has the same keys and keeps them */
} MeshdLeaveHow;

/** meshd_engine_leave: tells the server; the network is down after it, its documents stay. */
void meshd_engine_leave(MeshdEngine *self, MeshdLeaveHow how, MeshdEngineDone done,
                        void *user_data);

/** MeshdHostNews: this host as a network sees it. Borrowed. */
typedef struct {
    GArray      *addrs;    /* MeshAddr, those of meshes left out */
    GArray      *foreign;  /* MeshPrefix of its other networks */
    GArray      *links;    /* unsigned: interfaces to links where others may be */
    MeshAddr     gateway;  /* IPv4, of the default route beside meshes; family 0: none */
    MeshEndpoint gateway6; /* the same of IPv6, without a port */
    MeshPrefix   nat64;    /* that it announced; bits 0: none */
    bool         kick; /* the network changed, so doubt the server's connection and the router */
} MeshdHostNews;

void meshd_engine_set_host(MeshdEngine *self, const MeshdHostNews *news);

/** meshd_engine_mend: the host's network changed: puts back, soon, what it lacks of ours. */
void meshd_engine_mend(MeshdEngine *self);

/** meshd_engine_refresh: the profile was changed (port, endpoints, DNS): applies it to what runs.
 */
bool meshd_engine_refresh(MeshdEngine *self, GError **error);

void meshd_engine_ping(MeshdEngine *self, const MeshdPingRequest *request, MeshdPingDone done,
                       void *user_data);

/** meshd_engine_list_prefixes: appends what this network uses of the address space now to @list, of
 * MeshdClashPrefix. */
void meshd_engine_list_prefixes(MeshdEngine *self, GArray *list);

MeshdProfile *meshd_engine_get_profile(MeshdEngine *self); /* borrowed */
