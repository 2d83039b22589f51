#include "daemon/dns/resolver.h"

#include "common/glib/error.h"
#include "daemon/dns/chain.h"
#include "daemon/dns/tcp.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_A_TURN = 64, /* datagrams or connections, then other sources */
    BACKLOG = 16,
    MAX_CHOICES = 16 /* ports that the kernel chooses */
};

/* One address: its two sockets. */
typedef struct {
    DnsResolver *owner;
    MeshAddr     addr;
    int          udp, tcp; /* -1: none */
    guint        udp_watch, tcp_watch;
} Door;

typedef struct {
    size_t n;
    Door  *doors[DNS_RESOLVER_MAX_ADDRS]; /* owned */
} Doors;

struct DnsResolver {
    DnsChain  *chain; /* NULL: does not answer */
    MeshPrefix from[DNS_ZONE_MAX_PREFIXES];
    size_t     n_from;
    Doors      doors;
    uint16_t   port;   /* as bound */
    uint16_t   wanted; /* as asked for */
    DnsTcp    *clients;
};

typedef union {
    struct sockaddr     any;
    struct sockaddr_in  in;
    struct sockaddr_in6 in6;
} Address;

static socklen_t make_address(const MeshAddr *addr, uint16_t port, Address *out)
{
    memset(out, 0, sizeof *out);
    if (addr->family == AF_INET) {
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons(port);
        memcpy(&out->in.sin_addr, addr->bytes, sizeof out->in.sin_addr);
        return sizeof out->in;
    }
    out->in6.sin6_family = AF_INET6;
    out->in6.sin6_port = htons(port);
    memcpy(&out->in6.sin6_addr, addr->bytes, sizeof out->in6.sin6_addr);
    return sizeof out->in6;
}

/* Whoever is outside the network has no business with its names. */
static bool may_ask(const DnsResolver *self, const Address *from)
{
    MeshAddr addr = from->any.sa_family == AF_INET
                        ? mesh_ip_make_addr(AF_INET, (const uint8_t *)&from->in.sin_addr)
                        : mesh_ip_make_addr(AF_INET6, (const uint8_t *)&from->in6.sin6_addr);

    for (size_t i = 0; i < self->n_from; i++)
        if (mesh_ip_contains(&self->from[i], &addr))
            return true;
    return false;
}

/* Returns: length of the reply; 0: none is due. */
static size_t answer(DnsResolver *self, const uint8_t *bytes, size_t len, uint8_t *reply,
                     size_t size)
{
    DnsQuery  query;
    DnsAnswer found;

    if (!dns_message_decode(bytes, len, &query))
        return 0;
    dns_chain_answer(self->chain, &query, &found);
    return dns_message_encode(&query, &found,
                              size > DNS_MESSAGE_UDP_MAX ? size : dns_message_get_limit(&query),
                              reply, size);
}

static size_t answer_tcp(const uint8_t *query, size_t len, uint8_t *reply, size_t size,
                         void *user_data)
{
    return answer(user_data, query, len, reply, size);
}

