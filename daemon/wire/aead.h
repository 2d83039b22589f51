/* daemon/wire/aead.h: sealing and opening runs of transport packets, behind a table of engines.
 *
 * Suite wg1: ChaCha20-Poly1305 (RFC 8439), no additional data, nonce = 32 zero bits ‖ 64-bit
 * little-endian counter (WireGuard paper §5.4.6). Suite aesgcm1: AES-256-GCM, the same with a
 * big-endian counter (docs/PROTOCOL.md §10). Bulk only: handshakes are sealed by suite.c.
 * A context is one key in one direction, for one thread unless the engine says otherwise; nothing
 * is allocated after it was made. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/suite.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_AEAD_KEY_BYTES 32u
#define WIRE_AEAD_TAG_BYTES 16u

/** WireSeg: one packet of a run; spans inside the caller's slabs.
 * seal: reads @len bytes at @in, writes @len + 16 (tag) at @out; room for the 16-byte transport
 *       header, and a relay header before it, is the caller's, in front of @out.
 * open: reads @len + 16 bytes at @in, writes @len at @out.
 * @in and @out are equal or do not overlap. */
typedef struct {
    const uint8_t *in;      /* borrowed */
    uint8_t       *out;     /* borrowed */
    uint32_t       len;     /* bytes of plaintext, padding included; may be 0 (keepalive) */
    bool           tag_ok;  /* open: written; when false, what lies at @out is garbage */
    uint64_t       counter; /* seal: written; open: read. Host byte order */
} WireSeg;

typedef struct {
    const char *name; /* for logs, statistics and choice; one a suite */
    WireSuite   suite;
    bool        is_shared; /* a context never changes: any threads may use it at once */

    /* A context for @key, sealing or opening. NULL: out of memory. */
    void *(*context_new)(const uint8_t key[WIRE_AEAD_KEY_BYTES], bool seal);
    void (*context_free)(void *context); /* wipes the key; NULL is fine */

    /* Seals segment i with counter @first_counter + i. */
    void (*seal_batch)(void *context, uint64_t first_counter, WireSeg *segs, size_t n_segs);

    /* Opens each with its own counter. Returns how many tags were right. */
    size_t (*open_batch)(void *context, WireSeg *segs, size_t n_segs);
} WireAead;

/** wire_aead_init: fetches what engines need, has each prove itself against the reference and
 * measures it: some 2 ms, once for the process; any thread, again is fine.
 * Returns: 0; -ENOTSUP: there is none for ChaCha20-Poly1305 here. All that follows: after it. */
MESH_CHECKED int wire_aead_init(void);

/** wire_aead_best: the fastest engine of those that are right on this machine. NULL: the suite is
 * not for this machine; never for WG1. */
const WireAead *wire_aead_best(WireSuite suite);

/** wire_aead_find: by name ("openssl", "ipsec-mb"); NULL: not built in, not for this processor, or
 * it failed its test. */
const WireAead *wire_aead_find(WireSuite suite, const char *name);

/** wire_aead_choose: @name if the suite has it, else the best. NULL name: no wish. */
const WireAead *wire_aead_choose(WireSuite suite, const char *name);

/** wire_aead_get: the nth engine of the build, right on this machine or not, of each suite the
 * reference last. NULL: there are no more. */
const WireAead *wire_aead_get(size_t n);

/** wire_aead_is_name: some suite has an engine of that name, here. */
bool wire_aead_is_name(const char *name);

/* The engines; internal to the table and its tests. */
extern const WireAead wire_aead_openssl;
MESH_CHECKED int      wire_aead_openssl_init(void);
extern const WireAead wire_aead_ipsecmb; /* where the build found the library */
MESH_CHECKED int      wire_aead_ipsecmb_init(void);
extern const WireAead wire_aead_aes_openssl;
MESH_CHECKED int      wire_aead_aes_openssl_init(void);
extern const WireAead wire_aead_aes_ipsecmb; /* where the build found the library */
MESH_CHECKED int      wire_aead_aes_ipsecmb_init(void);
