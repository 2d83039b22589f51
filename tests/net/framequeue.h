/* tests/net/framequeue.h: frames that wait for their time. Owner: one direction of natbox. One
 * thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Frame {
    int64_t  due_ns;
    uint64_t order; /* breaks ties: who came first goes first */
    uint32_t size;
    uint8_t  bytes[];
} Frame;

/* A binary heap, the next due first; zeroed is empty. */
typedef struct FrameQueue {
    Frame  **heap; /* owned, and what it points to */
    size_t   count, room, held_bytes;
    uint64_t order;
} FrameQueue;

void framequeue_done(FrameQueue *queue);
/* Copies a frame. Returns false when the queue is full or memory is gone. */
bool framequeue_put(FrameQueue *queue, const uint8_t *bytes, uint32_t size, int64_t due_ns);
/* The next frame if it is due by @now_ns, else NULL; the caller frees it with free(). */
Frame *framequeue_take_due(FrameQueue *queue, int64_t now_ns);
