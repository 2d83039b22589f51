#include "daemon/path/lan.h"

#include "common/glib/log.h"
#include "common/std/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP4 "239.77.83.72"
#define GROUP6 "ff02::4d53"

enum {
    EVERY_S = 60, /* after news, doubling to EVERY_MOST_S, and up to a sixth more or less */
    EVERY_MOST_S = 960,
    SPREAD = 6,
    REPEATS = 2, /* of what is new, after 1 s and 2 s more: a datagram may be lost */
    ANSWER_FIRST_MS = 10,
    ANSWER_LAST_MS = 250, /* many answer at once, where many are */
    MAX_READS = 16,       /* datagrams of one turn of the main loop */
    MAX_READS_A_S = 256,  /* of a link: more wait in its buffer, or are lost */
    MAX_OPENED_A_S = 20,  /* sealed by somebody who knows the secret */
    RECEIVE_BYTES = 65536,
    MAX_SEEN = 128, /* the last ones opened: who repeats them spends nothing of the second's */
    FAMILIES = 2,
};

/* One group on one interface. */
typedef struct {
    PathLan *owner;
    unsigned ifindex;
    int      family;
    int      fd;      /* -1: none */
    guint    watch;   /* 0: none, or the second's reads are spent */
    unsigned n_reads; /* in this second */
    guint    rest;    /* timer: the second is over; 0: none */
    bool     due;     /* our announcement is to go out here */
} Link;

struct PathLan {
    PathLanOptions options;
    MeshKey        lan, key; /* the secret, and what announcements are sealed with; zeros: none */
    MeshKey        node;
    MeshSigned    *k, *e;
    size_t         n_links; /* interfaces; links has FAMILIES for each */
    Link           links[PATH_LAN_MAX_LINKS * FAMILIES];
    guint          send, every; /* timers; 0: none */
    int            every_s;     /* until the next one without news */
    int64_t        sent_ms;     /* boot clock: the last time; 0: never */
    int64_t        due_ms;      /* when @send fires */
    unsigned       repeats;     /* to come */
    int64_t        opened_ms;   /* when the second began that n_opened counts in */
    unsigned       n_opened;
    uint64_t       seen[MAX_SEEN]; /* their nonces' first bytes */
    unsigned       next_seen;
};

static void announce(PathLan *self);

static int64_t get_second(const PathLan *self)
{
    return self->options.second_ms != 0 ? self->options.second_ms : 1000;
}

static size_t count_sockets(const PathLan *self)
{
    return self->n_links * FAMILIES;
}

/* ---- sending ---- */

static void send_on(Link *link, const uint8_t *bytes, size_t len)
{
    struct sockaddr_in  to4 = { .sin_family = AF_INET, .sin_port = htons(PATH_LAN_PORT) };
    struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
                                .sin6_port = htons(PATH_LAN_PORT),
                                .sin6_scope_id = link->ifindex };
    ssize_t             n;

    (void)inet_pton(AF_INET, GROUP4, &to4.sin_addr);
    (void)inet_pton(AF_INET6, GROUP6, &to6.sin6_addr);
    if (link->family == AF_INET)
        n = sendto(link->fd, bytes, len, 0, (struct sockaddr *)&to4, sizeof to4);
    else
        n = sendto(link->fd, bytes, len, 0, (struct sockaddr *)&to6, sizeof to6);
    if (n < 0) /* no address there yet, perhaps: the next time */
        mesh_log_debug("link %u: not announced: %s", link->ifindex, g_strerror(errno));
}

static MeshLanhelloRecord make_record(const MeshSigned *object)
{
    MeshLanhelloRecord record = { .signature = *mesh_signed_get_signature(object) };

    record.body.data = (const uint8_t *)mesh_signed_get_body(object, &record.body.len);
    return record;
}

/* A nonce for each link: nobody sees that two links have the same node. */
static void send_due(PathLan *self)
{
    MeshLanhello hello = { .node = self->node,
                           .k = make_record(self->k),
                           .e = make_record(self->e) };
    uint8_t      bytes[MESH_LANHELLO_MAX_BYTES];
    size_t       len = 0;

    for (size_t i = 0; i < count_sockets(self); i++) {
        Link *link = &self->links[i];
        bool  due = link->due;

        link->due = false;
        if (!due || link->fd < 0)
            continue;
        if (mesh_lanhello_seal(&self->key, &hello, bytes, sizeof bytes, &len) == 0)
            send_on(link, bytes, len);
        else
            mesh_log_warning("our records are too long to be announced on our links");
    }
}

static gboolean on_send(gpointer user_data)
{
    PathLan *self = user_data;

    self->send = 0;
    self->sent_ms = mesh_clock_boot_ms();
    send_due(self);
    if (self->repeats > 0) {
        self->repeats--;
        announce(self);
    }
    return G_SOURCE_REMOVE;
}

