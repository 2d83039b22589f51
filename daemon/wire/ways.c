/* daemon/wire/ways.c: links and adopted sockets of a plane, and datagrams of the control thread. */
#include "daemon/wire/ways.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "common/std/endpoint.h"
#include "daemon/wire/state.h"

enum {
    RAW_FIRST_BYTE = 0x40,
    STUN_MIN_BYTES = 20,
    STUN_COOKIE_AT = 4,
};

int wire_ways_put_link(WirePlane *plane, uint8_t link, const WireLink *what)
{
    return wire_links_put(&plane->links, link, what);
}

void wire_ways_remove_link(WirePlane *plane, uint8_t link)
{
    wire_links_remove(&plane->links, link);
}

static int put_stream(WirePlane *plane, uint8_t link, WireStream *stream, uint32_t peer)
{
    int rc = wire_links_put_stream(&plane->links, link, stream, peer);
    if (rc < 0) {
        wire_stream_stop(stream);
        wire_stream_disown(stream);
        wire_stream_free(stream);
    }
    return rc;
}

int wire_ways_adopt_stream(WirePlane *plane, uint8_t link, struct ssl_st *ssl, bool websocket)
{
    WireStream *stream;
    int         rc;

    if (link == 0 || link > WIRE_MAX_LINKS)
        return -EINVAL;
    rc = wire_stream_new(ssl, websocket, &plane->to_in[0], &stream);
    return rc < 0 ? rc : put_stream(plane, link, stream, WIRE_WHOLE_FRAME);
}

int wire_ways_adopt_direct(WirePlane *plane, uint8_t link, struct ssl_st *ssl, uint32_t index)
{
    WireStream *stream;
    int         rc;

    if (link == 0 || link > WIRE_MAX_LINKS)
        return -EINVAL;
    rc = wire_stream_new(ssl, false, &plane->to_in[0], &stream);
    return rc < 0 ? rc : put_stream(plane, link, stream, index);
}

bool wire_ways_is_open(WirePlane *plane, uint8_t link)
{
    const WireStream *stream = wire_links_get_stream(&plane->links, link);

    return stream != NULL && !wire_stream_has_ended(stream);
}

int wire_ways_adopt_socket(WirePlane *plane, int fd)
{
    int number = wire_sockets_adopt(&plane->sockets, fd);

    if (number > 0)
        wire_mailbox_ring(&plane->to_in[wire_sockets_shard_of(&plane->sockets, (uint8_t)number)]);
    return number;
}

void wire_ways_drop_socket(WirePlane *plane, uint8_t socket)
{
    wire_sockets_drop(&plane->sockets, socket);
    wire_mailbox_ring(&plane->to_in[wire_sockets_shard_of(&plane->sockets, socket)]);
}

static bool is_raw(MeshSpan bytes)
{
    static const uint8_t cookie[4] = { 0x21, 0x12, 0xa4, 0x42 }; /* STUN, RFC 8489 §5 */
    const uint8_t       *data = bytes.data;

    if (bytes.len == 0 || bytes.len > WIRE_MAX_RAW ||
        wire_noise_get_type(data, bytes.len) != WIRE_MESSAGE_NONE)
        return false;
    return data[0] >= RAW_FIRST_BYTE ||
           (bytes.len >= STUN_MIN_BYTES && memcmp(data + STUN_COOKIE_AT, cookie, 4) == 0);
}

static int find_socket(const WirePlane *plane, const WireWay *way)
{
    int fd;

    if (way->socket > WIRE_MAX_SOCKETS)
        return -EINVAL;
    if (way->socket != 0) {
        fd = atomic_load(&plane->sockets.adopted[way->socket]);
        return fd < 0 ? -ENOTCONN : fd;
    }
    fd = plane->sockets
             .fds[0][way->endpoint.addr.family == AF_INET6 ? WIRE_SOCKET_V6 : WIRE_SOCKET_V4];
    if (fd < 0)
        return -EAFNOSUPPORT;
    return atomic_load(&plane->sockets.port) == 0 ? -ENOTCONN : fd;
}

