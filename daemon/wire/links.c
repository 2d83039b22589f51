/* daemon/wire/links.c: the table of relays, and the 16 bytes before what they carry. */
#include "daemon/wire/links.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/wire/rcu.h"

enum {
    MAC_AT = 8,      /* behind kind, session, argument */
    MAC_BYTES = 8,   /* SipHash-2-4 */
    MAC_COVERS = 16, /* bytes of the payload of DATA */
    MAC_MOST = 24    /* of all others the whole, which is no longer */
};

_Static_assert(MAC_AT + MAC_BYTES == WIRE_LINK_HEADER, "the header ends with the mac");
_Static_assert(crypto_shorthash_BYTES == MAC_BYTES, "SipHash-2-4");
_Static_assert(crypto_shorthash_KEYBYTES == WIRE_LINK_KEY_BYTES, "SipHash-2-4");

struct WireLinkEntry {
    WireLink        link;
    struct rcu_head rcu;
};

static void free_entry(struct rcu_head *head)
{
    WireLinkEntry *entry = (WireLinkEntry *)((char *)head - offsetof(WireLinkEntry, rcu));

    WIRE_RCU_ACQUIRE();
    mesh_key_wipe(entry, sizeof(*entry));
    free(entry);
}

static void replace(WireLinks *self, uint8_t number, WireLinkEntry *entry)
{
    WireLinkEntry *old = atomic_exchange(&self->entries[number], entry);

    if (old != NULL)
        wire_rcu_defer(&old->rcu, free_entry);
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

const WireLink *wire_links_get(const WireLinks *self, uint8_t number)
{
    WireLinkEntry *entry = number > WIRE_MAX_LINKS ? NULL : wire_rcu_load(&self->entries[number]);

    return entry == NULL ? NULL : &entry->link;
}

uint8_t wire_links_find(const WireLinks *self, const MeshEndpoint *endpoint)
{
    for (uint8_t number = 1; number <= WIRE_MAX_LINKS; number++) {
        const WireLink *link = wire_links_get(self, number);

        if (link != NULL && mesh_endpoint_equal(&link->relay, endpoint))
            return number;
    }
    return 0;
}

static void make_mac(const uint8_t *key, const uint8_t *frame, size_t n_payload,
                     uint8_t out[MAC_BYTES])
{
    uint8_t text[MAC_AT + MAC_MOST];
    size_t  most = frame[0] == WIRE_LINK_DATA ? MAC_COVERS : MAC_MOST;
    size_t  n = n_payload < most ? n_payload : most;

    memcpy(text, frame, MAC_AT);
    memcpy(text + MAC_AT, frame + WIRE_LINK_HEADER, n);
    crypto_shorthash(out, text, MAC_AT + n, key);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool wire_links_is_authentic(const WireLink *link, const WirePacket *frame)
{
    uint8_t mac[MAC_BYTES];

    if (frame->len < WIRE_LINK_HEADER || frame->len > WIRE_LINK_HEADER + MAC_MOST ||
        (get_u32(frame->data) & 0xffffff) != link->session)
        return false;
    make_mac(link->key_down, frame->data, frame->len - WIRE_LINK_HEADER, mac);
    return sodium_memcmp(mac, frame->data + MAC_AT, MAC_BYTES) == 0;
}

void wire_links_wrap(const WireLink *link, uint32_t index, WirePacket payload)
{
    uint8_t *frame = payload.data - WIRE_LINK_HEADER;

    put_u32(frame, (uint32_t)WIRE_LINK_DATA << 24 | link->session);
    put_u32(frame + 4, index);
    make_mac(link->key_up, frame, payload.len, frame + MAC_AT);
}

int wire_links_unwrap(const WireLink *link, const WirePacket *frame, uint32_t *out_index)
{
    uint8_t mac[MAC_BYTES];

    if (frame->len <= WIRE_LINK_HEADER ||
        get_u32(frame->data) != ((uint32_t)WIRE_LINK_DATA << 24 | link->session))
        return -EBADMSG;
    make_mac(link->key_down, frame->data, frame->len - WIRE_LINK_HEADER, mac);
    if (sodium_memcmp(mac, frame->data + MAC_AT, MAC_BYTES) != 0)
        return -EBADMSG;
    *out_index = get_u32(frame->data + 4);
    return 0;
}
