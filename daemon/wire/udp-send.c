/* daemon/wire/udp-send.c: sendmmsg with UDP GSO: a message is a run of datagrams of equal length,
 * the last may be shorter, that the kernel or the card takes apart again. Linux only.
 *
 * A route may refuse GSO only when it is used, so every refusal has its cure at once: nothing is
 * lost that would have gone one by one. EIO: the card cannot checksum, or IPsec is on the route: no
 * more of it on that family. EINVAL: longer than the route's MTU: no more of that length for a
 * while. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/endpoint.h"
#include "daemon/wire/udp-loose.h"
#include "daemon/wire/udp-open.h"
#include "daemon/wire/udp.h"

enum {
    CONTROL_BYTES = 88,      /* a segment size (24), a mark (24) and a packet info (40) */
    SEND_WAIT_MS = 20,       /* a full socket drains faster, or the link is dead */
    NOBUFS_TRIES = 3,        /* the card's queue is full */
    MAX_SEGMENTS = 63,       /* the kernel's 64 count differently in some versions */
    MAX_BYTES = 65440,       /* with headers, 48 of IPv6, below 65535 */
    LIMIT_MESSAGES = 1 << 14 /* that go singly before a length is tried again */
};

typedef struct {
    WireUdpRun *run;
    size_t      first, n_packets; /* of the run */
} Message;

typedef struct {
    bool     off;
    uint32_t limit;    /* datagrams of at least this length go singly; 0: no limit */
    unsigned n_single; /* messages since the limit was found */
} Gso;

struct WireUdpSender {
    WireUdpSendCall         call;
    unsigned                shard;
    bool                    may_widen;
    int                     full_fd; /* -1: none was */
    WireOffloadCount       *count;
    Gso                     gso[WIRE_N_SOCKETS];
    struct mmsghdr          headers[WIRE_MAX_BATCH];
    Message                 messages[WIRE_MAX_BATCH]; /* beside headers */
    struct iovec            vectors[WIRE_MAX_BATCH];
    struct sockaddr_storage names[WIRE_MAX_BATCH]; /* one a run */
    _Alignas(struct cmsghdr) char controls[WIRE_MAX_BATCH][CONTROL_BYTES];
};

static int call_kernel(int fd, struct mmsghdr *headers, unsigned n, int flags)
{
    return sendmmsg(fd, headers, n, flags);
}

int wire_udp_sender_new(WireCounters *counters, bool gso, WireUdpSender **out_self)
{
    WireUdpSender *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->call = call_kernel;
    self->full_fd = -1;
    self->count = &counters->offloads[WIRE_OFFLOAD_UDP_SEND];
    for (int f = 0; f < WIRE_N_SOCKETS; f++)
        self->gso[f].off = !gso;
    *out_self = self;
    return 0;
}

void wire_udp_sender_free(WireUdpSender *self)
{
    free(self);
}

void wire_udp_sender_set_shard(WireUdpSender *self, unsigned shard)
{
    self->shard = shard;
    self->may_widen = true;
}

int wire_udp_sender_take_full(WireUdpSender *self)
{
    int fd = self->full_fd;

    self->full_fd = -1;
    return fd;
}

void wire_udp_sender_set_call(WireUdpSender *self, WireUdpSendCall call)
{
    self->call = call;
}

/* Writes the packet info that asks for hop->source. Returns its length; 0: none asked for. */
static size_t write_source(const WireHop *hop, char *control)
{
    struct cmsghdr *c = (struct cmsghdr *)control;

    if (hop->source.family != hop->remote.addr.family)
        return 0;
    if (hop->source.family == AF_INET) {
        struct in_pktinfo info = { 0 };

        memcpy(&info.ipi_spec_dst, hop->source.bytes, 4);
        *c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        return CMSG_SPACE(sizeof(info));
    }
    if (hop->source.family == AF_INET6) {
        struct in6_pktinfo info = { .ipi6_ifindex = hop->source_if };

        memcpy(&info.ipi6_addr, hop->source.bytes, 16);
        *c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO };
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        return CMSG_SPACE(sizeof(info));
    }
    return 0;
}

