/* server/sandbox.h: what mesh-server gives up before it hears the outside. */
#pragma once

#include "server/config.h"

#include <glib.h>
#include <stdbool.h>

/** server_sandbox_enter: to be called before the first thread is made. Started by root, the process
 * becomes the owner of the state directory, able to bind low ports and nothing else; then files and
 * system calls are closed. At log level "debug" forbidden system calls are logged instead of
 * deadly. Errors: MESH_ERROR_HOST, MESH_ERROR_STATE; the server must not go on then. */
bool server_sandbox_enter(const ServerConfig *config, GError **error);
