/* daemon/wire/links.c: the table of relays, and the 16 bytes before what they carry. */
#include "daemon/wire/links.h"

#include <errno.h>
#include <stdlib.h>

#include "common/codec/relayframe.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/wire/rcu.h"

_Static_assert(WIRE_LINK_HEADER == MESH_RELAY_HEAD_BYTES, "of a frame over UDP");
_Static_assert(WIRE_LINK_DATA == MESH_RELAY_DATA, "the kind of frame that is ours to open");

struct WireLinkEntry {
    WireLink        link;   /* over UDP */
    WireStream     *stream; /* owned; not NULL: over TLS */
    uint32_t        peer;   /* at its other end; WIRE_WHOLE_FRAME: a relay */
    struct rcu_head rcu;
};

static void free_entry(struct rcu_head *head)
{
    WireLinkEntry *entry = (WireLinkEntry *)((char *)head - offsetof(WireLinkEntry, rcu));

    WIRE_RCU_ACQUIRE();
    if (entry->stream != NULL)
        wire_stream_free(entry->stream);
    mesh_key_wipe(entry, sizeof(*entry));
    free(entry);
}

/* The stream's thread ends here, its memory when no thread can hold it any more. */
static void retire(WireLinks *self, WireLinkEntry *old)
{
    if (old->stream != NULL) {
        atomic_fetch_sub(&self->n_streams, 1);
        wire_stream_stop(old->stream);
    }
    wire_rcu_defer(&old->rcu, free_entry);
}

static void replace(WireLinks *self, uint8_t number, WireLinkEntry *entry)
{
    WireLinkEntry *old;

    if (entry != NULL && entry->stream != NULL)
        atomic_fetch_add(&self->n_streams, 1);
    old = atomic_exchange(&self->entries[number], entry);
    if (old != NULL)
        retire(self, old);
}

int wire_links_put(WireLinks *self, uint8_t number, const WireLink *what)
{
    WireLinkEntry *entry;

    if (number == 0 || number > WIRE_MAX_LINKS || what->relay.addr.family == 0 ||
        what->session >> 24 != 0)
        return -EINVAL;
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return -ENOMEM;
    entry->link = *what;
    replace(self, number, entry);
    return 0;
}

int wire_links_put_stream(WireLinks *self, uint8_t number, WireStream *stream, uint32_t peer)
{
    WireLinkEntry *entry;

    if (number == 0 || number > WIRE_MAX_LINKS)
        return -EINVAL;
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return -ENOMEM;
    entry->stream = stream;
    entry->peer = peer;
    replace(self, number, entry);
    return 0;
}

void wire_links_remove(WireLinks *self, uint8_t number)
{
    if (number != 0 && number <= WIRE_MAX_LINKS)
        replace(self, number, NULL);
}

void wire_links_done(WireLinks *self)
{
    for (uint8_t number = 1; number <= WIRE_MAX_LINKS; number++)
        wire_links_remove(self, number);
}

static WireLinkEntry *get_entry(const WireLinks *self, uint8_t number)
{
    return number > WIRE_MAX_LINKS ? NULL : wire_rcu_load(&self->entries[number]);
}

const WireLink *wire_links_get(const WireLinks *self, uint8_t number)
{
    WireLinkEntry *entry = get_entry(self, number);

    return entry == NULL || entry->stream != NULL ? NULL : &entry->link;
}

WireStream *wire_links_get_stream(const WireLinks *self, uint8_t number)
{
    WireLinkEntry *entry = get_entry(self, number);

    return entry == NULL ? NULL : entry->stream;
}

WireStream *wire_links_get_stream_of(const WireLinks *self, uint8_t number, uint32_t *out_peer)
{
    WireLinkEntry *entry = get_entry(self, number);

    if (entry == NULL || entry->stream == NULL)
        return NULL;
    *out_peer = entry->peer;
    return entry->stream;
}

static bool is_of_session(const WireLink *link, const WirePacket *frame)
{
    return frame->len >= 4 && frame->data[1] == (uint8_t)(link->session >> 16) &&
           frame->data[2] == (uint8_t)(link->session >> 8) &&
           frame->data[3] == (uint8_t)link->session;
}

uint8_t wire_links_find(const WireLinks *self, const MeshEndpoint *endpoint,
                        const WirePacket *frame)
{
    uint8_t found = 0;

    for (uint8_t number = 1; number <= WIRE_MAX_LINKS; number++) {
        const WireLink *link = wire_links_get(self, number);

        if (link == NULL || !mesh_endpoint_equal(&link->relay, endpoint))
            continue;
        if (is_of_session(link, frame))
            return number;
        found = found != 0 ? found : number;
    }
    return found;
}

/* A frame of the relay, of this session, with the right mac. */
static bool is_authentic(const WireLink *link, const WirePacket *packet, MeshRelayFrame *out_frame)
{
    MeshSpan bytes = { packet->data, packet->len };

    return mesh_relayframe_peek(MESH_RELAY_DOWN, bytes, out_frame) == 0 &&
           out_frame->session == link->session && mesh_relayframe_check(&link->keys.down, bytes);
}

bool wire_links_is_authentic(const WireLink *link, const WirePacket *frame)
{
    MeshRelayFrame head;

    return is_authentic(link, frame, &head);
}

void wire_links_wrap(const WireLink *link, uint32_t index, WirePacket payload)
{
    mesh_relayframe_put_head(payload.data - WIRE_LINK_HEADER, payload.len, link->session, index,
                             &link->keys.up);
}

int wire_links_unwrap(const WireLink *link, const WirePacket *frame, uint32_t *out_index)
{
    MeshRelayFrame head;

    if (!is_authentic(link, frame, &head) || head.kind != MESH_RELAY_DATA)
        return -EBADMSG;
    *out_index = head.arg;
    return 0;
}
