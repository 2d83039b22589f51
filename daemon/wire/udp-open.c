/* daemon/wire/udp-open.c: makes sockets, finds out what they can do. Linux only. */
#include "daemon/wire/udp-open.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/endpoint.h"

enum {
    BUFFER_BYTES = 7 * 1024 * 1024, /* received: ~5 ms at 10 Gb/s */
    MOST_SENT_BYTES = 4 * (int)WIRE_UDP_SEND_BYTES,
};

void wire_udp_set_send_buffer(int fd, size_t bytes)
{
    int size = (int)bytes;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
        (void)!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

size_t wire_udp_get_held(int fd)
{
    uint32_t  info[SK_MEMINFO_VARS] = { 0 };
    socklen_t len = sizeof(info);

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
        return 0;
    return info[SK_MEMINFO_WMEM_ALLOC];
}

bool wire_udp_widen(int fd)
{
    int       size, more;
    socklen_t len = sizeof(size);

    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0 || size > MOST_SENT_BYTES)
        return false;
    more = size / 2 + (int)WIRE_UDP_SEND_BYTES;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &more, sizeof(more)) == 0;
}

/* Options that make it better but not possible: who lacks the right goes on without. */
static void set_comforts(int fd, int family)
{
    static const int size = BUFFER_BYTES, off = IP_PMTUDISC_DONT, off6 = IPV6_PMTUDISC_DONT;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    wire_udp_set_send_buffer(fd, WIRE_UDP_SEND_BYTES);
    /* The inner packet has its own MTU; outer ones may be fragmented, as by the kernel's WireGuard.
     */
    if (family == AF_INET)
        (void)!setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &off, sizeof(off));
    else
        (void)!setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &off6, sizeof(off6));
}

/* Tells the ECN of what is received. */
static void ask_ecn(int fd, int family)
{
    static const int on = 1;

    if (family == AF_INET)
        (void)!setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
    else
        (void)!setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
}

static int set_needs(int fd, int family, uint32_t fwmark)
{
    static const int on = 1;

    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
        return -errno;
    if (family == AF_INET && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
        return -errno;
    return fwmark == 0 ? 0 : wire_udp_set_mark(fd, fwmark);
}

static int bind_any(int fd, int family, uint16_t *inout_port)
{
    static const int        on = 1;
    struct sockaddr_storage name = { .ss_family = (sa_family_t)family };
    struct sockaddr_in     *in = (struct sockaddr_in *)&name;
    struct sockaddr_in6    *in6 = (struct sockaddr_in6 *)&name;
    socklen_t               len = family == AF_INET ? sizeof(*in) : sizeof(*in6);

    if (family == AF_INET)
        in->sin_port = htons(*inout_port);
    else
        in6->sin6_port = htons(*inout_port);
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&name, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return errno == EADDRNOTAVAIL ? -EAFNOSUPPORT : -errno; /* IPv6 disabled by sysctl */
    *inout_port = ntohs(family == AF_INET ? in->sin_port : in6->sin6_port);
    return 0;
}

static int open_bound(int family, uint16_t *inout_port, uint32_t fwmark, bool beside)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0)
        return -errno;
    set_comforts(fd, family);
    ask_ecn(fd, family);
    rc = set_needs(fd, family, fwmark);
    if (rc == 0 && beside)
        rc = wire_udp_share(fd);
    if (rc == 0)
        rc = bind_any(fd, family, inout_port);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int wire_udp_open(int family, uint16_t *inout_port, uint32_t fwmark)
{
    return open_bound(family, inout_port, fwmark, false);
}

int wire_udp_open_beside(int family, uint16_t port, uint32_t fwmark)
{
    return open_bound(family, &port, fwmark, true);
}

int wire_udp_share(int fd)
{
    static const int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ? -errno : 0;
}

int wire_udp_prepare(int fd, uint32_t fwmark, uint16_t *out_port)
{
    struct sockaddr_storage name;
    socklen_t               len = sizeof(name), len_type = sizeof(int);
    MeshEndpoint            own;
    int                     type, rc;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len_type) < 0 || type != SOCK_DGRAM ||
        getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
        mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, &own) < 0 ||
        own.port == 0)
        return -EINVAL;
    set_comforts(fd, own.addr.family);
    ask_ecn(fd, own.addr.family);
    rc = set_needs(fd, own.addr.family, fwmark);
    if (rc == 0)
        *out_port = own.port;
    return rc;
}

int wire_udp_set_mark(int fd, uint32_t fwmark)
{
    return setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)) < 0 ? -errno : 0;
}

int wire_udp_set_gro(int fd)
{
    static const int on = 1;

    return setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0 ? -ENOPROTOOPT : 0;
}

/* A socket to try things on; -1: none. */
static int open_trial(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd;
}

int wire_udp_probe_gso(void)
{
    static const int off = 0;
    int              fd = open_trial(), rc;

    if (fd < 0)
        return -EOPNOTSUPP;
    rc = setsockopt(fd, SOL_UDP, UDP_SEGMENT, &off, sizeof(off)) < 0 ? -EOPNOTSUPP : 0;
    close(fd);
    return rc;
}

bool wire_udp_probe_gro(void)
{
    int  fd = open_trial();
    bool known = fd >= 0 && wire_udp_set_gro(fd) == 0;

    if (fd >= 0)
        close(fd);
    return known;
}
