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
    const char *interface, *method, *verb;
} BusAction;

/** bus_authorize_new: @root_uid: whose calls pass unasked; 0 but in tests. */
BusAuthorize *bus_authorize_new(GDBusConnection *connection, guint32 root_uid);
void          bus_authorize_free(BusAuthorize *self); /* NULL is fine */

/** bus_authorize_guard: from now on no handler of @skeleton runs before its caller was authorised;
 * the handler then runs as if called at that moment. */
void bus_authorize_guard(BusAuthorize *self, GDBusInterfaceSkeleton *skeleton);

/** bus_authorize_find_verb: "join", "status" …; NULL: the method has no annotation and is refused.
 */
const char *bus_authorize_find_verb(const char *interface, const char *method);