/* Sends what is due in @in_ms, but not within a second of the last time. */
static void send_in(PathLan *self, int64_t in_ms)
{
    int64_t now_ms = mesh_clock_boot_ms(), due_ms = now_ms + in_ms;

    if (self->k == NULL || self->e == NULL || mesh_key_is_zero(&self->lan))
        return;
    if (self->sent_ms != 0)
        due_ms = MAX(due_ms, self->sent_ms + get_second(self));
    if (self->send != 0 && self->due_ms <= due_ms)
        return;
    g_clear_handle_id(&self->send, g_source_remove);
    self->due_ms = due_ms;
    self->send = g_timeout_add((guint)(due_ms - now_ms), on_send, self);
}

static void announce(PathLan *self)
{
    for (size_t i = 0; i < count_sockets(self); i++)
        self->links[i].due = true;
    send_in(self, 0);
}

static void arm_every(PathLan *self);

static void announce_news(PathLan *self)
{
    self->repeats = REPEATS;
    self->every_s = EVERY_S;
    arm_every(self);
    announce(self);
}

static gboolean on_every(gpointer user_data)
{
    PathLan *self = user_data;

    self->every = 0;
    announce(self);
    self->every_s = MIN(2 * self->every_s, EVERY_MOST_S);
    arm_every(self);
    return G_SOURCE_REMOVE;
}

static void arm_every(PathLan *self)
{
    int64_t in_s = g_random_int_range(self->every_s - self->every_s / SPREAD,
                                      self->every_s + self->every_s / SPREAD + 1);

    g_clear_handle_id(&self->every, g_source_remove);
    if (!mesh_key_is_zero(&self->lan))
        self->every = g_timeout_add((guint)(in_s * get_second(self)), on_every, self);
}

/* ---- hearing ---- */

static bool may_open(PathLan *self)
{
    int64_t now_ms = mesh_clock_boot_ms();

    if (now_ms - self->opened_ms >= get_second(self)) {
        self->opened_ms = now_ms;
        self->n_opened = 0;
    }
    return self->n_opened < MAX_OPENED_A_S;
}

static bool was_seen(const PathLan *self, uint64_t nonce)
{
    for (size_t i = 0; i < MAX_SEEN; i++)
        if (self->seen[i] == nonce)
            return true;
    return false;
}

static void take(Link *link, MeshSpan datagram)
{
    PathLan     *self = link->owner;
    uint8_t      plain[MESH_LANHELLO_MAX_BYTES];
    MeshLanhello hello;
    uint64_t     nonce = 0;

    memcpy(&nonce, datagram.data, MIN(datagram.len, sizeof nonce));
    if (nonce == 0 || was_seen(self, nonce) || !may_open(self) ||
        mesh_lanhello_open(&self->key, datagram, plain, &hello) < 0 ||
        mesh_key_equal(&hello.node, &self->node))
        return;
    self->n_opened++;
    self->seen[self->next_seen++ % MAX_SEEN] = nonce;
    if (!self->options.heard(&hello, self->options.user_data))
        return;
    link->due = true;
    send_in(self, g_random_int_range(ANSWER_FIRST_MS, ANSWER_LAST_MS));
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data);

static gboolean on_rested(gpointer user_data)
{
    Link *link = user_data;

    link->rest = 0;
    link->n_reads = 0;
    if (link->watch == 0)
        link->watch = g_unix_fd_add(link->fd, G_IO_IN, on_readable, link);
    return G_SOURCE_REMOVE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    Link   *link = user_data;
    uint8_t bytes[MESH_LANHELLO_MAX_BYTES + 1]; /* a longer one is seen to be */

    (void)condition;
    if (link->rest == 0)
        link->rest = g_timeout_add((guint)get_second(link->owner), on_rested, link);
    for (unsigned i = 0; i < MAX_READS && link->n_reads < MAX_READS_A_S; i++) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);

        if (n < 0)
            return G_SOURCE_CONTINUE;
        link->n_reads++;
        take(link, MESH_SPAN(bytes, (size_t)n));
    }
    if (link->n_reads < MAX_READS_A_S)
        return G_SOURCE_CONTINUE;
    link->watch = 0; /* the kernel drops what is too much, until the second is over */
    return G_SOURCE_REMOVE;
}

/* ---- links ---- */

static int join4(int fd, unsigned ifindex)
{
    struct sockaddr_in group = { .sin_family = AF_INET, .sin_port = htons(PATH_LAN_PORT) };
    struct ip_mreqn    member = { .imr_ifindex = (int)ifindex };
    int                ttl = 1, off = 0;

    (void)inet_pton(AF_INET, GROUP4, &group.sin_addr);
    member.imr_multiaddr = group.sin_addr;
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &member, sizeof member) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) < 0)
        return -1;
    return bind(fd, (struct sockaddr *)&group, sizeof group);
}

