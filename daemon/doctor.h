/* daemon/doctor.h: what stands before this host in one network, and why a peer is reached as it is;
 * asked for by users. Thread: main loop. */
#pragma once

#include "daemon/engine.h"
#include "daemon/history.h"
#include "daemon/inside.h"
#include "daemon/lock/verified.h"
#include "daemon/path/doctor.h"

#include <stdbool.h>

typedef struct {
    const char  *state;   /* of path_portmap_get_state() */
    char         why[96]; /* for people */
    MeshEndpoint at;      /* family 0: none */
} MeshdDoctorPortmap;

/** MeshdDoctorReport: borrowed for the call. */
typedef struct {
    const PathNetcheckReport *found;
    PathLifetimeBounds        lifetime;
    size_t                    n_relays;
    PathRelayInfo             relays[PATH_MAX_RELAYS];
    MeshdDoctorPortmap        portmaps[MESHD_PORTMAPS];
} MeshdDoctorReport;

/* Called once, perhaps from inside. @report NULL: @error says why: NETWORK_DOWN. */
typedef void (*MeshdDoctorDone)(const MeshdDoctorReport *report, const GError *error,
                                void *user_data);

/** meshd_doctor_check: looks anew, for about a second. */
void meshd_doctor_check(MeshdEngine *engine, MeshdDoctorDone done, void *user_data);

/** meshd_doctor_find: a peer of the map in force; borrowed from it. @peer: a name or mesh address.
 * NULL: NETWORK_DOWN, NO_SUCH_PEER. */
const LockPeer *meshd_doctor_find(MeshdEngine *engine, const char *peer, GError **error);

/** meshd_doctor_recall: how a peer was reached, oldest first; borrowed until the main loop goes on.
 * NULL: an error of meshd_doctor_find(). */
const MeshdHistoryStep *meshd_doctor_recall(MeshdEngine *engine, const char *peer, size_t *out_n,
                                            GError **error);

/** meshd_doctor_explain: @peer: a name or mesh address. @out_name: its name, owned. Errors:
 * NETWORK_DOWN, NO_SUCH_PEER. End @out_why with path_doctor_clear(). */
bool meshd_doctor_explain(MeshdEngine *engine, const char *peer, PathWhy *out_why, char **out_name,
                          GError **error);
