#include "daemon/bus/authorize.h"

#include "common/glib/error.h"
#include "common/glib/log.h"

#include <stdbool.h>
#include <string.h>

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACT  1u /* AllowUserInteraction */
#define ACTION_PREFIX    "org.meshvpn.Mesh1."
#define FREE_VERB        "status" /* what anybody may without polkit */

enum {
    UID_TIMEOUT_MS = 5000,
    ASK_TIMEOUT_MS = 300000, /* somebody may be typing a password */
    MAX_CHECKS = 256,
    MAX_ASKED = 16, /* of one user, so that none can keep the others out */
};

static const BusAction actions[] = {
#include "authorize-actions.inc"
};

struct BusAuthorize {
    GDBusConnection *connection;
    GCancellable    *cancel; /* ends checks under way with us */
    guint32          root_uid;
    unsigned         n_checks; /* under way */
    GHashTable      *asked;    /* uid → how many of its calls wait for polkit */
};

/* One call that waits for its authorisation. */
typedef struct {
    BusAuthorize           *owner;
    GDBusInterfaceSkeleton *skeleton;   /* ref */
    GDBusMethodInvocation  *invocation; /* ref, until it is answered or handed on */
    const char             *verb;
    guint32                 uid;   /* of the caller */
    bool                    asked; /* counted as waiting for polkit */
} Check;

const char *bus_authorize_find_verb(const char *interface, const char *method)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
        if (strcmp(actions[i].interface, interface) == 0 && strcmp(actions[i].method, method) == 0)
            return actions[i].verb;
    return NULL;
}

BusAuthorize *bus_authorize_new(GDBusConnection *connection, guint32 root_uid)
{
    BusAuthorize *self = g_new0(BusAuthorize, 1);

    self->connection = g_object_ref(connection);
    self->cancel = g_cancellable_new();
    self->root_uid = root_uid;
    self->asked = g_hash_table_new(NULL, NULL);
    return self;
}

static void unref_when_idle(BusAuthorize *self)
{
    if (self->connection != NULL || self->n_checks > 0)
        return;
    g_object_unref(self->cancel);
    g_hash_table_unref(self->asked);
    g_free(self);
}

void bus_authorize_free(BusAuthorize *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_clear_object(&self->connection);
    unref_when_idle(self); /* else the last check under way does it */
}

static unsigned count_asked(const Check *check)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(check->owner->asked, GUINT_TO_POINTER(check->uid)));
}

static void set_asked(Check *check, bool asked)
{
    unsigned n = count_asked(check) + (asked ? 1 : 0) - (check->asked ? 1 : 0);

    check->asked = asked;
    if (n > 0)
        g_hash_table_insert(check->owner->asked, GUINT_TO_POINTER(check->uid), GUINT_TO_POINTER(n));
    else
        g_hash_table_remove(check->owner->asked, GUINT_TO_POINTER(check->uid));
}

static void end_check(Check *check)
{
    BusAuthorize *self = check->owner;

    set_asked(check, false);

    g_clear_object(&check->skeleton);
    g_free(check);
    self->n_checks--;
    unref_when_idle(self);
}

static void refuse_busy(Check *check)
{
    g_dbus_method_invocation_return_error(check->invocation, MESH_ERROR, MESH_ERROR_BUSY,
                                          "%d calls of yours wait for their authorisation already",
                                          MAX_ASKED);
    end_check(check);
}

static void refuse(Check *check, const char *why)
{
    g_dbus_method_invocation_return_error(check->invocation, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED,
                                          "not authorised for %s%s: %s", ACTION_PREFIX, check->verb,
                                          why);
    end_check(check);
}

/* Runs the handler, exactly as GDBus would have done. */
static void let_pass(Check *check)
{
    GDBusMethodInvocation *invocation = check->invocation;
    GDBusInterfaceVTable  *vtable = g_dbus_interface_skeleton_get_vtable(check->skeleton);

    if (check->owner->connection == NULL) {
        refuse(check, "meshd is stopping");
        return;
    }
    vtable->method_call(g_dbus_method_invocation_get_connection(invocation),
                        g_dbus_method_invocation_get_sender(invocation),
                        g_dbus_method_invocation_get_object_path(invocation),
                        g_dbus_method_invocation_get_interface_name(invocation),
                        g_dbus_method_invocation_get_method_name(invocation),
                        g_dbus_method_invocation_get_parameters(invocation), invocation,
                        check->skeleton);
    end_check(check);
}

