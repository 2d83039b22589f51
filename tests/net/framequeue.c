/* tests/net/framequeue.c */
#include "tests/net/framequeue.h"

#include <stdlib.h>
#include <string.h>

enum {
    HELD_MAX = 64 << 20, /* bytes */
    ROOM_FIRST = 256,
};

static bool is_before(const Frame *a, const Frame *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void swap_frames(FrameQueue *queue, size_t i, size_t j)
{
    Frame *kept = queue->heap[i];

    queue->heap[i] = queue->heap[j];
    queue->heap[j] = kept;
}

static bool make_room(FrameQueue *queue)
{
    size_t  room = queue->room ? 2 * queue->room : ROOM_FIRST;
    Frame **heap;

    if (queue->count < queue->room)
        return true;
    heap = realloc(queue->heap, room * sizeof(Frame *));
    if (heap == NULL)
        return false;
    queue->heap = heap;
    queue->room = room;
    return true;
}

bool framequeue_put(FrameQueue *queue, const uint8_t *bytes, uint32_t size, int64_t due_ns)
{
    Frame *frame;
    size_t at;

    if (queue->held_bytes + size > HELD_MAX || !make_room(queue))
        return false;
    frame = malloc(sizeof *frame + size);
    if (frame == NULL)
        return false;
    *frame = (Frame){ .due_ns = due_ns, .order = queue->order++, .size = size };
    memcpy(frame->bytes, bytes, size);
    queue->held_bytes += size;
    at = queue->count++;
    queue->heap[at] = frame;
    for (; at > 0 && is_before(queue->heap[at], queue->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap_frames(queue, at, (at - 1) / 2);
    return true;
}

Frame *framequeue_take_due(FrameQueue *queue, int64_t now_ns)
{
    Frame *first;
    size_t at = 0, child;

    if (queue->count == 0 || queue->heap[0]->due_ns > now_ns)
        return NULL;
    first = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->count];
    queue->held_bytes -= first->size;
    while ((child = 2 * at + 1) < queue->count) {
        if (child + 1 < queue->count && is_before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!is_before(queue->heap[child], queue->heap[at]))
            break;
        swap_frames(queue, at, child);
        at = child;
    }
    return first;
}

void framequeue_done(FrameQueue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        free(queue->heap[i]);
    free(queue->heap);
    *queue = (FrameQueue){ 0 };
}
