/* GET /v1/networks/N/map: the stream of a network's changes, or a long poll for the next one.
 *
 * What the core sends first, a snapshot as a rule, is written as the socket drains and does not
 * count against the outbox; what follows does, and who lets it overflow is told to ask again. */
#include "common/std/clock.h"
#include "server/api/exchange.h"

#include <errno.h>
#include <string.h>

enum {
    MIN_HB_S = 15,
    MAX_HB_S = 900,
    MAX_WAIT_S = 55,
    MAX_STALL_S = 300, /* how long a client may take nothing of what waits for it */
};

#define RESYNC_LINE "{\"t\":\"resync\"}\n"
#define HEARTBEAT   "1\r\n\n\r\n"

static void release_line(void *owner)
{
    g_bytes_unref(owner);
}

/* One chunk. @line is borrowed. Returns false when the outbox is full. */
static bool send_line(ApiExchange *self, const CoreLine *line, bool uncounted)
{
    LoopItem item = { .release = release_line,
                      .owner = g_bytes_ref(line->bytes),
                      .uncounted = uncounted };
    int      rc;

    item.data = g_bytes_get_data(line->bytes, &item.len);
    item.before_len = (uint8_t)http_stream_format_chunk(item.len, item.before);
    item.after_len = (uint8_t)strlen(HTTP_CHUNK_TAIL);
    memcpy(item.after, HTTP_CHUNK_TAIL, item.after_len);
    if (line->kind == CORE_LINE_EP)
        item.tag = (uint64_t)line->index + 1;
    rc = loop_conn_send(self->conn, &item);
    if (rc == -ENOMEM)
        loop_conn_abort(self->conn);
    return rc != -ENOBUFS;
}

static void send_head(ApiExchange *self)
{
    const HttpResponse response = {
        .status = 200,
        .body_bytes = -1,
        .content_type = "application/x-ndjson",
        .extra = "X-Accel-Buffering: no\r\n",
        .date_s = mesh_clock_wall_s(),
        .keep_alive = !self->last,
    };
    char   head[HTTP_RESPONSE_HEAD_SIZE];
    size_t len = 0;

    if (http_message_format_head(&response, head, &len) < 0)
        g_error("a fixed response head does not fit");
    api_exchange_send(self, head, len);
}

/* The answer is whole. @core_knows: the core has ended the stream itself. */
static void end_answer(ApiExchange *self, bool core_knows)
{
    if (!core_knows)
        core_close_map(self->api->core, self->map.stream);
    api_exchange_send(self, HTTP_STREAM_END, strlen(HTTP_STREAM_END));
    api_exchange_done(self);
}

static void overflow(ApiExchange *self)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(RESYNC_LINE, strlen(RESYNC_LINE));
    const CoreLine line = { .bytes = bytes, .kind = CORE_LINE_END };

    loop_conn_drop_queued(self->conn);
    (void)send_line(self, &line, true);
    self->last = true;
    end_answer(self, false);
}

static void set_beat(ApiExchange *self)
{
    /* A poll's deadline stays that of its whole wait. */
    if (self->map.wait_s == 0)
        loop_conn_set_deadline(self->conn, self->map.hb_s * 1000);
}

/* Whether these lines complete a long poll: an opening snapshot or delta, or any later news. */
static bool completes_poll(const CoreAnswer *answer, bool opening)
{
    for (guint i = 0; i < answer->lines->len; i++) {
        CoreLineKind kind = g_array_index(answer->lines, CoreLine, i).kind;

        if (!opening || kind == CORE_LINE_SNAPSHOT || kind == CORE_LINE_DELTA)
            return true;
    }
    return false;
}

static void send_lines(ApiExchange *self, const CoreAnswer *answer, bool opening)
{
    if (answer->lines == NULL)
        return;
    for (guint i = 0; i < answer->lines->len; i++) {
        const CoreLine *line = &g_array_index(answer->lines, CoreLine, i);
        bool            ends = line->kind == CORE_LINE_END;

        if (!send_line(self, line, opening || ends)) {
            overflow(self);
            return;
        }
        if (ends) {
            self->last = true;
            end_answer(self, true);
            return;
        }
    }
    if (self->map.wait_s != 0 && completes_poll(answer, opening))
        end_answer(self, false);
    else
        set_beat(self);
}

