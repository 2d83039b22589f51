#include "daemon/bus/authorize.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/bus/turns.h"
#include "mesh-dbus.h"

#include <stdbool.h>
#include <string.h>

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACT  1u /* AllowUserInteraction */
#define ACTION_PREFIX    "org.meshvpn.Mesh1."
#define FREE_VERB        "status"   /* what anybody may without polkit */
#define UID_KEY          "mesh-uid" /* of an invocation */

enum {
    UID_TIMEOUT_MS = 3000,
    UID_TRIES = 8, /* the bus drops its answers to us while somebody fills our queue there */
    ASK_TIMEOUT_MS = 300000, /* somebody may be typing a password */
};

static const BusAction actions[] = {
#include "authorize-actions.inc"
};

struct BusAuthorize {
    GDBusConnection  *connection;
    GCancellable     *cancel; /* ends checks under way with us */
    guint32           root_uid;
    unsigned          n_checks; /* under way; bus_flood_start() bounds them */
    BusTurns         *turns;    /* to ask polkit */
    BusAuthorizeJudge judge;    /* NULL: none */
};

/* One call that waits for its authorisation. */
typedef struct {
    BusAuthorize           *owner;
    GDBusInterfaceSkeleton *skeleton;   /* ref */
    GDBusMethodInvocation  *invocation; /* ref, until it is answered or handed on */
    const char             *verbs[BUS_AUTHORIZE_VERBS];
    unsigned                n_verbs, at; /* asked for one after another */
    guint32                 uid;         /* of the caller */
    bool                    slow;        /* somebody may have to type a password */
    bool                    has_turn;
    unsigned                tries; /* to learn from the bus who called */
} Check;

/* Borrowed from the table; NULL: no row. @option NULL: of the method. */
static const char *find_verb(const char *interface, const char *method, const char *option)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
        if (strcmp(actions[i].interface, interface) == 0 &&
            strcmp(actions[i].method, method) == 0 && g_strcmp0(actions[i].option, option) == 0)
            return actions[i].verb;
    return NULL;
}

/* Verbs are few: as many as the table has of one method. */
static unsigned add_verb(const char *verb, const char *out_verbs[BUS_AUTHORIZE_VERBS], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(out_verbs[i], verb) == 0)
            return n;
    g_assert(n < BUS_AUTHORIZE_VERBS);
    out_verbs[n] = verb;
    return n + 1;
}

unsigned bus_authorize_list_verbs(const char *interface, const char *method, GVariant *arguments,
                                  const char *out_verbs[BUS_AUTHORIZE_VERBS])
{
    const char *base = find_verb(interface, method, NULL);
    gsize       n_arguments = g_variant_n_children(arguments);
    unsigned    n = 0;
    g_autoptr(GVariant) options = NULL;
    GVariantIter iter;
    const char  *key;

    if (base == NULL)
        return 0;
    if (n_arguments > 0)
        options = g_variant_get_child_value(arguments, n_arguments - 1); /* they come last */
    if (options == NULL || !g_variant_is_of_type(options, G_VARIANT_TYPE_VARDICT) ||
        g_variant_n_children(options) == 0)
        return add_verb(base, out_verbs, n);
    g_variant_iter_init(&iter, options);
    while (g_variant_iter_next(&iter, "{&sv}", &key, NULL)) {
        const char *verb = find_verb(interface, method, key);

        n = add_verb(verb != NULL ? verb : base, out_verbs, n);
    }
    return n;
}

BusAuthorize *bus_authorize_new(GDBusConnection *connection, guint32 root_uid)
{
    BusAuthorize *self = g_new0(BusAuthorize, 1);

    self->connection = g_object_ref(connection);
    self->cancel = g_cancellable_new();
    self->root_uid = root_uid;
    self->turns = bus_turns_new();
    return self;
}

static void begin_turn(Check *check);

static void unref_when_idle(BusAuthorize *self)
{
    if (self->connection != NULL || self->n_checks > 0)
        return;
    g_object_unref(self->cancel);
    bus_turns_free(self->turns);
    g_free(self);
}

void bus_authorize_set_judge(BusAuthorize *self, BusAuthorizeJudge judge)
{
    self->judge = judge;
}

static const char *get_verb(const Check *check)
{
    return check->verbs[MIN(check->at, check->n_verbs - 1)];
}

/* The call is answered, or handed on. A turn of its own goes to who waits for one. */
static void end_check(Check *check)
{
    BusAuthorize *self = check->owner;
    Check        *next = NULL;

    if (check->has_turn)
        next = bus_turns_give(self->turns, check->uid, check->slow);
    g_clear_object(&check->skeleton);
    g_free(check);
    self->n_checks--;
    if (next != NULL)
        begin_turn(next); /* is one of n_checks, and may end in there */
    else
        unref_when_idle(self);
}

static void refuse_busy(Check *check)
{
    g_dbus_method_invocation_return_error(check->invocation, MESH_ERROR, MESH_ERROR_LIMIT,
                                          "too many calls of yours wait for their authorisation");
    end_check(check);
}

static void refuse(Check *check, const char *why)
{
    g_dbus_method_invocation_return_error(check->invocation, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED,
                                          "not authorised for %s%s: %s", ACTION_PREFIX,
                                          get_verb(check), why);
    end_check(check);
}

void bus_authorize_free(BusAuthorize *self)
{
    Check *check;

    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_clear_object(&self->connection);
    self->n_checks++; /* so that the last of them does not end us below */
    while ((check = bus_turns_pop(self->turns)) != NULL)
        refuse(check, "meshd is stopping");
    self->n_checks--;
    unref_when_idle(self); /* else the last check under way does it */
}

