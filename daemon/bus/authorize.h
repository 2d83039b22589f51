/* daemon/bus/authorize.h: who may call what. The action of a method is the annotation
 * org.meshvpn.Mesh1.Action in the interface's XML; the table is generated from it at build.
 *
 * Root may do everything. For others polkit is asked, without blocking, about the sender of the
 * message; where there is no polkit on the bus, they get `status` alone. Inside daemon/bus only;
 * main loop. */
#pragma once

#include <gio/gio.h>

typedef struct BusAuthorize BusAuthorize;

/** BusAction: a row of the generated table. */
typedef struct {
    const char *interface, *method;
    const char *option; /* that takes @verb; NULL: the method, or options without a row */
    const char *verb;
} BusAction;

#define BUS_AUTHORIZE_VERBS 4u /* that one call may take */

/** bus_authorize_new: @root_uid: whose calls pass unasked; 0 but in tests. */
BusAuthorize *bus_authorize_new(GDBusConnection *connection, guint32 root_uid);
void          bus_authorize_free(BusAuthorize *self); /* NULL is fine */

/** bus_authorize_guard: from now on no handler of @skeleton runs before its caller was authorised;
 * the handler then runs as if called at that moment. */
void bus_authorize_guard(BusAuthorize *self, GDBusInterfaceSkeleton *skeleton);

/** bus_authorize_get_uid: whose call it is. @invocation: that a guarded handler was given. */
guint32 bus_authorize_get_uid(GDBusMethodInvocation *invocation);

typedef const char *(*BusAuthorizeJudge)(const char *interface, const char *method,
                                         GVariant *arguments);

/** bus_authorize_set_judge: asked of each call first: the verb that it takes by its arguments,
 * NULL: what the table says. */
void bus_authorize_set_judge(BusAuthorize *self, BusAuthorizeJudge judge);

/** bus_authorize_list_verbs: what a call takes: "join", "status" …: the verb of the method, and
 * those of options that are in @arguments. Returns: how many, all of which have to be allowed; 0:
 * the method has no annotation and is refused. */
unsigned bus_authorize_list_verbs(const char *interface, const char *method, GVariant *arguments,
                                  const char *out_verbs[BUS_AUTHORIZE_VERBS]);
