/* common/std/thread.h: start, name, pin and join a thread.
 *
 * A thread starts with every signal blocked, so that signals reach the main loop alone. Stopping
 * it is the business of its function: it waits on a descriptor that its owner rings. */
#pragma once

#include "common/std/attr.h"

#include <stdint.h>

typedef struct MeshThread MeshThread;
typedef void (*MeshThreadFunc)(void *user_data);

/* Starts @func(@user_data) on a new thread. @name: at most 15 characters are shown by the system.
 * Returns: 0; -EAGAIN, -ENOMEM: no resources; -EINVAL: no name or function. */
MESH_CHECKED int mesh_thread_start(const char *name, MeshThreadFunc func, void *user_data,
                                   MeshThread **out_thread);

/* Waits for the end of the thread and frees @self; NULL is fine. Not from the thread itself. */
void mesh_thread_join(MeshThread *self);

/* Keeps the calling thread on one CPU (from 0). Returns: 0; -EINVAL: no such CPU; -ENOSYS. */
MESH_CHECKED int mesh_thread_pin(unsigned cpu);
