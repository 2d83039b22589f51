#include "daemon/bus/flood.h"

#include "common/glib/error.h"

#include <malloc.h>
#include <stdbool.h>
#include <string.h>

enum {
    HUGE_BYTES = 1 << 20, /* reading such a call took many times as much memory */
    TRIM_MS = 1000,
    FIRST_CALLS = 4, /* of a caller that was not answered yet; more take what all such share: */
    SHARED_CALLS = 256,
    SHARED_PER_S = 64, /* that much of it comes back */
};

typedef struct {
    guint32 serial;
    bool    silent; /* its caller wants no answer */
} Call;

typedef struct {
    bool     answered; /* once, since it had no call under way */
    unsigned n;
    Call     calls[BUS_FLOOD_CALLS];
} Caller;

/* What GDBus's thread uses, which may be at work when the main loop takes the filter away. */
typedef struct {
    GMutex      mutex;
    GHashTable *callers;  /* unique name → owned Caller, while it has calls */
    unsigned    n;        /* calls of all */
    gint64      shared;   /* calls × 1 s in µs that new callers may have beside their first */
    gint64      since_us; /* monotonic: when @shared was as it says */
    gint        trim;     /* atomic: memory is given back in a while */
} Book;

struct BusFlood {
    GDBusConnection *connection; /* ref */
    guint            filter;
};

static void clear_book(gpointer data)
{
    Book *book = data;

    g_hash_table_unref(book->callers);
    g_mutex_clear(&book->mutex);
}

static void release_book(gpointer book)
{
    g_atomic_rc_box_release_full(book, clear_book);
}

/* Thread: main loop. */
static gboolean on_trim(gpointer user_data)
{
    Book *book = user_data;

    g_atomic_int_set(&book->trim, 0);
    (void)malloc_trim(0);
    return G_SOURCE_REMOVE;
}

static void trim_later(Book *book)
{
    if (g_atomic_int_compare_and_exchange(&book->trim, 0, 1))
        g_timeout_add_full(G_PRIORITY_DEFAULT, TRIM_MS, on_trim, g_atomic_rc_box_acquire(book),
                           release_book);
}

/* Arguments and path: what else a message holds has limits of its own. */
static gsize measure(GDBusMessage *message)
{
    GVariant   *body = g_dbus_message_get_body(message);
    const char *path = g_dbus_message_get_path(message);

    return (body != NULL ? g_variant_get_size(body) : 0) + (path != NULL ? strlen(path) : 0);
}

/* Programs that come, call and go without waiting for an answer, in their thousands, must not fill
 * the main loop's queue, each of them with all that one caller may. With the mutex held. */
static bool take_shared(Book *book)
{
    gint64 now_us = g_get_monotonic_time();
    gint64 full = (gint64)SHARED_CALLS * G_USEC_PER_SEC;

    book->shared = MIN(full, book->shared + (now_us - book->since_us) * SHARED_PER_S);
    book->since_us = now_us;
    if (book->shared < G_USEC_PER_SEC)
        return false;
    book->shared -= G_USEC_PER_SEC;
    return true;
}

/* Takes note of a call. Returns: NULL, or why there is no room for it. */
static const char *admit(Book *book, const char *sender, const Call *call)
{
    const char *why = NULL;
    Caller     *caller;

    g_mutex_lock(&book->mutex);
    caller = g_hash_table_lookup(book->callers, sender);
    if (caller == NULL && book->n < BUS_FLOOD_ALL) {
        caller = g_new0(Caller, 1);
        g_hash_table_insert(book->callers, g_strdup(sender), caller);
    }
    if (book->n >= BUS_FLOOD_ALL)
        why = "too many calls are under way";
    else if (caller->n >= BUS_FLOOD_CALLS ||
             (!caller->answered && caller->n >= FIRST_CALLS && !take_shared(book)))
        why = "too many calls of yours are under way: wait for answers";
    else {
        caller->calls[caller->n++] = *call;
        book->n++;
    }
    g_mutex_unlock(&book->mutex);
    return why;
}

