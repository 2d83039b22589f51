/* daemon/path/relayset.h: the inside of the set of relays, for relays.c (the map, sessions, ways to
 * peers) and relayhome.c (which of them is home). Main loop only. */
#pragma once

#include "daemon/path/relayhome.h"
#include "daemon/path/relaysession.h"

enum { PATH_RELAYSET_ABSENT = 64 /* nodes that were not where they were looked for */ };

/* A relay of the map. */
typedef struct {
    PathRelay         told;
    PathRelaySession *session; /* owned; NULL: not needed so far */
    int64_t           met_us;  /* round trip, measured without a session; 0: no answer */
    bool              bound;   /* its session, when it was looked at last */
    int64_t           calm_ms; /* boot clock: until then it is shaky; 0: it was never lost */
    int64_t           trial_ms, lost_ms; /* how long that is; when it was lost last */
    unsigned          idle;              /* sweeps */
} PathRelayEntry;

typedef struct {
    uint16_t relay;
    uint32_t index;
    int64_t  until_ms;
} PathRelayAbsent;

struct PathRelays {
    PathRelayHost    host;
    PathRelaysEvents events;
    void            *user_data;
    PathPeerRelays  *peers;        /* borrowed */
    PathPrefix64     prefix;       /* through which IPv4 is reached; bits 0: none */
    GPtrArray       *entries;      /* owned PathRelayEntry, in the map's order */
    uint16_t         home;         /* id; 0: none yet */
    uint16_t         next;         /* is being bound to be the home; 0: none */
    uint16_t         rival;        /* nearer than the home by one measurement; 0: none */
    uint16_t told[PATH_MAX_HOMES]; /* by path_relayhome_list_homes(), at the last changed() */
    guint    first_timer, sweep_timer;
    bool     waited; /* for the first answer */
    unsigned sweeps;
    PathRelayAbsent absent[PATH_RELAYSET_ABSENT]; /* a ring */
    unsigned        next_absent;
};

/* ---- relays.c ---- */

PathRelayEntry *path_relayset_get(const PathRelays *self, guint i);
PathRelayEntry *path_relayset_find(const PathRelays *self, uint16_t id); /* NULL: none; of 0 too */
PathRelayView   path_relayset_view(const PathRelayEntry *entry);         /* NULL is fine */

/* From now on there shall be a session. Without a free link: not now. */
void path_relayset_want(PathRelays *self, PathRelayEntry *entry);

/* ---- relayhome.c ---- */

/* Its session was bound, moved or lost. Tells. */
void path_relayhome_bound(PathRelays *self, PathRelayEntry *entry);
void path_relayhome_late(PathRelays *self, uint16_t relay); /* a ping went unanswered */

/* Relays that were lost long enough ago may be home again. */
void path_relayhome_calm(PathRelays *self);

/* Chooses again, and tells if peers have to look for us elsewhere now. @measured: a measurement
 * ended just now. Returns: it told. */
bool path_relayhome_settle(PathRelays *self, bool measured);