static bool is_polkit_missing(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_CHILD_EXITED) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_EXEC_FAILED);
}

static void decide_without_polkit(Check *check, const GError *error)
{
    if (!is_polkit_missing(error)) {
        mesh_log_warning("polkit did not answer: %s", error->message);
        refuse(check, "polkit did not answer");
    } else if (strcmp(check->verb, FREE_VERB) == 0) {
        let_pass(check);
    } else {
        refuse(check, "there is no polkit on this system, so only root may (use sudo)");
    }
}

static void on_still_there(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Check *check = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (reply != NULL)
        let_pass(check);
    else
        refuse(check, "the caller is gone");
}

static void ask_uid(Check *check, GAsyncReadyCallback done)
{
    const char *sender = g_dbus_method_invocation_get_sender(check->invocation);

    g_dbus_connection_call(g_dbus_method_invocation_get_connection(check->invocation),
                           "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "GetConnectionUnixUser", g_variant_new("(s)", sender),
                           G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, UID_TIMEOUT_MS,
                           check->owner->cancel, done, check);
}

static void on_polkit_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Check *check = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    gboolean authorized = false, challenge = false;

    if (reply == NULL) {
        decide_without_polkit(check, error);
        return;
    }
    g_variant_get(reply, "((bb@a{ss}))", &authorized, &challenge, NULL);
    if (authorized)
        ask_uid(check, on_still_there); /* a yes after minutes, to somebody who gave up, is none */
    else if (challenge)
        refuse(check, "it takes an administrator's password, and nothing here can ask for it");
    else
        refuse(check, "polkit said no");
}

static void ask_polkit(Check *check)
{
    GDBusMessage    *message = g_dbus_method_invocation_get_message(check->invocation);
    const char      *sender = g_dbus_method_invocation_get_sender(check->invocation);
    GVariantBuilder  subject, details;
    guint32          flags = 0;
    g_autofree char *action = g_strconcat(ACTION_PREFIX, check->verb, NULL);

    set_asked(check, true);
    if ((g_dbus_message_get_flags(message) &
         G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0)
        flags = POLKIT_INTERACT;
    g_variant_builder_init(&subject, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&subject, "{sv}", "name", g_variant_new_string(sender));
    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    g_dbus_connection_call(check->owner->connection, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                           "CheckAuthorization",
                           g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject, action,
                                         &details, flags, ""),
                           G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, ASK_TIMEOUT_MS,
                           check->owner->cancel, on_polkit_answer, check);
}

static void on_uid(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Check *check = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    guint32 uid = G_MAXUINT32;

    if (reply == NULL) {
        refuse(check, "the caller is gone");
        return;
    }
    g_variant_get(reply, "(u)", &uid);
    check->uid = uid;
    if (check->owner->connection == NULL)
        refuse(check, "meshd is stopping");
    else if (uid == check->owner->root_uid)
        let_pass(check);
    else if (count_asked(check) >= MAX_ASKED)
        refuse_busy(check);
    else
        ask_polkit(check);
}

/* Says no to GDBus every time: the handler is run by let_pass(), later, or never. */
static gboolean on_authorize(GDBusInterfaceSkeleton *skeleton, GDBusMethodInvocation *invocation,
                             gpointer user_data)
{
    BusAuthorize *self = user_data;
    const char   *sender = g_dbus_method_invocation_get_sender(invocation);
    const char   *verb =
        bus_authorize_find_verb(g_dbus_method_invocation_get_interface_name(invocation),
                                g_dbus_method_invocation_get_method_name(invocation));
    Check *check;

    if (verb == NULL || sender == NULL || self->n_checks >= MAX_CHECKS) {
        g_dbus_method_invocation_return_error(
            invocation, MESH_ERROR,
            self->n_checks >= MAX_CHECKS ? MESH_ERROR_BUSY : MESH_ERROR_NOT_AUTHORIZED, "%s",
            self->n_checks >= MAX_CHECKS ? "too many calls wait for their authorisation"
                                         : "this method has no action, so nobody may call it");
        return false;
    }
    check = g_new0(Check, 1);
    check->owner = self;
    check->skeleton = g_object_ref(skeleton);
    check->invocation = invocation; /* ours: who gets it answers it, which drops it */
    check->verb = verb;
    self->n_checks++;
    ask_uid(check, on_uid);
    return false;
}

void bus_authorize_guard(BusAuthorize *self, GDBusInterfaceSkeleton *skeleton)
{
    g_signal_connect(skeleton, "g-authorize-method", G_CALLBACK(on_authorize), self);
}