static gboolean on_datagram(gint fd, GIOCondition condition, gpointer user_data)
{
    Door   *door = user_data;
    uint8_t query[DNS_MESSAGE_MAX_QUERY], reply[DNS_MESSAGE_UDP_MAX];

    (void)condition;
    for (unsigned i = 0; i < MAX_A_TURN; i++) {
        Address   from;
        socklen_t from_len = sizeof from;
        ssize_t   n = recvfrom(fd, query, sizeof query, MSG_DONTWAIT, &from.any, &from_len);
        size_t    len;

        if (n < 0)
            break;
        if (!may_ask(door->owner, &from))
            continue;
        len = answer(door->owner, query, (size_t)n, reply, sizeof reply);
        if (len > 0) /* a full buffer loses it, as any datagram: the asker comes again */
            (void)sendto(fd, reply, len, MSG_DONTWAIT | MSG_NOSIGNAL, &from.any, from_len);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer user_data)
{
    Door *door = user_data;

    (void)condition;
    for (unsigned i = 0; i < MAX_A_TURN; i++) {
        Address   from;
        socklen_t from_len = sizeof from;
        int       client = accept4(fd, &from.any, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (client < 0)
            break;
        if (may_ask(door->owner, &from))
            dns_tcp_add(door->owner->clients, client);
        else
            close(client);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- doors ---- */

static void close_door(Door *door)
{
    if (door == NULL)
        return;
    g_clear_handle_id(&door->udp_watch, g_source_remove);
    g_clear_handle_id(&door->tcp_watch, g_source_remove);
    if (door->udp >= 0)
        close(door->udp);
    if (door->tcp >= 0)
        close(door->tcp);
    g_free(door);
}

/* Where a new door opens. */
typedef struct {
    const MeshAddr *addr;
    uint16_t        port; /* 0 is replaced by the one that was given */
    bool            early;
} Place;

static int open_socket(const Place *place, int type)
{
    const MeshAddr *addr = place->addr;
    int             fd = socket(addr->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int             on = 1, saved;
    Address         address;
    socklen_t       len = make_address(addr, place->port, &address);

    if (fd < 0)
        return -errno;
    if (addr->family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (place->early) /* of both families */
        (void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (type == SOCK_STREAM) /* connections of an earlier run may still be closing */
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address.any, len) == 0 && (type != SOCK_STREAM || listen(fd, BACKLOG) == 0))
        return fd;
    saved = errno;
    close(fd);
    return -saved;
}

static uint16_t get_port(int fd)
{
    Address   address;
    socklen_t len = sizeof address;

    if (getsockname(fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.in.sin_port : address.in6.sin6_port);
}

/* Both sockets on one port; the kernel's choice for UDP may be taken over TCP, then it chooses
 * again. */
static int open_pair(Door *door, Place *place)
{
    bool any = place->port == 0;
    int  held[MAX_CHOICES], n = 0, rc;

    do {
        rc = door->udp = open_socket(place, SOCK_DGRAM);
        if (rc < 0)
            break;
        place->port = get_port(door->udp);
        rc = door->tcp = open_socket(place, SOCK_STREAM);
        if (rc != -EADDRINUSE || !any)
            break;
        held[n++] = door->udp; /* open until the end, or it might be chosen again */
        door->udp = -1;
        place->port = 0;
    } while (n < MAX_CHOICES);
    while (n-- > 0)
        close(held[n]);
    return rc;
}

static Door *open_door(DnsResolver *self, Place *place, GError **error)
{
    Door *door = g_new0(Door, 1);
    char  text[MESH_IP_ADDR_TEXT_SIZE];
    int   rc;

    door->owner = self;
    door->addr = *place->addr;
    door->udp = door->tcp = -1;
    rc = open_pair(door, place);
    if (rc < 0) {
        mesh_error_set_errno(error, MESH_ERROR_HOST, rc, "cannot answer DNS on %s port %u",
                             mesh_ip_format_addr(place->addr, text), place->port);
        close_door(door);
        return NULL;
    }
    door->udp_watch = g_unix_fd_add(door->udp, G_IO_IN, on_datagram, door);
    door->tcp_watch = g_unix_fd_add(door->tcp, G_IO_IN, on_connection, door);
    return door;
}

static bool is_listed(const DnsListen *listen, const MeshAddr *addr)
{
    for (size_t i = 0; i < listen->n_addrs; i++)
        if (mesh_ip_equal_addr(&listen->addrs[i], addr))
            return true;
    return false;
}

static Door *find_door(const DnsResolver *self, const MeshAddr *addr)
{
    for (size_t i = 0; i < self->doors.n; i++)
        if (mesh_ip_equal_addr(&self->doors.doors[i]->addr, addr))
            return self->doors.doors[i];
    return NULL;
}

/* Opens what is missing, then closes what is too much; on failure only what it opened. */
static bool set_doors(DnsResolver *self, const DnsListen *listen, GError **error)
{
    Doors next = { 0 };
    bool  keep = self->doors.n > 0 && self->wanted == listen->port;
    Place place = { .port = keep ? self->port : listen->port, .early = listen->early };

    for (; next.n < listen->n_addrs; next.n++) {
        Door *door = keep ? find_door(self, &listen->addrs[next.n]) : NULL;

        place.addr = &listen->addrs[next.n];
        if (door == NULL)
            door = open_door(self, &place, error);
        if (door == NULL)
            break;
        next.doors[next.n] = door;
    }
    if (next.n < listen->n_addrs) {
        while (next.n-- > 0)
            if (find_door(self, &next.doors[next.n]->addr) != next.doors[next.n])
                close_door(next.doors[next.n]);
        return false;
    }
    for (size_t i = 0; i < self->doors.n; i++)
        if (!keep || !is_listed(listen, &self->doors.doors[i]->addr))
            close_door(self->doors.doors[i]);
    self->doors = next;
    self->port = place.port;
    self->wanted = listen->port;
    return true;
}

bool dns_resolver_apply(DnsResolver *self, const DnsZone *zone, const DnsListen *listen,
                        GError **error)
{
    DnsChain *chain = dns_chain_new(zone, error);

    g_return_val_if_fail(listen->n_addrs <= DNS_RESOLVER_MAX_ADDRS, false);
    if (chain == NULL)
        return false;
    if (!set_doors(self, listen, error)) {
        dns_chain_free(chain);
        return false;
    }
    dns_chain_free(self->chain);
    self->chain = chain;
    self->n_from = zone->n_prefixes;
    memcpy(self->from, zone->prefixes, zone->n_prefixes * sizeof zone->prefixes[0]);
    return true;
}

void dns_resolver_stop(DnsResolver *self)
{
    for (size_t i = 0; i < self->doors.n; i++)
        close_door(self->doors.doors[i]);
    self->doors.n = 0;
    self->port = 0;
    dns_tcp_free(self->clients);
    self->clients = dns_tcp_new(answer_tcp, self);
    dns_chain_free(g_steal_pointer(&self->chain));
}

uint16_t dns_resolver_get_port(DnsResolver *self)
{
    return self->doors.n > 0 ? self->port : 0;
}

DnsResolver *dns_resolver_new(void)
{
    DnsResolver *self = g_new0(DnsResolver, 1);

    self->clients = dns_tcp_new(answer_tcp, self);
    return self;
}

void dns_resolver_free(DnsResolver *self)
{
    if (self == NULL)
        return;
    dns_resolver_stop(self);
    dns_tcp_free(self->clients);
    g_free(self);
}