static int join6(int fd, unsigned ifindex)
{
    struct sockaddr_in6 group = { .sin6_family = AF_INET6,
                                  .sin6_port = htons(PATH_LAN_PORT),
                                  .sin6_scope_id = ifindex };
    struct ipv6_mreq    member = { .ipv6mr_interface = ifindex };
    int                 hops = 1, on = 1, off = 0, index = (int)ifindex;

    (void)inet_pton(AF_INET6, GROUP6, &group.sin6_addr);
    member.ipv6mr_multiaddr = group.sin6_addr;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof off) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &member, sizeof member) < 0)
        return -1;
    return bind(fd, (struct sockaddr *)&group, sizeof group);
}

/* Bound to the group on its interface: what is sent to an address of ours is another's business,
 * and answered as if nobody were here. */
static void open_link(Link *link)
{
    int bytes = RECEIVE_BYTES, on = 1, rc = -1;

    link->fd = socket(link->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd >= 0) {
        (void)setsockopt(link->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        rc = setsockopt(link->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (rc == 0)
        rc = link->family == AF_INET ? join4(link->fd, link->ifindex)
                                     : join6(link->fd, link->ifindex);
    if (rc == 0) {
        link->watch = g_unix_fd_add(link->fd, G_IO_IN, on_readable, link);
        return;
    }
    mesh_log_debug("link %u: no announcements over IPv%d: %s", link->ifindex,
                   link->family == AF_INET ? 4 : 6, g_strerror(errno));
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

static void close_links(PathLan *self)
{
    for (size_t i = 0; i < count_sockets(self); i++) {
        Link *link = &self->links[i];

        g_clear_handle_id(&link->watch, g_source_remove);
        g_clear_handle_id(&link->rest, g_source_remove);
        if (link->fd >= 0)
            close(link->fd);
    }
    self->n_links = 0;
}

static void open_links(PathLan *self, const unsigned *indexes, size_t n)
{
    static const int families[FAMILIES] = { AF_INET, AF_INET6 };

    close_links(self);
    if (mesh_key_is_zero(&self->lan))
        return;
    self->n_links = MIN(n, PATH_LAN_MAX_LINKS);
    for (size_t i = 0; i < count_sockets(self); i++) {
        self->links[i] = (Link){ .owner = self,
                                 .ifindex = indexes[i / FAMILIES],
                                 .family = families[i % FAMILIES] };
        open_link(&self->links[i]);
    }
}

static bool has_links(const PathLan *self, const PathLanWish *wish)
{
    size_t n = mesh_key_is_zero(&self->lan) ? 0 : MIN(wish->n_links, PATH_LAN_MAX_LINKS);

    if (n != self->n_links)
        return false;
    for (size_t i = 0; i < n; i++)
        if (wish->links[i] != self->links[i * FAMILIES].ifindex)
            return false;
    return true;
}

/* ---- what the daemon calls ---- */

PathLan *path_lan_new(const PathLanOptions *options)
{
    PathLan *self = g_new0(PathLan, 1);

    self->options = *options;
    self->every_s = EVERY_S;
    return self;
}

void path_lan_free(PathLan *self)
{
    if (self == NULL)
        return;
    close_links(self);
    g_clear_handle_id(&self->send, g_source_remove);
    g_clear_handle_id(&self->every, g_source_remove);
    mesh_signed_unref(self->k);
    mesh_signed_unref(self->e);
    mesh_key_wipe(&self->lan, sizeof self->lan);
    mesh_key_wipe(&self->key, sizeof self->key);
    g_free(self);
}

static bool replace(MeshSigned **slot, MeshSigned *value)
{
    if (mesh_signed_equal(*slot, value))
        return false;
    mesh_signed_ref(value);
    mesh_signed_unref(*slot);
    *slot = value;
    return true;
}

static bool set_key(PathLan *self, const MeshKey *lan)
{
    if (mesh_key_equal(&self->lan, lan))
        return false;
    self->lan = *lan;
    mesh_lanhello_derive(lan, self->options.net.bytes, &self->key);
    g_clear_handle_id(&self->send, g_source_remove);
    g_clear_handle_id(&self->every, g_source_remove);
    return true;
}

void path_lan_set(PathLan *self, const PathLanWish *wish)
{
    bool news = set_key(self, &wish->lan);

    self->node = wish->node;
    news = replace(&self->k, wish->k) || news;
    news = replace(&self->e, wish->e) || news;
    if (news || !has_links(self, wish)) {
        if (!has_links(self, wish))
            open_links(self, wish->links, wish->n_links);
        announce_news(self);
    }
}

void path_lan_renew(PathLan *self)
{
    unsigned indexes[PATH_LAN_MAX_LINKS];
    size_t   n = self->n_links;

    for (size_t i = 0; i < n; i++)
        indexes[i] = self->links[i * FAMILIES].ifindex;
    open_links(self, indexes, n);
    announce_news(self);
}

size_t path_lan_count(const PathLan *self)
{
    size_t n = 0;

    for (size_t i = 0; i < self->n_links; i++)
        if (self->links[i * FAMILIES].fd >= 0 || self->links[i * FAMILIES + 1].fd >= 0)
            n++;
    return n;
}
