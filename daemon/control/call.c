/* daemon/control/call.c: see call.h. */
#include "daemon/control/call.h"

#include "common/glib/error.h"

#include <string.h>

enum {
    MAX_BODY_BYTES = 1024 * 1024,
};

struct ControlCall {
    ControlMulti    *multi;
    ControlLink     *link;
    ControlRequest   request; /* its texts are owned */
    ControlCallFuncs funcs;
    void            *user_data;
    ControlTransfer *transfer;
    MeshNonce        nonce;
    unsigned         status;
    GByteArray      *body;
    bool             too_long, tried_clock, tried_nonce;
};

static void free_call(ControlCall *self)
{
    g_free((char *)self->request.verb);
    g_free((char *)self->request.query);
    g_free((char *)self->request.body);
    g_byte_array_unref(self->body);
    g_free(self);
}

MeshAddr control_call_get_address(const ControlCall *self)
{
    return control_multi_get_address(self->transfer);
}

void control_call_cancel(ControlCall *self)
{
    if (self == NULL)
        return;
    control_multi_cancel(self->transfer);
    free_call(self);
}

static bool is_streaming(const ControlCall *self)
{
    return self->funcs.data != NULL && self->status == 200;
}

static void on_opened(void *user_data, unsigned status)
{
    ControlCall *self = user_data;

    self->status = status;
    if (is_streaming(self))
        self->funcs.opened(self->user_data, &self->nonce);
}

static void on_data(void *user_data, const char *bytes, size_t len)
{
    ControlCall *self = user_data;

    if (is_streaming(self)) {
        self->funcs.data(self->user_data, bytes, len);
        return;
    }
    self->too_long |= self->body->len + len > MAX_BODY_BYTES;
    if (!self->too_long)
        g_byte_array_append(self->body, (const guint8 *)bytes, (guint)len);
}

static void send_request(ControlCall *self);

/* Once each: a second time it is no accident. */
static bool try_again(ControlCall *self, const GError *error, const MeshSessionHints *hints)
{
    bool *tried = NULL;

    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_CLOCK))
        tried = &self->tried_clock;
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_REPLAYED))
        tried = &self->tried_nonce;
    if (tried == NULL || *tried)
        return false;
    *tried = true;
    if (!control_link_take_hints(self->link, (MeshErrorCode)error->code, hints))
        return false;
    send_request(self);
    return true;
}

static void on_done(void *user_data, const GError *transport_error)
{
    ControlCall  *self = user_data;
    ControlResult result = { .error = transport_error, .status = self->status };
    g_autoptr(GError) error = NULL;
    ControlCallFuncs funcs = self->funcs;
    void            *data = self->user_data;

    self->transfer = NULL;
    if (transport_error == NULL && (self->status < 200 || self->status > 299))
        mesh_session_decode_error(self->status, (const char *)self->body->data, self->body->len,
                                  &result.hints, &error);
    else if (transport_error == NULL && self->too_long)
        g_set_error(&error, MESH_ERROR, MESH_ERROR_BAD_ANSWER, "the answer is too large");
    if (error != NULL && try_again(self, error, &result.hints))
        return;
    if (error != NULL)
        result.error = error;
    result.body = (const char *)self->body->data;
    result.body_len = self->body->len;
    funcs.done(data, &result);
    free_call(self);
}

static void send_request(ControlCall *self)
{
    static const ControlTransferFuncs funcs = { on_opened, on_data, on_done };
    struct curl_slist                *headers = NULL;
    CURL *easy = control_link_make(self->link, &self->request, &headers, &self->nonce);

    self->status = 0;
    self->too_long = false;
    g_byte_array_set_size(self->body, 0);
    self->transfer = control_multi_start(self->multi, easy, headers, &funcs, self);
}

ControlCall *control_call_start(ControlMulti *multi, ControlLink *link,
                                const ControlRequest *request, const ControlCallFuncs *funcs,
                                void *user_data)
{
    ControlCall *self = g_new0(ControlCall, 1);

    self->multi = multi;
    self->link = link;
    self->request = *request;
    self->request.verb = g_strdup(request->verb);
    self->request.query = g_strdup(request->query);
    self->request.body = request->body != NULL ? g_strndup(request->body, request->body_len) : NULL;
    self->funcs = *funcs;
    self->user_data = user_data;
    self->body = g_byte_array_new();
    send_request(self);
    return self;
}
