#include "daemon/dns/tcp.h"

#include "daemon/dns/message.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LENGTH_BYTES = 2, MAX_REPLY = 4096, MAX_TURN = 16 };

/* One client: a query is answered, and its reply written, before the next is read. */
typedef struct {
    DnsTcp *owner;
    int     fd;
    guint   watch;
    bool    ended; /* it will send no more; what is owed is written still */
    int64_t since; /* monotonic, µs: last progress */
    size_t  have;  /* bytes of in */
    size_t  owed, written;
    uint8_t in[LENGTH_BYTES + DNS_MESSAGE_MAX_QUERY];
    uint8_t out[LENGTH_BYTES + MAX_REPLY];
} Conn;

struct DnsTcp {
    DnsTcpAnswer answer;
    void        *user_data;
    GQueue       conns; /* of Conn, owned; the one with the oldest progress first */
    guint        timer; /* closes the quiet ones; 0: there are no connections */
};

static gboolean on_ready(gint fd, GIOCondition condition, gpointer user_data);

static void close_conn(Conn *conn)
{
    DnsTcp *self = conn->owner;

    g_queue_remove(&self->conns, conn);
    g_clear_handle_id(&conn->watch, g_source_remove);
    close(conn->fd);
    g_free(conn);
    if (self->conns.length == 0)
        g_clear_handle_id(&self->timer, g_source_remove);
}

static void note_progress(Conn *conn)
{
    conn->since = g_get_monotonic_time();
    g_queue_remove(&conn->owner->conns, conn);
    g_queue_push_tail(&conn->owner->conns, conn);
}

static gboolean on_timer(gpointer user_data)
{
    DnsTcp *self = user_data;
    int64_t oldest = g_get_monotonic_time() - (int64_t)DNS_TCP_IDLE_S * G_USEC_PER_SEC;
    Conn   *conn;

    /* the last close removes this source itself */
    while ((conn = g_queue_peek_head(&self->conns)) != NULL && conn->since <= oldest)
        close_conn(conn);
    return self->conns.length > 0;
}

static void watch(Conn *conn, GIOCondition condition)
{
    g_clear_handle_id(&conn->watch, g_source_remove);
    conn->watch = g_unix_fd_add(conn->fd, condition, on_ready, conn);
}

/* Answers the query in front, if it is whole. False: close. */
static bool take_query(Conn *conn, bool *out_taken)
{
    size_t len, used;

    *out_taken = false;
    if (conn->have < LENGTH_BYTES)
        return true;
    len = (size_t)conn->in[0] << 8 | conn->in[1];
    if (len > DNS_MESSAGE_MAX_QUERY)
        return false;
    used = LENGTH_BYTES + len;
    if (conn->have < used)
        return true;
    conn->owed = conn->owner->answer(conn->in + LENGTH_BYTES, len, conn->out + LENGTH_BYTES,
                                     MAX_REPLY, conn->owner->user_data);
    if (conn->owed == 0)
        return false;
    conn->out[0] = (uint8_t)(conn->owed >> 8);
    conn->out[1] = (uint8_t)conn->owed;
    conn->owed += LENGTH_BYTES;
    conn->written = 0;
    conn->have -= used;
    memmove(conn->in, conn->in + used, conn->have);
    note_progress(conn);
    *out_taken = true;
    return true;
}

/* Returns: 1: all is written; 0: the other side is slow; -1: close. */
static int write_owed(Conn *conn)
{
    while (conn->written < conn->owed) {
        ssize_t n = send(conn->fd, conn->out + conn->written, conn->owed - conn->written,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n <= 0)
            return -1;
        conn->written += (size_t)n;
    }
    conn->owed = conn->written = 0;
    return 1;
}

/* Returns: 1: there is more in the buffer; 0: nothing for now, or the end; -1: close. */
static int read_more(Conn *conn)
{
    ssize_t n;

    if (conn->ended)
        return -1; /* what is left is no whole query */
    n = recv(conn->fd, conn->in + conn->have, sizeof conn->in - conn->have, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0) {
        conn->ended = true;
        return -1;
    }
    conn->have += (size_t)n;
    return 1;
}

/* Goes on until one side has to wait. False: close. */
static bool go_on(Conn *conn)
{
    for (unsigned i = 0; i < MAX_TURN; i++) {
        bool taken = false;
        int  rc = write_owed(conn);

        if (rc == 0)
            watch(conn, G_IO_OUT);
        if (rc <= 0)
            return rc == 0;
        if (!take_query(conn, &taken))
            return false;
        if (taken)
            continue;
        rc = read_more(conn);
        if (rc == 0)
            watch(conn, G_IO_IN);
        if (rc <= 0)
            return rc == 0;
    }
    watch(conn, G_IO_IN | G_IO_OUT); /* others get their turn, then we go on */
    return true;
}

static gboolean on_ready(gint fd, GIOCondition condition, gpointer user_data)
{
    Conn *conn = user_data;

    (void)fd;
    (void)condition;
    conn->watch = 0; /* go_on() sets a new one */
    if (!go_on(conn))
        close_conn(conn);
    return G_SOURCE_REMOVE;
}

void dns_tcp_add(DnsTcp *self, int fd)
{
    Conn *conn = g_new0(Conn, 1);

    if (self->conns.length >= DNS_TCP_MAX)
        close_conn(g_queue_peek_head(&self->conns));
    conn->owner = self;
    conn->fd = fd;
    conn->since = g_get_monotonic_time();
    g_queue_push_tail(&self->conns, conn);
    watch(conn, G_IO_IN);
    if (self->timer == 0)
        self->timer = g_timeout_add_seconds(1, on_timer, self);
}

unsigned dns_tcp_count(DnsTcp *self)
{
    return self->conns.length;
}

DnsTcp *dns_tcp_new(DnsTcpAnswer answer, void *user_data)
{
    DnsTcp *self = g_new0(DnsTcp, 1);

    self->answer = answer;
    self->user_data = user_data;
    g_queue_init(&self->conns);
    return self;
}

void dns_tcp_free(DnsTcp *self)
{
    if (self == NULL)
        return;
    while (self->conns.length > 0)
        close_conn(g_queue_peek_head(&self->conns));
    g_free(self);
}
