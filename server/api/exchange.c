#include "server/api/exchange.h"

#include "common/std/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUSY_RETRY_S = 5,
    MAX_INPUT_BYTES = 2 * HTTP_MAX_HEAD_BYTES + 16384, /* a head, and what one read brought */
};

static void process(ApiExchange *self);

/* --- sending --- */

static void release_bytes(void *owner)
{
    g_bytes_unref(owner);
}

/* The connection may be ending already: then nobody reads the answer anyway. */
static void send_item(ApiExchange *self, const LoopItem *item)
{
    int rc = loop_conn_send(self->conn, item);

    if (rc < 0 && rc != -EPIPE)
        loop_conn_abort(self->conn);
}

void api_exchange_send(ApiExchange *self, const char *text, size_t len)
{
    const LoopItem item = { .data = text, .len = len, .uncounted = true };

    send_item(self, &item);
}

void api_exchange_respond(ApiExchange *self, unsigned status, GBytes *body)
{
    const HttpResponse response = {
        .status = (int)status,
        .body_bytes = (int64_t)g_bytes_get_size(body),
        .content_type = "application/json",
        .date_s = mesh_clock_wall_s(),
        .keep_alive = !self->last,
    };
    LoopItem item = { .release = release_bytes, .owner = g_bytes_ref(body), .uncounted = true };
    char     head[HTTP_RESPONSE_HEAD_SIZE];
    size_t   len = 0;

    item.data = g_bytes_get_data(body, &item.len);
    if (http_message_format_head(&response, head, &len) < 0)
        g_error("a fixed response head does not fit");
    api_exchange_send(self, head, len);
    send_item(self, &item);
    api_exchange_done(self);
}

static void respond_error(ApiExchange *self, unsigned status, char *body, size_t len)
{
    g_autoptr(GBytes) bytes = g_bytes_new_take(body, len);

    /* Where the next request begins is sure only behind a body that was read to its end. */
    if (self->phase == API_IDLE || self->phase == API_HEAD || self->phase == API_BODY)
        self->last = true;
    api_exchange_respond(self, status, bytes);
}

void api_exchange_fail(ApiExchange *self, MeshErrorCode code, const char *message,
                       const MeshSessionHints *hints)
{
    size_t len = 0;
    char  *body = mesh_session_encode_error(code, message, hints, &len);

    respond_error(self, mesh_error_get_info((int)code)->status, body, len);
}

void api_exchange_fail_error(ApiExchange *self, const GError *error)
{
    api_exchange_fail(self, mesh_error_describe(error)->code, error->message, NULL);
}

void api_exchange_answer(ApiExchange *self, const CoreAnswer *answer)
{
    const MeshSessionHints hints = { .retry_in_s = answer->retry_in_s, .after = answer->after };
    MeshErrorCode          code = MESH_ERROR_INTERNAL;
    size_t                 len = 0;
    char                  *body;

    if (answer->status < 400 && answer->body != NULL) {
        api_exchange_respond(self, answer->status, answer->body);
        return;
    }
    if (answer->code == NULL || !mesh_error_parse_wire(answer->code, &code))
        code = MESH_ERROR_INTERNAL;
    body = mesh_session_encode_error(code, answer->message, &hints, &len);
    respond_error(self, answer->status >= 400 ? answer->status : 500, body, len);
}

/* --- the core's answers --- */

typedef struct {
    LoopMail    mail;
    Api        *api;
    CoreAnswer *answer; /* owned */
} AnswerMail;

static void take_answer(LoopMail *mail, LoopConn *conn)
{
    AnswerMail  *self = (AnswerMail *)mail;
    CoreAnswer  *answer = self->answer;
    ApiExchange *exchange = conn != NULL ? loop_conn_get_data(conn) : NULL;
    bool         wanted = exchange != NULL && exchange->turn == answer->ticket >> LOOP_CONN_ID_BITS;

    if (!wanted) { /* the connection has gone, or the request on it */
        if (answer->stream != 0 && self->api->core != NULL)
            core_close_map(self->api->core, answer->stream);
    } else if (exchange->phase == API_STREAMING ||
               (exchange->phase == API_WAITING && answer->status < 400 &&
                exchange->route->answered != NULL)) {
        exchange->route->answered(exchange, answer);
    } else if (exchange->phase == API_WAITING) {
        api_exchange_answer(exchange, answer);
    }
    core_answer_free(answer);
    g_free(self);
}

/* Control or storage thread. */
static void post_answer(void *mailbox, CoreAnswer *answer)
{
    Api        *api = mailbox;
    AnswerMail *mail = g_new0(AnswerMail, 1);

    mail->mail.to = answer->ticket;
    mail->mail.deliver = take_answer;
    mail->api = api;
    mail->answer = answer;
    loop_post(g_atomic_pointer_get(&api->loop), &mail->mail);
}

CoreReturn api_exchange_make_return(ApiExchange *self)
{
    return (CoreReturn){
        .deliver = post_answer,
        .mailbox = self->api,
        .ticket = (uint64_t)self->turn << LOOP_CONN_ID_BITS | loop_conn_get_id(self->conn),
    };
}

