/* nm-plugin/session.h: one network that meshd has up for us: asked for, followed, given back.
 *
 * Nothing waits: what there is to tell comes by the events, from the main loop. meshd gives the
 * network back by itself when this process leaves the bus. */
#pragma once

#include "nm-plugin/network.h"

#include <stdbool.h>

typedef struct PluginSession PluginSession;

typedef enum {
    PLUGIN_SESSION_NO_NETWORK, /* meshd, or the network, is not to be had, or went away */
    PLUGIN_SESSION_NO_MEMBER,  /* removed, expired, not approved yet */
} PluginSessionEnd;

typedef enum {
    PLUGIN_SESSION_GIVE_BACK,  /* it ended for NetworkManager alone: as it was without */
    PLUGIN_SESSION_SWITCH_OFF, /* down, until it is switched on by anyone */
} PluginSessionStop;

/* In either the session may be stopped. */
typedef struct {
    /* It is up: for the first time, or something of it is another. @network: borrowed. */
    void (*changed)(const PluginNetwork *network, void *user_data);
    /* The last event: it is not ours any more. @why: for people. */
    void (*ended)(PluginSessionEnd how, const char *why, void *user_data);
} PluginSessionEvents;

/** plugin_session_start: @network: id or name of a joined network; copied. */
PluginSession *plugin_session_start(GDBusConnection *bus, const char *network,
                                    const PluginSessionEvents *events, void *user_data);

/** plugin_session_stop: no event comes after. NULL is fine. */
void plugin_session_stop(PluginSession *self, PluginSessionStop how);

/** plugin_session_is_leaving: stopping takes a few turns of the main loop, and goes on. */
bool plugin_session_is_leaving(void);
