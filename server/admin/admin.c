/* server/admin/admin.c: the Unix socket, the thread, requests and answers. */
#include "server/admin/admin.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/glib/log.h"
#include "common/proto/session.h"
#include "common/std/thread.h"
#include "server/admin/listener.h"
#include "server/admin/routing.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <libsoup/soup.h>
#include <string.h>

#define MAX_BODY 65536

/* Where the core's answers go; lives until the last of them has come. */
typedef struct {
    gatomicrefcount refs;
    GMainContext   *context;
    Admin          *admin; /* admin thread */
} Mailbox;

struct Admin {
    Core       *core;
    char       *path;
    SoupServer *soup;
    GMainLoop  *loop;
    Mailbox    *mailbox;
    MeshThread *thread;
    GHashTable *pending; /* &ticket → owned Pending */
    uint64_t    last_ticket;
};

/* A request that waits for the core. */
typedef struct {
    uint64_t           ticket;
    Admin             *admin;
    SoupServerMessage *message; /* owned */
    const AdminRoute  *route;
} Pending;

/* --- the mailbox ----------------------------------------------------------------------------- */

static void mailbox_unref(Mailbox *mailbox)
{
    if (!g_atomic_ref_count_dec(&mailbox->refs))
        return;
    g_main_context_unref(mailbox->context); /* with what was never read */
    g_free(mailbox);
}

typedef struct {
    Mailbox    *mailbox; /* borrowed: the source lives in its context */
    CoreAnswer *answer;  /* owned */
} Delivery;

static void free_delivery(gpointer data)
{
    core_answer_free(((Delivery *)data)->answer);
    g_free(data);
}

static void answer_pending(Admin *self, CoreAnswer *answer);

static gboolean on_delivery(gpointer data)
{
    Delivery *delivery = data;

    answer_pending(delivery->mailbox->admin, delivery->answer);
    return G_SOURCE_REMOVE;
}

/* Control or storage thread. */
static void deliver(void *data, CoreAnswer *answer)
{
    Mailbox  *mailbox = data;
    GSource  *source = g_idle_source_new();
    Delivery *delivery = g_new0(Delivery, 1);

    delivery->mailbox = mailbox;
    delivery->answer = answer;
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, on_delivery, delivery, free_delivery);
    g_source_attach(source, mailbox->context);
    g_source_unref(source);
    mailbox_unref(mailbox);
}

/* --- answers --------------------------------------------------------------------------------- */

static void set_body(SoupServerMessage *message, unsigned status, char *text, size_t len)
{
    soup_server_message_set_status(message, status, NULL);
    soup_server_message_set_response(message, "application/json", SOUP_MEMORY_TAKE, text, len);
    soup_message_headers_replace(soup_server_message_get_response_headers(message), "Cache-Control",
                                 "no-store");
}

static void set_error(SoupServerMessage *message, unsigned status, MeshErrorCode code,
                      const char *text)
{
    size_t len;
    char  *body = mesh_session_encode_error(code, text, NULL, &len);

    set_body(message, status, body, len);
}

/* An error of our own, before the core was asked. */
static void set_gerror(SoupServerMessage *message, const GError *error)
{
    int           code = error->code == MESH_ERROR_BAD_JSON ? MESH_ERROR_BAD_REQUEST : error->code;
    unsigned      status = mesh_error_get_info(code)->status;
    MeshErrorCode known = status != 0 ? (MeshErrorCode)code : MESH_ERROR_INTERNAL;

    set_error(message, status != 0 ? status : 500, known, error->message);
}

static void write_status(const Admin *self, MeshJsonOut *out, const CoreStatus *status)
{
    const CoreIdentity *identity = core_get_identity(self->core);

    mesh_jsonout_open(out, NULL, '{');
    mesh_jsonout_text(out, "version", MESH_VERSION);
    mesh_jsonout_text(out, "key", identity->key_text);
    mesh_jsonout_text(out, "fingerprint", identity->fingerprint);
    mesh_jsonout_int(out, "uptime_s", status->uptime_s);
    mesh_jsonout_int(out, "networks", status->networks);
    mesh_jsonout_int(out, "nodes", status->nodes);
    mesh_jsonout_int(out, "streams", status->streams);
    if (status->relay.on) {
        mesh_jsonout_open(out, "relay", '{');
        mesh_jsonout_int(out, "sessions", (int64_t)status->relay.sessions);
        mesh_jsonout_int(out, "packets", (int64_t)status->relay.packets);
        mesh_jsonout_int(out, "bytes", (int64_t)status->relay.bytes);
        mesh_jsonout_int(out, "dropped", (int64_t)status->relay.dropped);
        mesh_jsonout_close(out, '}');
    }
    mesh_jsonout_close(out, '}');
}