static void answered(ApiExchange *self, const CoreAnswer *answer)
{
    bool opening = self->phase == API_WAITING;

    if (opening) {
        self->phase = API_STREAMING;
        self->map.stream = answer->stream;
        self->map.hb_s = (uint16_t)answer->hb_s;
        self->last = self->last || self->map.wait_s == 0;
        send_head(self);
        api_exchange_settle(self);
        if (self->map.wait_s != 0)
            loop_conn_set_deadline(self->conn, self->map.wait_s * 1000);
    }
    send_lines(self, answer, opening);
}

/* The node does the same with each heartbeat it gets. */
static void grow_beat(ApiMap *map)
{
    unsigned next_s = MIN(2u * map->hb_s, map->hb_most_s);

    map->hb_s = (uint16_t)MAX(map->hb_s, next_s);
}

/* Silence for a heartbeat long, or the end of a long poll's wait. */
static void expired(ApiExchange *self)
{
    int64_t now_ms = mesh_clock_boot_ms();

    if (self->map.wait_s != 0) {
        end_answer(self, false);
        return;
    }
    if (loop_conn_is_drained(self->conn)) {
        self->map.stalled_ms = 0;
        api_exchange_send(self, HEARTBEAT, strlen(HEARTBEAT));
        grow_beat(&self->map);
    } else if (self->map.stalled_ms == 0) {
        self->map.stalled_ms = now_ms;
    } else if (now_ms - self->map.stalled_ms > MAX_STALL_S * 1000) {
        loop_conn_abort(self->conn);
        return;
    }
    set_beat(self);
}

static void closed(ApiExchange *self)
{
    if (self->phase == API_STREAMING)
        core_close_map(self->api->core, self->map.stream);
}

/* "EPOCH.VER", both decimal. */
static bool parse_cursor(const char *text, CoreMapArgs *out_args)
{
    const char      *dot = strchr(text, '.');
    g_autofree char *epoch = dot != NULL ? g_strndup(text, (gsize)(dot - text)) : NULL;
    guint64          values[2];

    if (dot == NULL ||
        !g_ascii_string_to_unsigned(epoch, 10, 0, (guint64)1 << 53, &values[0], NULL) ||
        !g_ascii_string_to_unsigned(dot + 1, 10, 0, (guint64)1 << 53, &values[1], NULL))
        return false;
    out_args->epoch = values[0];
    out_args->ver = values[1];
    return true;
}

static bool read_cursor(ApiExchange *self, CoreMapArgs *out_args)
{
    char text[40];
    int  rc = http_message_get_query(self->head->query, "cursor", text, sizeof(text));

    if (rc == -ENOENT || (rc == 0 && parse_cursor(text, out_args)))
        return true;
    api_exchange_fail(self, MESH_ERROR_BAD_REQUEST, "query: cursor: not of the form EPOCH.VER",
                      NULL);
    return false;
}

static void handle(ApiExchange *self)
{
    CoreMapArgs args = { 0 };
    unsigned    wait_s = 0, hb_most_s = 0;

    if (!read_cursor(self, &args) ||
        !api_exchange_get_number(self, "hb", MIN_HB_S, MAX_HB_S, &args.hb_s) ||
        !api_exchange_get_number(self, "hbmax", MIN_HB_S, MAX_HB_S, &hb_most_s) ||
        !api_exchange_get_number(self, "wait", 1, MAX_WAIT_S, &wait_s))
        return;
    self->map = (ApiMap){ .hb_most_s = (uint16_t)hb_most_s };
    self->map.wait_s = wait_s;
    core_open_map(self->api->core, &self->caller, &args, api_exchange_make_return(self));
}

extern const ApiRoute api_ep_map;
const ApiRoute        api_ep_map = {
           .method = "GET",
           .name = "map",
           .in_network = true,
           .handle = handle,
           .answered = answered,
           .expired = expired,
           .closed = closed,
};
