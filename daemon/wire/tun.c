/* daemon/wire/tun.c: TUN by /dev/net/tun, its state by rtnetlink. Linux only. Reads and writes are
 * in tun-frames.c. */
#include "daemon/wire/tun-device.h"
#include "daemon/wire/tun-offloads.h"
#include "daemon/wire/tun-open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DEFAULT_MTU = 1420,
    MIN_MTU = 68,        /* RFC 791; the kernel's own lower bound */
    WATCH_BYTES = 32768, /* one read of the watch; netlink never sends larger datagrams */
};

/* Asks the kernel for flags and MTU by name; only right in the device's own namespace. */
static int ask_state(WireTun *self)
{
    struct ifreq ifr = { 0 };
    int          fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int          rc = 0;

    if (fd < 0)
        fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    memcpy(ifr.ifr_name, self->name, sizeof(self->name));
    if (ioctl(fd, SIOCGIFMTU, &ifr) < 0)
        rc = -errno;
    else
        atomic_store(&self->mtu, (uint32_t)ifr.ifr_mtu);
    if (rc == 0 && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0)
        atomic_store(&self->up, (ifr.ifr_flags & IFF_UP) != 0);
    close(fd);
    return rc;
}

static int set_mtu(const char *name, uint32_t mtu)
{
    struct ifreq ifr = { .ifr_mtu = (int)mtu };
    int          fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int          rc;

    if (fd < 0)
        fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    rc = ioctl(fd, SIOCSIFMTU, &ifr) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

/* Without the watch the plane works, only blind to changes: so no error. */
static int open_watch(void)
{
    struct sockaddr_nl addr = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                     RTMGRP_IPV6_ROUTE,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Name and state of what the descriptor is; a plain socket keeps the caller's wishes. */
static int identify(WireTun *self, const WirePlaneOptions *options)
{
    struct ifreq ifr = { 0 };
    int          rc;

    atomic_store(&self->mtu, options->mtu == 0 ? DEFAULT_MTU : options->mtu);
    atomic_store(&self->up, true);
    if (ioctl(self->queues[0].fds[0], TUNGETIFF, &ifr) < 0) {
        self->has_vnet = options->offload == WIRE_SWITCH_ON;
        self->queues[0].kinds = self->has_vnet ? WIRE_MERGE_ALL : 0;
        self->splits = self->has_vnet;
        if (options->ifname != NULL && wire_tun_is_valid_name(options->ifname))
            memcpy(self->name, options->ifname, strlen(options->ifname) + 1);
        return 0;
    }
    if ((ifr.ifr_flags & IFF_TUN) == 0 || (ifr.ifr_flags & IFF_NO_PI) == 0)
        return -EINVAL;
    self->is_device = true;
    self->has_vnet = (ifr.ifr_flags & IFF_VNET_HDR) != 0;
    memcpy(self->name, ifr.ifr_name, sizeof(self->name));
    self->name[sizeof(self->name) - 1] = '\0';
    if (options->tun_fd < 0) {
        rc = set_mtu(self->name, options->mtu == 0 ? DEFAULT_MTU : options->mtu);
        if (rc < 0)
            return rc;
    }
    self->ifindex = (int)if_nametoindex(self->name);
    rc = wire_tun_probe(self, options->offload);
    if (rc < 0)
        return rc;
    self->watch_fd = open_watch();
    rc = ask_state(self);
    if (self->watch_fd < 0)
        atomic_store(&self->up, true); /* nobody will tell: take it as up */
    return rc == -ENODEV ? 0 : rc;     /* handed over from another namespace: wishes stand */
}

static void set_descriptors(WireTun *self, const WireTunDescriptors *descriptors)
{
    self->n_queues = descriptors->n_queues;
    for (unsigned i = 0; i < self->n_queues; i++) {
        WireTunQueue *queue = &self->queues[i];

        memcpy(queue->fds, descriptors->fds[i], sizeof(queue->fds));
        queue->write_fd = descriptors->write_fds[i];
        queue->lanes.n_lanes = descriptors->n_lanes;
        queue->round_bytes = WIRE_TUN_READ_BYTES;
    }
}

int wire_tun_new(const WirePlaneOptions *options, WireTun **out_tun)
{
    WireTunDescriptors descriptors;
    WireTun           *self;
    int                rc;

    if (options->mtu > WIRE_MAX_PACKET || (options->mtu != 0 && options->mtu < MIN_MTU))
        return -EINVAL;
    rc = options->tun_fd < 0 ? wire_tun_open(options, &descriptors)
                             : wire_tun_take_over(options, &descriptors);
    if (rc < 0)
        return rc;
    self = calloc(1, sizeof(*self));
    rc = self == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        set_descriptors(self, &descriptors);
        self->watch_fd = -1;
        self->write = writev;
        rc = identify(self, options);
    }
    if (rc == 0) {
        self->merges = self->queues[0].kinds != 0;
        for (unsigned i = 1; i < self->n_queues; i++)
            self->queues[i].kinds = self->queues[0].kinds;
        *out_tun = self;
        return 0;
    }
    if (self != NULL && self->watch_fd >= 0)
        close(self->watch_fd);
    if (options->tun_fd < 0)
        wire_tun_close(&descriptors);
    free(self);
    return rc;
}

void wire_tun_free(WireTun *self)
{
    if (self == NULL)
        return;
    if (self->watch_fd >= 0)
        close(self->watch_fd);
    for (unsigned i = 0; i < self->n_queues; i++) {
        const WireTunQueue *queue = &self->queues[i];

        if (queue->write_fd != queue->fds[0])
            close(queue->write_fd);
        for (unsigned lane = 0; lane < queue->lanes.n_lanes; lane++)
            close(queue->fds[lane]);
    }
    free(self);
}

void wire_tun_give_back(WireTun *self)
{
    self->n_queues = 0;
}

unsigned wire_tun_count(const WireTun *self)
{
    return self->n_queues;
}

bool wire_tun_has_offload(const WireTun *self, WireOffload offload)
{
    return offload == WIRE_OFFLOAD_TUN_READ    ? self->splits
           : offload == WIRE_OFFLOAD_TUN_WRITE ? self->merges
                                               : false;
}

uint32_t wire_tun_mtu(const WireTun *self)
{
    return atomic_load_explicit(&self->mtu, memory_order_relaxed);
}

bool wire_tun_up(const WireTun *self)
{
    return atomic_load_explicit(&self->up, memory_order_relaxed);
}

const char *wire_tun_name(const WireTun *self)
{
    return self->name;
}

int wire_tun_watch_fd(const WireTun *self)
{
    return self->watch_fd;
}

/* The MTU among the attributes of a link message; 0: none. */
static uint32_t find_mtu(const struct nlmsghdr *message)
{
    size_t         at = NLMSG_SPACE(sizeof(struct ifinfomsg)), end = message->nlmsg_len;
    const uint8_t *bytes = (const uint8_t *)message;
    uint32_t       mtu = 0;

    while (at + sizeof(struct rtattr) <= end) {
        struct rtattr attr;

        memcpy(&attr, bytes + at, sizeof(attr));
        if (attr.rta_len < sizeof(attr) || attr.rta_len > end - at)
            break;
        if (attr.rta_type == IFLA_MTU && attr.rta_len >= sizeof(attr) + sizeof(mtu))
            memcpy(&mtu, bytes + at + sizeof(attr), sizeof(mtu));
        at += (attr.rta_len + 3u) & ~3u;
    }
    return mtu;
}

/* One RTM_NEWLINK about our device. Returns true when something we care about changed. */
static bool take_link(WireTun *self, const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = NLMSG_DATA(message);
    bool                    up = (info->ifi_flags & IFF_UP) != 0;
    uint32_t                mtu = find_mtu(message);
    bool                    changed;

    if (info->ifi_index != self->ifindex)
        return false;
    changed = atomic_exchange(&self->up, up) != up;
    if (mtu != 0)
        changed |= atomic_exchange(&self->mtu, mtu) != mtu;
    return changed;
}

/* Our device left this namespace: deleted, which a read tells, or moved to another one, where this
 * watch does not reach. There it counts as up. */
static bool take_departure(WireTun *self, const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = NLMSG_DATA(message);

    return info->ifi_index == self->ifindex && info->ifi_family == AF_UNSPEC &&
           !atomic_exchange(&self->up, true);
}

static void take_message(WireTun *self, const struct nlmsghdr *message, WireTunChange *change)
{
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
        if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
            change->link |= take_link(self, message);
        break;
    case RTM_DELLINK:
        if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
            change->link |= take_departure(self, message);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        change->routes = true;
        break;
    default:
        break;
    }
}

void wire_tun_watch_read(WireTun *self, WireTunChange *out_change)
{
    _Alignas(struct nlmsghdr) char buffer[WATCH_BYTES];
    WireTunChange                  change = { 0 };
    ssize_t                        n;

    while ((n = recv(self->watch_fd, buffer, sizeof(buffer), 0)) != 0) {
        size_t left = (size_t)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) { /* news was lost: ask instead */
            change.link = change.routes = true;
            (void)ask_state(self);
            continue;
        }
        if (n < 0)
            break;
        for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, left);
             m = NLMSG_NEXT(m, left))
            take_message(self, m, &change);
    }
    *out_change = change;
}