static size_t write_segment_size(size_t size, char *control)
{
    struct cmsghdr *c = (struct cmsghdr *)control;
    uint16_t        value = (uint16_t)size;

    *c = (struct cmsghdr){ CMSG_LEN(sizeof(value)), SOL_UDP, UDP_SEGMENT };
    memcpy(CMSG_DATA(c), &value, sizeof(value));
    return CMSG_SPACE(sizeof(value));
}

/* Returns its length; 0: the packets bear no mark, as a socket's packets do by default. */
static size_t write_ecn(const WireUdpRun *run, char *control)
{
    struct cmsghdr *c = (struct cmsghdr *)control;
    bool            v6 = run->hop.remote.addr.family == AF_INET6;
    int             value = run->ecn;

    if (value == 0)
        return 0;
    *c = (struct cmsghdr){ CMSG_LEN(sizeof(value)), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                           v6 ? IPV6_TCLASS : IP_TOS };
    memcpy(CMSG_DATA(c), &value, sizeof(value));
    return CMSG_SPACE(sizeof(value));
}

/* May datagrams of @len go together? */
static bool may_join(Gso *gso, uint32_t len)
{
    if (gso->off)
        return false;
    if (gso->limit == 0 || len < gso->limit)
        return true;
    if (++gso->n_single < LIMIT_MESSAGES)
        return false;
    gso->limit = 0; /* the route may be another one by now */
    gso->n_single = 0;
    return true;
}

/* How many packets from @at on make one message. */
static size_t measure(Gso *gso, const WireUdpRun *run, size_t at)
{
    const WirePacket *packets = run->packets;
    size_t            size = packets[at].len, bytes = size, n = 1;

    if (at + 1 >= run->n_packets || packets[at + 1].len > size || run->singly ||
        !may_join(gso, packets[at].len))
        return 1;
    for (; at + n < run->n_packets && n < MAX_SEGMENTS; n++) {
        size_t len = packets[at + n].len;

        if (packets[at + n - 1].len < size || len > size || bytes + len > MAX_BYTES)
            break;
        bytes += len;
    }
    return n;
}

/* By lengths alone: @run goes together with none before it. */
size_t wire_udp_count_loose(const WireUdpSender *self, const WireUdpRun *run)
{
    const Gso *gso =
        &self->gso[run->hop.remote.addr.family == AF_INET6 ? WIRE_SOCKET_V6 : WIRE_SOCKET_V4];
    size_t   n = run->n_packets, full, alike = 1;
    uint32_t len = n > 0 ? run->packets[n - 1].len : 0;

    if (len == 0 || len > MAX_BYTES || run->singly || gso->off || gso->limit != 0)
        return 0;
    full = MAX_BYTES / len < MAX_SEGMENTS ? MAX_BYTES / len : MAX_SEGMENTS;
    while (alike < n && run->packets[n - 1 - alike].len == len)
        alike++;
    return alike < full ? 0 : alike % full;
}

/* Vectors over packets, one over those that lie one behind the other. Returns how many. */
static size_t write_vectors(struct iovec *vectors, const WirePacket *packets, size_t n_packets)
{
    size_t n = 0;

    for (size_t i = 0; i < n_packets; i++) {
        if (n > 0 && (uint8_t *)vectors[n - 1].iov_base + vectors[n - 1].iov_len == packets[i].data)
            vectors[n - 1].iov_len += packets[i].len;
        else
            vectors[n++] = (struct iovec){ packets[i].data, packets[i].len };
    }
    return n;
}

/* One message over @n packets of @run from @at. Returns vectors used. */
static size_t write_message(WireUdpSender *self, size_t place, const struct msghdr *like,
                            const Message *message, struct iovec *vectors)
{
    struct msghdr    *header = &self->headers[place].msg_hdr;
    const WirePacket *packets = message->run->packets + message->first;
    char             *control = self->controls[place];
    size_t            used = 0;

    self->messages[place] = *message;
    *header = *like;
    header->msg_iov = vectors;
    header->msg_iovlen = write_vectors(vectors, packets, message->n_packets);
    if (message->n_packets > 1)
        used = write_segment_size(packets[0].len, control);
    used += write_ecn(message->run, control + used);
    used += write_source(&message->run->hop, control + used); /* last: it may be taken away */
    header->msg_control = control;
    header->msg_controllen = used;
    return header->msg_iovlen;
}