static void write_list(const AdminRoute *route, MeshJsonOut *out, const GPtrArray *values)
{
    mesh_jsonout_open(out, NULL, '{');
    mesh_jsonout_open(out, route->list, '[');
    for (guint i = 0; i < values->len; i++)
        route->write(out, NULL, g_ptr_array_index(values, i));
    mesh_jsonout_close(out, ']');
    mesh_jsonout_close(out, '}');
}

static void set_result(const Admin *self, const Pending *pending, const CoreAnswer *answer)
{
    const AdminRoute *route = pending->route;
    MeshJsonOut       out;
    size_t            len;
    char             *text;

    mesh_jsonout_init(&out);
    if (route->list != NULL) {
        write_list(route, &out, answer->result);
    } else if (route->verb == CORE_STATUS) {
        write_status(self, &out, g_ptr_array_index(answer->result, 0));
    } else if (route->write != NULL && answer->result->len > 0) {
        route->write(&out, NULL, g_ptr_array_index(answer->result, 0));
    } else {
        mesh_jsonout_open(&out, NULL, '{');
        mesh_jsonout_close(&out, '}');
    }
    text = mesh_jsonout_finish(&out, &len);
    set_body(pending->message, 200, text, len);
}

static void free_pending(gpointer data)
{
    Pending *pending = data;

    g_signal_handlers_disconnect_by_data(pending->message, pending);
    g_object_unref(pending->message);
    g_free(pending);
}

static void answer_pending(Admin *self, CoreAnswer *answer)
{
    Pending      *pending = g_hash_table_lookup(self->pending, &answer->ticket);
    MeshErrorCode code = MESH_ERROR_INTERNAL;

    if (pending == NULL) /* its client has gone */
        return;
    if (answer->status < 400) {
        set_result(self, pending, answer);
    } else {
        if (!mesh_error_parse_wire(answer->code, &code))
            code = MESH_ERROR_INTERNAL;
        set_error(pending->message, answer->status, code, answer->message);
    }
    soup_server_message_unpause(pending->message);
    g_hash_table_remove(self->pending, &answer->ticket);
}

/* --- requests -------------------------------------------------------------------------------- */

static void on_finished(SoupServerMessage *message, gpointer data)
{
    Pending *pending = data;

    (void)message;
    g_hash_table_remove(pending->admin->pending, &pending->ticket);
}

static void ask_core(Admin *self, SoupServerMessage *message, const AdminRoute *route,
                     const CoreManage *request)
{
    Pending   *pending = g_new0(Pending, 1);
    CoreReturn to = { .deliver = deliver, .mailbox = self->mailbox };

    pending->ticket = to.ticket = ++self->last_ticket;
    pending->admin = self;
    pending->message = g_object_ref(message);
    pending->route = route;
    g_hash_table_insert(self->pending, &pending->ticket, pending);
    g_signal_connect(message, "disconnected", G_CALLBACK(on_finished), pending);
    g_signal_connect(message, "finished", G_CALLBACK(on_finished), pending);
    soup_server_message_pause(message);
    g_atomic_ref_count_inc(&self->mailbox->refs); /* deliver() gives it back */
    core_manage(self->core, request, to);
}

static JsonObject *parse_body(SoupServerMessage *message, GError **error)
{
    SoupMessageBody *body = soup_server_message_get_request_body(message);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    gsize       len;
    const char *text = g_bytes_get_data(bytes, &len);

    return mesh_json_parse(text != NULL ? text : "", len, MAX_BODY, error);
}

