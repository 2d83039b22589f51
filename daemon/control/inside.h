/* daemon/control/inside.h: the parts of a ControlClient, for client.c, login.c, stream.c and
 * report.c alone.
 *
 * Whoever calls one of the caller's callbacks has to look at self->dead after it and go no further:
 * the caller may have freed the client in it (the memory stays while self is in use). */
#pragma once

#include "common/glib/backoff.h"
#include "daemon/control/call.h"
#include "daemon/control/client.h"
#include "daemon/control/lines.h"

/* Registering. */
typedef struct {
    ControlCall *call;
    guint        timer_id;
    char        *body; /* owned; NULL: not registering */
    size_t       body_len;
    unsigned     tries, tried; /* tries 0: for ever */
    bool         pending;      /* the server waits for approval */
    MeshBackoff  backoff;
} ControlLogin;

/* The map stream. */
typedef struct {
    bool             wanted; /* keep it open */
    ControlCall     *call;
    ControlLines     lines;
    guint            retry_id; /* waits before the next attempt */
    guint            watch_id; /* nothing was heard for too long */
    MeshBackoff      backoff;
    unsigned         hb_s;          /* to the next heartbeat at most: as granted, then grown */
    unsigned         hb_most_s;     /* which it may grow to; 0: not chosen yet */
    bool             polling;       /* this attempt is a plain long poll */
    bool             greeted;       /* hello came on this connection */
    bool             full;          /* ask with cursor 0.0 */
    int64_t          poll_until_ms; /* boot clock: streams are buffered here until then */
    guint            doubt_id;      /* a doubt that came too soon after the last attempt */
    MeshAddr         observed;      /* in hello */
    MeshAddr         address;       /* of the server, or of the proxy to it; family 0: not known */
    uint64_t         relays;        /* version of the relay map, told last; 0: none */
    int64_t          opened_ms;     /* boot clock: of the last attempt */
    MeshNetmapChange change;        /* not told yet */
    GError          *why;           /* what a line made of the connection; ends it */
    unsigned         wait_ms;       /* how long before the next attempt, with ends */
    bool             ends, fatal;
    bool             cloned; /* the line came, not told yet */
} ControlStream;

/* What we tell of ourselves. */
typedef struct {
    MeshSigned  *e, *k; /* k NULL: told already */
    uint64_t     e_seq;
    char       **health;
    bool         due; /* not answered yet in this form */
    ControlCall *call;
    guint        timer_id;
    int64_t      sent_ms;  /* boot clock: of the last attempt; 0: never */
    int64_t      spent_ms; /* until then a second each is spent */
    MeshBackoff  backoff;
} ControlReports;

/* The relays we may use. */
typedef struct {
    ControlCall *call;
    guint        timer_id;
    uint64_t     ver, asked; /* of the map told last, and asked for; 0: none */
    int64_t      asked_ms;   /* boot clock: when */
    unsigned     again_ms;   /* after that, to the next token */
    MeshBackoff  backoff;
} ControlRelays;

struct ControlClient {
    grefcount      refs;
    bool           dead; /* the caller freed it */
    ControlEvents  events;
    void          *user_data;
    ControlLink   *link;
    ControlMulti  *multi;
    MeshKey        node;
    MeshNetmap    *map;
    ControlState   state;
    MeshAddr       observed;
    ControlLogin   login;
    ControlStream  stream;
    ControlReports reports;
    ControlRelays  relays;
    ControlCall   *leave_call;
    ControlDone    leave_done;
    void          *leave_data;
};

void control_client_hold(ControlClient *self);
void control_client_release(ControlClient *self);

/* These call the caller back. */
void control_client_set_state(ControlClient *self, ControlState state, const GError *why);
void control_client_set_observed(ControlClient *self, const MeshAddr *observed);
/* Stops everything, then tells. */
void control_client_fail(ControlClient *self, const GError *why);

/* Does @error say that trying again is no use? */
bool control_client_is_fatal(const GError *error);

void control_login_stop(ControlClient *self);

void control_stream_start(ControlClient *self);
void control_stream_stop(ControlClient *self);
/* Opens it anew now: after a POST failed, or the network changed. */
void control_stream_doubt(ControlClient *self);

void control_report_stop(ControlClient *self);
/* The stream is up. @forgotten: what was told before may not be known there any more. */
void control_report_again(ControlClient *self, bool forgotten);
