/* daemon/wire/udp.c: UDP by recvmmsg and sendmmsg, addresses by packet info. Linux only. */
#include "daemon/wire/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/std/endpoint.h"

enum {
    BUFFER_BYTES = 7 * 1024 * 1024, /* ~5 ms at 10 Gb/s */
    CONTROL_BYTES = 128,            /* room for one packet info and what else the kernel may add */
    SEND_WAIT_MS = 20,              /* a full socket drains faster, or the link is dead */
    /* Not a multiple of the page size, so that the slots' first lines differ in the cache. */
    SLOT_STRIDE = WIRE_HEADROOM + WIRE_MAX_PACKET + 1 + WIRE_TAILROOM + 5 * 64,
};

struct WireUdpReceiver {
    WireSlab                slab;
    struct mmsghdr          headers[WIRE_UDP_MAX_RECEIVE];
    struct iovec            vectors[WIRE_UDP_MAX_RECEIVE];
    struct sockaddr_storage names[WIRE_UDP_MAX_RECEIVE];
    _Alignas(struct cmsghdr) char controls[WIRE_UDP_MAX_RECEIVE][CONTROL_BYTES];
};

struct WireUdpSender {
    struct mmsghdr          headers[WIRE_MAX_BATCH];
    struct iovec            vectors[WIRE_MAX_BATCH];
    WireUdpRun             *owners[WIRE_MAX_BATCH]; /* run of each header */
    struct sockaddr_storage names[WIRE_MAX_BATCH];  /* one a run, as the controls */
    _Alignas(struct cmsghdr) char controls[WIRE_MAX_BATCH][CONTROL_BYTES];
};

/* Options that make it better but not possible: who lacks the right goes on without. */
static void set_comforts(int fd, int family)
{
    static const int size = BUFFER_BYTES, off = IP_PMTUDISC_DONT, off6 = IPV6_PMTUDISC_DONT;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
        (void)!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    /* The inner packet has its own MTU; outer ones may be fragmented, as by the kernel's WireGuard.
     */
    if (family == AF_INET)
        (void)!setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &off, sizeof(off));
    else
        (void)!setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &off6, sizeof(off6));
}

static int set_needs(int fd, int family, uint32_t fwmark)
{
    static const int on = 1;

    if (family == AF_INET6 && (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
                               setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0))
        return -errno;
    if (family == AF_INET && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
        return -errno;
    return fwmark == 0 ? 0 : wire_udp_set_mark(fd, fwmark);
}

static int bind_any(int fd, int family, uint16_t *inout_port)
{
    struct sockaddr_storage name = { .ss_family = (sa_family_t)family };
    struct sockaddr_in     *in = (struct sockaddr_in *)&name;
    struct sockaddr_in6    *in6 = (struct sockaddr_in6 *)&name;
    socklen_t               len = family == AF_INET ? sizeof(*in) : sizeof(*in6);

    if (family == AF_INET)
        in->sin_port = htons(*inout_port);
    else
        in6->sin6_port = htons(*inout_port);
    if (bind(fd, (struct sockaddr *)&name, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return errno == EADDRNOTAVAIL ? -EAFNOSUPPORT : -errno; /* IPv6 disabled by sysctl */
    *inout_port = ntohs(family == AF_INET ? in->sin_port : in6->sin6_port);
    return 0;
}

int wire_udp_open(int family, uint16_t *inout_port, uint32_t fwmark)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0)
        return -errno;
    set_comforts(fd, family);
    rc = set_needs(fd, family, fwmark);
    if (rc == 0)
        rc = bind_any(fd, family, inout_port);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int wire_udp_set_mark(int fd, uint32_t fwmark)
{
    return setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)) < 0 ? -errno : 0;
}

int wire_udp_receiver_new(WireUdpReceiver **out_self)
{
    WireUdpReceiver *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    if (wire_slab_init(&self->slab, (size_t)SLOT_STRIDE * WIRE_UDP_MAX_RECEIVE) < 0) {
        free(self);
        return -ENOMEM;
    }
    for (size_t i = 0; i < WIRE_UDP_MAX_RECEIVE; i++) {
        self->vectors[i].iov_base = self->slab.base + i * SLOT_STRIDE + WIRE_HEADROOM;
        self->vectors[i].iov_len = WIRE_MAX_PACKET;
        self->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &self->names[i],
            .msg_iov = &self->vectors[i],
            .msg_iovlen = 1,
            .msg_control = self->controls[i],
        };
    }
    *out_self = self;
    return 0;
}

void wire_udp_receiver_free(WireUdpReceiver *self)
{
    if (self == NULL)
        return;
    wire_slab_done(&self->slab);
    free(self);
}