static int send_direct(WirePlane *plane, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct sockaddr_storage       name;
    bool                          v6 = way->endpoint.addr.family == AF_INET6;
    int                           fd = find_socket(plane, way), hops = ttl;
    struct iovec                  vector = { (void *)(uintptr_t)bytes.data, bytes.len };
    struct msghdr header = { .msg_name = &name, .msg_iov = &vector, .msg_iovlen = 1 };

    header.msg_namelen = mesh_endpoint_to_sockaddr(&way->endpoint, &name);
    if (header.msg_namelen == 0)
        return -EINVAL;
    if (fd < 0)
        return fd;
    if (ttl != 0) {
        struct cmsghdr *c = (struct cmsghdr *)control;

        *c = (struct cmsghdr){ CMSG_LEN(sizeof(hops)), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                               v6 ? IPV6_HOPLIMIT : IP_TTL };
        memcpy(CMSG_DATA(c), &hops, sizeof(hops));
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
    }
    return sendmsg(fd, &header, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int send_by_stream(WireStream *stream, uint32_t index, MeshSpan bytes)
{
    WirePacket packet = { (uint8_t *)(uintptr_t)bytes.data, (uint32_t)bytes.len };

    if (wire_stream_has_ended(stream))
        return -ENOTCONN;
    if (index == WIRE_WHOLE_FRAME)
        return wire_stream_send_frame(stream, bytes);
    return wire_stream_send(stream, WIRE_STREAM_FROM_CONTROL, index, &packet, 1) == 1 ? 0 : -EAGAIN;
}

/* As it goes by a relay, into @out. Returns: bytes. */
static size_t wrap(const WireLink *link, uint32_t index, MeshSpan bytes, uint8_t *out)
{
    uint8_t *at = out + WIRE_LINK_HEADER;

    memcpy(at, bytes.data, bytes.len);
    wire_links_wrap(link, index, (WirePacket){ at, (uint32_t)bytes.len });
    return WIRE_LINK_HEADER + bytes.len;
}

/* Out threads send by the same socket meanwhile: at worst a packet of theirs bears DF, too. */
static void set_whole(int fd, bool v6, bool whole)
{
    int value = v6 ? (whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT)
                   : (whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);

    (void)!setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
                      &value, sizeof(value));
}

/* One packet that is not to be taken apart, by our own socket. */
static int send_whole(WirePlane *plane, const WireWay *way, struct iovec *vectors)
{
    struct sockaddr_storage name;
    bool                    v6 = way->endpoint.addr.family == AF_INET6;
    int                     fd = find_socket(plane, way), rc = 0;
    struct msghdr           header = { .msg_name = &name, .msg_iov = vectors, .msg_iovlen = 2 };

    header.msg_namelen = mesh_endpoint_to_sockaddr(&way->endpoint, &name);
    if (header.msg_namelen == 0)
        return -EINVAL;
    if (fd < 0)
        return fd;
    set_whole(fd, v6, true);
    if (sendmsg(fd, &header, MSG_DONTWAIT) < 0)
        rc = -errno;
    set_whole(fd, v6, false);
    return rc;
}

int wire_ways_probe(WirePlane *plane, const WireWay *way, MeshSpan bytes, size_t len)
{
    static uint8_t  padding[WIRE_MAX_PROBE]; /* stays zero */
    const WireLink *link = wire_links_get(&plane->links, way->link);
    uint8_t         frame[WIRE_LINK_HEADER + WIRE_MAX_RAW];
    struct iovec    vectors[2] = { { (void *)(uintptr_t)bytes.data, bytes.len },
                                   { padding, len - bytes.len } };

    if (!is_raw(bytes) || len < bytes.len || len > WIRE_MAX_PROBE ||
        (way->link != 0 && len > bytes.len))
        return -EINVAL;
    if (way->link == 0)
        return send_whole(plane, way, vectors);
    if (link == NULL)
        return wire_ways_send(plane, way, 0, bytes);
    vectors[0] = (struct iovec){ frame, wrap(link, way->index, bytes, frame) };
    return send_whole(plane, &(WireWay){ .endpoint = link->relay }, vectors);
}

int wire_ways_send(WirePlane *plane, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    const WireLink *link = wire_links_get(&plane->links, way->link);
    WireStream     *stream = wire_links_get_stream(&plane->links, way->link);
    uint8_t         frame[WIRE_LINK_HEADER + WIRE_MAX_RAW];
    WireWay         relay = { .link = 0 };
    size_t          len;

    if (!is_raw(bytes))
        return -EINVAL;
    if (way->link == 0)
        return send_direct(plane, way, ttl, bytes);
    if (stream != NULL)
        return send_by_stream(stream, way->index, bytes);
    if (link == NULL)
        return -ENOTCONN;
    relay.endpoint = link->relay;
    if (way->index == WIRE_WHOLE_FRAME)
        return send_direct(plane, &relay, 0, bytes);
    len = wrap(link, way->index, bytes, frame);
    return send_direct(plane, &relay, 0, (MeshSpan){ frame, len });
}

/* The frames of a train, side by side, as they leave. Returns: bytes of each. */
static size_t lay_out_train(const WireTrain *train, const WireLink *link, uint32_t index,
                            uint8_t *out)
{
    size_t len = (link != NULL ? WIRE_LINK_HEADER : 0) + train->len;

    for (size_t i = 0; i < train->n; i++) {
        if (link != NULL)
            (void)wrap(link, index, MESH_SPAN(train->probes[i], train->len), out + i * len);
        else
            memcpy(out + i * len, train->probes[i], len);
    }
    return len;
}

static int send_joined(int fd, const MeshEndpoint *to, MeshSpan frames, size_t len)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
    struct sockaddr_storage       name;
    struct iovec                  vector = { (void *)(uintptr_t)frames.data, frames.len };
    uint16_t                      size = (uint16_t)len;
    struct msghdr                 header = { .msg_name = &name,
                                             .msg_iov = &vector,
                                             .msg_iovlen = 1,
                                             .msg_control = control,
                                             .msg_controllen = sizeof(control) };

    header.msg_namelen = mesh_endpoint_to_sockaddr(to, &name);
    *(struct cmsghdr *)control = (struct cmsghdr){ CMSG_LEN(sizeof(size)), SOL_UDP, UDP_SEGMENT };
    memcpy(CMSG_DATA((struct cmsghdr *)control), &size, sizeof(size));
    return sendmsg(fd, &header, MSG_DONTWAIT) < 0 ? -errno : 0;
}

