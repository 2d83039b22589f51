/* daemon/networks.h: the networks this host has joined: join, leave, up, down, what they must not
 * share. Thread: main loop. Engines are owned here; who keeps a pointer looks it up again after
 * waiting. */
#pragma once

#include "daemon/engine.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MESHD_NETWORKS_MAX 64u /* joined at once */

typedef struct MeshdNetworks MeshdNetworks;

/* Each may be NULL. */
typedef struct {
    void (*added)(MeshdEngine *engine, void *user_data); /* or joined again */
    void (*removed)(const char *id, void *user_data);    /* the engine is gone already */
    void (*changed)(MeshdEngine *engine, bool peers, void *user_data);
} MeshdNetworksEvents;

typedef struct {
    const char        *name;   /* wished name of this node; NULL: the host name */
    const char        *ifname; /* NULL: mesh0, mesh1 … */
    bool               no_ip4;
    uint16_t           port;      /* 0: chosen once and kept */
    const char *const *endpoints; /* static ones, NULL-terminated; NULL: none */
} MeshdJoinOptions;

typedef struct {
    bool               set_port;
    uint16_t           port;
    const char *const *endpoints; /* NULL: unchanged */
    bool               set_dns, dns;
    bool               set_portmap, portmap;
    bool               set_hard_nat, hard_nat;
    bool               set_peer_relay;
    uint16_t           peer_relay; /* port; 0: no relay for others */
    bool               set_lan, lan;
    bool               set_aes, aes;
    const char        *engine; /* of AEADs; "auto": the fastest; NULL: unchanged */
} MeshdSetOptions;

typedef enum {
    MESHD_UP_KEPT,      /* over restarts of the daemon */
    MESHD_UP_TEMPORARY, /* not so */
    MESHD_UP_MANAGED,   /* for NetworkManager, see manage.h; changes no wish */
} MeshdUpHow;

/* @engine NULL: @error says why. */
typedef MeshdEngineDone MeshdNetworksDone;

/** meshd_networks_new: opens the state, cleans up after a predecessor, loads what was joined. */
MeshdNetworks *meshd_networks_new(const char *state_dir, const char *runtime_dir, GError **error);
/** meshd_networks_use_upnp: takes @upnp; before meshd_networks_start(). */
void meshd_networks_use_upnp(MeshdNetworks *self, PathUpnp *upnp);
void meshd_networks_free(MeshdNetworks *self); /* takes everything down; NULL is fine */

/** meshd_networks_start: brings up what shall be up, and tells of every network. */
void meshd_networks_start(MeshdNetworks *self, const MeshdNetworksEvents *events, void *user_data);

void meshd_networks_join(MeshdNetworks *self, const char *link, const MeshdJoinOptions *options,
                         MeshdNetworksDone done, void *user_data);
void meshd_networks_leave(MeshdNetworks *self, MeshdEngine *engine, MeshdLeaveHow how,
                          MeshdNetworksDone done, void *user_data);
void meshd_networks_up(MeshdNetworks *self, MeshdEngine *engine, MeshdUpHow how,
                       MeshdNetworksDone done, void *user_data);
bool meshd_networks_down(MeshdNetworks *self, MeshdEngine *engine, bool temporary, GError **error);
bool meshd_networks_set(MeshdNetworks *self, MeshdEngine *engine, const MeshdSetOptions *options,
                        GError **error);

/** meshd_networks_wake: the computer slept: conversations with servers may be dead, addresses
 * others, and what is ours gone from the host. */
void meshd_networks_wake(MeshdNetworks *self);

/** meshd_networks_repair: see repair.h; free with g_strfreev(). */
char **meshd_networks_repair(MeshdNetworks *self);

MeshdEngine *meshd_networks_find(MeshdNetworks *self, const char *id); /* borrowed; NULL: none */