/* A socket to send on. */
typedef struct {
    int     fd;
    int     family; /* one of WIRE_SOCKET_… */
    uint8_t number; /* adopted; 0: the plane's own */
} Outlet;

static bool belongs(const WireUdpRun *run, const Outlet *outlet)
{
    int family = run->hop.remote.addr.family == AF_INET6 ? WIRE_SOCKET_V6 : WIRE_SOCKET_V4;

    return run->hop.remote.addr.family != 0 && run->hop.socket == outlet->number &&
           family == outlet->family;
}

/* Lays the runs of one socket out as messages. Returns how many there are. */
static size_t lay_out(WireUdpSender *self, WireUdpRun *runs, size_t n_runs, const Outlet *outlet)
{
    size_t n = 0, n_vectors = 0, n_packets = 0;

    for (size_t r = 0; r < n_runs; r++) {
        WireUdpRun   *run = &runs[r];
        struct msghdr like = { .msg_name = &self->names[r] };
        size_t        at = 0;

        if (!belongs(run, outlet))
            continue;
        if (run->singly && run->n_packets > 1)
            wire_count(&self->count->held, run->n_packets);
        like.msg_namelen = mesh_endpoint_to_sockaddr(&run->hop.remote, &self->names[r]);
        while (at < run->n_packets && n_packets < WIRE_MAX_BATCH) {
            Message message = { run, at, measure(&self->gso[outlet->family], run, at) };

            if (message.n_packets > WIRE_MAX_BATCH - n_packets)
                message.n_packets = WIRE_MAX_BATCH - n_packets;
            n_vectors += write_message(self, n++, &like, &message, &self->vectors[n_vectors]);
            at += message.n_packets;
            n_packets += message.n_packets;
        }
    }
    return n;
}

/* May be cured by letting the kernel choose the source address: it was removed, or the way there
 * leads out of another interface now. */
static bool blames_source(int error)
{
    return error == EINVAL || error == ENETUNREACH || error == EHOSTUNREACH ||
           error == EADDRNOTAVAIL || error == ENODEV || error == ENETDOWN;
}

/* The control without the source. */
static size_t bare_control(const Message *message)
{
    return (message->n_packets > 1 ? CMSG_SPACE(sizeof(uint16_t)) : 0) +
           (message->run->ecn != 0 ? CMSG_SPACE(sizeof(int)) : 0);
}

/* Adopted sockets may be closed any time, so nobody looks after them. */
static bool make_room(WireUdpSender *self, const Message *message, int fd)
{
    struct pollfd full = { .fd = fd, .events = POLLOUT };

    if (self->may_widen && message->run->hop.socket == 0) {
        self->full_fd = fd;
        if (wire_udp_widen(fd))
            return true;
    }
    return poll(&full, 1, SEND_WAIT_MS) > 0;
}

/* A message was refused with errno. Returns: true: try the same once more. */
static bool recover(WireUdpSender *self, const Message *message, struct msghdr *header, int fd,
                    unsigned *inout_tries)
{
    WireUdpRun *run = message->run;

    if (errno == EINTR)
        return true;
    run->error = errno;
    if (errno == EAGAIN)
        return make_room(self, message, fd);
    if (errno == ENOBUFS)
        return ++*inout_tries <= NOBUFS_TRIES;
    if (!blames_source(errno) || header->msg_controllen == bare_control(message))
        return false;
    run->source_failed = true;
    header->msg_controllen = bare_control(message);
    return true;
}

/* The packets of a message one by one, each with what cures there are. Returns how many went. */
static size_t send_singly(WireUdpSender *self, int fd, const Message *message,
                          const struct msghdr *like)
{
    size_t n = 0;

    for (size_t i = 0; i < message->n_packets; i++) {
        const WirePacket             *packet = &message->run->packets[message->first + i];
        Message                       single = { message->run, message->first + i, 1 };
        struct iovec                  vector = { packet->data, packet->len };
        _Alignas(struct cmsghdr) char control[CONTROL_BYTES];
        struct mmsghdr                header = { .msg_hdr = *like };
        unsigned                      tries = 0;
        int                           sent;

        header.msg_hdr.msg_iov = &vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = control;
        header.msg_hdr.msg_controllen = write_ecn(message->run, control);
        if (!message->run->source_failed)
            header.msg_hdr.msg_controllen +=
                write_source(&message->run->hop, control + header.msg_hdr.msg_controllen);
        do {
            sent = self->call(fd, &header, 1, 0);
        } while (sent < 0 && recover(self, &single, &header.msg_hdr, fd, &tries));
        n += sent == 1;
    }
    message->run->n_sent += n;
    return n;
}