int wire_ways_send_train(WirePlane *plane, const WireWay *way, const WireTrain *train)
{
    const WireLink *link = wire_links_get(&plane->links, way->link);
    uint8_t         frames[WIRE_MAX_TRAIN * (WIRE_LINK_HEADER + WIRE_MAX_RAW)];
    WireWay         to = *way;
    size_t          len;
    int             rc = 0, fd;

    if (train->n == 0 || train->n > WIRE_MAX_TRAIN || train->len > WIRE_MAX_RAW ||
        (way->link != 0 && link == NULL))
        return -EINVAL;
    if (link != NULL)
        to = (WireWay){ .endpoint = link->relay };
    fd = find_socket(plane, &to);
    if (fd < 0)
        return fd;
    len = lay_out_train(train, link, way->index, frames);
    if (train->joined)
        return send_joined(fd, &to.endpoint, (MeshSpan){ frames, train->n * len }, len);
    for (size_t i = 0; rc == 0 && i < train->n; i++)
        rc = send_direct(plane, &to, 0, (MeshSpan){ frames + i * len, len });
    return rc;
}

void wire_ways_watch_bursts(WirePlane *plane, const MeshKey *key)
{
    WirePeer *peer = wire_snapshot_get_peer(wire_rcu_load(&plane->snapshot), key);

    if (peer != NULL)
        atomic_store(&peer->tells_bursts, true);
}
