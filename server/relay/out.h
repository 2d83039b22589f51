/* server/relay/out.h: datagrams on their way out: gathered, joined by UDP GSO, sent by one call.
 *
 * One thread. What is put is borrowed until the flush; put_copy takes small frames by value. */
#pragma once

#include "common/std/ip.h"
#include "server/relay/queue.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    RELAY_OUT_MESSAGES = 64,
    RELAY_OUT_PARTS = 256,
    RELAY_OUT_BELLS = 64,
    RELAY_OUT_SMALL_BYTES = 64,
    RELAY_OUT_CONTROL_BYTES = 88, /* a segment size and a packet info */
};

/* Where to, and from which of our addresses. */
typedef struct {
    const MeshEndpoint *remote;
    const MeshAddr     *local;   /* family 0: the kernel chooses */
    uint32_t            session; /* 0: no session; others of the same may be joined to it */
} RelayTarget;

typedef struct {
    size_t   segment; /* bytes of each datagram in it but the last */
    size_t   bytes;
    unsigned segments;
    uint32_t session;
    bool     ended; /* the last one is shorter: nothing follows it */
} RelayOutMessage;

typedef struct RelayOut RelayOut;
struct RelayOut {
    int             fd;
    int64_t         now_ns; /* boot time of this batch, for who fills it */
    bool            is_v6;  /* takes IPv4 as mapped */
    bool            no_gso;
    unsigned        n, n_parts, n_parcels;
    uint64_t        refused; /* datagrams that the kernel did not take */
    RelayOutMessage messages[RELAY_OUT_MESSAGES];
    struct mmsghdr  headers[RELAY_OUT_MESSAGES];
    struct iovec    parts[RELAY_OUT_PARTS];
    union {
        struct sockaddr_in6 v6;
        struct sockaddr_in  v4;
    } names[RELAY_OUT_MESSAGES];
    _Alignas(struct cmsghdr) char controls[RELAY_OUT_MESSAGES][RELAY_OUT_CONTROL_BYTES];
    uint8_t      smalls[RELAY_OUT_MESSAGES][RELAY_OUT_SMALL_BYTES];
    RelayParcel *parcels[RELAY_OUT_PARTS]; /* freed after the flush */
    /* The kernel's queue is full. Gets each datagram of a session that was not taken; may be NULL:
     * they are lost. */
    void (*blocked)(RelayOut *self, uint32_t session, const uint8_t *datagram, size_t len);
    /* A stream's session has something since: told at the flush, when all of a batch is there. */
    void (*ring)(RelayOut *self, uint32_t session);
    unsigned n_bells;
    uint32_t bells[RELAY_OUT_BELLS];
    void    *user_data;
};

/* @self zeroed but for fd, is_v6 and blocked. */

/* One datagram, or several of @segment bytes lying one behind the other (the last may be
 * shorter). Flushes first when there is no room. */
void relay_out_put(RelayOut *self, const RelayTarget *to, uint8_t *data, size_t len,
                   size_t segment);

/* At most RELAY_OUT_SMALL_BYTES. */
void relay_out_put_copy(RelayOut *self, const RelayTarget *to, const uint8_t *data, size_t len);

/* A parcel with its head filled; takes it. */
void relay_out_put_parcel(RelayOut *self, const RelayTarget *to, RelayParcel *parcel);

/* Rings for @session with the next flush. */
void relay_out_ring(RelayOut *self, uint32_t session);

void relay_out_flush(RelayOut *self);