/* The kernel takes the message at @at not as one, or not now. Returns: true: nothing is left of it
 * to send. */
static bool split_up(WireUdpSender *self, int fd, size_t at, Gso *gso)
{
    const Message *message = &self->messages[at];
    int            error = errno;
    bool           had_source = !message->run->source_failed;

    if (message->n_packets == 1 || (error != EIO && error != EINVAL && error != EMSGSIZE))
        return false;
    wire_count(&self->count->refused, 1);
    if (error == EIO && !gso->off) {
        gso->off = true;
        wire_count(&self->count->given_up, 1);
    }
    /* If packets go singly, with the source they had, it was not the source's fault. */
    if (send_singly(self, fd, message, &self->headers[at].msg_hdr) > 0 && error != EIO &&
        message->run->source_failed == !had_source)
        gso->limit = message->run->packets[message->first].len;
    return true;
}

/* What is known of a run's source holds for its other messages, too. */
static void forget_source(WireUdpSender *self, size_t at, size_t n)
{
    const WireUdpRun *run = self->messages[at].run;

    for (size_t i = at; run->source_failed && i < n && self->messages[i].run == run; i++)
        self->headers[i].msg_hdr.msg_controllen = bare_control(&self->messages[i]);
}

static void send_all(WireUdpSender *self, int fd, size_t n, Gso *gso)
{
    size_t   at = 0;
    unsigned tries = 0;

    while (at < n) {
        int sent = self->call(fd, &self->headers[at], (unsigned)(n - at), 0);

        for (; sent > 0; sent--, at++) {
            Message *message = &self->messages[at];

            message->run->n_sent += message->n_packets;
            if (message->n_packets > 1) {
                wire_count_unit(self->count, message->n_packets);
                message->run->joined = true;
            }
            tries = 0;
        }
        if (sent < 0) { /* at worst this one is lost, not those behind it */
            size_t refused = at;

            if (split_up(self, fd, at, gso) ||
                !recover(self, &self->messages[at], &self->headers[at].msg_hdr, fd, &tries)) {
                at++;
                tries = 0;
            }
            forget_source(self, refused, n);
        }
    }
}

static void send_on(WireUdpSender *self, const Outlet *outlet, WireUdpRun *runs, size_t n_runs)
{
    size_t n = lay_out(self, runs, n_runs, outlet);

    if (n > 0)
        send_all(self, outlet->fd, n, &self->gso[outlet->family]);
}

/* The runs that leave by adopted sockets, which are few. */
static void send_adopted(WireUdpSender *self, const WireSockets *sockets, WireUdpRun *runs,
                         size_t n_runs)
{
    uint32_t n_adopted = atomic_load_explicit(&sockets->n_adopted, memory_order_acquire);

    for (uint32_t number = 1; number <= n_adopted; number++) {
        Outlet outlet = { .fd = atomic_load(&sockets->adopted[number]), .number = (uint8_t)number };

        for (outlet.family = 0; outlet.fd >= 0 && outlet.family < WIRE_N_SOCKETS; outlet.family++)
            send_on(self, &outlet, runs, n_runs);
    }
}

void wire_udp_send(WireUdpSender *self, const WireSockets *sockets, WireUdpRun *runs, size_t n_runs)
{
    for (size_t r = 0; r < n_runs; r++) {
        runs[r].n_sent = 0;
        runs[r].error = 0;
        runs[r].joined = false;
        runs[r].source_failed = false;
    }
    for (int s = 0; s < WIRE_N_SOCKETS; s++)
        send_on(self, &(Outlet){ .fd = sockets->fds[self->shard][s], .family = s }, runs, n_runs);
    send_adopted(self, sockets, runs, n_runs);
}