static void on_request(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    const char *method = soup_server_message_get_method(message);
    CoreManage  request = { .approve = -1, .expires = -1, .max_nodes = -1, .disabled = -1 };
    AdminNames  names;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) body = NULL;
    const AdminRoute *route = admin_routing_find(method, path, &names, &error);

    (void)soup;
    (void)query;
    if (route != NULL && route->read != NULL)
        body = parse_body(message, &error);
    if (route == NULL || (route->read != NULL && body == NULL) ||
        (body != NULL && !route->read(body, &request, &error))) {
        set_gerror(message, error);
        admin_routing_clear(&names);
        return;
    }
    request.verb = route->verb;
    if (names.network != NULL)
        request.network = names.network;
    request.relay = names.relay;
    request.key = names.key;
    request.node = names.node;
    if (names.user != NULL)
        request.user = names.user;
    ask_core(data, message, route, &request);
    admin_routing_clear(&names);
}

/* Before the body is read: only a body of known, small length is taken in. */
static void on_headers(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);

    (void)soup;
    (void)path;
    (void)query;
    (void)data;
    if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CHUNKED)
        set_error(message, 400, MESH_ERROR_BAD_REQUEST, "a body needs a Content-Length");
    else if (soup_message_headers_get_content_length(headers) > MAX_BODY)
        set_error(message, 413, MESH_ERROR_TOO_LARGE, "the body is larger than 64 KiB");
}

/* --- start and stop -------------------------------------------------------------------------- */

static void admin_thread(void *user_data)
{
    Admin *self = user_data;

    g_main_context_push_thread_default(self->mailbox->context);
    g_main_loop_run(self->loop);
    g_hash_table_remove_all(self->pending);
    soup_server_disconnect(self->soup);
    g_clear_object(&self->soup);
    g_main_context_pop_thread_default(self->mailbox->context);
}

static void admin_free(Admin *self)
{
    g_clear_object(&self->soup);
    g_hash_table_unref(self->pending);
    g_main_loop_unref(self->loop);
    mailbox_unref(self->mailbox);
    g_free(self->path);
    g_free(self);
}

static Admin *admin_new(Core *core, const char *socket_path)
{
    Admin *self = g_new0(Admin, 1);

    self->core = core;
    self->path = g_strdup(socket_path);
    self->mailbox = g_new0(Mailbox, 1);
    g_atomic_ref_count_init(&self->mailbox->refs);
    self->mailbox->context = g_main_context_new();
    self->mailbox->admin = self;
    self->loop = g_main_loop_new(self->mailbox->context, FALSE);
    self->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_pending);
    return self;
}

/* On the admin thread's context, though from the starting thread: nothing runs yet. */
static bool listen_on(Admin *self, GError **error)
{
    g_autoptr(GSocket) socket = admin_listener_open(self->path, error);
    GError *cause = NULL;
    bool    ok;

    if (socket == NULL)
        return false;
    g_main_context_push_thread_default(self->mailbox->context);
    self->soup = soup_server_new("server-header", "mesh-server", NULL);
    soup_server_add_early_handler(self->soup, NULL, on_headers, self, NULL);
    soup_server_add_handler(self->soup, NULL, on_request, self, NULL);
    ok = soup_server_listen_socket(self->soup, socket, 0, &cause);
    g_main_context_pop_thread_default(self->mailbox->context);
    if (!ok) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s: %s", self->path, cause->message);
        g_error_free(cause);
    }
    return ok;
}

Admin *admin_start(Core *core, const char *socket_path, GError **error)
{
    Admin *self = admin_new(core, socket_path);
    int    rc;

    if (!listen_on(self, error)) {
        admin_free(self);
        return NULL;
    }
    rc = mesh_thread_start("admin", admin_thread, self, &self->thread);
    if (rc < 0) {
        mesh_error_set_errno(error, MESH_ERROR_FAILED, rc, "admin thread");
        (void)g_unlink(self->path);
        admin_free(self);
        return NULL;
    }
    return self;
}

static gboolean on_stop(gpointer data)
{
    g_main_loop_quit(((Admin *)data)->loop);
    return G_SOURCE_REMOVE;
}

void admin_stop(Admin *self)
{
    GSource *source;

    if (self == NULL)
        return;
    source = g_idle_source_new();
    g_source_set_callback(source, on_stop, self, NULL);
    g_source_attach(source, self->mailbox->context);
    g_source_unref(source);
    mesh_thread_join(self->thread);
    (void)g_unlink(self->path);
    admin_free(self);
}