guint32 bus_authorize_get_uid(GDBusMethodInvocation *invocation)
{
    return GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(invocation), UID_KEY));
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
    g_object_set_data(G_OBJECT(invocation), UID_KEY, GUINT_TO_POINTER(check->uid));
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
    } else if (check->n_verbs == 1 && strcmp(get_verb(check), FREE_VERB) == 0) {
        let_pass(check);
    } else {
        refuse(check, "there is no polkit on this system, so only root may (use sudo)");
    }
}

static void ask_uid(Check *check, GAsyncReadyCallback done);

/* The bus does not say who called: @done is tried again, or the call refused. */
static void miss_uid(Check *check, const GError *error, GAsyncReadyCallback done)
{
    g_autofree char *why = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) && check->tries++ < UID_TRIES) {
        ask_uid(check, done);
        return;
    }
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)) {
        refuse(check, "the caller is gone");
        return;
    }
    why = g_strdup_printf("the bus did not say who called: %s", error->message);
    refuse(check, why);
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
        miss_uid(check, error, on_still_there);
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

static void ask_polkit(Check *check);

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
    if (authorized && ++check->at < check->n_verbs)
        ask_polkit(check);
    else if (authorized)
        ask_uid(check, on_still_there); /* a yes after minutes, to somebody who gave up, is none */
    else if (challenge)
        refuse(check, "it takes an administrator's password, and nothing here can ask for it");
    else
        refuse(check, "polkit said no");
}

static bool is_interactive(const Check *check)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(check->invocation);

    return (g_dbus_message_get_flags(message) &
            G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
}

/* What the texts of the actions name: see data/polkit/. */
static void add_details(GVariantBuilder *details, GDBusInterfaceSkeleton *skeleton)
{
    const char *name = NULL;

    if (MESH_DBUS_IS_NETWORK(skeleton))
        name = mesh_dbus_network_get_name(MESH_DBUS_NETWORK(skeleton));
    if (name != NULL)
        g_variant_builder_add(details, "{ss}", "network", name);
}

static void ask_polkit(Check *check)
{
    const char      *sender = g_dbus_method_invocation_get_sender(check->invocation);
    GVariantBuilder  subject, details;
    g_autofree char *action = g_strconcat(ACTION_PREFIX, get_verb(check), NULL);

    if (check->owner->connection == NULL) {
        refuse(check, "meshd is stopping");
        return;
    }
    g_variant_builder_init(&subject, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&subject, "{sv}", "name", g_variant_new_string(sender));
    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    add_details(&details, check->skeleton);
    g_dbus_connection_call(check->owner->connection, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                           "CheckAuthorization",
                           g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject, action,
                                         &details, is_interactive(check) ? POLKIT_INTERACT : 0u,
                                         ""),
                           G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, ASK_TIMEOUT_MS,
                           check->owner->cancel, on_polkit_answer, check);
}

static void begin_turn(Check *check)
{
    check->has_turn = true;
    ask_polkit(check);
}

/* What anybody may is asked at once and answered soon, whatever passwords that user is asked for.
 */
static void take_turn(Check *check)
{
    check->slow = is_interactive(check) && strcmp(get_verb(check), FREE_VERB) != 0;
    switch (bus_turns_take(check->owner->turns, check->uid, check->slow, check)) {
    case BUS_TURN_NOW:
        begin_turn(check);
        break;
    case BUS_TURN_NEVER:
        refuse_busy(check);
        break;
    case BUS_TURN_LATER:
        break;
    }
}

static void on_uid(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Check *check = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    guint32 uid = G_MAXUINT32;

    if (reply == NULL) {
        miss_uid(check, error, on_uid);
        return;
    }
    g_variant_get(reply, "(u)", &uid);
    check->uid = uid;
    if (check->owner->connection == NULL)
        refuse(check, "meshd is stopping");
    else if (uid == check->owner->root_uid)
        let_pass(check);
    else
        take_turn(check);
}

static unsigned judge(BusAuthorize *self, GDBusMethodInvocation *invocation,
                      const char *out_verbs[BUS_AUTHORIZE_VERBS])
{
    const char *interface = g_dbus_method_invocation_get_interface_name(invocation);
    const char *method = g_dbus_method_invocation_get_method_name(invocation);
    GVariant   *arguments = g_dbus_method_invocation_get_parameters(invocation);

    out_verbs[0] = self->judge != NULL ? self->judge(interface, method, arguments) : NULL;
    if (out_verbs[0] != NULL)
        return 1;
    return bus_authorize_list_verbs(interface, method, arguments, out_verbs);
}

/* Says no to GDBus every time: the handler is run by let_pass(), later, or never. */
static gboolean on_authorize(GDBusInterfaceSkeleton *skeleton, GDBusMethodInvocation *invocation,
                             gpointer user_data)
{
    BusAuthorize *self = user_data;
    const char   *verbs[BUS_AUTHORIZE_VERBS];
    unsigned      n_verbs = judge(self, invocation, verbs);
    Check        *check;

    if (n_verbs == 0 || g_dbus_method_invocation_get_sender(invocation) == NULL) {
        g_dbus_method_invocation_return_error(invocation, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED,
                                              "this method has no action, so nobody may call it");
        return false;
    }
    check = g_new0(Check, 1);
    check->owner = self;
    check->skeleton = g_object_ref(skeleton);
    check->invocation = invocation; /* ours: who gets it answers it, which drops it */
    memcpy(check->verbs, verbs, sizeof verbs);
    check->n_verbs = n_verbs;
    self->n_checks++;
    ask_uid(check, on_uid);
    return false;
}

void bus_authorize_guard(BusAuthorize *self, GDBusInterfaceSkeleton *skeleton)
{
    g_signal_connect(skeleton, "g-authorize-method", G_CALLBACK(on_authorize), self);
}