/* An answer leaves. Returns whether its caller wants none. */
static bool dismiss(Book *book, const char *sender, guint32 serial)
{
    bool    silent = false;
    Caller *caller;

    g_mutex_lock(&book->mutex);
    caller = g_hash_table_lookup(book->callers, sender);
    for (unsigned i = 0; caller != NULL && i < caller->n; i++) {
        if (caller->calls[i].serial != serial)
            continue;
        silent = caller->calls[i].silent;
        caller->answered = true;
        caller->calls[i] = caller->calls[--caller->n];
        book->n--;
        break;
    }
    if (caller != NULL && caller->n == 0)
        g_hash_table_remove(book->callers, sender);
    g_mutex_unlock(&book->mutex);
    return silent;
}

static void refuse(GDBusConnection *connection, GDBusMessage *message, const char *why)
{
    const char *name = mesh_error_get_info(MESH_ERROR_LIMIT)->dbus;
    g_autoptr(GDBusMessage) answer = g_dbus_message_new_method_error_literal(message, name, why);

    (void)g_dbus_connection_send_message(connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                         NULL); /* fails when the bus is gone */
}

/* Takes over @message, which is locked. Returns: the same call, with an answer, so that its end is
 * heard of. */
static GDBusMessage *want_answer(GDBusMessage *message)
{
    GDBusMessage *copy = g_dbus_message_copy(message, NULL);

    if (copy == NULL) /* fails with file descriptors only: none is taken here */
        return message;
    g_dbus_message_set_flags(copy, g_dbus_message_get_flags(copy) ^
                                       G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    g_object_unref(message);
    return copy;
}

/* Takes over @message. */
static GDBusMessage *take_call(Book *book, GDBusConnection *connection, GDBusMessage *message)
{
    GDBusMessageFlags flags = g_dbus_message_get_flags(message);
    const char       *sender = g_dbus_message_get_sender(message);
    Call              call = { .serial = g_dbus_message_get_serial(message),
                               .silent = (flags & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) != 0 };
    gsize             size = measure(message);
    const char       *why;

    if (sender == NULL)
        return message;
    why = size > BUS_FLOOD_BYTES ? "the arguments are too large" : admit(book, sender, &call);
    if (why == NULL)
        return call.silent ? want_answer(message) : message;
    if (!call.silent)
        refuse(connection, message, why);
    if (size >= HUGE_BYTES)
        trim_later(book);
    g_object_unref(message);
    return NULL;
}

/* Thread: GDBus's. */
static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message,
                                gboolean incoming, gpointer user_data)
{
    GDBusMessageType type = g_dbus_message_get_message_type(message);
    const char      *destination = g_dbus_message_get_destination(message);

    if (incoming && type == G_DBUS_MESSAGE_TYPE_METHOD_CALL)
        return take_call(user_data, connection, message);
    if (incoming || destination == NULL ||
        (type != G_DBUS_MESSAGE_TYPE_METHOD_RETURN && type != G_DBUS_MESSAGE_TYPE_ERROR))
        return message;
    if (!dismiss(user_data, destination, g_dbus_message_get_reply_serial(message)))
        return message;
    g_object_unref(message);
    return NULL;
}

BusFlood *bus_flood_start(GDBusConnection *connection)
{
    BusFlood *self = g_new0(BusFlood, 1);
    Book     *book = g_atomic_rc_box_new0(Book);

    g_mutex_init(&book->mutex);
    book->shared = (gint64)SHARED_CALLS * G_USEC_PER_SEC;
    book->since_us = g_get_monotonic_time();
    book->callers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    self->connection = g_object_ref(connection);
    self->filter = g_dbus_connection_add_filter(connection, on_message, book, release_book);
    return self;
}

void bus_flood_stop(BusFlood *self)
{
    if (self == NULL)
        return;
    g_dbus_connection_remove_filter(self->connection, self->filter);
    g_object_unref(self->connection);
    g_free(self);
}
