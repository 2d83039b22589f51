/* server/api/exchange.h: HTTP on one connection: a request after the other, each with one answer.
 * Inside of server/api only; everything on the connection's shard. */
#pragma once

#include "common/glib/error.h"
#include "common/proto/session.h"
#include "server/api/auth.h"
#include "server/api/input.h"
#include "server/api/router.h"
#include "server/http/message.h"

typedef struct ApiExchange ApiExchange;

/* ep-map.c: an open stream or long poll. */
typedef struct {
    uint64_t stream;     /* the core's name for it */
    uint16_t hb_s;       /* to the next heartbeat: as granted, then grown */
    uint16_t hb_most_s;  /* what the node lets it grow to; 0: not at all */
    unsigned wait_s;     /* long poll: seconds; 0: a stream */
    int64_t  stalled_ms; /* boot clock: since when the outbox was found not empty; 0: it was */
} ApiMap;

/* One row of the router's table. */
typedef struct {
    const char *method;
    const char *name;           /* last part of the path */
    bool        in_network;     /* /v1/networks/N/name, signed; else /v1/name, unsigned */
    bool        alone;          /* also where there is no core */
    size_t      max_body_bytes; /* unit: bytes */

    /* The request is complete, and verified where it has to be. */
    void (*handle)(ApiExchange *exchange);

    /* What the core returned, not an error; NULL: api_exchange_answer(). Takes nothing. */
    void (*answered)(ApiExchange *exchange, const CoreAnswer *answer);

    void (*expired)(ApiExchange *exchange); /* API_STREAMING: the deadline it set has passed */
    void (*closed)(ApiExchange *exchange);  /* the connection ends while this request runs */
} ApiRoute;

typedef enum {
    API_IDLE,      /* between requests */
    API_HEAD,      /* in the header */
    API_BODY,      /* in the body */
    API_WAITING,   /* the core has it */
    API_STREAMING, /* ep-map.c writes lines */
    API_UPGRADED,  /* another protocol's */
    API_ENDING,    /* nothing more is read */
} ApiPhase;

struct Api {
    ApiConfig config;
    Core     *core; /* NULL once detached */
    Loop     *loop; /* atomic: known from the first connection on */
    ApiAuth  *auth;
};

struct ApiExchange {
    Api            *api;
    LoopConn       *conn;
    ApiInput        input;
    size_t          scanned; /* how far the end of the header was looked for */
    HttpHead       *head;
    HttpBody        body;
    const ApiRoute *route;
    ApiPhase        phase;
    bool            processing;
    bool            last; /* the connection ends with this answer */
    uint16_t        turn; /* of the request; in the core's tickets */
    CoreCaller      caller;
    ApiAuthSeat     seat; /* the node whose connection this is */
    ApiMap          map;
    void           *upgraded; /* ApiUpgrade's stream; NULL: none */
};

/* Finds the route of a head that has come, and checks path and method. False: answered. */
bool api_router_find(ApiExchange *self);

/* Where the core sends the answer to the running request. */
CoreReturn api_exchange_make_return(ApiExchange *self);

/* The body of the running request as the core takes it; owned. */
GBytes *api_exchange_steal_body(ApiExchange *self);

/* The answer will take long: gives back what the request took. head and body are gone. */
void api_exchange_settle(ApiExchange *self);

/* Answers with JSON and goes on to the next request. @body: kept by reference. */
void api_exchange_respond(ApiExchange *self, unsigned status, GBytes *body);

/* The same for an error; @hints may be NULL. */
void api_exchange_fail(ApiExchange *self, MeshErrorCode code, const char *message,
                       const MeshSessionHints *hints);
void api_exchange_fail_error(ApiExchange *self, const GError *error);

/* Answers what the core says: a body or an error. */
void api_exchange_answer(ApiExchange *self, const CoreAnswer *answer);

/* A whole number of the query; not there: *@inout_value stays. False: answered with 400. */
bool api_exchange_get_number(ApiExchange *self, const char *name, unsigned min, unsigned max,
                             unsigned *inout_value);

/* Says 101; from now on the connection is @stream's. @protocol: the value of Upgrade, and further
 * lines behind it. */
void api_exchange_upgrade(ApiExchange *self, const char *protocol, void *stream);

/* The running request is answered: read on, or end. */
void api_exchange_done(ApiExchange *self);

void api_exchange_send(ApiExchange *self, const char *text, size_t len); /* copied, uncounted */
