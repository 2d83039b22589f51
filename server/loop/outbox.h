/* server/loop/outbox.h: what waits to be written to one client: a bounded queue of whole items.
 *
 * Pure; the shard's thread. Bytes that were offered to TLS once (see loop_outbox_offer()) must be
 * offered again unchanged, so the items they belong to are no longer dropped or replaced. */
#pragma once

#include "common/std/attr.h"
#include "server/loop/conn.h"

typedef struct LoopOutboxNode LoopOutboxNode;

typedef struct {
    LoopOutboxNode *first, *last;
    size_t          counted; /* bytes of counted items, written or not */
    size_t          begun;   /* bytes of the first item that were written */
    size_t          offered; /* bytes from there that were offered and not yet taken */
} LoopOutbox;                /* zeroed: empty */

/* Takes @item, also on failure. Returns: 0; -ENOBUFS: over LOOP_OUTBOX_BYTES; -ENOMEM. */
MESH_CHECKED int loop_outbox_push(LoopOutbox *self, const LoopItem *item);

/* Whether @item would be taken. */
bool loop_outbox_has_room(const LoopOutbox *self, const LoopItem *item);

bool loop_outbox_is_empty(const LoopOutbox *self);

/* Copies up to @size of the next bytes to @out and counts them as offered. Returns how many. */
size_t loop_outbox_gather(LoopOutbox *self, uint8_t *out, size_t size);

/* The same, but what is one long piece is shown where it lies, until loop_outbox_take(). */
MeshSpan loop_outbox_offer(LoopOutbox *self, uint8_t *scratch, size_t size);

/* @len of the offered bytes are written; the rest stays offered. */
void loop_outbox_take(LoopOutbox *self, size_t len);

/* Drops every counted item of which no byte was offered; heads and openings stay. */
void loop_outbox_drop_queued(LoopOutbox *self);

void loop_outbox_clear(LoopOutbox *self); /* everything */
