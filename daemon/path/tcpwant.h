/* daemon/path/tcpwant.h: whether peers would come by TCP if the router here let it in: then, and
 * for an hour after, it is asked to (docs/PATHS.md §8). Thread: main loop. Inside of daemon/path.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool    wanted;
    int64_t noted_ms;                 /* boot clock: the last time */
    guint   timer;                    /* 0: none */
    void (*changed)(void *user_data); /* never from inside a call */
    void *user_data;
} PathTcpWant;

void path_tcpwant_start(PathTcpWant *self, void (*changed)(void *user_data), void *user_data);
void path_tcpwant_stop(PathTcpWant *self);

/** path_tcpwant_note: there is data for a peer, and UDP is blocked at one end. */
void path_tcpwant_note(PathTcpWant *self);