/* --- one request --- */

GBytes *api_exchange_steal_body(ApiExchange *self)
{
    GBytes *bytes =
        g_bytes_new_with_free_func(self->body.data, self->body.len, free, self->body.data);

    self->body.data = NULL;
    http_stream_done_body(&self->body);
    return bytes;
}

bool api_exchange_get_number(ApiExchange *self, const char *name, unsigned min, unsigned max,
                             unsigned *inout_value)
{
    g_autofree char *message = NULL;
    char             text[12];
    guint64          value;
    int              rc = http_message_get_query(self->head->query, name, text, sizeof(text));

    if (rc == -ENOENT)
        return true;
    if (rc == 0 && g_ascii_string_to_unsigned(text, 10, min, max, &value, NULL)) {
        *inout_value = (unsigned)value;
        return true;
    }
    message = g_strdup_printf("query: %s: not a whole number from %u to %u", name, min, max);
    api_exchange_fail(self, MESH_ERROR_BAD_REQUEST, message, NULL);
    return false;
}

static void clear_request(ApiExchange *self)
{
    http_message_free_head(self->head);
    self->head = NULL;
    http_stream_done_body(&self->body);
    self->scanned = 0;
    self->route = NULL;
    self->map = (ApiMap){ 0 };
    self->turn++; /* what still comes for the old request finds nobody */
}

void api_exchange_settle(ApiExchange *self)
{
    g_clear_pointer(&self->head, http_message_free_head);
    http_stream_done_body(&self->body);
}

void api_exchange_done(ApiExchange *self)
{
    clear_request(self);
    if (self->last) {
        self->phase = API_ENDING;
        loop_conn_finish(self->conn);
        return;
    }
    self->phase = API_IDLE;
    loop_conn_set_deadline(self->conn, self->api->config.idle_ms);
    process(self);
}

void api_exchange_upgrade(ApiExchange *self, const char *protocol, void *stream)
{
    const ApiUpgrade *upgrade = &self->api->config.upgrade;
    g_autofree char  *head = g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\n"
                                              "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n",
                                             protocol);
    ApiInput          early = self->input;

    clear_request(self);
    self->input = (ApiInput){ 0 };
    self->phase = API_UPGRADED;
    self->upgraded = stream;
    api_auth_leave(self->api->auth, &self->seat); /* of its own count: one session a node */
    loop_conn_set_deadline(self->conn, 0);
    api_exchange_send(self, head, strlen(head));
    upgrade->start(stream);
    if (early.len > 0)
        upgrade->input(stream, early.data, early.len);
    api_input_clear(&early);
}

static void set_phase(ApiExchange *self, ApiPhase phase, unsigned ms)
{
    self->phase = phase;
    loop_conn_set_deadline(self->conn, ms);
}

static void refuse(ApiExchange *self, int rc, const char *why)
{
    const MeshSessionHints hints = { .retry_in_s = BUSY_RETRY_S };

    switch (http_message_status_of(rc)) {
    case 431:
        api_exchange_fail(self, MESH_ERROR_HEADERS, why, NULL);
        break;
    case 503:
        api_exchange_fail(self, MESH_ERROR_BUSY, "out of memory", &hints);
        break;
    default:
        api_exchange_fail(self, MESH_ERROR_BAD_REQUEST, why, NULL);
    }
}

/* A node's oldest connection goes when it opens one too many. */
typedef struct {
    LoopMail mail;
} EvictMail;

static void evict(LoopMail *mail, LoopConn *conn)
{
    if (conn != NULL)
        loop_conn_abort(conn);
    g_free(mail);
}

static bool authenticate(ApiExchange *self)
{
    const CoreIdentity *identity = core_get_identity(self->api->core);
    g_autoptr(GError) error = NULL;
    LoopConnId oldest;

    if (!api_auth_verify(self->head, MESH_SPAN(self->body.data, self->body.len), identity,
                         &self->caller.params, &error)) {
        const MeshSessionHints hints = api_auth_make_hints(error, identity);

        api_exchange_fail(self, mesh_error_describe(error)->code, error->message, &hints);
        return false;
    }
    if (!self->api->config.behind_proxy)
        self->caller.observed = loop_conn_get_peer(self->conn)->addr;
    oldest =
        api_auth_sit(self->api->auth, &self->seat, &self->caller, loop_conn_get_id(self->conn));
    if (oldest != 0) {
        EvictMail *mail = g_new0(EvictMail, 1);

        mail->mail.to = oldest;
        mail->mail.deliver = evict;
        loop_post(g_atomic_pointer_get(&self->api->loop), &mail->mail);
    }
    return true;
}

static void handle(ApiExchange *self)
{
    set_phase(self, API_WAITING, 0);
    if (!self->head->keep_alive)
        self->last = true;
    if (!self->route->in_network || authenticate(self))
        self->route->handle(self);
}

