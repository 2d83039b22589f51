/* wg/options.h: command line and environment of mesh-wg. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/plane.h"
#include "wg/log.h"

#include <stdbool.h>

typedef struct {
    const char *ifname; /* borrowed from argv */
    bool        foreground;
    int         tun_fd;    /* $WG_TUN_FD; -1: open one */
    WgLogLevel  log_level; /* $LOG_LEVEL */
    WireSwitch  offload, gso;
    WireSuite   suite;  /* spoken with every peer, and no other */
    const char *engine; /* of AEADs, or $MESH_AEAD; NULL: the fastest; borrowed */
    uint16_t    shards; /* 0: as many as suit the machine */
} WgOptions;

/** wg_options_parse: Returns: true: go on; false: *out_status is what to exit with (help and
 * version were printed: 0; bad usage was told: 2). */
MESH_CHECKED bool wg_options_parse(int argc, char **argv, WgOptions *out_options, int *out_status);
