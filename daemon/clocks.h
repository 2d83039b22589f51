/* daemon/clocks.h: news of this host's clocks: it slept, or the wall clock was set. By the kernel's
 * word, so that nothing wakes up to look, and without logind. Thread: main loop. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct MeshdClocks MeshdClocks;

typedef struct {
    void (*woke)(int64_t slept_s, void *user_data); /* more than 5 s; else it is no sleep to us */
    void (*set)(void *user_data);                   /* the wall clock jumped, by whatever */
} MeshdClocksEvents;

/** meshd_clocks_start: where the kernel cannot tell, that is logged and nothing is ever told. */
MeshdClocks *meshd_clocks_start(const MeshdClocksEvents *events, void *user_data);
void         meshd_clocks_stop(MeshdClocks *self); /* NULL is fine */

/** meshd_clocks_look: for who was woken by something else: tells of a sleep that was not told. */
void meshd_clocks_look(MeshdClocks *self);
