/* daemon/control/multi.c: see multi.h. Sockets become GSources, curl's one timer a timeout. */
#include "daemon/control/multi.h"

#include "common/glib/error.h"
#include "common/glib/log.h"

#include <glib-unix.h>
#include <string.h>

enum {
    MAX_QUEUED_BYTES = 16 * 1024 * 1024, /* that curl may be ahead of us */
};

struct ControlMulti {
    CURLM     *curl;
    guint      timer_id;
    GPtrArray *transfers; /* borrowed; those in flight */
};

struct ControlTransfer {
    ControlMulti        *multi;
    CURL                *easy;
    struct curl_slist   *headers;
    ControlTransferFuncs funcs;
    void                *user_data;
    GByteArray          *queue; /* body bytes not told yet */
    unsigned             status;
    bool                 told_opened, ended;
    GError              *error;   /* with ended */
    guint                tell_id; /* idle source */
    char                 why[CURL_ERROR_SIZE];
};

/* A socket that curl waits for; curl keeps the pointer. */
typedef struct {
    ControlMulti *multi;
    guint         source_id;
} Watch;

static void act(ControlMulti *self, curl_socket_t fd, int what);

/* ---- telling ---- */

static void drop_transfer(ControlTransfer *t)
{
    g_ptr_array_remove_fast(t->multi->transfers, t);
    curl_multi_remove_handle(t->multi->curl, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    if (t->tell_id != 0)
        g_source_remove(t->tell_id);
    g_byte_array_unref(t->queue);
    g_clear_error(&t->error);
    g_free(t);
}

void control_multi_cancel(ControlTransfer *transfer)
{
    if (transfer != NULL)
        drop_transfer(transfer);
}

MeshAddr control_multi_get_address(const ControlTransfer *transfer)
{
    MeshAddr    none = { 0 }, addr;
    const char *text = NULL;

    if (curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &text) != CURLE_OK || text == NULL)
        return none;
    return mesh_ip_parse_addr(text, &addr) == 0 ? addr : none;
}

static gboolean on_tell(gpointer user_data);

static void tell_later(ControlTransfer *t)
{
    if (t->tell_id == 0)
        t->tell_id = g_idle_add_full(G_PRIORITY_DEFAULT, on_tell, t, NULL);
}

/* One thing a time: after a callback the transfer may be gone, so the rest comes by the next call
 * of the idle source, which goes with the transfer. */
static gboolean on_tell(gpointer user_data)
{
    ControlTransfer *t = user_data;

    t->tell_id = 0;
    if (!t->told_opened && t->status != 0) {
        t->told_opened = true;
        tell_later(t);
        t->funcs.opened(t->user_data, t->status);
        return G_SOURCE_REMOVE;
    }
    if (t->queue->len > 0) {
        g_autoptr(GByteArray) queue = t->queue;

        t->queue = g_byte_array_new();
        if (t->ended)
            tell_later(t);
        t->funcs.data(t->user_data, (const char *)queue->data, queue->len);
        return G_SOURCE_REMOVE;
    }
    if (t->ended) {
        g_autoptr(GError) error = g_steal_pointer(&t->error);
        ControlTransferFuncs funcs = t->funcs;
        void                *data = t->user_data;

        drop_transfer(t);
        funcs.done(data, error);
    }
    return G_SOURCE_REMOVE;
}

/* ---- curl's callbacks ---- */

static size_t on_header(char *bytes, size_t size, size_t count, void *user_data)
{
    ControlTransfer *t = user_data;
    size_t           len = size * count;
    long             status = 0;

    if (len > 2 || (len > 0 && bytes[0] != '\r' && bytes[0] != '\n'))
        return len;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && t->status == 0) {
        t->status = (unsigned)status;
        tell_later(t);
    }
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user_data)
{
    ControlTransfer *t = user_data;
    size_t           len = size * count;

    if (t->queue->len + len > MAX_QUEUED_BYTES)
        return 0;
    g_byte_array_append(t->queue, (const guint8 *)bytes, (guint)len);
    tell_later(t);
    return len;
}

static gboolean on_ready(gint fd, GIOCondition condition, gpointer user_data)
{
    Watch *watch = user_data;
    int    what = (condition & G_IO_IN ? CURL_CSELECT_IN : 0) |
               (condition & G_IO_OUT ? CURL_CSELECT_OUT : 0) |
               (condition & (G_IO_ERR | G_IO_HUP) ? CURL_CSELECT_ERR : 0);

    act(watch->multi, fd, what);
    return G_SOURCE_CONTINUE;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user_data, void *socket_data)
{
    ControlMulti *self = user_data;
    Watch        *watch = socket_data;
    GIOCondition  condition = G_IO_ERR | G_IO_HUP;

    (void)easy;
    if (watch != NULL && watch->source_id != 0) {
        g_source_remove(watch->source_id);
        watch->source_id = 0;
    }
    if (what == CURL_POLL_REMOVE) {
        g_free(watch);
        curl_multi_assign(self->curl, fd, NULL);
        return 0;
    }
    if (watch == NULL) {
        watch = g_new0(Watch, 1);
        watch->multi = self;
        curl_multi_assign(self->curl, fd, watch);
    }
    condition |= what & CURL_POLL_IN ? G_IO_IN : 0;
    condition |= what & CURL_POLL_OUT ? G_IO_OUT : 0;
    watch->source_id = g_unix_fd_add(fd, condition, on_ready, watch);
    return 0;
}

