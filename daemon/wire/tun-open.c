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

/* The further queues of a new device. @n: wished. */
static int open_more(WireTunDescriptors *self, unsigned n, unsigned flags)
{
    struct ifreq ifr = { 0 };

    if (ioctl(self->fds[0], TUNGETIFF, &ifr) < 0)
        return -errno;
    for (; self->n_queues < n; self->n_queues++) {
        int fd = open_queue(ifr.ifr_name, flags);

        if (fd < 0)
            return fd;
        self->fds[self->n_queues] = self->write_fds[self->n_queues] = fd;
    }
    for (unsigned i = 0; i < n; i++) {
        int fd = open_writer(ifr.ifr_name, flags);

        if (fd >= 0)
            self->write_fds[i] = fd;
    }
    return 0;
}

int wire_tun_open(const WirePlaneOptions *options, WireTunDescriptors *out)
{
    unsigned vnet = options->offload != WIRE_SWITCH_OFF ? IFF_VNET_HDR : 0;
    unsigned one = IFF_TUN | IFF_NO_PI | vnet, many = one | IFF_MULTI_QUEUE;
    int      fd = -EBUSY, rc = 0;

    if (!wire_tun_is_valid_name(options->ifname))
        return -EINVAL;
    if (options->shards > 1) /* a device of another program's: not as one more queue of it */
        fd = open_queue(options->ifname, many | IFF_TUN_EXCL);
    if (fd != -EBUSY)
        rc = fd < 0 ? fd : 1;
    else
        fd = open_queue(options->ifname, one);
    if (fd < 0)
        return fd;
    *out = (WireTunDescriptors){ .n_queues = 1, .fds = { fd }, .write_fds = { fd } };
    if (rc == 1)
        rc = open_more(out, options->shards, many);
    if (rc < 0)
        wire_tun_close(out);
    return rc;
}

int wire_tun_take_over(const WirePlaneOptions *options, WireTunDescriptors *out)
{
    *out = (WireTunDescriptors){ .n_queues = 1, .fds = { options->tun_fd } };
    if (options->tun_queues != NULL && options->shards > 1) {
        out->n_queues = options->shards;
        memcpy(&out->fds[1], options->tun_queues, (options->shards - 1u) * sizeof(out->fds[0]));
    }
    for (unsigned i = 0; i < out->n_queues; i++) {
        out->write_fds[i] = out->fds[i];
        if (fcntl(out->fds[i], F_SETFL, fcntl(out->fds[i], F_GETFL) | O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

void wire_tun_close(const WireTunDescriptors *descriptors)
{
    for (unsigned i = 0; i < descriptors->n_queues; i++) {
        if (descriptors->write_fds[i] != descriptors->fds[i])
            close(descriptors->write_fds[i]);
        close(descriptors->fds[i]);
    }
}
