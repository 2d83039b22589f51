/* daemon/path/tech-upnp.h: port mappings by UPnP-IGD. What routers answer is HTTP and XML, parsed
 * by miniupnpc in a process of its own that holds no capability, no file and no key.
 *
 * Two processes beside the daemon: a server, forked before there is a thread or a secret, that
 * forks a worker for each job and waits for it; and the worker, which talks to the router, may use
 * IPv4 sockets and memory alone, and is killed after PATH_UPNP_JOB_S. Only URLs of the gateway
 * itself are followed. Thread: main loop. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PATH_UPNP_JOB_S = 12,           /* a worker that runs longer is killed */
    PATH_UPNP_MAX_BYTES = 16 << 20, /* memory of a worker: bounds what it takes from a router */
    PATH_UPNP_URL_SIZE = 256,
    PATH_UPNP_SERVICE_SIZE = 128,
};

typedef struct PathUpnp PathUpnp;

/** PathUpnpPlace: where a router takes orders, as its worker found it; to be handed back for the
 * next job. Zeros: to be looked for. */
typedef struct {
    char url[PATH_UPNP_URL_SIZE];         /* NUL-terminated */
    char service[PATH_UPNP_SERVICE_SIZE]; /* the same */
} PathUpnpPlace;

typedef struct {
    bool          unmap;           /* ends a mapping; nobody waits for the answer */
    bool          tcp;             /* else UDP */
    MeshAddr      gateway, client; /* IPv4; @client: our address, where packets go */
    uint16_t      port;            /* ours */
    uint16_t      external_port;   /* wished, or to be ended */
    uint32_t      life_s;
    PathUpnpPlace place;
} PathUpnpJob;

/* What a worker said: all of it may be a router's invention. */
typedef struct {
    bool          found;  /* there is a router that speaks UPnP */
    bool          mapped; /* and it agreed */
    MeshAddr      addr;   /* external */
    uint16_t      external_port;
    uint32_t      life_s; /* 0: until it is ended */
    PathUpnpPlace place;
} PathUpnpAnswer;

/** path_upnp_fork: to be called once, by the only thread, before the sandbox and before any secret
 * is read. The processes end when the result is closed and the last job is done.
 * Returns: a socket for path_upnp_start(); -errno. */
MESH_CHECKED int path_upnp_fork(void);

/** path_upnp_start: takes @fd. */
PathUpnp *path_upnp_start(int fd);
void      path_upnp_stop(PathUpnp *self); /* what was asked is still done; NULL is fine */

/* Called once, from the main loop. */
typedef void (*PathUpnpDone)(const PathUpnpAnswer *answer, void *user_data);

/** path_upnp_ask: jobs are done one after the other. @done may be NULL. Returns a number for
 * path_upnp_cancel(); 0: the processes are gone or busy with too much, and @done is not called. */
unsigned path_upnp_ask(PathUpnp *self, const PathUpnpJob *job, PathUpnpDone done, void *user_data);
void     path_upnp_cancel(PathUpnp *self, unsigned number); /* @done is not called any more */

/** path_upnp_is_of_gateway: true for "http://GATEWAY[:PORT][/…]" in plain printable bytes, with the
 * gateway's address as a number and nothing before or after it. Pure. */
bool path_upnp_is_of_gateway(const char *url, const MeshAddr *gateway);
