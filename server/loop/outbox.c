#include "server/loop/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct LoopOutboxNode {
    LoopOutboxNode *next;
    LoopItem        item; /* data: borrowed with release, else in copy */
    uint8_t         copy[];
};

static size_t item_bytes(const LoopItem *item)
{
    return item->before_len + item->len + item->after_len;
}

static void release_item(const LoopItem *item)
{
    if (item->release != NULL)
        item->release(item->owner);
}

static void free_node(LoopOutbox *self, LoopOutboxNode *node)
{
    if (!node->item.uncounted)
        self->counted -= item_bytes(&node->item);
    release_item(&node->item);
    free(node);
}

static LoopOutboxNode *new_node(const LoopItem *item)
{
    size_t          copied = item->release == NULL ? item->len : 0;
    LoopOutboxNode *node = malloc(sizeof(*node) + copied);

    if (node == NULL)
        return NULL;
    node->next = NULL;
    node->item = *item;
    if (copied > 0) {
        memcpy(node->copy, item->data, copied);
        node->item.data = node->copy;
    }
    return node;
}

/* The place of the first node of which no byte was offered. */
static LoopOutboxNode **find_untouched(LoopOutbox *self, LoopOutboxNode **out_before)
{
    LoopOutboxNode **at = &self->first;
    size_t           touched = self->begun + self->offered;

    *out_before = NULL;
    while (*at != NULL && touched > 0) {
        size_t len = item_bytes(&(*at)->item);

        touched -= touched < len ? touched : len;
        *out_before = *at;
        at = &(*at)->next;
    }
    return at;
}

/* What is newer takes the place of a waiting one with the same tag, but behind all that waits: what
 * was said between the two may be what it builds on. */
static void remove_tagged(LoopOutbox *self, uint64_t tag)
{
    LoopOutboxNode  *before, *old;
    LoopOutboxNode **at = find_untouched(self, &before);

    while (*at != NULL && (*at)->item.tag != tag) {
        before = *at;
        at = &before->next;
    }
    old = *at;
    if (old == NULL)
        return;
    *at = old->next;
    if (self->last == old)
        self->last = before;
    free_node(self, old);
}

/* A single item may be larger than the bound: only what piles up is refused. */
bool loop_outbox_has_room(const LoopOutbox *self, const LoopItem *item)
{
    return item->uncounted || self->counted == 0 ||
           self->counted + item_bytes(item) <= LOOP_OUTBOX_BYTES;
}

int loop_outbox_push(LoopOutbox *self, const LoopItem *item)
{
    size_t          len = item_bytes(item);
    LoopOutboxNode *node;

    if (!loop_outbox_has_room(self, item)) {
        release_item(item);
        return -ENOBUFS;
    }
    node = len > 0 ? new_node(item) : NULL;
    if (node == NULL) {
        release_item(item);
        return len > 0 ? -ENOMEM : 0;
    }
    if (!item->uncounted)
        self->counted += len;
    if (item->tag != 0)
        remove_tagged(self, item->tag);
    if (self->last != NULL)
        self->last->next = node;
    else
        self->first = node;
    self->last = node;
    return 0;
}

bool loop_outbox_is_empty(const LoopOutbox *self)
{
    return self->first == NULL;
}

/* Copies what of one segment lies at or behind *@skip, which counts down. Returns bytes copied. */
static size_t copy_segment(MeshSpan segment, size_t *skip, uint8_t *out, size_t room)
{
    size_t len;

    if (*skip >= segment.len) {
        *skip -= segment.len;
        return 0;
    }
    len = segment.len - *skip;
    if (len > room)
        len = room;
    if (len > 0)
        memcpy(out, (const uint8_t *)segment.data + *skip, len);
    *skip = 0;
    return len;
}

size_t loop_outbox_gather(LoopOutbox *self, uint8_t *out, size_t size)
{
    size_t skip = self->begun, done = 0;

    for (const LoopOutboxNode *node = self->first; node != NULL && done < size; node = node->next) {
        const MeshSpan segments[] = {
            { node->item.before, node->item.before_len },
            { node->item.data, node->item.len },
            { node->item.after, node->item.after_len },
        };

        for (size_t i = 0; i < MESH_N_ELEMENTS(segments) && done < size; i++)
            done += copy_segment(segments[i], &skip, out + done, size - done);
    }
    self->offered = done;
    return done;
}

MeshSpan loop_outbox_offer(LoopOutbox *self, uint8_t *scratch, size_t size)
{
    const LoopItem *item = self->first != NULL ? &self->first->item : NULL;
    size_t          at, left;

    if (item == NULL)
        return MESH_SPAN(scratch, 0);
    /* The choice is the same when it is offered again: it knows only what does not change then. */
    at = self->begun - item->before_len; /* huge within what is before: no piece is so long */
    left = at < item->len ? item->len - at : 0;
    if (left == 0 || left < size / 2)
        return MESH_SPAN(scratch, loop_outbox_gather(self, scratch, size));
    self->offered = left < size ? left : size;
    return MESH_SPAN((const uint8_t *)item->data + at, self->offered);
}

void loop_outbox_take(LoopOutbox *self, size_t len)
{
    self->offered -= len < self->offered ? len : self->offered;
    self->begun += len;
    while (self->first != NULL && self->begun >= item_bytes(&self->first->item)) {
        LoopOutboxNode *node = self->first;

        self->begun -= item_bytes(&node->item);
        self->first = node->next;
        if (self->first == NULL)
            self->last = NULL;
        free_node(self, node);
    }
}

/* Drops the untouched items; with @keep_uncounted only those that count. */
static void drop(LoopOutbox *self, bool keep_uncounted)
{
    LoopOutboxNode  *before;
    LoopOutboxNode **at = find_untouched(self, &before);

    while (*at != NULL) {
        LoopOutboxNode *node = *at;

        if (keep_uncounted && node->item.uncounted) {
            before = node;
            at = &node->next;
            continue;
        }
        *at = node->next;
        free_node(self, node);
    }
    self->last = before;
}

void loop_outbox_drop_queued(LoopOutbox *self)
{
    drop(self, true);
}

void loop_outbox_clear(LoopOutbox *self)
{
    self->begun = 0;
    self->offered = 0;
    drop(self, false);
}
