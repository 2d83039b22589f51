/* daemon/wire/links.h: the relays a plane knows, and their headers. Internal to daemon/wire.
 *
 * Written by the control thread, read by the plane's threads under QSBR. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/stream.h"
#include "daemon/wire/ways.h"

#define WIRE_LINK_HEADER 16u  /* bytes before the payload of a DATA frame */
#define WIRE_LINK_DATA   0x40 /* first byte of one */

typedef struct WireLinkEntry WireLinkEntry;

typedef struct {
    _Atomic(WireLinkEntry *) entries[WIRE_MAX_LINKS + 1]; /* by number; NULL: none */
    _Atomic uint32_t         n_streams;                   /* of them are over TLS */
} WireLinks;

MESH_CHECKED int wire_links_put(WireLinks *self, uint8_t number, const WireLink *what);

/** wire_links_put_stream: @stream becomes ours. @peer: index of the node at its other end;
 * WIRE_WHOLE_FRAME: a relay. Returns: 0; -EINVAL; -ENOMEM: it stays yours. */
MESH_CHECKED int wire_links_put_stream(WireLinks *self, uint8_t number, WireStream *stream,
                                       uint32_t peer);
void             wire_links_remove(WireLinks *self, uint8_t number); /* 0 and none are fine */
void             wire_links_done(WireLinks *self);                   /* no thread reads any more */

/** wire_links_get: Returns: valid until the caller's next quiescent state; NULL: none over UDP. */
const WireLink *wire_links_get(const WireLinks *self, uint8_t number);

/** wire_links_get_stream: the same of one over TLS. */
WireStream *wire_links_get_stream(const WireLinks *self, uint8_t number);

/** wire_links_get_stream_of: the same, and who is at its other end, as it was put: read at once,
 * for another one may take its place between two looks. */
WireStream *wire_links_get_stream_of(const WireLinks *self, uint8_t number, uint32_t *out_peer);

/** wire_links_find: Returns: the number of the link whose relay is at @endpoint; 0: none. Of
 * several the one whose session @frame names. */
uint8_t wire_links_find(const WireLinks *self, const MeshEndpoint *endpoint,
                        const WirePacket *frame);

/** wire_links_is_authentic: @frame, not DATA, is of this session, and its mac is right. */
bool wire_links_is_authentic(const WireLink *link, const WirePacket *frame);

/** wire_links_wrap: writes the header of a DATA frame into the WIRE_LINK_HEADER bytes before
 * @payload. */
void wire_links_wrap(const WireLink *link, uint32_t index, WirePacket payload);

/** wire_links_unwrap: @frame begins with WIRE_LINK_DATA. Returns: 0, and the sender's index; the
 * payload is behind the header; -EBADMSG: not of this session, forged, or empty. */
MESH_CHECKED int wire_links_unwrap(const WireLink *link, const WirePacket *frame,
                                   uint32_t *out_index);
