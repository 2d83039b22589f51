/* server/ctl/client.h: one request to the admin socket. Blocks. */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct {
    const char *method;
    const char *path; /* below /admin/v1/; names in it are checked already */
    const char *body; /* JSON; NULL: none */
} CtlRequest;

/* An answer below 400. */
typedef struct {
    char       *text;   /* as it came; owned; wiped when freed: it may hold a link */
    JsonObject *object; /* owned */
} CtlAnswer;

/* False and @error: the server's own (docs/PROTOCOL.md §5), or MESH_ERROR_NO_DAEMON,
 * MESH_ERROR_NOT_AUTHORIZED, MESH_ERROR_BAD_ANSWER. */
bool ctl_client_ask(const char *socket, const CtlRequest *request, CtlAnswer *out_answer,
                    GError **error);
void ctl_client_clear(CtlAnswer *answer);

/* False and @error: not what a network, key or node can be called, so not to be put in a path. */
bool ctl_client_check_name(const char *what, const char *name, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlAnswer, ctl_client_clear)