/* True: something was taken, look again. */
static bool process_head(ApiExchange *self)
{
    HttpWhy why = NULL;
    int     rc;

    if (self->input.len == 0)
        return false;
    if (self->phase == API_IDLE)
        set_phase(self, API_HEAD, self->api->config.header_ms);
    rc = http_message_find_end(self->input.data, self->input.len, &self->scanned, &why);
    if (rc == 0)
        return false;
    if (rc > 0) {
        size_t len = (size_t)rc;

        rc = http_message_parse_head(self->input.data, len, &self->head, &why);
        api_input_drop(&self->input, len);
    }
    if (rc < 0) {
        refuse(self, rc, why);
        return false;
    }
    if (!api_router_find(self)) /* it has answered */
        return false;
    if (http_stream_init_body(&self->body, self->head->body_bytes, self->route->max_body_bytes) <
        0) {
        g_autofree char *message = g_strdup_printf("the body of %s may have %zu bytes",
                                                   self->route->name, self->route->max_body_bytes);

        api_exchange_fail(self, MESH_ERROR_TOO_LARGE, message, NULL);
        return false;
    }
    set_phase(self, API_BODY, self->api->config.body_ms);
    if (self->head->wants_continue && !self->body.complete && self->input.len == 0)
        api_exchange_send(self, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    return true;
}

static bool process_body(ApiExchange *self)
{
    int rc = http_stream_feed_body(&self->body, self->input.data, self->input.len);

    if (rc < 0) {
        refuse(self, rc, NULL);
        return false;
    }
    if (rc > 0)
        api_input_drop(&self->input, (size_t)rc);
    if (!self->body.complete)
        return false;
    handle(self);
    return self->phase == API_IDLE; /* answered at once: the next one may be here already */
}

static void process(ApiExchange *self)
{
    bool again = !self->processing; /* an answer given from below: the loop here goes on */

    while (again) {
        self->processing = true;
        switch (self->phase) {
        case API_IDLE:
        case API_HEAD:
            again = process_head(self);
            break;
        case API_BODY:
            again = process_body(self);
            break;
        default:
            again = false;
        }
        self->processing = again;
    }
}

/* --- the loop's events --- */

static void on_opened(LoopConn *conn, void *user_data)
{
    ApiExchange *self = loop_conn_new_data(conn, sizeof(*self));

    if (self == NULL)
        g_error("out of memory"); /* as GLib says everywhere else */
    self->api = user_data;
    self->conn = conn;
    g_atomic_pointer_set(&self->api->loop, loop_conn_get_loop(conn));
    set_phase(self, API_HEAD, self->api->config.header_ms);
}

static void on_input(LoopConn *conn, const uint8_t *data, size_t len)
{
    ApiExchange *self = loop_conn_get_data(conn);

    if (self->phase == API_UPGRADED) {
        self->api->config.upgrade.input(self->upgraded, data, len);
        return;
    }
    /* Nobody has a reason to talk into an open stream or to send so far ahead. */
    if (self->phase == API_STREAMING || self->input.len + len > MAX_INPUT_BYTES) {
        loop_conn_abort(conn);
        return;
    }
    api_input_append(&self->input, data, len);
    process(self);
}

static void on_expired(LoopConn *conn)
{
    ApiExchange *self = loop_conn_get_data(conn);

    switch (self->phase) {
    case API_IDLE:
        self->last = true;
        self->phase = API_ENDING;
        loop_conn_finish(conn);
        break;
    case API_HEAD:
        api_exchange_fail(self, MESH_ERROR_TIMEOUT, "the header did not come in time", NULL);
        break;
    case API_BODY:
        api_exchange_fail(self, MESH_ERROR_TIMEOUT, "the body did not come in time", NULL);
        break;
    case API_STREAMING:
        self->route->expired(self);
        break;
    case API_WAITING:
    case API_UPGRADED:
    case API_ENDING:
        break;
    }
}

static void on_stopping(LoopConn *conn)
{
    ApiExchange *self = loop_conn_get_data(conn);

    self->last = true; /* a request under way still gets its answer */
    if (self->phase == API_IDLE || self->phase == API_HEAD || self->phase == API_STREAMING ||
        self->phase == API_UPGRADED) {
        self->phase = API_ENDING;
        loop_conn_finish(conn);
    }
}

static void on_closed(LoopConn *conn)
{
    ApiExchange *self = loop_conn_get_data(conn);

    api_auth_leave(self->api->auth, &self->seat);
    if (self->upgraded != NULL)
        self->api->config.upgrade.close(self->upgraded);
    if (self->route != NULL && self->route->closed != NULL)
        self->route->closed(self);
    clear_request(self);
    api_input_clear(&self->input);
}

static const LoopEvents exchange_events = {
    .opened = on_opened,
    .input = on_input,
    .expired = on_expired,
    .stopping = on_stopping,
    .closed = on_closed,
};

const LoopEvents *api_router_get_events(void)
{
    return &exchange_events;
}
