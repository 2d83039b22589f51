/* Tests of daemon/bus/flood.c on a private bus: one caller's calls are bounded before the main loop
 * hears of them, those of another one are not touched by it. */
#include "common/glib/error.h"
#include "daemon/bus/flood.h"
#include "tests/daemon/bus/connection.h"

#include <stdbool.h>
#include <string.h>

#define PATH "/org/example/Slow"

static const char xml[] = "<node><interface name='org.example.Slow'>"
                          "<method name='Wait'/>"
                          "<method name='Take'><arg type='ay' direction='in'/></method>"
                          "</interface></node>";

typedef struct {
    GTestDBus       *bus;
    GDBusConnection *server, *client, *other;
    BusFlood        *flood;
    guint            object;
    GPtrArray       *waiting; /* calls that are not answered yet */
    unsigned         n_taken;
} Fixture;

typedef struct {
    unsigned n, n_refused, n_fine;
} Answers;

static void on_call(GDBusConnection *connection, const char *sender, const char *path,
                    const char *interface, const char *method, GVariant *arguments,
                    GDBusMethodInvocation *invocation, gpointer user_data)
{
    Fixture *f = user_data;

    (void)connection, (void)sender, (void)path, (void)interface, (void)arguments;
    if (strcmp(method, "Wait") == 0) {
        g_ptr_array_add(f->waiting, invocation);
        return;
    }
    f->n_taken++;
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call };

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    g_autoptr(GError) error = NULL;

    (void)data;
    f->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(f->bus);
    f->server = connection_make(f->bus);
    f->client = connection_make(f->bus);
    f->other = connection_make(f->bus);
    f->waiting = g_ptr_array_new();
    f->flood = bus_flood_start(f->server);
    f->object = g_dbus_connection_register_object(f->server, PATH, node->interfaces[0], &vtable, f,
                                                  NULL, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    g_dbus_connection_unregister_object(f->server, f->object);
    bus_flood_stop(f->flood);
    g_ptr_array_unref(f->waiting);
    g_object_unref(f->server);
    g_object_unref(f->client);
    g_object_unref(f->other);
    g_test_dbus_stop(f->bus);
    g_object_unref(f->bus);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Answers *answers = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    answers->n++;
    answers->n_fine += reply != NULL;
    answers->n_refused += g_error_matches(error, MESH_ERROR, MESH_ERROR_LIMIT);
}

static void call(Fixture *f, GDBusConnection *from, const char *method, GVariant *arguments,
                 Answers *answers)
{
    g_dbus_connection_call(from, g_dbus_connection_get_unique_name(f->server), PATH,
                           "org.example.Slow", method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE,
                           60000, NULL, on_answer, answers);
}

static void wait_for(unsigned *n, unsigned want)
{
    while (*n < want)
        g_main_context_iteration(NULL, true);
    g_assert_cmpuint(*n, ==, want);
}

static void answer_all(Fixture *f)
{
    for (unsigned i = 0; i < f->waiting->len; i++)
        g_dbus_method_invocation_return_value(f->waiting->pdata[i], NULL);
    g_ptr_array_set_size(f->waiting, 0);
}

static void test_calls(Fixture *f, gconstpointer data)
{
    enum { N_CALLS = 100 }; /* the bus itself lets 128 wait */
    Answers many = { 0 }, other = { 0 };

    (void)data;
    for (int i = 0; i < N_CALLS; i++)
        call(f, f->client, "Wait", NULL, &many);
    wait_for(&many.n, N_CALLS - BUS_FLOOD_CALLS);
    g_assert_cmpuint(many.n_refused, ==, N_CALLS - BUS_FLOOD_CALLS);
    g_assert_cmpuint(f->waiting->len, ==, BUS_FLOOD_CALLS);
    call(f, f->other, "Wait", NULL, &other);
    while (f->waiting->len <= BUS_FLOOD_CALLS)
        g_main_context_iteration(NULL, true);
    answer_all(f);
    wait_for(&many.n, N_CALLS);
    wait_for(&other.n, 1);
    g_assert_cmpuint(other.n_fine, ==, 1);
    call(f, f->client, "Wait", NULL, &other); /* there is room again */
    while (f->waiting->len == 0)
        g_main_context_iteration(NULL, true);
    answer_all(f);
    wait_for(&other.n_fine, 2);
}

/* Calls whose caller wants no answer count until they are done, and get none. */
static void test_silent(Fixture *f, gconstpointer data)
{
    Answers  answers = { 0 };
    unsigned n_calls = 1;

    (void)data;
    for (unsigned i = 0; i < 2 * BUS_FLOOD_CALLS; i++) {
        g_autoptr(GDBusMessage) message =
            g_dbus_message_new_method_call(g_dbus_connection_get_unique_name(f->server), PATH,
                                           "org.example.Slow", "Wait");

        g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
        g_assert_true(g_dbus_connection_send_message(f->client, message,
                                                     G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
    }
    while (f->waiting->len < BUS_FLOOD_CALLS)
        g_main_context_iteration(NULL, true);
    call(f, f->client, "Wait", NULL, &answers);
    wait_for(&answers.n_refused, 1);
    g_assert_cmpuint(f->waiting->len, ==, BUS_FLOOD_CALLS);
    answer_all(f);
    do { /* until the bus has told of those answers */
        call(f, f->client, "Wait", NULL, &answers);
        n_calls++;
        while (f->waiting->len == 0 && answers.n < n_calls)
            g_main_context_iteration(NULL, true);
        answer_all(f);
        wait_for(&answers.n, n_calls);
    } while (answers.n_fine == 0);
}

static GVariant *make_bytes(gsize n)
{
    g_autofree char *bytes = g_malloc0(n);

    return g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, n, 1));
}

static void test_size(Fixture *f, gconstpointer data)
{
    Answers answers = { 0 };

    (void)data;
    call(f, f->client, "Take", make_bytes(BUS_FLOOD_BYTES / 2), &answers);
    call(f, f->client, "Take", make_bytes(BUS_FLOOD_BYTES + 1), &answers);
    call(f, f->client, "Take", make_bytes(8 << 20), &answers);
    wait_for(&answers.n, 3);
    g_assert_cmpuint(answers.n_fine, ==, 1);
    g_assert_cmpuint(answers.n_refused, ==, 2);
    g_assert_cmpuint(f->n_taken, ==, 1);
}

/* What a caller that left had under way is answered into the void, and forgotten. */
static void test_gone(Fixture *f, gconstpointer data)
{
    Answers gone = { 0 }, answers = { 0 };

    (void)data;
    for (unsigned i = 0; i < BUS_FLOOD_CALLS; i++)
        call(f, f->other, "Wait", NULL, &gone);
    while (f->waiting->len < BUS_FLOOD_CALLS)
        g_main_context_iteration(NULL, true);
    g_assert_true(g_dbus_connection_close_sync(f->other, NULL, NULL));
    wait_for(&gone.n, BUS_FLOOD_CALLS);
    answer_all(f);
    call(f, f->client, "Take", make_bytes(1), &answers);
    wait_for(&answers.n_fine, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)mesh_error_quark();
    g_test_add("/flood/calls", Fixture, NULL, set_up, test_calls, tear_down);
    g_test_add("/flood/silent", Fixture, NULL, set_up, test_silent, tear_down);
    g_test_add("/flood/size", Fixture, NULL, set_up, test_size, tear_down);
    g_test_add("/flood/gone", Fixture, NULL, set_up, test_gone, tear_down);
    return g_test_run();
}
