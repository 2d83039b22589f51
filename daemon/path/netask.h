/* daemon/path/netask.h: the questions of one check: sockets of its own beside the data plane's,
 * STUN by each of them, what was answered, and what that makes of the NAT. netcheck.c says when,
 * and whom it tells. Thread: main loop. Inside of daemon/path. */
#pragma once

#include "daemon/path/natclass.h"
#include "daemon/path/path.h"
#include "daemon/path/stunask.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATH_NETASK_SOCKETS = 4,                 /* made for one check */
    PATH_NETASK_PLANE = PATH_NETASK_SOCKETS, /* as number of a socket: the data plane's */
    PATH_NETASK_MAX_QUESTIONS = 80,
    PATH_NETASK_SENDS = 4, /* of a question, until it is answered */
};

typedef enum {
    PATH_NETASK_MAP,        /* as whom do you see me? */
    PATH_NETASK_OTHER_PORT, /* answer from your other port */
    PATH_NETASK_STRANGER,   /* answer where I have never spoken to you */
    PATH_NETASK_HAIRPIN,    /* to ourselves, at our outer address */
    PATH_NETASK_DISTANCE,
} PathNetaskPurpose;

typedef struct {
    PathNetaskPurpose purpose;
    unsigned          socket; /* that asks */
    unsigned          ear;    /* socket where the answer counts */
    size_t            relay;  /* DISTANCE: in the report */
    MeshEndpoint      to;
    PathStunAsk       asks[PATH_NETASK_SENDS]; /* one each time: an answer is timed by its own */
    unsigned          sent;                    /* how often */
    int64_t           sent_us[PATH_NETASK_SENDS];
    bool              answered;
    int64_t           took_us; /* the answer; at least 1 */
    MeshEndpoint      mapped;
} PathNetaskQuestion;

/* A datagram came to one of the own sockets. */
typedef void (*PathNetaskHeard)(unsigned socket, const MeshEndpoint *from, MeshSpan bytes,
                                void *user_data);

/** PathNetask: netcheck.c reads the questions. */
typedef struct {
    WirePlane         *plane; /* borrowed */
    PathNetaskHeard    heard;
    void              *user_data;
    int                fds[PATH_NETASK_SOCKETS]; /* -1: closed */
    guint              watches[PATH_NETASK_SOCKETS];
    uint16_t           ports[PATH_NETASK_SOCKETS];
    MeshEndpoint       stranger; /* a relay that socket 0 does not speak to; family 0: none */
    size_t             n_questions;
    PathNetaskQuestion questions[PATH_NETASK_MAX_QUESTIONS];
} PathNetask;

void path_netask_init(PathNetask *self, WirePlane *plane, PathNetaskHeard heard, void *user_data);
void path_netask_open(PathNetask *self); /* new sockets, no questions */
void path_netask_close(PathNetask *self);

/** path_netask_add_distance: how far is the relay in row @relay, at @to? */
void path_netask_add_distance(PathNetask *self, size_t relay, const MeshEndpoint *to);

/** path_netask_add_judges: about the NAT; of relays with a second port, in the order of the list.
 */
void path_netask_add_judges(PathNetask *self, const PathRelay *relays, size_t n_relays);

/** path_netask_work: puts again what is due. Returns: when to look again, in ms; 0: all is over. */
int64_t path_netask_work(PathNetask *self);

/** path_netask_take: Returns: the question that @bytes answer, borrowed until the next call, with
 * what follows from it asked; NULL: none. */
const PathNetaskQuestion *path_netask_take(PathNetask *self, unsigned socket,
                                           const MeshEndpoint *from, MeshSpan bytes);

/** path_netask_judge_family: does UDP get through? */
PathAnswer path_netask_judge_family(const PathNetask *self, int family);

/** path_netask_judge_nat: @final: who has not answered by now will not. */
void path_netask_judge_nat(const PathNetask *self, const GArray *own, bool final, PathNat *out_nat);
