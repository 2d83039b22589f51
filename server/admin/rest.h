/* server/admin/rest.h: what a resource has to do: read a body, write an answer. Admin thread. */
#pragma once

#include "common/glib/jsonout.h"
#include "server/core/core.h"

#include <glib.h>
#include <json-glib/json-glib.h>

/* A request of the table: which core verb it is, and how its JSON looks. */
typedef struct {
    const char *method;
    const char *path; /* below /admin/v1/; NETWORK, KEY, NODE, USER, RELAY stand for a name each */
    CoreVerb    verb;
    /* Reads the body into @out, which borrows from @body. NULL: there is none. */
    bool (*read)(JsonObject *body, CoreManage *out, GError **error);
    /* One value of the answer, as an object. NULL: the answer is {}. */
    void (*write)(MeshJsonOut *out, const char *name, const void *value);
    const char *list; /* name of the array around the values; NULL: one object */
} AdminRoute;

/* Ends with a row without method. */
extern const AdminRoute admin_rest_networks[], admin_rest_keys[], admin_rest_nodes[],
    admin_rest_users[], admin_rest_relays[];
