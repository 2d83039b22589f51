/* daemon/wire/udp.c: receiving: recvmmsg with UDP GRO, addresses by packet info. Linux
 * only. Sending is in udp-send.c, sockets are made in udp-open.c. */
#include "daemon/wire/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/std/endpoint.h"

enum {
    CONTROL_BYTES = 128, /* room for one packet info and what else the kernel may add */
    SLOTS = 16,          /* messages a call when they are single datagrams; each may be a bundle */
    WIDE_SLOTS = 4,      /* and when they are bundles: 256 KiB */
    WIDE_BYTES = 4096,   /* messages longer than this, on average, are bundles */
    /* Not a multiple of the page size, so that the slots' first lines differ in the cache. */
    SLOT_STRIDE = WIRE_HEADROOM + WIRE_MAX_PACKET + 1 + WIRE_TAILROOM + 5 * 64,
};

struct WireUdpReceiver {
    WireCounters           *counters;
    WireSlab                slab;
    uint8_t                 socket;           /* number of what is received on */
    bool                    wide;             /* bundles came last time */
    bool                    dry;              /* the socket held no more than was received */
    size_t                  n_messages, next; /* received, and the first not handed out whole */
    size_t                  offset;           /* in that one: bytes handed out */
    struct mmsghdr          headers[SLOTS];
    struct iovec            vectors[SLOTS];
    struct sockaddr_storage names[SLOTS];
    _Alignas(struct cmsghdr) char controls[SLOTS][CONTROL_BYTES];
    WireHop hops[SLOTS];
    uint8_t ecns[SLOTS];
    size_t  sizes[SLOTS]; /* of a datagram in the message; 0: unusable */
};

int wire_udp_receiver_new(WireCounters *counters, WireUdpReceiver **out_self)
{
    WireUdpReceiver *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    if (wire_slab_init(&self->slab, (size_t)SLOT_STRIDE * SLOTS) < 0) {
        free(self);
        return -ENOMEM;
    }
    self->counters = counters;
    for (size_t i = 0; i < SLOTS; i++) {
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

static uint8_t read_ecn(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        int class6;

        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
            return *CMSG_DATA(c) & 3; /* one byte here, an int in IPv6 */
        if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_TCLASS)
            continue;
        memcpy(&class6, CMSG_DATA(c), sizeof(class6));
        return (uint8_t)(class6 & 3);
    }
    return 0;
}

/* How long each datagram of a bundle is; 0: it is one. */
static size_t read_segment_size(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        int size;

        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&size, CMSG_DATA(c), sizeof(size));
        return size > 0 ? (size_t)size : 0;
    }
    return 0;
}

/* Who sent message @i, and how it is to be cut. */
static void look_at(WireUdpReceiver *self, size_t i)
{
    struct msghdr *header = &self->headers[i].msg_hdr;
    size_t         len = self->headers[i].msg_len, size;

    self->sizes[i] = 0;
    self->hops[i] = (WireHop){ .socket = self->socket };
    if ((header->msg_flags & MSG_TRUNC) != 0 || len == 0 ||
        mesh_endpoint_from_sockaddr(header->msg_name, header->msg_namelen, false,
                                    &self->hops[i].remote) < 0)
        return;
    read_source(header, &self->hops[i]);
    self->ecns[i] = read_ecn(header);
    size = read_segment_size(header);
    self->sizes[i] = size == 0 ? len : size;
    if (size != 0 && size < len)
        wire_count_unit(&self->counters->offloads[WIRE_OFFLOAD_UDP_RECEIVE],
                        (len + size - 1) / size);
}

void wire_udp_receiver_set_socket(WireUdpReceiver *self, uint8_t socket)
{
    self->socket = socket;
}

bool wire_udp_receiver_is_empty(const WireUdpReceiver *self)
{
    return self->next == self->n_messages;
}

bool wire_udp_receiver_is_dry(const WireUdpReceiver *self)
{
    return self->dry && wire_udp_receiver_is_empty(self);
}

static void refill(WireUdpReceiver *self, int fd)
{
    size_t max = self->wide ? WIDE_SLOTS : SLOTS, bytes = 0;
    int    n;

    for (size_t i = 0; i < max; i++) { /* the kernel wrote over them */
        self->headers[i].msg_hdr.msg_namelen = sizeof(self->names[i]);
        self->headers[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    }
    do {
        n = recvmmsg(fd, self->headers, (unsigned)max, MSG_DONTWAIT, NULL);
    } while (n < 0 && errno == EINTR);
    self->n_messages = n < 0 ? 0 : (size_t)n;
    self->dry = self->n_messages < max;
    self->next = self->offset = 0;
    for (size_t i = 0; i < self->n_messages; i++) {
        look_at(self, i);
        bytes += self->headers[i].msg_len;
    }
    if (self->n_messages > 0)
        self->wide = bytes / self->n_messages > WIDE_BYTES;
}

size_t wire_udp_receive(WireUdpReceiver *self, int fd, WireDatagram *out_datagrams)
{
    size_t n = 0;

    if (self->next == self->n_messages)
        refill(self, fd);
    while (n < WIRE_UDP_MAX_RECEIVE && self->next < self->n_messages) {
        size_t i = self->next, left = self->headers[i].msg_len - self->offset;
        size_t len = left < self->sizes[i] ? left : self->sizes[i];

        if (len == 0) { /* used up, or unusable */
            self->next++;
            self->offset = 0;
            continue;
        }
        out_datagrams[n++] = (WireDatagram){
            .packet = { .data = (uint8_t *)self->vectors[i].iov_base + self->offset,
                        .len = (uint32_t)len },
            .hop = &self->hops[i],
            .ecn = self->ecns[i],
        };
        self->offset += len;
    }
    return n;
}
