/* daemon/wire/tun-device.h: what tun.c (device and its state) and tun-frames.c (what goes in and
 * out) share. Internal to them. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "daemon/wire/index.h"
#include "daemon/wire/lanes.h"
#include "daemon/wire/tun.h"

/* Of a shard. */
typedef struct {
    int fds[WIRE_MAX_LANES]; /* one is always there */
    int write_fd; /* the first, or one that the kernel gives nothing to: see tun-open.h */

    /* Out thread, after start. */
    WireLanes lanes;
    size_t    round_bytes; /* a read takes about so much */

    /* In thread, after start. */
    unsigned  kinds; /* WIRE_MERGE_…: what the kernel takes as one */
    WireMerge merge;
} WireTunQueue;

struct WireTun {
    WireTunQueue queues[WIRE_MAX_SHARDS];
    unsigned     n_queues;
    int          watch_fd;  /* rtnetlink; -1: none */
    bool         is_device; /* false: a socket pair in a test */
    bool         has_vnet;  /* each frame starts with a WireVnet */
    bool         splits;  /* the host may hand over super-packets. As it was at the start; so is: */
    bool         merges;  /* the kernel takes some kind of them */
    int          ifindex; /* 0: not a device */
    char         name[WIRE_IFNAME_SIZE];
    _Atomic uint32_t mtu; /* handshake thread writes, all read */
    _Atomic bool     up;  /* the same */

    ssize_t (*write)(int fd, const struct iovec *parts, int n); /* writev(), or a test's */
};

/** wire_tun_probe: of the first queue: switches on what this kernel offers to a device with virtio
 * header, and tries whether it takes super-packets. Returns: 0; -EOPNOTSUPP: @wish is ON and there
 * is nothing. */
MESH_CHECKED int wire_tun_probe(WireTun *self, WireSwitch wish);
