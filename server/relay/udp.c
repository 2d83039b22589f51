#include "server/relay/udp.h"

#include "common/std/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BATCH = 32,
    BUFFER_BYTES = 65536, /* what GRO may join */
    CONTROL_BYTES = 128,
    SOCKET_BYTES = 4 << 20, /* a burst of 3 Gbit/s for 10 ms; cut by the system's limit */
};

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct RelayReceiver {
    struct mmsghdr          headers[BATCH];
    struct iovec            parts[BATCH];
    struct sockaddr_storage names[BATCH];
    _Alignas(struct cmsghdr) char controls[BATCH][CONTROL_BYTES];
    RelayDatagrams datagrams[BATCH];
    uint8_t        buffers[BATCH][BUFFER_BYTES];
};

static int open_family(int family, uint16_t port)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    struct sockaddr_in  v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    const void         *name = family == AF_INET6 ? (const void *)&v6 : (const void *)&v4;
    socklen_t           len = family == AF_INET6 ? sizeof(v6) : sizeof(v4);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), off = 0, error;

    if (fd < 0)
        return -errno;
    if ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
        bind(fd, name, len) < 0) {
        error = errno;
        (void)close(fd);
        return -error;
    }
    return fd;
}

int relay_udp_open(uint16_t port, bool *out_is_v6)
{
    int fd = open_family(AF_INET6, port), on = 1, bytes = SOCKET_BYTES;

    *out_is_v6 = fd >= 0;
    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        fd = open_family(AF_INET, port);
    if (fd < 0)
        return fd;
    /* None is vital: without GRO it is slower, without packet info a host with several addresses
     * may answer from another one. */
    (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
    if (*out_is_v6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return fd;
}

uint16_t relay_udp_get_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t               len = sizeof(name);
    MeshEndpoint            endpoint;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
        mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, &endpoint) < 0)
        return 0;
    return endpoint.port;
}

int relay_udp_receiver_new(RelayReceiver **out_self)
{
    RelayReceiver *self = malloc(sizeof(*self)); /* pages of buffers come when they are used */

    if (self == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < BATCH; i++) {
        self->parts[i] = (struct iovec){ self->buffers[i], BUFFER_BYTES };
        self->headers[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &self->names[i],
                                                          .msg_iov = &self->parts[i],
                                                          .msg_iovlen = 1,
                                                          .msg_control = self->controls[i] } };
    }
    *out_self = self;
    return 0;
}

void relay_udp_receiver_free(RelayReceiver *self)
{
    free(self);
}

static void read_control(struct msghdr *header, RelayDatagrams *out)
{
    struct in6_pktinfo info;
    int                segment;

    out->segment = out->len;
    out->local = (MeshAddr){ .family = 0 };
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
            if (segment > 0 && (size_t)segment < out->len)
                out->segment = (size_t)segment;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            if (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr))
                out->local = mesh_ip_make_addr(AF_INET, info.ipi6_addr.s6_addr + 12);
            else if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                out->local = mesh_ip_make_addr(AF_INET6, info.ipi6_addr.s6_addr);
        }
    }
}

unsigned relay_udp_receive(RelayReceiver *self, int fd, RelayDatagrams **out_datagrams)
{
    unsigned n = 0;
    int      got;

    for (unsigned i = 0; i < BATCH; i++) {
        self->headers[i].msg_hdr.msg_namelen = sizeof(self->names[i]);
        self->headers[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    }
    got = recvmmsg(fd, self->headers, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        struct msghdr  *header = &self->headers[i].msg_hdr;
        RelayDatagrams *out = &self->datagrams[n];

        out->data = self->buffers[i];
        out->len = self->headers[i].msg_len;
        if (out->len == 0 || mesh_endpoint_from_sockaddr(header->msg_name, header->msg_namelen,
                                                         true, &out->from) < 0)
            continue;
        read_control(header, out);
        n++;
    }
    *out_datagrams = self->datagrams;
    return n;
}
