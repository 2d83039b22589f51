/* daemon/wire/packet.h: a packet where it lies, and the slabs that packets lie in. Plain values. */
#pragma once
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "common/std/attr.h"

enum {
    WIRE_HEADROOM = 32,      /* before a packet: transport header (16) and a relay header (16) */
    WIRE_TAILROOM = 32,      /* behind it: padding to 16 and the tag */
    WIRE_MAX_PACKET = 65535, /* bytes of one inner packet, of one datagram */
    WIRE_MAX_BATCH = 128,    /* packets handled between two looks at the other work */
    WIRE_DATA_HEADER = 16,   /* type, receiver, counter */
    WIRE_DATA_OVERHEAD = 32, /* the same and the tag */
};

/* @data lies in a slab of its owner; a packet that is to be sealed has WIRE_HEADROOM writable bytes
 * before it and WIRE_TAILROOM behind it. */
typedef struct {
    uint8_t *data;
    uint32_t len;
} WirePacket;

typedef struct {
    uint8_t *base; /* own mapping: pages nobody touched cost nothing */
    size_t   size; /* bytes */
} WireSlab;

/* Returns: 0; -ENOMEM. */
MESH_CHECKED static inline int wire_slab_init(WireSlab *self, size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return -ENOMEM;
    *self = (WireSlab){ .base = base, .size = size };
    return 0;
}

static inline void wire_slab_done(WireSlab *self)
{
    if (self->base != NULL)
        munmap(self->base, self->size);
    *self = (WireSlab){ .base = NULL };
}

/* Bytes of the IP packet at @packet by its own header; 0: there is no whole one in @len bytes. */
static inline uint32_t wire_packet_inner_length(const uint8_t *packet, uint32_t len)
{
    uint32_t whole = 0;

    if (len >= 20 && packet[0] >> 4 == 4) {
        whole = (uint32_t)packet[2] << 8 | packet[3];
        if (whole < (uint32_t)(packet[0] & 15) * 4 || (packet[0] & 15) < 5)
            return 0;
    }
    if (len >= 40 && packet[0] >> 4 == 6)
        whole = 40 + ((uint32_t)packet[4] << 8 | packet[5]);
    return whole <= len ? whole : 0;
}
