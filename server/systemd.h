/* server/systemd.h: the two words that pass between a service and systemd: sockets it inherits
 * (sd_listen_fds(3)) and the news that it is ready (sd_notify(3)). Main thread, before others. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The listening sockets passed to this process into @out_fds, at most @max; close-on-exec is set,
 * the environment's variables are gone. Returns how many, 0 when none were meant for us; -1 and
 * @error: more than @max, or malformed. */
int server_systemd_take_sockets(int *out_fds, unsigned max, GError **error);

/* Sends @state, such as "READY=1"; nothing where no service manager listens. */
void server_systemd_notify(const char *state);
