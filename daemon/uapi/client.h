/* daemon/uapi/client.h: one connection: lines in, answers out. Internal to daemon/uapi.
 *
 * Requests come as lines and end with an empty one; answers follow in the order of requests. Lines
 * are applied to a draft as they come, so a request may be long while a line may not. */
#pragma once

#include "common/std/attr.h"
#include "daemon/uapi/reply.h"
#include "daemon/uapi/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** UapiHandler: who answers whole requests. */
typedef struct {
    const UapiState *state;                     /* what drafts start from */
    void (*get)(void *data, UapiText *out);     /* appends the state */
    int (*apply)(void *data, UapiDraft *draft); /* takes draft->next on success; errno */
    void *data;
} UapiHandler;

typedef struct {
    int                fd; /* owned; -1: no client */
    const UapiHandler *handler;
    uint64_t           turn;     /* when it was heard last, in turns of the server */
    char               in[1024]; /* what came of lines that are not whole */
    size_t             n_in;
    UapiText           out; /* what the client has not read yet */
    size_t             n_written;
    UapiDraft          draft; /* of the set request under way */
    enum { UAPI_CLIENT_IDLE, UAPI_CLIENT_GET, UAPI_CLIENT_SET } request;
    int  error;  /* of the request under way; its other lines are skipped */
    bool ending; /* no more is read; closes when all is answered and written */
} UapiClient;

void uapi_client_open(UapiClient *self, int fd, const UapiHandler *handler);
void uapi_client_close(UapiClient *self); /* wipes; no client: nothing */

/** uapi_client_events: what to poll for. */
short uapi_client_events(const UapiClient *self);

/** uapi_client_handle: reads and writes what goes without blocking; may close itself. */
void uapi_client_handle(UapiClient *self, short events);