static gboolean on_timeout(gpointer user_data)
{
    ControlMulti *self = user_data;

    self->timer_id = 0;
    act(self, CURL_SOCKET_TIMEOUT, 0);
    return G_SOURCE_REMOVE;
}

static int on_timer(CURLM *curl, long timeout_ms, void *user_data)
{
    ControlMulti *self = user_data;

    (void)curl;
    g_clear_handle_id(&self->timer_id, g_source_remove);
    if (timeout_ms >= 0)
        self->timer_id = g_timeout_add((guint)timeout_ms, on_timeout, self);
    return 0;
}

/* What curl found, as one of our errors. */
static GError *make_error(const ControlTransfer *t, CURLcode rc)
{
    const char *why = t->why[0] != '\0' ? t->why : curl_easy_strerror(rc);

    if (rc == CURLE_SSL_PINNEDPUBKEYNOTMATCH || rc == CURLE_PEER_FAILED_VERIFICATION ||
        rc == CURLE_SSL_INVALIDCERTSTATUS)
        return g_error_new(MESH_ERROR, MESH_ERROR_SERVER_KEY,
                           "the server is not the one of the join link, or something stands in "
                           "between (%s)",
                           why);
    if (rc == CURLE_SSL_CONNECT_ERROR)
        return g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE,
                           "no TLS with the server: is it a mesh-server, with nothing in between? "
                           "(%s)",
                           why);
    if (rc == CURLE_WRITE_ERROR)
        return g_error_new(MESH_ERROR, MESH_ERROR_BAD_ANSWER, "the answer is too large");
    return g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "the server cannot be reached: %s", why);
}

static void read_ends(ControlMulti *self)
{
    CURLMsg *message;
    int      left;

    while ((message = curl_multi_info_read(self->curl, &left)) != NULL) {
        ControlTransfer *t = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        t->ended = true;
        if (message->data.result != CURLE_OK)
            t->error = make_error(t, message->data.result);
        tell_later(t);
    }
}

static void act(ControlMulti *self, curl_socket_t fd, int what)
{
    int       running;
    CURLMcode rc = curl_multi_socket_action(self->curl, fd, what, &running);

    if (rc != CURLM_OK)
        mesh_log_error("libcurl: %s", curl_multi_strerror(rc));
    read_ends(self);
}

/* ---- front ---- */

static bool check_curl(GError **error)
{
    const curl_version_info_data *info;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_FAILED, "libcurl does not start");
        return false;
    }
    info = curl_version_info(CURLVERSION_NOW);
    if (info->ssl_version != NULL && g_str_has_prefix(info->ssl_version, "OpenSSL/"))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_UNSUPPORTED,
                "libcurl is built with %s instead of OpenSSL: install libcurl4",
                info->ssl_version != NULL ? info->ssl_version : "no TLS");
    return false;
}

ControlMulti *control_multi_new(GError **error)
{
    ControlMulti *self;

    if (!check_curl(error))
        return NULL;
    self = g_new0(ControlMulti, 1);
    self->curl = curl_multi_init();
    self->transfers = g_ptr_array_new();
    curl_multi_setopt(self->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(self->curl, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->curl, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(self->curl, CURLMOPT_TIMERDATA, self);
    return self;
}

void control_multi_free(ControlMulti *self)
{
    if (self == NULL)
        return;
    while (self->transfers->len > 0)
        drop_transfer(g_ptr_array_index(self->transfers, self->transfers->len - 1));
    curl_multi_cleanup(self->curl); /* closes kept connections: on_socket() is called */
    g_clear_handle_id(&self->timer_id, g_source_remove);
    g_ptr_array_unref(self->transfers);
    g_free(self);
}

ControlTransfer *control_multi_start(ControlMulti *self, CURL *easy, struct curl_slist *headers,
                                     const ControlTransferFuncs *funcs, void *user_data)
{
    ControlTransfer *t = g_new0(ControlTransfer, 1);

    t->multi = self;
    t->easy = easy;
    t->headers = headers;
    t->funcs = *funcs;
    t->user_data = user_data;
    t->queue = g_byte_array_new();
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
    g_ptr_array_add(self->transfers, t);
    curl_multi_add_handle(self->curl, easy); /* sets the timer: nothing happens before we return */
    return t;
}
