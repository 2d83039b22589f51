/* server/run.h: mesh-server as a service: starts its parts, waits for a signal, stops them in
 * order. Main thread. */
#pragma once

#include "server/config.h"

/* Returns when SIGTERM, SIGINT or SIGHUP came and everything has stopped. False and @error: it
 * could not start; what had started is stopped again. */
bool server_run(const ServerConfig *config, GError **error);
