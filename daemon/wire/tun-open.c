/* daemon/wire/tun-open.c: see tun-open.h. Linux only. */
#include "daemon/wire/tun-open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool wire_tun_is_valid_name(const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);

    if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] == '/' || name[i] == ':' || name[i] == 0x7f)
            return false;
    }
    return true;
}

/* One queue. Returns: a descriptor or a negative errno. */
static int open_queue(const char *name, unsigned flags)
{
    struct ifreq ifr = { .ifr_flags = (short)flags };
    int          fd, rc;

    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == EACCES || errno == EPERM ? -EPERM : -ENODEV;
    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, TUNSETIFF, &ifr) == 0)
        return fd;
    rc = errno == EINVAL && if_nametoindex(name) != 0 ? -EBUSY : -errno;
    close(fd);
    return rc;
}

/* A descriptor to write on, and nothing else; -1: this kernel has none. */
static int open_writer(const char *name, unsigned flags)
{
    struct ifreq detach = { .ifr_flags = IFF_DETACH_QUEUE };
    int          fd = open_queue(name, flags);

    if (fd < 0)
        return -1;
    if (ioctl(fd, TUNSETQUEUE, &detach) == 0 && write(fd, "", 0) < 0 && errno == EINVAL)
        return fd; /* any other error: it is not of the device any more */
    close(fd);
    return -1;
}

/* Lane @lane of @n shards. Returns: 0, or a negative errno; then there is none of it. */
static int open_lane(WireTunDescriptors *self, unsigned n, unsigned lane, const char *name,
                     unsigned flags)
{
    for (unsigned i = lane == 0 ? 1 : 0; i < n; i++) {
        int fd = open_queue(name, flags);

        if (fd >= 0) {
            self->fds[i][lane] = fd;
            continue;
        }
        while (i-- > (lane == 0 ? 1 : 0))
            close(self->fds[i][lane]);
        return fd;
    }
    return 0;
}

/* The further queues of a new device: that each of @n shards has one is a must. */
static int open_more(WireTunDescriptors *self, unsigned n, unsigned flags)
{
    unsigned     n_lanes = n == 1 ? WIRE_MAX_LANES : WIRE_MAX_LANES / 2;
    struct ifreq ifr = { 0 };
    int          rc;

    if (ioctl(self->fds[0][0], TUNGETIFF, &ifr) < 0)
        return -errno;
    rc = open_lane(self, n, 0, ifr.ifr_name, flags);
    if (rc < 0)
        return rc;
    self->n_queues = n;
    while (self->n_lanes < n_lanes && open_lane(self, n, self->n_lanes, ifr.ifr_name, flags) == 0)
        self->n_lanes++;
    for (unsigned i = 0; i < n; i++) {
        int fd = open_writer(ifr.ifr_name, flags);

        self->write_fds[i] = fd >= 0 ? fd : self->fds[i][0];
    }
    return 0;
}

int wire_tun_open(const WirePlaneOptions *options, WireTunDescriptors *out)
{
    unsigned vnet = options->offload != WIRE_SWITCH_OFF ? IFF_VNET_HDR : 0;
    unsigned one = IFF_TUN | IFF_NO_PI | vnet, many = one | IFF_MULTI_QUEUE;
    int      fd, rc = 0;

    if (!wire_tun_is_valid_name(options->ifname))
        return -EINVAL;
    /* A device of another program's: not as one more queue of it. */
    fd = open_queue(options->ifname, many | IFF_TUN_EXCL);
    if (fd != -EBUSY)
        rc = fd < 0 ? fd : 1;
    else
        fd = open_queue(options->ifname, one);
    if (fd < 0)
        return fd;
    *out =
        (WireTunDescriptors){ .n_queues = 1, .n_lanes = 1, .fds = { { fd } }, .write_fds = { fd } };
    if (rc == 1)
        rc = open_more(out, options->shards > 1 ? options->shards : 1, many);
    if (rc < 0)
        wire_tun_close(out);
    return rc;
}

int wire_tun_take_over(const WirePlaneOptions *options, WireTunDescriptors *out)
{
    *out = (WireTunDescriptors){ .n_queues = 1, .n_lanes = 1, .fds = { { options->tun_fd } } };
    if (options->tun_queues != NULL && options->shards > 1)
        out->n_queues = options->shards;
    for (unsigned i = 0; i < out->n_queues; i++) {
        if (i > 0)
            out->fds[i][0] = options->tun_queues[i - 1];
        out->write_fds[i] = out->fds[i][0];
        if (fcntl(out->fds[i][0], F_SETFL, fcntl(out->fds[i][0], F_GETFL) | O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

void wire_tun_close(const WireTunDescriptors *descriptors)
{
    for (unsigned i = 0; i < descriptors->n_queues; i++) {
        if (descriptors->write_fds[i] != descriptors->fds[i][0])
            close(descriptors->write_fds[i]);
        for (unsigned lane = 0; lane < descriptors->n_lanes; lane++)
            close(descriptors->fds[i][lane]);
    }
}