/* Our own address that the datagram came to, and the interface where only that makes it unique. */
static void read_source(struct msghdr *header, WireHop *hop)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            hop->source = mesh_ip_make_addr(AF_INET, (const uint8_t *)&info.ipi_spec_dst);
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
                continue;
            hop->source = mesh_ip_make_addr(AF_INET6, info.ipi6_addr.s6_addr);
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                hop->source_if = info.ipi6_ifindex;
        }
    }
}

size_t wire_udp_receive(WireUdpReceiver *self, int fd, WireDatagram *out_datagrams)
{
    size_t n_out = 0;
    int    n;

    for (size_t i = 0; i < WIRE_UDP_MAX_RECEIVE; i++) { /* the kernel wrote over them */
        self->headers[i].msg_hdr.msg_namelen = sizeof(self->names[i]);
        self->headers[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    }
    do {
        n = recvmmsg(fd, self->headers, WIRE_UDP_MAX_RECEIVE, MSG_DONTWAIT, NULL);
    } while (n < 0 && errno == EINTR);
    for (int i = 0; i < n; i++) {
        struct msghdr *header = &self->headers[i].msg_hdr;
        WireDatagram  *out = &out_datagrams[n_out];

        *out = (WireDatagram){ .packet = { .data = self->vectors[i].iov_base,
                                           .len = self->headers[i].msg_len } };
        if ((header->msg_flags & MSG_TRUNC) != 0 ||
            mesh_endpoint_from_sockaddr(header->msg_name, header->msg_namelen, false,
                                        &out->hop.remote) < 0)
            continue;
        read_source(header, &out->hop);
        n_out++;
    }
    return n_out;
}

int wire_udp_sender_new(WireUdpSender **out_self)
{
    *out_self = calloc(1, sizeof(**out_self));
    return *out_self == NULL ? -ENOMEM : 0;
}

void wire_udp_sender_free(WireUdpSender *self)
{
    free(self);
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

/* Lays the runs of one family out as headers. Returns how many headers there are. */
static size_t lay_out(WireUdpSender *self, WireUdpRun *runs, size_t n_runs, int family)
{
    size_t n = 0;

    for (size_t r = 0; r < n_runs; r++) {
        WireUdpRun   *run = &runs[r];
        struct msghdr header = { .msg_name = &self->names[r], .msg_control = self->controls[r] };

        if (run->hop.remote.addr.family != family)
            continue;
        header.msg_namelen = mesh_endpoint_to_sockaddr(&run->hop.remote, &self->names[r]);
        header.msg_controllen = write_source(&run->hop, self->controls[r]);
        for (size_t i = 0; i < run->n_packets && n < WIRE_MAX_BATCH; i++, n++) {
            self->vectors[n].iov_base = run->packets[i].data;
            self->vectors[n].iov_len = run->packets[i].len;
            self->owners[n] = run;
            self->headers[n].msg_hdr = header;
            self->headers[n].msg_hdr.msg_iov = &self->vectors[n];
            self->headers[n].msg_hdr.msg_iovlen = 1;
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

/* The header at @at was refused. Returns: true: try the same one again. */
static bool recover(WireUdpSender *self, int fd, size_t at, size_t n)
{
    WireUdpRun   *run = self->owners[at];
    struct pollfd full = { .fd = fd, .events = POLLOUT };

    if (errno == EINTR)
        return true;
    run->error = errno;
    if (errno == EAGAIN)
        return poll(&full, 1, SEND_WAIT_MS) > 0;
    if (!blames_source(errno) || self->headers[at].msg_hdr.msg_controllen == 0)
        return false;
    run->source_failed = true;
    for (size_t i = at; i < n && self->owners[i] == run; i++)
        self->headers[i].msg_hdr.msg_controllen = 0;
    return true;
}

void wire_udp_send(WireUdpSender *self, const WireSockets *sockets, WireUdpRun *runs, size_t n_runs)
{
    static const int families[WIRE_N_SOCKETS] = { AF_INET, AF_INET6 };

    for (size_t r = 0; r < n_runs; r++) {
        runs[r].n_sent = 0;
        runs[r].error = 0;
        runs[r].source_failed = false;
    }
    for (int f = 0; f < WIRE_N_SOCKETS; f++) {
        size_t at = 0, n = lay_out(self, runs, n_runs, families[f]);

        while (at < n) {
            int sent = sendmmsg(sockets->fds[f], &self->headers[at], (unsigned)(n - at), 0);

            for (; sent > 0; sent--)
                self->owners[at++]->n_sent++;
            if (sent < 0 && !recover(self, sockets->fds[f], at, n))
                at++; /* this one is lost, not those behind it */
        }
    }
}
