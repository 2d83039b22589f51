/* common/std/queue.h: pointers from any threads to any threads, in order; a pop can wait.
 *
 * For calls between threads that may block, such as a control or a storage thread; packets use
 * common/std/ring.h. Made of pthread mutex and condition, which ThreadSanitizer understands
 * (GLib's are its own). It has no bound: who pushes has to have one. Out of memory aborts. */
#pragma once

#include <stdint.h>

typedef struct MeshQueue MeshQueue;

/* One reference; with the last one the queue goes. It is empty by then, or its items leak. */
MeshQueue *mesh_queue_new(void);
MeshQueue *mesh_queue_ref(MeshQueue *self);
void       mesh_queue_unref(MeshQueue *self); /* NULL is fine */

/* @item is not NULL and is the popper's from here on. */
void mesh_queue_push(MeshQueue *self, void *item);

/* The oldest item; waits for one. */
void *mesh_queue_pop(MeshQueue *self);

/* The oldest item; NULL: none within @wait_ms of monotonic time (0: does not wait). */
void *mesh_queue_pop_within(MeshQueue *self, int64_t wait_ms);
