/* daemon/wire/handed.c: see handed.h. */
#include "daemon/wire/handed.h"

#include <errno.h>
#include <string.h>

#include "daemon/wire/noise.h"

/* The bytes of the datagram follow. */
typedef struct {
    WireHop  hop;
    uint32_t ecn;
} Head;

int wire_handed_put(WireFrameRing *ring, const WireDatagram *datagram)
{
    const WirePacket *packet = &datagram->packet;
    Head              head = { *datagram->hop, datagram->ecn };
    size_t            len = packet->len < WIRE_MAX_RAW ? packet->len : WIRE_MAX_RAW;
    uint8_t          *at;

    /* Of data, which is a stranger's, the head is enough. */
    if (len < packet->len && wire_noise_get_type(packet->data, packet->len) != WIRE_MESSAGE_DATA)
        return -EMSGSIZE;
    at = wire_framering_reserve(ring, sizeof(head) + len);
    if (at == NULL)
        return -ENOSPC;
    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), packet->data, len);
    wire_framering_commit(ring);
    return 0;
}

size_t wire_handed_take(WireFrameRing *ring, WireDatagram *out_datagrams, WireHop *out_hops,
                        size_t max)
{
    uint8_t *frame;
    size_t   n = 0, len;

    for (; n < max && (frame = wire_framering_peek(ring, &len)) != NULL; n++) {
        Head head;

        memcpy(&head, frame, sizeof(head));
        out_hops[n] = head.hop;
        out_datagrams[n] = (WireDatagram){
            .packet = { frame + sizeof(head), (uint32_t)(len - sizeof(head)) },
            .hop = &out_hops[n],
            .ecn = (uint8_t)head.ecn,
        };
        wire_framering_skip(ring);
    }
    return n;
}
